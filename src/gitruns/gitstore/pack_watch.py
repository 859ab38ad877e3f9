"""Notices that packs have come or gone: both engines go on answering from a pack that gc has removed.

A run whose parent was believed to be there, and was only in such a pack, would be a broken commit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

_RACY_NS = 100_000_000
"""A folder that changed so shortly before it was looked at may change again without its time telling so."""


class PackWatch:
    """Watches the `pack` folders below some folders of objects."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._places = [str(folder / "pack") for folder in folders]
        self._seen: list[tuple[int, int]] | None = None

    def changed(self) -> bool:
        """Returns whether packs may have come or gone since the last call; True at the first one."""
        now = [_stamp(place) for place in self._places]
        if now == self._seen:
            return False
        newest = max(mtime_ns for _, mtime_ns in now)
        self._seen = now if time.time_ns() - newest > _RACY_NS else None
        return True


def _stamp(place: str) -> tuple[int, int]:
    try:
        found = os.stat(place)  # noqa: PTH116  for each object that is looked up
    except OSError:
        return (0, 0)
    return (found.st_ino, found.st_mtime_ns)
