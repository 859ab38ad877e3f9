"""A guess whether a big file was stored before, for the price of a few reads.

A new file is best hashed and copied in one go, one that is there is best only hashed, and which it is shows at the
end. So the size and a few samples of every big file that is stored leave an empty file named by their digest in
`seen/`. Wrong or lost guesses cost time and nothing else.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from gitruns.artifacts.source_file import SourceFile

_SAMPLES = 16
_SAMPLE_BYTES = 4096


def sketch_of(source: SourceFile) -> str:
    """Returns a text that is equal for equal files, and seldom for others."""
    size = source.status.st_size
    hasher = hashlib.sha256(size.to_bytes(8, "big"))
    last = max(size - _SAMPLE_BYTES, 0)
    for number in range(_SAMPLES):
        hasher.update(source.read(_SAMPLE_BYTES, last * number // (_SAMPLES - 1)))
    return hasher.hexdigest()


def was_seen(root: Path, sketch: str) -> bool:
    """Returns whether a file with this sketch was stored in the cache at `root`."""
    return (root / "seen" / sketch).exists()


def remember(root: Path, sketch: str) -> None:
    """Notes that a file with this sketch is stored; a note that cannot be written is no harm."""
    with suppress(OSError):
        (root / "seen").mkdir(exist_ok=True)
        (root / "seen" / sketch).touch()
