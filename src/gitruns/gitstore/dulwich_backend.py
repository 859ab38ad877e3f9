"""The engine of SHA-256 repositories, which libgit2 refuses: dulwich reads packs."""

from __future__ import annotations

from gitruns.entities.ids import ObjectId
from gitruns.gitstore.backend import RefStore
from gitruns.gitstore.base_backend import BaseBackend
from gitruns.gitstore.dulwich_packs import DulwichPacks
from gitruns.gitstore.git_config import GitConfig
from gitruns.gitstore.paths import RepoPaths


class DulwichBackend(BaseBackend):
    """See `Backend`."""

    name = "dulwich"

    def __init__(self, paths: RepoPaths, refs: RefStore, config: GitConfig, object_format: str) -> None:
        super().__init__(paths, refs, config, object_format)
        self._packs = DulwichPacks(self._folders, object_format)

    def close(self) -> None:
        """Closes the packs."""
        self._packs.close()

    def _read_packed(self, oid: ObjectId) -> tuple[str, bytes] | None:
        return self._packs.read(oid)

    def _packed_header(self, oid: ObjectId) -> tuple[str, int] | None:
        return self._packs.header(oid)

    def _has_packed(self, oid: ObjectId) -> bool:
        return self._packs.find(oid) is not None

    def _freshen_packed(self, oid: ObjectId, kind: str, data: bytes) -> bool:
        return self._packs.freshen(oid)
