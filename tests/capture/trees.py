"""Telling what stands in a folder, and whether anything of it was touched."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path

Tree = dict[str, tuple[str, bytes]]

IGNORED = frozenset(("__pycache__", ".venv", "node_modules"))


def read_tree(folder: Path) -> Tree:
    """All files below a folder but git's own: path to kind (`file`, `program`, `link`) and bytes."""
    found: Tree = {}
    top = os.fsencode(folder)
    for place, folders, names in os.walk(top):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        folders[:] = [name for name in folders if name != b".git"]
        for name in [*names, *links]:
            path = os.path.join(place, name)
            mode = os.lstat(path).st_mode
            relative = os.fsdecode(os.path.relpath(path, top))
            if stat.S_ISLNK(mode):
                found[relative] = ("link", os.readlink(path))
            elif stat.S_ISREG(mode) and name != b".git":
                with open(path, "rb") as stream:
                    found[relative] = ("program" if mode & 0o100 else "file", stream.read())
    return found


def fingerprint(folder: Path, *, without: Collection[str] = ("objects", "gitruns")) -> dict[str, object]:
    """All that must stay untouched: each file with bytes, mode, inode and times, in `.git` all but the `without`."""
    found: dict[str, object] = {}
    for place, folders, names in os.walk(folder):
        if ".git" in Path(place).relative_to(folder).parts or folder.name.endswith(".git"):
            folders[:] = [name for name in folders if name not in without]
        for name in names:
            path = Path(place, name)
            facts = path.lstat()
            data = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            # git touches the shared part of a split index whenever it reads it.
            time_ns = facts.st_mtime_ns if not name.startswith("sharedindex.") else None
            found[str(path)] = (facts.st_mode, time_ns, facts.st_ino, data)
    return found
