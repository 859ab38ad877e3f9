"""The pieces of a run's metric history: in the tree while they are small, else a curve there and the points stored.

Source: docs/format.md, "Metric history".
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping

from gitruns.artifacts import ArtifactCache
from gitruns.entities.artifact import Artifact
from gitruns.entities.history import MAX_IN_TREE_BYTES
from gitruns.entities.run import Part
from gitruns.entities.values import MetricSummary, fold_summaries
from gitruns.gitstore import encode_summaries, part_summaries
from gitruns.journal import PointSpool


class HistoryParts:
    """The pieces of a run's history: which there are, their files in the tree, their summaries."""

    def __init__(
        self,
        cache: ArtifactCache,
        carried: Mapping[str, bytes],
        parts: Iterable[Part],
        metrics: Mapping[str, MetricSummary] | None = None,
    ) -> None:
        self._cache = cache
        self.parts = list(parts)
        self.files = {path: data for path, data in carried.items() if path.startswith("metrics/")}
        self._of_part = part_summaries(carried)
        if len(self.parts) == 1 and not self._of_part and metrics:
            self._of_part = {self.parts[0].digest: dict(metrics)}

    def add(self, spool: PointSpool) -> None:
        """Adds what a journal holds; the same points again are the same part."""
        if not spool.size_bytes or any(part.digest == spool.digest for part in self.parts):
            return
        in_tree = sum(part.size_bytes for part in self.parts if part.stored_as is None)
        if in_tree + spool.size_bytes <= MAX_IN_TREE_BYTES:
            self.parts.append(Part(digest=spool.digest, size_bytes=spool.size_bytes))
            self.files[f"metrics/{spool.digest}.tsv"] = b"".join(spool.chunks())
        else:
            stored = self._store(spool)
            self.parts.append(Part(digest=spool.digest, size_bytes=spool.size_bytes, stored_as=stored))
            self.files[f"metrics/{spool.digest}.tsv"] = spool.curve()
        self.parts.sort(key=lambda part: part.digest)
        self._of_part[spool.digest] = dict(spool.summaries)
        if len(self.parts) > 1:
            for digest, summaries in self._of_part.items():
                self.files[f"metrics/{digest}.yaml"] = encode_summaries(summaries)

    def summaries(self) -> dict[str, MetricSummary]:
        """Returns the summaries of the whole history, folded from those of the parts."""
        by_metric: dict[str, list[MetricSummary]] = {}
        for part in self._of_part.values():
            for metric, summary in part.items():
                by_metric.setdefault(metric, []).append(summary)
        return {metric: fold_summaries(summaries) for metric, summaries in by_metric.items()}

    def _store(self, spool: PointSpool) -> Artifact:
        digest, size = self._cache.put_stream(_gzipped(spool.chunks()))
        return Artifact(path=f".gitruns/metrics/{spool.digest}.tsv.gz", digest=digest, size_bytes=size)


def _gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the gzip form of some bytes; no name and no time in it, so that equal points have equal bytes."""
    buffer = _Drain()
    with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", compresslevel=6, mtime=0) as packed:
        for chunk in chunks:
            packed.write(chunk)
            yield buffer.take()
    yield buffer.take()


class _Drain:
    """A file that gives back what was written to it."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """There is nothing below to flush."""

    def take(self) -> bytes:
        """Returns what was written since the last call."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        return data
