"""`metrics.yaml` and `metrics/<part>.yaml`: what a list or a comparison needs of the points."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from gitruns.entities.canonical import encode_mapping
from gitruns.entities.ids import Digest, is_digest
from gitruns.entities.values import MetricSummary
from gitruns.gitstore.codec.fields import Fields

METRICS_FILE = "metrics.yaml"
METRICS_FOLDER = "metrics/"

_KEYS = frozenset("count first first_step first_time last max mean min nan step time".split())


def encode_summaries(summaries: Mapping[str, MetricSummary]) -> bytes:
    """Returns the file of summaries by metric; equal mappings have equal bytes."""
    return encode_mapping({metric: _entry(summary) for metric, summary in summaries.items()})


def _entry(summary: MetricSummary) -> dict[str, int | float]:
    entry: dict[str, int | float] = {
        "count": summary.count,
        "first": summary.first,
        "first_step": summary.first_step,
        "first_time": summary.first_time_ms,
        "last": summary.last,
        "max": summary.max,
        "mean": summary.mean,
        "min": summary.min,
        "step": summary.step,
        "time": summary.time_ms,
    }
    if summary.nan:
        entry["nan"] = summary.nan
    return entry


def decode_summaries(data: bytes, path: str) -> dict[str, MetricSummary]:
    """Returns the summaries in a file, by metric; raises `CorruptDataError` naming path and line."""
    plain = _plain_summaries(data)
    if plain is not None:
        return plain
    fields = Fields.read(data, path)
    return {metric: _summary(metric, fields) for metric in fields.values}


_INTEGER = rb"(-?(?:0|[1-9][0-9]{0,17}))"
_FLOAT = rb"(-?(?:0|[1-9][0-9]*)\.[0-9]+(?:e[+-][0-9]+)?)"
_LINE = (
    rb'^"([^"\\\x00-\x1f\x7f-\xff]{0,900})": '
    rb'\{"count": ([1-9][0-9]{0,17}), "first": %(f)b, "first_step": %(i)b, "first_time": %(i)b, "last": %(f)b, '
    rb'"max": %(f)b, "mean": %(f)b, "min": %(f)b, "step": %(i)b, "time": %(i)b\}\n' % {b"f": _FLOAT, b"i": _INTEGER}
)


@cache
def _plain_line() -> re.Pattern[bytes]:
    """Made when first used, because that takes milliseconds."""
    return re.compile(_LINE, re.MULTILINE)


def _plain_summaries(data: bytes) -> dict[str, MetricSummary] | None:
    """Returns the summaries when each line is what nearly all are: an ASCII key, finite numbers; else None.

    Half of reading a run is this file, and this takes half the time of reading it as any other.
    """
    lines = _plain_line().findall(data)
    if len(lines) != data.count(b"\n") or not data.endswith(b"\n"):
        return None
    found = {
        key.decode(): MetricSummary(
            count=int(count),
            nan=0,
            first=float(first),
            first_step=int(first_step),
            first_time_ms=int(first_time),
            last=float(last),
            step=int(step),
            time_ms=int(time),
            min=float(least),
            max=float(greatest),
            mean=float(mean),
        )
        for key, count, first, first_step, first_time, last, greatest, mean, least, step, time in lines
    }
    return found if len(found) == len(lines) else None


def _summary(metric: str, fields: Fields) -> MetricSummary:
    """Reads what somebody may have written by hand: whole numbers where floats stand, an error with its line."""
    entry = fields.below(metric)
    entry.check_known(_KEYS)
    count = entry.size("count")
    nan = entry.size("nan") if "nan" in entry.values else 0
    if not 0 < count >= nan:
        raise entry.wrong("count", "does not fit the number of points")
    return MetricSummary(
        count=count,
        nan=nan,
        first=entry.number("first"),
        first_step=entry.required("first_step", entry.integer),
        first_time_ms=entry.required("first_time", entry.integer),
        last=entry.number("last"),
        step=entry.required("step", entry.integer),
        time_ms=entry.required("time", entry.integer),
        min=entry.number("min"),
        max=entry.number("max"),
        mean=entry.number("mean"),
    )


def part_summaries(files: Mapping[str, bytes]) -> dict[Digest, dict[str, MetricSummary]]:
    """Returns the summaries that stand in `metrics/<part>.yaml` files, by part; other files are not looked at."""
    found = {}
    for path, data in files.items():
        part = part_of(path, ".yaml")
        if part is not None:
            found[part] = decode_summaries(data, path)
    return found


def part_of(path: str, ending: str) -> Digest | None:
    """Returns the part that a file below `metrics/` with that ending belongs to, None when it is no such file."""
    if not path.startswith(METRICS_FOLDER) or not path.endswith(ending):
        return None
    name = path[len(METRICS_FOLDER) : -len(ending)]
    return Digest(name) if is_digest(name) else None
