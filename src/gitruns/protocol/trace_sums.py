"""Numbers over traces: counts, lengths, tokens, costs and what judges said, in groups and over time.

What pages draw and people ask for at once: everything is counted anew from the records, there is nothing to go stale.
Measured against MLflow 3.17.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from gitruns.protocol import assessments
from gitruns.protocol.errors import refused
from gitruns.protocol.otel_words import MODEL, PROVIDER
from gitruns.protocol.spans import COST, Span
from gitruns.protocol.trace import NAME_TAG, SESSION_KEY, TraceInfo
from gitruns.protocol.trace_filters import Clause, parse_filter, parse_sum_filter
from gitruns.protocol.trace_search import matching
from gitruns.protocol.trace_spans import stored_spans
from gitruns.protocol.trace_totals import TOKEN_USAGE, as_costs, as_counts

if TYPE_CHECKING:
    from gitruns.protocol.assessment import Assessment
    from gitruns.protocol.hub import Hub

TRACES, SPANS, ASSESSMENTS = "TRACES", "SPANS", "ASSESSMENTS"
BUCKET = "time_bucket"
_JEFFREYS = 0.5

_COUNT = frozenset({"COUNT"})
_SPREAD = frozenset({"AVG", "MIN", "MAX", "PERCENTILE"})
_SUMS = _SPREAD | {"SUM"}
_NO: frozenset[str] = frozenset()
_TOKENS = "input_tokens output_tokens total_tokens cache_read_input_tokens cache_creation_input_tokens".split()
_MODELS = frozenset({"span_model_name", "span_model_provider"})

_ALLOWED: Mapping[str, Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    TRACES: {
        "trace_count": (_COUNT, frozenset({"trace_name", "trace_status"})),
        "session_count": (_COUNT, _NO),
        "latency": (_SPREAD, frozenset({"trace_name"})),
        **{name: (_SUMS, frozenset({"trace_name"})) for name in _TOKENS},
    },
    SPANS: {
        "span_count": (_COUNT, frozenset({"span_name", "span_type", "span_status"}) | _MODELS),
        "latency": (_SPREAD, frozenset({"span_name", "span_status"})),
        **dict.fromkeys(("input_cost", "output_cost", "total_cost"), (_SUMS, _MODELS)),
    },
    ASSESSMENTS: {
        "assessment_count": (_COUNT, frozenset({"assessment_name", "assessment_value"})),
        "assessment_value": (_SPREAD, frozenset({"assessment_name"})),
    },
}
"""What each number of each view can be made into, and grouped by."""


@dataclass(frozen=True, slots=True)
class Aggregation:
    """What is made of the values of a group; `percentile` is for `PERCENTILE` alone, between 0 and 100."""

    kind: str
    percentile: float | None = None

    @property
    def label(self) -> str:
        """Its name in answers."""
        return f"P{self.percentile}" if self.kind == "PERCENTILE" else self.kind


@dataclass(frozen=True, slots=True)
class DataPoint:
    """The numbers of one group."""

    metric: str
    dimensions: Mapping[str, str]
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked for. Times are milliseconds, both included; `interval_s` divides them into pieces."""

    experiment_ids: tuple[str, ...]
    view: str
    metric: str
    aggregations: tuple[Aggregation, ...]
    dimensions: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    interval_s: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class _Row:
    time_ms: float
    value: Any
    dimensions: Mapping[str, Any]


def sum_up(hub: Hub, asked: Question) -> list[DataPoint]:
    """Returns the numbers that are asked for, by time and group."""
    _check(asked)
    groups: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for row in _rows(hub, asked):
        key: tuple[Any, ...] = tuple(row.dimensions.get(name) for name in asked.dimensions)
        if row.value is None or None in key:
            continue
        if asked.interval_s:
            key = (math.floor(row.time_ms / (asked.interval_s * 1000)), *key)
        groups[key].append(row.value)
    if not groups and not asked.interval_s and not asked.dimensions and asked.aggregations[0].kind == "COUNT":
        groups[()] = []
    points = []
    for key in sorted(groups)[: asked.limit]:
        names = ((BUCKET,) if asked.interval_s else ()) + asked.dimensions
        shown = dict(zip(names, key, strict=True))
        if asked.interval_s:
            shown[BUCKET] = datetime.fromtimestamp(key[0] * asked.interval_s, tz=timezone.utc).isoformat()
        values = {one.label: _made(one, groups[key]) for one in asked.aggregations}
        points.append(DataPoint(asked.metric, shown, values))
    return points


def _check(asked: Question) -> None:
    if asked.view not in _ALLOWED:
        raise refused(f"view_type must be one of {list(_ALLOWED)}, got '{asked.view}'")
    known = _ALLOWED[asked.view]
    if asked.metric not in known:
        raise refused(f"metric_name must be one of {list(known)}, got '{asked.metric}'")
    kinds, dimensions = known[asked.metric]
    wrong = {one.kind for one in asked.aggregations} - kinds
    if wrong or not asked.aggregations:
        raise refused(
            f"Found invalid aggregation_type(s): {sorted(wrong)}. Supported aggregation types: {sorted(kinds)}"
        )
    if any(one.kind == "PERCENTILE" and not 0 <= (one.percentile or 0) <= 100 for one in asked.aggregations):
        raise refused("Percentile value must be between 0 and 100")
    odd = set(asked.dimensions) - dimensions
    if odd:
        raise refused(f"Found invalid dimension(s): {sorted(odd)}. Supported dimensions: {sorted(dimensions)}")
    if asked.interval_s and (asked.start_ms is None or asked.end_ms is None):
        raise refused("start_time_ms and end_time_ms are required if time_interval_seconds is set")
    if asked.interval_s is not None and asked.interval_s < 0:
        raise refused("time_interval_seconds must be positive")


