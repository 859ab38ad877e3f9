"""Uploads in parts that go on where they stopped.

A store keeps the parts of an unfinished upload under an id. The id is written down here before the first part is
sent, so that the next push of this clone asks which parts are there and sends the others.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from contextlib import suppress
from pathlib import Path

PART_BYTES = 8 << 20
MAX_PARTS = 10_000


def part_bytes(size: int) -> int:
    """Returns the length of a part: 8 MiB, and more for what would have too many of them."""
    least = -(-size // MAX_PARTS)
    return max(PART_BYTES, -(-least // PART_BYTES) * PART_BYTES)


def part_ranges(size: int) -> list[tuple[int, int]]:
    """Returns start and end of each part, in order."""
    step = part_bytes(size)
    return [(start, min(start + step, size)) for start in range(0, size, step)]


class UploadNotes:
    """The unfinished uploads of one clone to one store, each a small file; without a folder nothing is noted."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, key: str) -> str | None:
        """Returns the id of the upload that was begun for a key, None when there is none."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            if self._folder is not None:
                found = json.loads(self._path(key).read_bytes())
                if found["key"] == key and found["part_bytes"] == PART_BYTES:
                    return str(found["upload"])
        return None

    def put(self, key: str, upload: str) -> None:
        """Notes an upload; one that cannot be noted begins anew next time."""
        with suppress(OSError):
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
                temporary = self._folder / f"{secrets.token_hex(8)}.new"
                temporary.write_text(json.dumps({"key": key, "part_bytes": PART_BYTES, "upload": upload}))
                temporary.replace(self._path(key))

    def forget(self, key: str) -> None:
        """Drops the note of a key."""
        with suppress(OSError):
            self._path(key).unlink()

    @property
    def can_note(self) -> bool:
        """Whether an upload can be gone on with."""
        return self._folder is not None

    def _path(self, key: str) -> Path:
        return (self._folder or Path()) / hashlib.sha256(key.encode()).hexdigest()[:32]
