"""The points of a journal as one part of the run's history: sorted in bounded memory, on disk when they are many.

    metric<TAB>step<TAB>time_ms<TAB>value

Lines are by metric (bytewise), then by writer (in order of opening), then as logged. Each writer's file is read from
its beginning to its end, so the lines of one metric come in the right order by themselves: they only have to be
parted by metric. They gather in memory, a buffer a metric, and when all buffers together are too large they go to the
end of one file, where each metric remembers its pieces. Source: docs/format.md, "Metric history".
"""

from __future__ import annotations

import hashlib
import tempfile
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from gitruns.entities.history import MAX_CURVE_BYTES, encode_metric_key
from gitruns.entities.ids import Digest
from gitruns.entities.values import MetricSummary, Point
from gitruns.journal.curve import thin_out
from gitruns.journal.fold import PointsByMetric, add_points
from gitruns.journal.lines import read_records
from gitruns.journal.live import LiveRun
from gitruns.journal.reader import JournalReader
from gitruns.journal.record import Record
from gitruns.journal.sealed import read_seal

MEMORY_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 256 * 1024
_METRIC_OVERHEAD_BYTES = 1024
_CHUNK_OVERHEAD_BYTES = 48


class PointSpool:
    """The sorted lines of a journal's points; a context manager that removes what it put on disk.

    `digest` and `size_bytes` are of the lines as `chunks` yields them, `summaries` of each metric's points: those that
    the reader of the same records has worked out already.
    """

    def __init__(
        self, summaries: Mapping[str, MetricSummary], spill_dir: Path, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        self.summaries = summaries
        self._spill_dir = spill_dir
        self._memory_bytes = memory_bytes
        self._columns: dict[str, str] = {}
        self._buffers: dict[str, list[bytes]] = {}
        self._buffered_bytes = 0
        self._pieces: dict[str, array[int]] = {}
        self._file: BinaryIO | None = None
        self.size_bytes = 0
        self.digest = Digest(hashlib.sha256().hexdigest())

    def add(self, points: PointsByMetric) -> None:
        """Adds points of some metrics, later ones than those before."""
        for metric, some in points.items():
            if metric not in self._columns:
                self._columns[metric] = encode_metric_key(metric)
                self._buffers[metric] = []
                self._buffered_bytes += _METRIC_OVERHEAD_BYTES
            column = self._columns[metric]
            lines = "".join([f"{column}\t{step}\t{time_ms}\t{value!r}\n" for step, time_ms, value in some]).encode()
            self._buffers[metric].append(lines)
            self._buffered_bytes += len(lines) + _CHUNK_OVERHEAD_BYTES
            self.size_bytes += len(lines)
        if self._buffered_bytes > self._memory_bytes:
            self._spill()

    def _spill(self) -> None:
        """Moves what is in the buffers to the end of the file."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._spill_dir, prefix="points.")  # noqa: SIM115  see `close`
        end = self._file.seek(0, 2)
        for metric, buffer in self._buffers.items():
            if buffer:
                self._file.writelines(buffer)
                size = sum(map(len, buffer))
                self._pieces.setdefault(metric, array("q")).extend((end, size))
                end += size
                buffer.clear()
        self._buffered_bytes = 0

    def finish(self) -> None:
        """Works out the digest, after the last point."""
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        self.digest = Digest(digest.hexdigest())

    def chunks(self) -> Iterator[bytes]:
        """Yields the lines, some at a time; a chunk may end within a line."""
        for metric in sorted(self._buffers):
            yield from self._chunks_of(metric)

    def _chunks_of(self, metric: str) -> Iterator[bytes]:
        pieces = iter(self._pieces.get(metric, ()))
        for start, size in zip(pieces, pieces, strict=True):
            for offset in range(start, start + size, _PIECE_BYTES):
                assert self._file is not None  # noqa: S101  who has pieces has the file
                self._file.seek(offset)
                yield self._file.read(min(_PIECE_BYTES, start + size - offset))
        yield from self._buffers[metric]

    def curve(self) -> bytes:
        """Returns lines that draw the same curves in at most 8 KiB: the first metrics, each as `downsample` has it."""
        curve = b""
        for metric in sorted(self.summaries):
            thin = thin_out(self._chunks_of(metric), self.summaries[metric].count)
            if len(curve) + len(thin) > MAX_CURVE_BYTES:
                break
            curve += thin
        return curve

    def close(self) -> None:
        """Removes what was put on disk."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> PointSpool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def spool_points(
    run_dir: Path,
    *,
    spill_dir: Path,
    memory_bytes: int = MEMORY_BYTES,
    live: LiveRun | None = None,
    marks: Path | None = None,
) -> PointSpool:
    """Returns the points of the journal in `run_dir` that are not sealed, sorted, with what is summed up of them.

    `live` says how far to read, all there is when None; `marks` is as `JournalReader` has it. More than `memory_bytes`
    of lines go to a nameless file in `spill_dir`.
    """
    live = JournalReader(run_dir, marks).refresh() if live is None else live
    spool = PointSpool(live.run.metrics, spill_dir, memory_bytes)
    try:
        for records in _records(marks or run_dir, live):
            points: PointsByMetric = {}
            for record in records:
                _add_points(record, points)
            spool.add(points)
        spool.finish()
    except BaseException:
        spool.close()
        raise
    return spool


def read_points(run_dir: Path, metric: str | None = None) -> Iterator[Point]:
    """Yields the points that are not sealed, of one metric or of all, as logged, writer by writer."""
    for records in _records(run_dir, JournalReader(run_dir).refresh()):
        for record in records:
            points: PointsByMetric = {}
            _add_points(record, points)
            for key, some in points.items():
                if metric is None or key == metric:
                    for step, time_ms, value in some:
                        yield Point(key, step, time_ms, value)


def unsealed_from(marks: Path, live: LiveRun) -> dict[Path, int]:
    """Returns each writer's file, in order of opening, and the offset where what is not sealed of it begins."""
    seal = read_seal(marks)
    covered = {} if seal is None else seal.covers
    return {writer.path: covered.get(writer.path.name, 0) for writer in live.writers}


def points_between(path: Path, start: int, stop: int) -> Iterator[PointsByMetric]:
    """Yields the points between two offsets of a writer's file by metric, some at a time."""
    for block in read_records(path, start, stop):
        points: PointsByMetric = {}
        for record in block.records:
            _add_points(record, points)
        yield points


def _records(marks: Path, live: LiveRun) -> Iterator[list[Record]]:
    for path, start in unsealed_from(marks, live).items():
        for block in read_records(path, start, live.covers[path.name]):
            yield block.records


def _add_points(record: Record, points: PointsByMetric) -> None:
    """Adds the points of a record, if it is a sound one of metrics: the reader counts those that are not."""
    if record[0] == "m":
        try:
            add_points(record, points)
        except (ValueError, LookupError, TypeError):
            return
