"""What every store of artifacts can do, here on disk or far away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from gitruns.entities.ids import Digest


class ArtifactStore(Protocol):
    """Objects by the SHA-256 of their bytes; an object that is there is whole, and never changes.

    Held by `gitruns.testing.artifact_store.ArtifactStoreContract`. A digest that is no digest raises
    `InvalidInputError`, one that is not there `NotFoundError` (kind `artifact-missing`), bytes that are not what
    their name says `CorruptDataError` (kind `artifact-corrupt`).
    """

    def put_file(self, path: Path) -> tuple[Digest, int]:
        """Keeps the bytes of a regular file; returns their digest and count. Durable on return."""
        ...

    def put_bytes(self, data: bytes) -> tuple[Digest, int]:
        """Keeps some bytes, as `put_file` does."""
        ...

    def put_stream(self, chunks: Iterable[bytes]) -> tuple[Digest, int]:
        """Keeps the bytes of all chunks, one after the other, as `put_file` does, in bounded memory."""
        ...

    def has(self, digest: Digest) -> bool:
        """Returns whether the object is there."""
        ...

    def size(self, digest: Digest) -> int:
        """Returns the length of the object in bytes."""
        ...

    def open(self, digest: Digest) -> BinaryIO:
        """Returns the object as a readable, seekable file whose bytes were checked."""
        ...

    def get(self, digest: Digest, target: Path) -> Path:
        """Writes the object to `target`, replacing what is there; checked before it gets that name."""
        ...

    def verify(self, digest: Digest) -> None:
        """Reads the object again and raises when it is not what its name says."""
        ...

    def iter_digests(self) -> Iterator[Digest]:
        """Yields the digest of every object, ascending."""
        ...
