"""Reads a folder that belongs to somebody else: nothing is followed out of it, and nothing is read without a limit.

Names come from listings, never from what files say, so no `..` can come up; symlinks are refused wherever they stand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from gitruns.artifacts.source_file import open_regular
from gitruns.errors import CorruptDataError, NotFoundError
from gitruns.exchange.foreign import Damage, ForeignFile

MAX_TEXT_BYTES = 16 * 1024 * 1024
_MAX_LINE = 64 * 1024


def real_folder(path: Path) -> Path:
    """Returns a folder that a person named, links on the way resolved; raises `NotFoundError`."""
    found = Path(os.path.realpath(path))
    if not found.is_dir():
        raise NotFoundError(f"there is no folder '{path}'", kind="file-not-found")
    return found


def folders_in(folder: Path) -> list[str]:
    """Returns the names of the folders in a folder, sorted; links are none; nothing for one that cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def files_below(folder: Path) -> Iterator[tuple[str, Path, int]]:
    """Yields name (`/` between parts), path and length of each file below a folder, by name.

    Nothing for a folder that is not there. Raises `CorruptDataError` (kind `bad-source`) for a link or a special file.
    """
    for entry in _entries_below(folder, ""):
        if isinstance(entry, str):
            raise CorruptDataError(f"'{entry}' is a link or a special file", kind="bad-source")
        yield entry


def artifacts_below(folder: Path, of: str) -> Iterator[ForeignFile | Damage]:
    """Yields the artifacts in a folder, and damage for what is neither file nor folder; nothing is followed."""
    for entry in _entries_below(folder, ""):
        if isinstance(entry, str):
            yield Damage(f"artifact '{entry:.100}' of {of}", "it is a link or a special file, and not followed")
        else:
            yield ForeignFile(entry[0], entry[2], entry[1])


def _entries_below(folder: Path, prefix: str) -> Iterator[tuple[str, Path, int] | str]:
    if folder.is_symlink():
        yield prefix or folder.name
        return
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in listed:
        name = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _entries_below(Path(entry.path), name + "/")
        elif entry.is_file(follow_symlinks=False):
            yield name, Path(entry.path), entry.stat(follow_symlinks=False).st_size
        else:
            yield name


def read_text(path: Path, limit: int = MAX_TEXT_BYTES) -> str:
    """Returns the text in a file; raises `CorruptDataError` for one that is too long, or no UTF-8."""
    with open_regular(path) as source:
        data = source.read(limit + 1, 0)
    if len(data) > limit:
        raise CorruptDataError(f"'{path.name}' is longer than {limit} bytes", kind="bad-source")
    return decoded(data, path.name)


def read_lines(path: Path) -> Iterator[str]:
    """Yields the lines of a file without their ends; raises `CorruptDataError` for a line that is too long."""
    with open_regular(path) as source, os.fdopen(os.dup(source.fd), "rb") as file:
        while line := file.readline(_MAX_LINE):
            if len(line) == _MAX_LINE:
                raise CorruptDataError(f"'{path.name}' has a line of {_MAX_LINE} bytes", kind="bad-source")
            yield decoded(line, path.name).rstrip("\r\n")


def decoded(data: bytes, name: str) -> str:
    """Returns the text that bytes are; raises `CorruptDataError`."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise CorruptDataError(f"'{name}' is no UTF-8 text", kind="bad-source") from None
