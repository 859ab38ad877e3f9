"""Reads a store again and hashes all of it, or some objects by chance; mends it from a cache that has the bytes."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gitruns.artifacts.cache import ArtifactCache
from gitruns.artifacts.remote import RemoteStore
from gitruns.artifacts.transfer import OnProgress, TransferProgress
from gitruns.entities.ids import Digest
from gitruns.errors import GitRunsError

_AT_ONCE = 64
_AT_ONCE_BYTES = 256 << 20


@dataclass(slots=True, kw_only=True)
class StoreVerification:
    """What was read, what was wrong (digest → what is wrong with it), and what of that was mended."""

    objects: int = 0
    bytes: int = 0
    total: int = 0
    wrong: dict[Digest, str] = field(default_factory=dict)
    mended: set[Digest] = field(default_factory=set)
    bad_packs: dict[Digest, str] = field(default_factory=dict)


def verify_store(
    store: RemoteStore, repair_from: ArtifactCache | None, *, sample: int | None, progress: OnProgress | None
) -> StoreVerification:
    """Verifies all objects, or `sample` of them; with `repair_from` writes broken ones again where that has them."""
    report = StoreVerification()
    sizes = store.all_sizes()
    report.total = len(sizes)
    chosen = sorted(sizes) if sample is None else random.SystemRandom().sample(sorted(sizes), min(sample, len(sizes)))
    size = sum(sizes[digest] for digest in chosen)
    report.bad_packs = {pack: str(error) for pack, error in store.catalog.bad.items()}
    for group in _groups(chosen, sizes):
        with tempfile.TemporaryDirectory(prefix="gitruns-") as folder:
            result = store.download(group, ArtifactCache(Path(folder)))
        report.wrong |= {digest: str(error) for digest, error in result.problems.items()}
        report.wrong |= dict.fromkeys(result.missing, "it is gone")
        report.objects += len(group)
        report.bytes += sum(sizes[digest] for digest in result.fetched)
        if progress is not None:
            progress(
                TransferProgress(
                    what="verifying", files_done=report.objects, files=len(chosen), bytes_done=report.bytes, bytes=size
                )
            )
    if repair_from is not None and report.wrong:
        _mend(store, repair_from, report)
    return report


def _groups(digests: list[Digest], sizes: dict[Digest, int]) -> Iterator[list[Digest]]:
    group: list[Digest] = []
    size = 0
    for digest in digests:
        group.append(digest)
        size += sizes[digest]
        if len(group) >= _AT_ONCE or size >= _AT_ONCE_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _mend(store: RemoteStore, source: ArtifactCache, report: StoreVerification) -> None:
    here = {digest: source.size(digest) for digest in report.wrong if source.has(digest)}
    store.take_for_broken(here)
    try:
        result, _ = store.upload(here, source)
    except GitRunsError:
        return
    report.mended = set(result.uploaded)
