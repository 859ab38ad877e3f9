"""Digests: the only names that objects have."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gitruns.entities.ids import Digest, is_digest
from gitruns.errors import InvalidInputError


def digest_of(data: bytes) -> Digest:
    """Returns the address of some bytes: their SHA-256 in lowercase hex."""
    return Digest(hashlib.sha256(data).hexdigest())


def check_digest(digest: str) -> Digest:
    """Returns the digest, or raises `InvalidInputError` for text that is none, before it comes near a path."""
    if not is_digest(digest):
        raise InvalidInputError(f"'{digest!s:.80}' is not a digest of 64 lowercase hex digits", kind="bad-digest")
    return Digest(digest)


def object_path(root: Path, digest: str) -> Path:
    """Returns where an object lies below a store's root: `o/<2 hex>/<62 hex>`. Source: docs/format.md, artifacts."""
    return root / object_key(digest)


def object_key(digest: str) -> str:
    """Returns the key of an object in any store. Source: docs/format.md, artifacts."""
    checked = check_digest(digest)
    return f"o/{checked[:2]}/{checked[2:]}"
