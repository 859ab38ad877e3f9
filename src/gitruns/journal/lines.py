"""Whole lines of a growing file, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gitruns.journal.record import MAX_LINE_BYTES

BLOCK_BYTES = 1024 * 1024


def read_blocks(path: Path, start: int = 0, stop: int | None = None) -> Iterator[tuple[list[bytes], int]]:
    """Yields lists of whole lines, without their newlines, and the offset behind each list.

    Begins at offset `start`, which is a line's start, and reads up to `stop` (the file's end when None). What stands
    behind the last newline is not yet a line. A line longer than a record can be is given in pieces.
    """
    offset = start
    rest = b""
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while True:
            room = BLOCK_BYTES if stop is None else min(BLOCK_BYTES, stop - offset - len(rest))
            block = file.read(room) if room > 0 else b""
            if not block:
                return
            cut = block.rfind(b"\n")
            if cut < 0:
                rest += block
                if len(rest) > MAX_LINE_BYTES:
                    offset += len(rest)
                    yield [rest], offset
                    rest = b""
                continue
            whole = rest + block[:cut]
            rest = block[cut + 1 :]
            offset += len(whole) + 1
            yield whole.split(b"\n"), offset
