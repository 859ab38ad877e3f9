"""Searches for traces: which of them hold what a filter says, in which order, page by page.

Traces of the experiments are looked at one by one; their spans only when a filter asks for them and all else holds.
LIKE is `%` and `_` over the whole text, RLIKE takes time that grows with the text and no faster, whatever the pattern.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from gitruns.errors import InvalidInputError
from gitruns.protocol import assessments
from gitruns.protocol.assessment import ISSUE, Assessment
from gitruns.protocol.checks import offset_of, token_of
from gitruns.protocol.errors import refused
from gitruns.protocol.spans import Span, json_or_text
from gitruns.protocol.trace import KIND, RUN_KEY, SESSION_KEY, TraceInfo, find_record, is_there, read_info, time_of
from gitruns.protocol.trace_filters import (
    CONTENT,
    PROMPTS_TAG,
    Clause,
    Order,
    parse_filter,
    parse_order,
)
from gitruns.protocol.trace_spans import stored_spans
from gitruns.protocol.trace_totals import COST, TOKEN_USAGE
from gitruns.repo.matching import compile_regexp, ilike, like

if TYPE_CHECKING:
    from gitruns.protocol.hub import Hub

_ATTRIBUTES: dict[str, Callable[[TraceInfo], Any]] = {
    "request_id": lambda info: info.id,
    "timestamp_ms": lambda info: info.time_ms,
    "execution_time_ms": lambda info: info.duration_ms,
    "end_time_ms": lambda info: info.time_ms + (info.duration_ms or 0),
    "status": lambda info: info.state,
    "client_request_id": lambda info: info.client_request_id,
    "experiment_id": lambda info: info.experiment_id.zfill(20),
}


def search_traces(
    hub: Hub,
    experiment_ids: Sequence[str] | None,
    filter: str | None = None,  # noqa: A002  the field's word, and MLflow's
    max_results: int = 100,
    order_by: Sequence[str] | None = None,
    page_token: str | None = None,
) -> tuple[list[TraceInfo], str]:
    """Returns one page of traces of some experiments (None: of all), and the token of the next, empty on the last."""
    clauses, order = parse_filter(filter), parse_order(order_by)
    offset = offset_of(page_token)
    end = offset + max_results
    found = matching(hub, experiment_ids, clauses)
    if order:
        found = iter(in_order(found, order))
    page = list(islice(found, offset, end + 1))
    shown = [replace(one, assessments=assessments.of_trace(hub, one.id)) for one in page[:max_results]]
    return shown, token_of(end) if len(page) > max_results else ""


def matching(hub: Hub, experiment_ids: Sequence[str] | None, clauses: Sequence[Clause]) -> Iterator[TraceInfo]:
    """Yields the traces of some experiments that hold all clauses, newest first, as they are asked for."""
    ids = None if experiment_ids is None else list(dict.fromkeys(map(str, experiment_ids)))
    tests: list[Callable[[TraceInfo], bool]] = []
    fits: list[Callable[[Span], bool]] = []
    said: list[Assessment] | None = None
    for clause in clauses:
        if clause.entity == "span":
            fits.append(_on_span(clause))
        elif clause.entity in ("feedback", "expectation", "issue"):
            said = list(assessments.of_experiments(hub, ids)) if said is None else said
            tests.append(_assessed(hub, clause, said))
        else:
            tests.append(_on_facts(clause))
    for info in _traces(hub, ids, clauses):
        if not all(holds(info) for holds in tests):
            continue
        if not fits or any(all(holds(span) for holds in fits) for span in stored_spans(hub, info.id)):
            yield info


def _traces(hub: Hub, experiment_ids: Collection[str] | None, clauses: Iterable[Clause]) -> Iterable[TraceInfo]:
    """Yields traces of experiments, newest first, then by id; what the index can leave out is left out."""
    since_ms, until_ms = _span_of_time(clauses)
    within: dict[str, Any] = {}
    for clause in clauses:
        if clause.entity == "metadata" and clause.key == SESSION_KEY and clause.comparator == "=":
            within[f"metadata/{SESSION_KEY}"] = clause.value
    wanted = [within] if experiment_ids is None else [{**within, "experiment_id": one} for one in experiment_ids]
    selected = [hub.repo.records.select(KIND, where, since_ms=since_ms, until_ms=until_ms) for where in wanted]
    for record in heapq.merge(*selected, key=lambda one: (-time_of(one), one.id)):
        if is_there(record):
            yield read_info(hub, record)


def _span_of_time(clauses: Iterable[Clause]) -> tuple[int | None, int | None]:
    """Returns the least time that clauses let through, and the first that is too late."""
    bounds = [one for one in clauses if one.key == "timestamp_ms" and isinstance(one.value, int)]
    least = [one.value + (one.comparator == ">") for one in bounds if one.comparator in (">", ">=", "=")]
    late = [one.value + (one.comparator != "<") for one in bounds if one.comparator in ("<", "<=", "=")]
    return max(least, default=None), min(late, default=None)


# Clauses


def _on_facts(clause: Clause) -> Callable[[TraceInfo], bool]:
    key, value = clause.key, clause.value
    if clause.entity == "attribute":
        return _compared(clause, _ATTRIBUTES[key])
    if key == PROMPTS_TAG:
        if not isinstance(value, str) or value.count("/") != 1:
            raise refused(f"Invalid prompts filter value '{value}'. Expected format: prompt = \"name/version\"")
        return lambda info: value in info.prompts
    if clause.entity == "metadata" and key == RUN_KEY and clause.comparator == "=":
        return lambda info: value in info.runs or info.metadata.get(RUN_KEY) == value
    if clause.entity == "metadata" and key in (TOKEN_USAGE, COST) and clause.comparator in ("LIKE", "ILIKE", "RLIKE"):
        raise refused(
            f"Comparator '{clause.comparator}' is not supported for reserved metadata '{key}'. "
            "Only '=', '!=', 'IS NULL', and 'IS NOT NULL' are supported."
        )
    if clause.entity == "tag":
        return _compared(clause, lambda info: info.tags.get(key))
    return _compared(clause, lambda info: info.metadata.get(key))


def _compared(clause: Clause, value_of: Callable[[TraceInfo], Any]) -> Callable[[TraceInfo], bool]:
    if clause.comparator == "IS NULL":
        return lambda info: value_of(info) is None
    if clause.comparator == "IS NOT NULL":
        return lambda info: value_of(info) is not None
    fits = _test(clause.comparator, clause.value)
    return lambda info: (found := value_of(info)) is not None and fits(found)


def _test(comparator: str, value: Any) -> Callable[[Any], bool]:
    """Returns the test of something that is there."""
    if comparator == "RLIKE":
        return _pattern(value)
    tests: dict[str, Callable[[Any], bool]] = {
        "=": lambda found: bool(found == value),
        "!=": lambda found: bool(found != value),
        "<": lambda found: bool(found < value),
        "<=": lambda found: bool(found <= value),
        ">": lambda found: bool(found > value),
        ">=": lambda found: bool(found >= value),
        "LIKE": lambda found: bool(like(value, found)),
        "ILIKE": lambda found: bool(ilike(value, found)),
        "IN": lambda found: found in value,
        "NOT IN": lambda found: found not in value,
    }
    return tests[comparator]


@lru_cache(maxsize=64)
def _pattern(text: str) -> Callable[[Any], bool]:
    try:
        return compile_regexp(text)
    except InvalidInputError as error:
        if error.kind == "regexp-not-available":
            raise refused("RLIKE needs an engine that is not installed: pip install 'gitruns[regexp]'") from error
        raise


# Spans


def _on_span(clause: Clause) -> Callable[[Span], bool]:
    key = clause.key
    if key == CONTENT:
        fits = _test(clause.comparator, clause.value)
        return lambda span: fits(span.content)
    if not key.startswith("attributes."):
        fits = _test(clause.comparator, clause.value)
        return lambda span: (found := getattr(span, key)) is not None and fits(found)
    name = key.removeprefix("attributes.")
    if clause.comparator in ("LIKE", "ILIKE"):
        within = _test(clause.comparator, f'%"{name}"{clause.value}%')
        return lambda span: within(span.content)
    if clause.comparator == "RLIKE":
        search = _pattern(_in_content(name, clause.value))
        return lambda span: search(span.content)
    fits = _test(clause.comparator, clause.value)
    return lambda span: (found := _shown(span.attributes.get(name))) is not None and fits(found)


def _in_content(name: str, pattern: str) -> str:
    """Returns the pattern that finds an attribute's value where it stands in the text of a span."""
    start = '"\\\\"' if pattern.startswith("^") else '"\\\\".*'
    end = '\\\\"' if pattern.endswith("$") else ""
    return f'"{name}": {start}{pattern.removeprefix("^").removesuffix("$")}{end}'


