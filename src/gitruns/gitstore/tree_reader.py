"""Reads the files of a commit's tree, sizes before content, and keeps small ones that many runs share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gitruns.entities.ids import ObjectId
from gitruns.errors import CorruptDataError
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.objects import FOLDER_MODE, corrupt_object
from gitruns.gitstore.trees import bad_tree, read_as, read_entries, walk_tree
from gitruns.gitstore.yaml_text import MAX_FILE_BYTES

MAX_COMMIT_BYTES = 1024 * 1024
MAX_METADATA_FILES = 10_000
_SHARED_BYTES = 64 * 1024
_SHARED_COUNT = 256


class TreeReader:
    """Opens the trees of commits. `read_commit` gives a commit's bytes.

    `owners` is where `chain` keeps which run, experiment or model a commit belongs to.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._shared: dict[ObjectId, bytes] = {}
        self.owners: dict[ObjectId, tuple[str, str] | None] = {}

    @contextmanager
    def at(self, commit: ObjectId) -> Iterator[TreeView]:
        """Gives the tree of a commit; what is wrong with it is raised with the commit's name."""
        try:
            yield TreeView(self._backend, tree_in(self.read_commit(commit), commit), self._read_blob)
        except CorruptDataError as error:
            if "commit" in error.facts:
                raise
            raise CorruptDataError(
                f"{error.message} (commit {commit[:12]})",
                kind=error.kind,
                hint=error.hint,
                **{**error.facts, "commit": commit},
            ) from error

    def read_commit(self, commit: ObjectId) -> bytes:
        """Returns the bytes of a commit object; raises `CorruptDataError` when it is none, or too large."""
        kind, data = self._backend.read_object(commit, max_bytes=MAX_COMMIT_BYTES)
        if kind != "commit":
            raise corrupt_object(commit, f"it is a {kind}, not a commit")
        return data

    def _read_blob(self, path: str, oid: ObjectId) -> bytes:
        known = self._shared.get(oid)
        if known is not None:
            return known
        data = read_as(self._backend, "blob", oid, path, MAX_FILE_BYTES)
        if len(data) <= _SHARED_BYTES:
            if len(self._shared) >= _SHARED_COUNT:
                self._shared.pop(next(iter(self._shared)))
            self._shared[oid] = data
        return data


def tree_in(data: bytes, commit: ObjectId) -> ObjectId:
    """Returns the tree that the bytes of a commit name."""
    end = 5 + len(commit)
    if data[:5] != b"tree " or data[end : end + 1] != b"\n":
        raise corrupt_object(commit, "it names no tree")
    return ObjectId(data[5:end].decode(errors="replace"))


def check_blob(backend: Backend, path: str, oid: ObjectId) -> int:
    """Returns the size of a file; raises `CorruptDataError` when it is no blob or larger than any file of ours."""
    kind, size = backend.object_header(oid)
    if kind != "blob":
        raise bad_tree(path, f"object '{oid}' is a {kind}, not a blob")
    if size > MAX_FILE_BYTES:
        raise bad_tree(path, f"it has {size} bytes, at most {MAX_FILE_BYTES} are allowed")
    return size


class TreeView:
    """The tree of one commit."""

    def __init__(self, backend: Backend, tree: ObjectId, read_blob: Callable[[str, ObjectId], bytes]) -> None:
        self._backend = backend
        self._tree = tree
        self._read_blob = read_blob

    def metadata(self, wanted: Callable[[str], bool]) -> tuple[dict[str, bytes], dict[str, int]]:
        """Returns the bytes of the `wanted` files by path, and the sizes of the points, which are not read."""
        files, sizes, total = {}, {}, 0
        entries = walk_tree(
            self._backend, self._tree, enter=lambda folder: folder != "artifacts/", max_entries=MAX_METADATA_FILES
        )
        for path, oid in entries:
            if wanted(path):
                files[path] = self._read_blob(path, oid)
                total += len(files[path])
                if total > 4 * MAX_FILE_BYTES:
                    raise bad_tree(path, f"with it the tree has over {4 * MAX_FILE_BYTES} bytes of metadata")
            elif path.endswith(".tsv"):
                sizes[path] = check_blob(self._backend, path, oid)
        return files, sizes

    def file(self, path: str) -> bytes | None:
        """Returns the bytes of one file, None when there is none."""
        oid = self._find(path)
        return None if oid is None else self._read_blob(path, oid)

    def list_files(self) -> dict[str, tuple[ObjectId, int]]:
        """Returns id and size of each file, by path."""
        return {path: (oid, check_blob(self._backend, path, oid)) for path, oid in walk_tree(self._backend, self._tree)}

    def _find(self, path: str) -> ObjectId | None:
        tree = self._tree
        *folders, name = path.encode(errors="surrogateescape").split(b"/")
        for part in folders:
            found = {entry.name: entry for entry in read_entries(self._backend, tree)}.get(part)
            if found is None or found.mode != FOLDER_MODE:
                return None
            tree = found.oid
        entries = {entry.name: entry for entry in read_entries(self._backend, tree)}
        return None if name not in entries or entries[name].is_folder else entries[name].oid
