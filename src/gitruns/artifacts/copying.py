"""Bytes into a file of ours, hashed on the way, so that the digest is that of what was written.

A clone (reflink) costs nothing and is hashed after. Otherwise each block that is read is written and hashed, while the
disk already writes those before it. The kernel's own copy hands over no bytes to hash: the file would be read twice,
and one that changes meanwhile would get a digest that is not its own. A second thread to write while this one hashes
is quicker on an idle machine and half as quick on a busy one, where every block waits for two turns.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from gitruns.artifacts.durable import start_writeback
from gitruns.artifacts.source_file import BLOCK_BYTES, Block, SourceFile
from gitruns.entities.ids import Digest

_CLONE = 0x40049409  # FICLONE of linux/fs.h; the fcntl module has no name for it before Python 3.13


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
    """Joins small chunks, so that a write is worth its call."""
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
    for block in blocks:
        if not block.is_hole:
            _write(fd, block, sync_follows=sync_follows)
        hasher.update(block.content)
        size = block.offset + len(block.content)
        is_hole = block.is_hole
    if is_hole:  # a hole at the end was never written
        os.ftruncate(fd, size)
    return Digest(hasher.hexdigest()), size


def _write(fd: int, block: Block, *, sync_follows: bool) -> None:
    rest = memoryview(block.content)
    offset = block.offset
    while rest:
        written = os.pwrite(fd, rest, offset)
        offset += written
        rest = rest[written:]
    if sync_follows and len(block.content) >= BLOCK_BYTES:
        start_writeback(fd, block.offset, len(block.content))
