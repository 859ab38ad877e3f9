"""A metric's curve from its lines, without holding them: what `entities.history.downsample` does with points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from gitruns.entities.history import CURVE_BUCKETS

_LINES_AT_ONCE = 8192


def thin_out(chunks: Iterable[bytes], count: int, buckets: int = CURVE_BUCKETS) -> bytes:
    """Returns those of one metric's `count` lines that `downsample` would choose of their points."""
    lines = _lines(chunks)
    if count <= 2 * buckets + 2:
        return b"".join(lines)
    chosen: dict[int, bytes] = {}
    start = 0
    for bucket in range(1, buckets + 1):
        end = bucket * count // buckets
        extremes = _Extremes()
        while start < end:
            some = list(islice(lines, min(_LINES_AT_ONCE, end - start)))
            if start == 0:
                chosen[0] = some[0]
            extremes.add(start, some)
            start += len(some)
        chosen.update(extremes.chosen())
        chosen.update({count - 1: some[-1]} if end == count else {})
    return b"".join(chosen[index] for index in sorted(chosen))


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).splitlines(keepends=True)
        rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        yield from lines


class _Extremes:
    """The first least and the first greatest value of a bucket's lines; its first line where all are NaN."""

    def __init__(self) -> None:
        self._first: tuple[int, bytes] | None = None
        self._least: tuple[float, int, bytes] | None = None
        self._greatest: tuple[float, int, bytes] | None = None

    def add(self, start: int, lines: list[bytes]) -> None:
        """Takes lines in; the first has index `start`."""
        if self._first is None:
            self._first = (start, lines[0])
        values = [float(line[line.rindex(b"\t") :]) for line in lines]
        numbers = values if (total := sum(values)) == total else [value for value in values if value == value]
        if not numbers:
            return
        low, high = min(numbers), max(numbers)
        if self._least is None or low < self._least[0]:
            self._least = (low, start + values.index(low), lines[values.index(low)])
        if self._greatest is None or high > self._greatest[0]:
            self._greatest = (high, start + values.index(high), lines[values.index(high)])

    def chosen(self) -> dict[int, bytes]:
        """Returns the lines to keep, by index."""
        if self._least is None or self._greatest is None:
            return dict([self._first] if self._first is not None else [])
        return {self._least[1]: self._least[2], self._greatest[1]: self._greatest[2]}