def _made(one: Aggregation, values: Sequence[Any]) -> float:
    if one.kind == "COUNT":
        return len(set(values))
    if one.kind == "SUM":
        return math.fsum(values)
    if one.kind == "AVG":
        return math.fsum(values) / len(values)
    if one.kind in ("MIN", "MAX"):
        return float(min(values) if one.kind == "MIN" else max(values))
    place = (one.percentile or 0) / 100 * (len(values) - 1)
    ordered, low = sorted(values), int(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (place - low) * (ordered[high] - ordered[low]))


# What there is to count


def _rows(hub: Hub, asked: Question) -> Iterator[_Row]:
    within = []
    own: list[tuple[str, str]] = []
    for view, key, value in map(parse_sum_filter, asked.filters):
        if view == "trace":
            entity, _, name = key.partition(".")
            within.append(Clause("attribute" if entity == "status" else entity, name or entity, "=", value))
        elif view.upper() + "S" != asked.view:
            raise refused(f"Filtering by {view} is only supported for {view.upper()}S view type, got {asked.view}")
        else:
            own.append((key, value))
    costs = asked.metric.endswith("_cost")
    if not costs:
        bounds = ((">=", asked.start_ms), ("<=", asked.end_ms))
        within += [Clause("attribute", "timestamp_ms", sign, bound) for sign, bound in bounds if bound is not None]
    found = matching(hub, asked.experiment_ids, within)
    if asked.view == TRACES:
        yield from map(_trace_row(asked.metric), found)
    elif asked.view == SPANS:
        for info in found:
            for span in stored_spans(hub, info.id):
                time_ms = span.start_ns / 1_000_000
                outside = costs and not (asked.start_ms or -math.inf) <= time_ms <= (asked.end_ms or math.inf)
                if not outside and all(getattr(span, key) == value for key, value in own):
                    yield _span_row(asked.metric, span, time_ms)
    else:
        for info in found:
            for one in assessments.of_trace(hub, info.id):
                if one.valid and all(getattr(one, key) == value for key, value in own):
                    yield _assessment_row(asked.metric, one, info)


def _trace_row(metric: str) -> Callable[[TraceInfo], _Row]:
    values: Mapping[str, Callable[[TraceInfo], Any]] = {
        "trace_count": lambda info: info.id,
        "session_count": lambda info: info.metadata.get(SESSION_KEY),
        "latency": lambda info: info.duration_ms,
    }

    def row(info: TraceInfo) -> _Row:
        value_of = values.get(metric)
        tokens = as_counts(info.metadata.get(TOKEN_USAGE)) if value_of is None else {}
        value = tokens.get(metric) if value_of is None else value_of(info)
        return _Row(info.time_ms, value, {"trace_name": info.tags.get(NAME_TAG), "trace_status": info.state})

    return row


def _span_row(metric: str, span: Span, time_ms: float) -> _Row:
    if metric == "span_count":
        value: Any = (span.trace_id, span.id)
    elif metric == "latency":
        value = None if span.end_ns is None else (span.end_ns - span.start_ns) // 1_000_000
    else:
        value = as_costs(span.attribute(COST)).get(metric)
    names = {"span_name": span.name, "span_type": span.type, "span_status": span.status}
    models = {"span_model_name": _text(span.attribute(MODEL)), "span_model_provider": _text(span.attribute(PROVIDER))}
    return _Row(time_ms, value, names | models)


def _text(value: Any) -> str | None:
    return value[:500] if isinstance(value, str) else None


def _assessment_row(metric: str, one: Assessment, info: TraceInfo) -> _Row:
    value: Any = one.id if metric == "assessment_count" else _as_number(one)
    return _Row(info.time_ms, value, {"assessment_name": one.name, "assessment_value": one.value_text})


def _as_number(one: Assessment) -> float | None:
    """Returns what an assessment counts as: yes and true as 1, no and false as 0."""
    if isinstance(one.value, bool):
        return float(one.value)
    if isinstance(one.value, str):
        return {"yes": 1.0, "no": 0.0}.get(one.value.strip().lower())
    return one.number


# How two filters go together


@dataclass(frozen=True, slots=True)
class Correlation:
    """How often two filters hold together: from -1 (never) by 0 (as by chance) to 1 (always), NaN where unknown.

    `smoothed` is the same with half a trace added everywhere, for small numbers.
    """

    npmi: float
    smoothed: float
    first: int
    second: int
    both: int
    total: int


def correlate(
    hub: Hub, experiment_ids: Iterable[str], first: str, second: str, within: str | None = None
) -> Correlation:
    """Returns how two filters go together, among the traces that a third one finds."""
    ids = list(experiment_ids)
    base = parse_filter(within)
    everything = {info.id for info in matching(hub, ids, base)}
    ones = {info.id for info in matching(hub, ids, (*base, *parse_filter(first)))}
    others = {info.id for info in matching(hub, ids, (*base, *parse_filter(second)))}
    counts = (len(ones & others), len(ones), len(others), len(everything))
    plain, smooth = math.nan, math.nan
    if ones and others:
        plain = _npmi(*counts, 0) if counts[0] else -1.0
        smooth = _npmi(*counts, _JEFFREYS)
    return Correlation(plain, smooth, counts[1], counts[2], counts[0], counts[3])


def _npmi(both: int, first: int, second: int, total: int, more: float) -> float:
    """Returns normalized pointwise mutual information. Source: Bouma 2009."""
    if first == second == both == total:
        return 1.0
    everything = total + 4 * more
    together, one, other = both + more, first + 2 * more, second + 2 * more
    gain = math.log(together) + math.log(everything) - math.log(one) - math.log(other)
    return max(-1.0, min(1.0, gain / -(math.log(together) - math.log(everything))))
