"""Points of metrics as columns, many runs and metrics at once: what curves are drawn from.

What is in git never changes, so it is kept by commit; the journal of a live run is followed, so that asking again reads
only what was added. Memory is bounded however many runs and points there are.
"""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from gitruns.entities.history import encode_metric_key
from gitruns.entities.ids import ObjectId
from gitruns.entities.run import Part, Run
from gitruns.errors import CorruptDataError
from gitruns.repo.history import stored_lines
from gitruns.repo.live_series import Column, LiveSeries

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

_MOST_POINTS_KEPT = 3_000_000
_MOST_LIVE = 64
_MOST_WHOLE = 4
"""Live runs of which all points are kept: a client that reads a long history asks for page after page."""

_Key = tuple[ObjectId, str, bool]


class Series(NamedTuple):
    """Points of one metric in logged order: `steps: int64[n]`, `times_ms: int64[n]`, `values: float64[n]`."""

    steps: array[int]
    times_ms: array[int]
    values: array[float]

    @classmethod
    def empty(cls) -> Series:
        """Returns a series without points."""
        return cls(array("q"), array("q"), array("d"))

    def extend(self, other: Series) -> None:
        """Adds the points of another series behind these."""
        self.steps.extend(other.steps)
        self.times_ms.extend(other.times_ms)
        self.values.extend(other.values)


class SeriesReader:
    """Reads points of metrics. It may be shared by threads."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, Series] = OrderedDict()
        self._points_kept = 0
        self._live: OrderedDict[str, LiveSeries] = OrderedDict()
        self._whole: OrderedDict[str, LiveSeries] = OrderedDict()

    def read(self, run: Run, metrics: Collection[str], *, whole: bool = False) -> dict[str, Series]:
        """Returns points of some metrics of a run as `get_run` gives it; a metric without points is left out.

        Of a long history they are those that draw its curve: what the run's tree holds, and of a live run at least
        10,000; or all there are where the `whole` is wanted. Raises `NotFoundError` (kind `points-not-here`) and
        `CorruptDataError` (kind `bad-part`).
        """
        wanted = [metric for metric in metrics if metric in run.metrics]
        found = dict(self._sealed(run, wanted, whole=whole))
        for metric, column in self._following(run, wanted, whole=whole).items():
            series = Series.empty()
            for earlier in (found.get(metric), Series(*column)):
                if earlier is not None:
                    series.extend(earlier)
            found[metric] = series
        return {metric: found[metric] for metric in wanted if metric in found and found[metric].steps}

    def _sealed(self, run: Run, metrics: Collection[str], *, whole: bool) -> Iterator[tuple[str, Series]]:
        if run.commit is None:
            return
        keys = {metric: (run.commit, metric, whole) for metric in metrics}
        with self._lock:
            known = {metric: self._kept[key] for metric, key in keys.items() if key in self._kept}
            for metric in known:
                self._kept.move_to_end(keys[metric])
        yield from known.items()
        missing = [metric for metric in metrics if metric not in known]
        if missing:
            read = _read_parts(self._repo, run, run.commit, missing, whole=whole)
            self._keep({keys[metric]: series for metric, series in read.items()})
            yield from read.items()

    def _keep(self, read: Mapping[_Key, Series]) -> None:
        with self._lock:
            for key, series in read.items():
                if key not in self._kept:
                    self._kept[key] = series
                    self._points_kept += len(series.steps) + 1
            while self._points_kept > _MOST_POINTS_KEPT and self._kept:
                _, oldest = self._kept.popitem(last=False)
                self._points_kept -= len(oldest.steps) + 1

    def _following(self, run: Run, metrics: Collection[str], *, whole: bool) -> Mapping[str, Column]:
        """What is in the journal and not in git."""
        live = self._repo.live(run.info.id)
        if live is None:
            return {}
        followers, most = (self._whole, _MOST_WHOLE) if whole else (self._live, _MOST_LIVE)
        with self._lock:
            following = followers.get(run.info.id)
            if following is None:
                folder = self._repo.live_root / run.info.id
                following = followers[run.info.id] = LiveSeries(folder, keep=None) if whole else LiveSeries(folder)
            followers.move_to_end(run.info.id)
            if len(followers) > most:
                followers.popitem(last=False)
        found = following.read(live, metrics)
        if following.count_points() > _MOST_POINTS_KEPT:
            with self._lock:
                followers.pop(run.info.id, None)
        return found


def _read_parts(repo: Repo, run: Run, commit: ObjectId, metrics: Collection[str], *, whole: bool) -> dict[str, Series]:
    columns = {metric: encode_metric_key(metric).encode() + b"\t" for metric in metrics}
    found = {metric: Series.empty() for metric in metrics}
    for part in run.parts:
        path = f"metrics/{part.digest}.tsv"
        try:
            if whole and part.stored_as is not None:
                blocks = _stored_blocks(repo, part, columns)
            else:
                blocks = _tree_blocks(repo.store.read_file(commit, path) or b"", columns)
            for metric, block in blocks:
                found[metric].extend(_parse(block))
        except (ValueError, OverflowError, EOFError) as error:
            raise CorruptDataError(f"cannot read '{path}': {error}", kind="bad-part", path=path) from error
    return found


def _tree_blocks(data: bytes, columns: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Yields the lines of each metric, which stand together."""
    lined = b"\n" + data
    for metric, column in columns.items():
        start = lined.find(b"\n" + column)
        if start < 0:
            continue
        last = lined.rfind(b"\n" + column)
        end = lined.find(b"\n", last + 1)
        yield metric, lined[start + 1 : end if end >= 0 else len(lined)]


def _stored_blocks(repo: Repo, part: Part, columns: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    wanted = {column.decode(): metric for metric, column in columns.items()}
    lines: dict[str, list[str]] = {}
    for line in stored_lines(repo, part):
        metric = wanted.get(line[: line.find("\t") + 1])
        if metric is not None:
            lines.setdefault(metric, []).append(line)
    for metric, some in lines.items():
        yield metric, "".join(some).rstrip("\n").encode()


def _parse(block: bytes) -> Series:
    """Returns the points of some lines of one metric, without the last line's end."""
    cells = block.replace(b"\n", b"\t").split(b"\t")
    if len(cells) % 4:
        raise ValueError("a line is no point")
    steps, times_ms, values = (cells[place::4] for place in (1, 2, 3))
    return Series(array("q", map(int, steps)), array("q", map(int, times_ms)), array("d", map(float, values)))
