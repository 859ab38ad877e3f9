"""Folders that several people write to: what one of them makes, the others can use.

The folder at the top says how: what is below gets its permissions, whatever the umask of who writes is. So one
`chmod 2775` (or 2770) of the top folder is all that a lab has to do.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_GROUP_OR_OTHERS_WRITE = 0o022


def shared_mode(root: Path) -> int | None:
    """Returns the permissions of a folder that others may write to, None for one that is its owner's only."""
    try:
        mode = stat.S_IMODE(root.stat().st_mode)
    except OSError:
        return None
    return mode if mode & _GROUP_OR_OTHERS_WRITE else None


def make_folders(path: Path, root: Path) -> list[Path]:
    """Makes a folder below `root` and those above it, shared where the root is; returns those that are new."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        if path in (root, path.parent):
            break
        path = path.parent
    mode = shared_mode(root)
    for folder in reversed(missing):
        folder.mkdir(parents=True, exist_ok=True)
        if mode is not None and folder != root:
            with suppress(PermissionError):  # another user was quicker: it is shared already
                folder.chmod(mode)
    return missing


def share_file(fd: int, mode: int | None) -> None:
    """Lets all read a finished file who may read the shared folder."""
    if mode is not None:
        os.fchmod(fd, mode & 0o444)


def can_write(root: Path) -> bool:
    """Returns whether this process may put something into a cache at `root`."""
    return all(os.access(folder, os.W_OK | os.X_OK) for folder in (root, root / "o", root / "tmp") if folder.exists())
