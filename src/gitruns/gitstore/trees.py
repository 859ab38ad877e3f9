"""Trees of files: a mapping of paths to bytes written as git trees, and read back from trees that may be hostile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeAlias

from gitruns.entities.ids import ObjectId
from gitruns.errors import CorruptDataError, InvalidInputError
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.objects import FILE_MODE, FOLDER_MODE, TreeEntry, decode_tree, encode_tree

MAX_ENTRIES = 200_000
"""No run's tree has more files; most of them would be small texts among its artifacts."""

MAX_DEPTH = 500
MAX_TREE_BYTES = 16 * 1024 * 1024

_Folder: TypeAlias = "dict[str, Any]"


class ObjectWriter(Protocol):
    """What takes objects: a repository, or something that only tells their ids."""

    def write_object(self, kind: str, data: bytes) -> ObjectId:
        """Takes an object and returns its id."""


def write_tree(backend: ObjectWriter, files: Mapping[str, bytes]) -> ObjectId:
    """Writes files (path to content, `/` between parts) as a tree and returns its id."""
    root: _Folder = {}
    for path, data in files.items():
        *folders, name = path.split("/")
        folder = root
        for part in folders:
            folder = folder.setdefault(_legal(part, path), {})
            if not isinstance(folder, dict):
                raise _illegal(path, "a file stands where it needs a folder")
        if folder.setdefault(_legal(name, path), data) is not data:
            raise _illegal(path, "it stands there already")
    return _write_folder(backend, root)


def _write_folder(backend: ObjectWriter, folder: _Folder) -> ObjectId:
    entries = []
    for name, content in folder.items():
        if isinstance(content, dict):
            entries.append(TreeEntry(FOLDER_MODE, name.encode(), _write_folder(backend, content)))
        else:
            entries.append(TreeEntry(FILE_MODE, name.encode(), backend.write_object("blob", content)))
    return backend.write_object("tree", encode_tree(entries))


def _legal(name: str, path: str) -> str:
    if name in ("", ".", "..") or name.lower() == ".git" or "\0" in name:
        raise _illegal(path, f"git allows no entry named '{name}'")
    return name


def _illegal(path: str, why: str) -> InvalidInputError:
    return InvalidInputError(f"cannot write '{path[:80]}' into a tree: {why}", kind="bad-tree-path", path=path)


def read_entries(backend: Backend, tree: ObjectId, where: str = "") -> list[TreeEntry]:
    """Returns the entries of one tree: regular files and folders only.

    Raises `CorruptDataError` (kind `corrupt-object`, `bad-tree`) for anything else: symbolic links, programs,
    submodules, odd modes, names that git does not allow; `where` is the tree's path, for the message.
    """
    entries = decode_tree(read_as(backend, "tree", tree, where or "/", MAX_TREE_BYTES), tree)
    for entry in entries:
        if entry.mode not in (FILE_MODE, FOLDER_MODE):
            raise bad_tree(_joined(where, entry), f"its mode is {entry.mode:06o}, only files and folders are allowed")
    return entries


def read_as(backend: Backend, wanted: str, oid: ObjectId, path: str, max_bytes: int) -> bytes:
    """Returns the content of an object of a kind; raises `CorruptDataError` naming `path` for any other."""
    try:
        kind, data = backend.read_object(oid, max_bytes=max_bytes)
    except CorruptDataError as error:
        if error.kind != "too-large":
            raise
        raise bad_tree(path, f"it has {error.facts['size']} bytes, at most {max_bytes} are allowed") from error
    if kind != wanted:
        raise bad_tree(path, f"object '{oid}' is a {kind}, not a {wanted}")
    return data


def walk_tree(
    backend: Backend,
    tree: ObjectId,
    *,
    enter: Callable[[str], bool] = lambda folder: True,
    max_entries: int = MAX_ENTRIES,
) -> Iterator[tuple[str, ObjectId]]:
    """Yields path and id of each file below a tree; of folders only those that `enter` (given `path/`) says yes to.

    Raises as `read_entries` does, and for more entries than `max_entries` or deeper folders than any run has.
    """
    waiting = [("", tree)]
    count = 0
    while waiting:
        where, oid = waiting.pop()
        for entry in read_entries(backend, oid, where):
            path = _joined(where, entry)
            count += 1
            if count > max_entries or path.count("/") > MAX_DEPTH:
                raise bad_tree(path, "the tree has too many entries or is too deep")
            if not entry.is_folder:
                yield path, entry.oid
            elif enter(path + "/"):
                waiting.append((path + "/", entry.oid))


def _joined(where: str, entry: TreeEntry) -> str:
    try:
        return where + entry.name.decode()
    except UnicodeDecodeError:
        raise bad_tree(where + entry.name.decode(errors="backslashreplace"), "its name is not UTF-8") from None


def bad_tree(path: str, why: str) -> CorruptDataError:
    """Returns the error for a tree that has what no run's or experiment's tree has."""
    return CorruptDataError(f"cannot read '{path[:80]}': {why}", kind="bad-tree", path=path)
