"""Looks at a store as a whole: whether it answers, what it can do, how much lies in it."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from gitruns.artifacts.bucket import Bucket
from gitruns.artifacts.pack_catalog import PackCatalog
from gitruns.errors import GitRunsError, RemoteError

T = TypeVar("T")

_PROBE_BYTES = 1 << 20


@dataclass(slots=True, kw_only=True)
class StoreCheck:
    """What a round trip of a probe of 1 MiB has shown: seconds by step, and whether "create only" is kept."""

    seconds: dict[str, float] = field(default_factory=dict)
    creates_only: bool = False
    probe_bytes: int = _PROBE_BYTES


@dataclass(slots=True, kw_only=True)
class StoreUsage:
    """How much lies in a store: files and bytes of objects, packs (with the objects in them), and roots."""

    objects: int = 0
    object_bytes: int = 0
    packs: int = 0
    packed_objects: int = 0
    pack_bytes: int = 0
    roots: int = 0
    other_bytes: int = 0

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.object_bytes + self.pack_bytes + self.other_bytes


def check_store(bucket: Bucket) -> StoreCheck:
    """Writes a probe, looks for it, reads it, lists it, removes it; raises what the first step that fails raises."""
    report = StoreCheck()
    key = f"gc/probes/{secrets.token_hex(8)}"
    data = os.urandom(_PROBE_BYTES)

    def timed(step: str, do: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = do()
        report.seconds[step] = time.perf_counter() - start
        return result

    try:
        timed("write", lambda: bucket.write(key, data))
        found = timed("look", lambda: bucket.stat(key))
        if found is None or found.size_bytes != len(data) or timed("read", lambda: _read(bucket, key)) != data:
            raise _wrong(bucket, "it gives back something else than was written")
        if key not in [entry.key for entry in timed("list", lambda: list(bucket.entries("gc/probes/")))]:
            raise _wrong(bucket, "it does not list what was written")
        report.creates_only = _creates_only(bucket, key)
    except BaseException:
        with suppress(GitRunsError):
            bucket.remove([key])
        raise
    timed("remove", lambda: bucket.remove([key]))
    if bucket.stat(key) is not None:
        raise _wrong(bucket, "what was removed is still there")
    return report


def store_usage(bucket: Bucket, catalog: PackCatalog) -> StoreUsage:
    """Adds up all keys of a store."""
    usage = StoreUsage()
    for entry in bucket.entries("o/"):
        usage.objects += 1
        usage.object_bytes += entry.size_bytes
    for entry in bucket.entries("p/"):
        usage.packs += 1
        usage.pack_bytes += entry.size_bytes
    for prefix in ("i/", "r/", "gc/"):
        for entry in bucket.entries(prefix):
            usage.other_bytes += entry.size_bytes
            usage.roots += prefix == "r/"
    catalog.refresh()
    usage.packed_objects = sum(len(pack.objects) for pack in catalog.packs().values())
    return usage


def _read(bucket: Bucket, key: str) -> bytes:
    with suppress(FileNotFoundError):
        return bucket.read(key, 0, _PROBE_BYTES)
    return b""


def _creates_only(bucket: Bucket, key: str) -> bool:
    try:
        bucket.write(key, b"another", create=True)
    except FileExistsError:
        return True
    except RemoteError:  # asked for what it does not know
        return False
    return False


def _wrong(bucket: Bucket, why: str) -> RemoteError:
    return RemoteError(f"cannot use the store '{bucket.shown}': {why}", kind="store-failed")
