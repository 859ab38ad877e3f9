"""`metrics.yaml` and `metrics/<part>.yaml`: what a list or a comparison needs of the points."""

from __future__ import annotations

from collections.abc import Mapping

from gitruns.entities.canonical import encode_mapping
from gitruns.entities.ids import Digest, is_digest
from gitruns.entities.values import MetricSummary
from gitruns.gitstore.codec.fields import MAX_INTEGER, Fields

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
    fields = Fields.read(data, path)
    return {metric: _summary(metric, fields) for metric in fields.values}


def _summary(metric: str, fields: Fields) -> MetricSummary:
    value = fields.values[metric]
    if type(value) is dict and tuple(value) == _ORDER:  # nearly always
        found = tuple(value.values())
        if tuple(map(type, found)) == _TYPES:
            count, first, first_step, first_time, last, greatest, mean, least, step, time = found
            whole = (first_step, first_time, step, time)
            if 0 < count < MAX_INTEGER and min(whole) >= -MAX_INTEGER and max(whole) < MAX_INTEGER:
                return MetricSummary(
                    count=count,
                    nan=0,
                    first=first,
                    first_step=first_step,
                    first_time_ms=first_time,
                    last=last,
                    step=step,
                    time_ms=time,
                    min=least,
                    max=greatest,
                    mean=mean,
                )
    return _checked_summary(metric, fields)


_ORDER = ("count", "first", "first_step", "first_time", "last", "max", "mean", "min", "step", "time")
_TYPES = (int, float, int, int, float, float, float, float, int, int)


def _checked_summary(metric: str, fields: Fields) -> MetricSummary:
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
