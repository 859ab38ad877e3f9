"""Bytes into a file of ours, hashed on the way, so that the digest is that of what was written.

A clone (reflink) costs nothing and is hashed after. Otherwise what is read is hashed and written by two threads at
once, with the disk already at work; the kernel's own copy is no quicker than that, and it hands over no bytes to
hash, so a file that changes meanwhile would get a digest that is not its own.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from gitruns.artifacts.durable import start_writeback
from gitruns.artifacts.source_file import BLOCK_BYTES, Block, SourceFile
from gitruns.entities.ids import Digest

_CLONE = 0x40049409  # FICLONE of linux/fs.h; the fcntl module has no name for it before Python 3.13
_BLOCKS_AHEAD = 4


def hash_source(source: SourceFile) -> Digest:
    """Returns the digest of a file's bytes."""
    hasher = hashlib.sha256()
    for block in source.blocks():
        hasher.update(block.content)
    return Digest(hasher.hexdigest())


def clone(source: SourceFile, target_fd: int) -> bool:
    """Makes the target share the source's blocks, where the file system can; returns whether it did."""
    if not sys.platform.startswith("linux"):
        return False
    import fcntl

    try:
        fcntl.ioctl(target_fd, _CLONE, source.fd)
    except OSError:  # other file system, no such call, not aligned: the ordinary copy decides what is an error
        return False
    return True


def copy_source(source: SourceFile, target_fd: int, target: Path, *, sync_follows: bool) -> tuple[Digest, int]:
    """Writes the source's bytes to the empty file `target`, open as `target_fd`; returns their digest and count.

    Holes stay holes. Nothing is synced yet; with `sync_follows` the disk starts to write at once.
    """
    if clone(source, target_fd):
        copied = SourceFile(target, target_fd)
        return hash_source(copied), copied.status.st_size
    return _write_blocks(source.blocks(), target_fd, sync_follows=sync_follows)


def copy_chunks(chunks: Iterable[bytes], target_fd: int) -> tuple[Digest, int]:
    """Writes all chunks to an empty file; returns digest and count of their bytes."""
    return _write_blocks(_blocks_of(chunks), target_fd, sync_follows=True)


def _blocks_of(chunks: Iterable[bytes]) -> Iterator[Block]:
    """Joins small chunks, so that a block is worth handing to another thread."""
    held = bytearray()
    offset = 0
    for chunk in chunks:
        held += chunk
        if len(held) >= BLOCK_BYTES:
            yield Block(offset, bytes(held))
            offset += len(held)
            held.clear()
    if held:
        yield Block(offset, bytes(held))


def _write_blocks(blocks: Iterable[Block], fd: int, *, sync_follows: bool) -> tuple[Digest, int]:
    hasher = hashlib.sha256()
    size = 0
    is_hole = False
    with _BackgroundWriter(fd, sync_follows=sync_follows) as writer:
        for block in blocks:
            if not block.is_hole:
                writer.write(block)
            hasher.update(block.content)
            size = block.offset + len(block.content)
            is_hole = block.is_hole
    if is_hole:  # a hole at the end was never written
        os.ftruncate(fd, size)
    return Digest(hasher.hexdigest()), size


class _BackgroundWriter:
    """Writes blocks on a thread of its own, a few behind; inline when there is no thread to be had."""

    def __init__(self, fd: int, *, sync_follows: bool) -> None:
        self._fd = fd
        self._sync_follows = sync_follows
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="gitruns-copy")
        self._waiting: deque[Future[None]] = deque()
        self._inline = False

    def __enter__(self) -> _BackgroundWriter:
        return self

    def write(self, block: Block) -> None:
        """Takes a block; raises what writing an earlier one raised."""
        while len(self._waiting) >= _BLOCKS_AHEAD:
            self._waiting.popleft().result()
        if not self._inline:
            try:
                self._waiting.append(self._pool.submit(self._write, block))
                return
            except RuntimeError:  # the interpreter is shutting down (artifacts sealed at exit), or out of threads
                self._inline = True
        self._write(block)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Waits in any case: a block written after the caller closed the descriptor would go to another file.
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            for future in self._waiting:
                future.result()

    def _write(self, block: Block) -> None:
        rest = memoryview(block.content)
        offset = block.offset
        while rest:
            written = os.pwrite(self._fd, rest, offset)
            offset += written
            rest = rest[written:]
        if self._sync_follows and len(block.content) >= BLOCK_BYTES:
            start_writeback(self._fd, block.offset, len(block.content))
