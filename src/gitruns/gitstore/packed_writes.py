"""Writes of very many runs at once: gathered into packs instead of a file for each object."""

from __future__ import annotations

from gitruns.entities.ids import ObjectId
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.objects import hash_object
from gitruns.gitstore.store import GitStore

_PACK_OBJECTS = 50_000


class PackedWrites:
    """A backend whose writes wait for `flush`; everything else is the backend's own, which does not see them before."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._waiting: dict[ObjectId, tuple[str, bytes]] = {}
        self._written: set[ObjectId] = set()
        self.waiting_bytes = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._backend, name)

    def write_object(self, kind: str, data: bytes) -> ObjectId:
        """Gathers an object and returns its id."""
        oid = hash_object(kind, data, self._backend.object_format)
        if oid not in self._written:
            self._written.add(oid)
            self._waiting[oid] = (kind, data)
            self.waiting_bytes += len(data)
            if len(self._waiting) >= _PACK_OBJECTS:
                self.flush()
        return oid

    def flush(self) -> None:
        """Writes what was gathered as one pack; durable on return."""
        if self._waiting:
            self._backend.write_pack(self._waiting.values())
            self._waiting.clear()
            self._written.clear()
            self.waiting_bytes = 0


class PackedStore(GitStore):
    """A `GitStore` for writing runs in bulk: nothing is there before `flush`, and no ref may be moved before.

    It cannot sign: git signs only what it can read.
    """

    def __init__(self, store: GitStore) -> None:
        self.packed = PackedWrites(store.backend)
        super().__init__(self.packed, store.git, store.paths)  # type: ignore[arg-type]  # a backend in all that is asked

    def flush(self) -> None:
        """Writes what was gathered as one pack; durable on return."""
        self.packed.flush()
