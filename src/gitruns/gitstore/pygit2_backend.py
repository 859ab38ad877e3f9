"""The engine of SHA-1 repositories: libgit2 reads packs.

Its object database is used alone, which does not mind how the repository stores its refs or what extensions it has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pygit2

from gitruns.entities.ids import ObjectId
from gitruns.gitstore.backend import RefStore
from gitruns.gitstore.base_backend import BaseBackend
from gitruns.gitstore.git_config import GitConfig
from gitruns.gitstore.pack_watch import PackWatch
from gitruns.gitstore.paths import RepoPaths

if TYPE_CHECKING:
    from gitruns.gitstore.dulwich_packs import DulwichPacks

_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_NUMBERS = {kind: number for number, kind in _KINDS.items()}
_KNOWS_HEADERS = hasattr(pygit2.Odb, "read_header")  # not in 1.18, the last one for Python 3.10


class Pygit2Backend(BaseBackend):
    """See `Backend`."""

    name = "pygit2"

    def __init__(self, paths: RepoPaths, refs: RefStore, config: GitConfig) -> None:
        super().__init__(paths, refs, config, "sha1")
        self._watch = PackWatch(self._folders)
        self._odb = pygit2.Odb()
        self._headers: DulwichPacks | None = None
        self._whole: pygit2.Odb | None = None
        self._repository: pygit2.Repository | None = None

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
        self._whole = None
        self._odb = pygit2.Odb()
        if self._headers is not None:
            self._headers.close()

    def _packs(self) -> pygit2.Odb:
        if self._watch.changed():
            self._whole = None
            odb = pygit2.Odb()
            for place, folder in enumerate(self._folders):
                odb.add_backend(pygit2.OdbBackendPack(str(folder)), len(self._folders) - place)
            self._odb = odb  # only now: another thread may be reading
        return self._odb

    def _read_packed(self, oid: ObjectId) -> tuple[str, bytes] | None:
        try:
            number, data = self._packs().read(oid)
        except KeyError:
            return None
        except pygit2.GitError as error:
            raise ValueError(str(error)) from error
        return _KINDS[number], data

    def _packed_reader(self) -> Callable[[ObjectId, int], tuple[str, bytes] | None]:
        if not _KNOWS_HEADERS:
            return self._read_pack
        odb = self._packs()
        header, read = odb.read_header, odb.read

        def look(oid: ObjectId, max_bytes: int) -> tuple[str, bytes] | None:
            try:
                if header(oid)[1] > max_bytes:
                    return self._read_pack(oid, max_bytes)
                number, data = read(oid)
            except KeyError:
                return None
            except pygit2.GitError as error:
                raise ValueError(str(error)) from error
            return _KINDS[number], data

        return look

    def _packed_header(self, oid: ObjectId) -> tuple[str, int] | None:
        if not _KNOWS_HEADERS:
            return self._header_by_dulwich(oid)
        try:
            number, size = self._packs().read_header(oid)
        except KeyError:
            return None
        except pygit2.GitError as error:
            raise ValueError(str(error)) from error
        return _KINDS[number], size

    def _header_by_dulwich(self, oid: ObjectId) -> tuple[str, int] | None:
        if self._headers is None:
            from gitruns.gitstore.dulwich_packs import DulwichPacks

            self._headers = DulwichPacks(self._folders, self.object_format)
        return self._headers.header(oid)

    def _has_packed(self, oid: ObjectId) -> bool:
        return bool(self._packs().exists(oid))

    def _freshen_packed(self, oid: ObjectId, kind: str, data: bytes) -> bool:
        if not self._packs().exists(oid):
            return False
        whole = self._whole or pygit2.Odb(str(self._objects))
        self._whole = whole
        whole.write(_NUMBERS[kind], data)  # touches the pack; should that be gone by now, it writes the object
        return True
