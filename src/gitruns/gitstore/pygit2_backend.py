"""The engine of SHA-1 repositories: libgit2 reads objects, whatever packs and alternates they are in.

Its object database is used alone, which does not mind how the repository stores its refs or what extensions it has.
"""

from __future__ import annotations

import pygit2

from gitruns.entities.ids import ObjectId
from gitruns.gitstore.backend import RefStore
from gitruns.gitstore.base_backend import BaseBackend
from gitruns.gitstore.git_config import GitConfig
from gitruns.gitstore.objects import corrupt_object
from gitruns.gitstore.paths import RepoPaths

_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_NUMBERS = {kind: number for number, kind in _KINDS.items()}


class Pygit2Backend(BaseBackend):
    """See `Backend`."""

    name = "pygit2"

    def __init__(self, paths: RepoPaths, refs: RefStore, config: GitConfig) -> None:
        super().__init__(paths, refs, config, "sha1")
        self._odb = pygit2.Odb(str(self._objects))
        self._repository: pygit2.Repository | None = None

    def read_object(self, oid: ObjectId) -> tuple[str, bytes]:
        """Returns kind and content of an object; libgit2 checks that the content has that id."""
        try:
            number, data = self._odb.read(oid)
        except KeyError:
            raise self._missing(oid) from None
        except (pygit2.GitError, ValueError) as error:
            raise corrupt_object(oid, str(error)) from error
        return _KINDS[number], data

    def object_header(self, oid: ObjectId) -> tuple[str, int]:
        """Returns kind and size of an object without reading its content."""
        try:
            number, size = self._odb.read_header(oid)
        except KeyError:
            raise self._missing(oid) from None
        except (pygit2.GitError, ValueError) as error:
            raise corrupt_object(oid, str(error)) from error
        return _KINDS[number], size

    def has_object(self, oid: ObjectId) -> bool:
        """Returns whether the object is here."""
        return len(oid) == 40 and self._odb.exists(oid)

    def is_clean(self) -> bool | None:
        """Returns whether HEAD, index and work tree are the same, by libgit2's stat pass; the index is not written."""
        if self._paths.work_tree is None:
            return None
        try:
            if self._repository is None:
                self._repository = pygit2.Repository(str(self._paths.git_dir))
            return not self._repository.status(untracked_files="normal")
        except (pygit2.GitError, KeyError, ValueError):  # a split index, an extension that libgit2 does not know…
            return None

    def close(self) -> None:
        """Lets go of libgit2's open packs."""
        self._repository = None
        self._odb = pygit2.Odb()

    def _freshen_packed(self, oid: ObjectId, kind: str, data: bytes) -> bool:
        if not self._odb.exists(oid):
            return False
        self._odb.write(_NUMBERS[kind], data)  # touches the pack; should that be gone by now, it writes the object
        return True
