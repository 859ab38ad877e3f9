"""Points of metrics as text: one line a point, and a curve small enough to keep everywhere.

    metric<TAB>step<TAB>time_ms<TAB>value

`metric` is JSON text without its quotes, so no key can make a line or a column; `value` is the shortest digits that
round-trip, or `nan`, `inf`, `-inf`. Lines are by metric (bytewise), then in logged order.
Source: docs/format.md, "Metric history".
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence

from gitruns.entities.canonical import encode_text
from gitruns.entities.values import Point

MAX_IN_TREE_BYTES = 64 * 1024
"""Parts of a run up to this size in all are kept in the tree; a larger one goes to the artifact store."""

CURVE_BUCKETS = 64
MAX_CURVE_BYTES = 8 * 1024


def encode_metric_key(metric: str) -> str:
    """Returns the first column of a metric's lines."""
    return encode_text(metric)[1:-1]


def decode_metric_key(column: str) -> str:
    """Returns the metric that a first column names; raises ValueError when it is not JSON text."""
    if "\\" not in column:
        return column
    key = json.loads(f'"{column}"')
    assert isinstance(key, str)  # noqa: S101  quotes around it make it text, or json.loads has raised
    return key


def encode_number(value: float) -> str:
    """Returns the last column: shortest digits that round-trip, or `nan`, `inf`, `-inf`."""
    if math.isnan(value):
        return "nan"  # repr may show the sign of a NaN on some platform; the format has one NaN
    return float.__repr__(value)  # numpy's own floats have another repr


def encode_point(key_column: str, step: int, time_ms: int, value: float) -> str:
    """Returns one line, its end included; `key_column` is from `encode_metric_key`."""
    return f"{key_column}\t{step}\t{time_ms}\t{encode_number(value)}\n"


def decode_points(lines: Iterable[str]) -> Iterator[Point]:
    """Yields the points of TSV lines; raises ValueError, naming the line (1-based), when one is no point."""
    column: str | None = None
    metric = ""
    for number, line in enumerate(lines, 1):
        cells = line.rstrip("\n").split("\t")
        try:
            key, step, time_ms, value = cells
            if key != column:
                metric, column = decode_metric_key(key), key
            yield Point(metric, int(step), int(time_ms), float(value))
        except ValueError:
            raise ValueError(f"line {number} is no point") from None


def downsample(points: Sequence[Point], buckets: int = CURVE_BUCKETS) -> list[Point]:
    """Returns at most `2 * buckets + 2` of one metric's points that draw the same curve.

    First and last point, and of each bucket of consecutive points the least and the greatest; NaN points stand only
    where a bucket has nothing else. The order is kept.
    """
    if len(points) <= 2 * buckets + 2:
        return list(points)
    chosen = {0, len(points) - 1}
    for bucket in range(buckets):
        start, end = bucket * len(points) // buckets, (bucket + 1) * len(points) // buckets
        chosen.update(_extremes(points, start, end))
    return [points[index] for index in sorted(chosen)]


def _extremes(points: Sequence[Point], start: int, end: int) -> tuple[int, ...]:
    numbers = [index for index in range(start, end) if not math.isnan(points[index].value)]
    if not numbers:
        return (start,)
    return (
        min(numbers, key=lambda index: points[index].value),
        max(numbers, key=lambda index: points[index].value),
    )
