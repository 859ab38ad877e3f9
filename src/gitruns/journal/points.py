"""The points of a journal as one part of the run's history, in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from gitruns.entities.history import MAX_CURVE_BYTES, downsample, encode_metric_key, encode_point
from gitruns.entities.ids import Digest
from gitruns.entities.values import MetricSummary, Point, Summarizer
from gitruns.journal.lines import read_blocks
from gitruns.journal.reader import JournalReader
from gitruns.journal.record import decode_record

MEMORY_BYTES = 32 * 1024 * 1024


class PointSpool:
    """Sorted points: by metric (bytewise), then in logged order, writers in the order of their opening."""

    def __init__(self, points: dict[str, list[Point]]) -> None:
        self._points = points
        self.summaries: dict[str, MetricSummary] = {}
        digest, self.size_bytes = hashlib.sha256(), 0
        for key in sorted(points):
            summarizer = Summarizer()
            for point in points[key]:
                summarizer.add(point.step, point.time_ms, point.value)
            self.summaries[key] = summarizer.summary()
        for chunk in self.chunks():
            digest.update(chunk)
            self.size_bytes += len(chunk)
        self.digest = Digest(digest.hexdigest())

    def chunks(self) -> Iterator[bytes]:
        """Yields the TSV."""
        for key in sorted(self._points):
            yield _lines(key, self._points[key])

    def curve(self) -> bytes:
        """Returns the TSV of the downsampled curve."""
        curve = b""
        for key in sorted(self._points):
            lines = _lines(key, downsample(self._points[key]))
            if len(curve) + len(lines) > MAX_CURVE_BYTES:
                break
            curve += lines
        return curve

    def close(self) -> None:
        """Removes what was spilled to disk."""

    def __enter__(self) -> PointSpool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lines(key: str, points: list[Point]) -> bytes:
    column = encode_metric_key(key)
    return "".join(encode_point(column, point.step, point.time_ms, point.value) for point in points).encode()


def spool_points(run_dir: Path, *, spill_dir: Path, memory_bytes: int = MEMORY_BYTES) -> PointSpool:
    """Returns the unsealed points of the journal in `run_dir`, sorted."""
    points: dict[str, list[Point]] = {}
    for point in read_points(run_dir):
        points.setdefault(point.metric, []).append(point)
    return PointSpool(points)


def read_points(run_dir: Path, metric: str | None = None) -> Iterator[Point]:
    """Yields the unsealed points of the journal, writer by writer in the order of their opening; of one metric."""
    live = JournalReader(run_dir).refresh()
    for writer in live.writers:
        for lines, _ in read_blocks(writer.path):
            for line in lines:
                record = decode_record(line)
                if record is None or record[0] != "m":
                    continue
                for key, step, time_ms, value in zip(*[iter(record[1:])] * 4, strict=True):
                    if metric is None or key == metric:
                        yield Point(key, step, time_ms, float(value))
