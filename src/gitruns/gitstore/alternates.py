"""The folders that hold a repository's objects: its own, and those that it borrows from.

Source: git's `gitrepository-layout`, `objects/info/alternates`.
"""

from __future__ import annotations

from pathlib import Path

_MAX_DEPTH = 5  # as deep as git follows them


def object_folders(objects: Path) -> list[Path]:
    """Returns the repository's own `objects` folder, then those of its alternates and of theirs."""
    found = [objects]
    level = [objects]
    for _ in range(_MAX_DEPTH):
        level = [folder for one in level for folder in _named_in(one) if folder not in found and folder.is_dir()]
        found += dict.fromkeys(level)
    return found


def _named_in(objects: Path) -> list[Path]:
    try:
        data = (objects / "info" / "alternates").read_bytes()
    except OSError:
        return []
    lines = [line for line in data.decode(errors="surrogateescape").split("\n") if line and not line.startswith("#")]
    return [(objects / line).resolve() for line in lines]
