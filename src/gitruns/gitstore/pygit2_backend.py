"""The engine of SHA-1 repositories: libgit2 reads objects, whatever packs and alternates they are in.

Only its object database is used, which does not mind how the repository stores its refs or what extensions it has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pygit2

from gitruns.entities.ids import ObjectId
from gitruns.errors import NotFoundError
from gitruns.gitstore.backend import RefStore
from gitruns.gitstore.durability import sync_file_system, sync_paths
from gitruns.gitstore.failures import object_missing
from gitruns.gitstore.git_config import GitConfig
from gitruns.gitstore.loose import LooseObjects
from gitruns.gitstore.objects import corrupt_object
from gitruns.gitstore.paths import RepoPaths

_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_NUMBERS = {kind: number for number, kind in _KINDS.items()}


class Pygit2Backend:
    """See `Backend`."""

    name = "pygit2"
    object_format = "sha1"

    def __init__(self, paths: RepoPaths, refs: RefStore, config: GitConfig) -> None:
        self._paths = paths
        self._refs = refs
        self._config = config
        self._objects = paths.common_dir / "objects"
        self._odb = pygit2.Odb(str(self._objects))
        self._repository: pygit2.Repository | None = None
        self._loose = LooseObjects(self._objects, self.object_format, config)

    def read_object(self, oid: ObjectId) -> tuple[str, bytes]:
        """Returns kind and content of an object."""
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

    def write_object(self, kind: str, data: bytes) -> ObjectId:
        """Writes an object and returns its id."""
        oid = self._loose.id_of(kind, data)
        if self._loose.freshen(oid):
            return oid
        if self._odb.exists(oid):
            self._odb.write(_NUMBERS[kind], data)  # touches the pack that has it, so that no gc drops it now
        else:
            self._loose.write(oid, kind, data)
        return oid

    def write_pack(self, objects: Iterable[tuple[str, bytes]]) -> list[ObjectId]:
        """Writes many objects as one durable pack and returns their ids in order."""
        from gitruns.gitstore.packs import write_pack  # dulwich takes a while to load

        return write_pack(self._objects, objects, self.object_format, self._config.shared_mode())

    def read_ref(self, name: str) -> ObjectId | None:
        """Returns what a ref holds."""
        return self._refs.read_ref(name)

    def list_refs(self, prefix: str) -> dict[str, ObjectId]:
        """Returns the refs below a prefix."""
        return self._refs.list_refs(prefix)

    def update_ref(self, name: str, new: ObjectId | None, old: ObjectId | None) -> None:
        """Moves a ref by compare-and-set."""
        self._refs.update_ref(name, new, old)

    def read_head(self) -> tuple[str | None, ObjectId | None]:
        """Returns branch and commit of HEAD."""
        return self._refs.read_head()

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

    def config(self, key: str) -> str | None:
        """Returns the value of a git config key."""
        return self._config.get(key)

    def sync(self, objects: Collection[ObjectId], refs: Collection[str]) -> None:
        """Makes written objects and moved refs durable, objects first."""
        sync_paths({path for oid in objects if (path := self._loose.path(oid)).is_file()})
        self._refs.sync_refs(refs)

    def sync_all(self) -> None:
        """Makes all objects and refs durable."""
        sync_file_system(self._objects)

    def close(self) -> None:
        """Lets go of libgit2's open packs."""
        self._repository = None
        self._odb = pygit2.Odb()

    def _missing(self, oid: ObjectId) -> NotFoundError:
        return object_missing(oid, shallow=self._paths.shallow, promisor=self._config.get("extensions.partialClone"))
