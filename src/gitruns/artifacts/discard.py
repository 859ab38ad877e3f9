"""Takes objects out of the cache that nobody wants any more, while others put some.

An object's time is when somebody last put it. It is moved aside first and its time looked at again: whoever put it in
between has touched it, then it gets its name back; whoever comes after finds nothing there and writes it anew.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gitruns.artifacts.digest import object_path
from gitruns.entities.ids import Digest, is_digest

_ASIDE = "discarded-"


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """An object of the cache: its length, and when it was last put, seconds since 1970."""

    digest: Digest
    size_bytes: int
    put_s: float


def entries(root: Path) -> Iterator[CacheEntry]:
    """Yields the objects of a cache, in no order."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(root / "o") as folders:
        for folder in folders:
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder.path) as files:
                for file in files:
                    digest = folder.name + file.name
                    with suppress(FileNotFoundError):
                        status = file.stat(follow_symlinks=False)
                        if is_digest(digest) and stat.S_ISREG(status.st_mode):
                            yield CacheEntry(Digest(digest), status.st_size, status.st_mtime)


def discard(root: Path, digest: Digest, *, put_before_s: float) -> int:
    """Removes an object that was last put before that time, and returns its length; 0 when it stays or is not there."""
    path = object_path(root, digest)
    aside = path.with_name(f"{_ASIDE}{path.name}-{secrets.token_hex(4)}")
    try:
        if path.stat().st_mtime >= put_before_s:
            return 0
        path.rename(aside)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    status = aside.stat()
    if status.st_mtime >= put_before_s:
        _put_back(aside, path)
        return 0
    aside.unlink()  # the folder stays: somebody may be about to give a file a name in it
    return status.st_size


def put_back_all(root: Path) -> None:
    """Gives objects their names back that a killed discarding has left aside: somebody may have put them since."""
    for aside in (root / "o").glob(f"*/{_ASIDE}*"):
        name = aside.name.removeprefix(_ASIDE).rpartition("-")[0]
        if is_digest(aside.parent.name + name):
            with suppress(OSError):
                _put_back(aside, aside.with_name(name))


def _put_back(aside: Path, path: Path) -> None:
    with suppress(FileExistsError):  # by the same bytes, put meanwhile
        os.link(aside, path)
    aside.unlink()