def _shown(value: Any) -> str | None:
    """Returns an attribute as text, a text without the quotes of JSON."""
    found = json_or_text(value)
    return found if found is None or isinstance(found, str) else json.dumps(found)


# Assessments


def _assessed(hub: Hub, clause: Clause, known: Iterable[Assessment]) -> Callable[[TraceInfo], bool]:
    """Returns the test whether a trace has a fitting assessment, or is of a session that has one of its own."""
    fits = _on_assessment(clause)
    traces, sessions = set(), set()
    for one in known:
        if fits(one):
            traces.add(one.trace_id)
            if SESSION_KEY in (one.metadata or {}) and one.type != ISSUE:
                record = find_record(hub, one.trace_id)
                sessions.add(None if record is None else record.fields.get(f"metadata/{SESSION_KEY}"))
    sessions.discard(None)
    absent = clause.comparator == "IS NULL"
    return lambda info: (info.id in traces or info.metadata.get(SESSION_KEY) in sessions) != absent


def _on_assessment(clause: Clause) -> Callable[[Assessment], bool]:
    if clause.entity == ISSUE:
        return lambda one: one.type == ISSUE and one.name == clause.value
    comparator, value = clause.comparator, clause.value
    fits: Callable[[Assessment], bool]
    if comparator in ("IS NULL", "IS NOT NULL"):
        fits = lambda one: True  # noqa: E731
    elif comparator in ("<", "<=", ">", ">="):
        numbers = _test(comparator, value)
        fits = lambda one: one.number is not None and numbers(one.number)  # noqa: E731
    elif comparator in ("=", "!="):
        wanted = (value, json.dumps(value))
        fits = lambda one: (one.value_text in wanted) == (comparator == "=")  # noqa: E731
    else:
        texts = _test(comparator, value)
        fits = lambda one: texts(one.value_text)  # noqa: E731
    return lambda one: one.valid and one.type == clause.entity and one.name == clause.key and fits(one)


# Order


def in_order(found: Iterable[TraceInfo], order: Sequence[Order]) -> list[TraceInfo]:
    """Returns traces in an order; what has nothing there comes last either way, ties are newest first, then by id."""
    given = {one.key for one in order if one.entity == "attribute"}
    listed = sorted(found, key=lambda info: info.id)
    if "timestamp_ms" not in given:
        listed.sort(key=lambda info: info.time_ms, reverse=True)
    for one in reversed(order):
        value_of = _value_of(one)
        there = [info for info in listed if value_of(info) is not None]
        there.sort(key=value_of, reverse=one.descending)
        listed = there + [info for info in listed if value_of(info) is None]
    return listed


def _value_of(order: Order) -> Callable[[TraceInfo], Any]:
    if order.entity == "attribute":
        return _ATTRIBUTES[order.key]
    if order.entity == "tag":
        return lambda info: info.tags.get(order.key)
    return lambda info: info.metadata.get(order.key)
