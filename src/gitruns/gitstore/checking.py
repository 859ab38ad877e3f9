"""Reads every object of something stored and compares it with its id, so that each damaged file can be named.

git compares too, when it reads; here an object that cannot be read does not hide the others.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitruns.entities.ids import ObjectId
from gitruns.errors import GitRunsError
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.objects import FILE_MODE, FOLDER_MODE, decode_commit, decode_tree, hash_object
from gitruns.gitstore.yaml_text import MAX_FILE_BYTES

_CHANGED = "its bytes have changed: they are not what their object id says"


def damaged_files(backend: Backend, commit: ObjectId) -> Iterator[tuple[str, str]]:
    """Yields path and what is wrong with it, for each file of a commit's tree that is damaged or missing.

    The commit itself is `commit`, a tree its path with `/` at the end.
    """
    data, wrong = _read(backend, commit, "commit")
    if wrong:
        yield "commit", wrong
    if not data:
        return
    try:
        tree = decode_commit(data, commit).tree
    except GitRunsError as error:
        yield "commit", str(error)
        return
    yield from _damaged_below(backend, tree, "")


def _damaged_below(backend: Backend, tree: ObjectId, where: str) -> Iterator[tuple[str, str]]:
    data, wrong = _read(backend, tree, "tree")
    if wrong:
        yield where or "/", wrong
    if not data:
        return
    try:
        entries = decode_tree(data, tree)
    except GitRunsError as error:
        yield where or "/", str(error)
        return
    for entry in entries:
        path = where + entry.name.decode(errors="backslashreplace")
        if entry.mode == FOLDER_MODE:
            yield from _damaged_below(backend, entry.oid, path + "/")
        elif entry.mode == FILE_MODE:
            wrong = _read(backend, entry.oid, "blob")[1]
            if wrong:
                yield path, wrong


def damaged_object(backend: Backend, oid: ObjectId, kind: str) -> str | None:
    """Returns what is wrong with an object, None when it is whole."""
    return _read(backend, oid, kind)[1] or None


def _read(backend: Backend, oid: ObjectId, kind: str) -> tuple[bytes, str]:
    """Returns an object's bytes, and what is wrong with them."""
    try:
        found, data = backend.read_object(oid, max_bytes=MAX_FILE_BYTES)
    except (GitRunsError, OSError) as error:
        return b"", str(error)
    if found != kind:
        return b"", f"object '{oid}' is a {found}, not a {kind}"
    return data, "" if hash_object(kind, data, backend.object_format) == oid else _CHANGED
