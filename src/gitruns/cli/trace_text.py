"""Traces as records for `--json` and `--format`, and as text for people: a table, and one trace as a tree of spans.

The keys are documented in docs/json.md and only grow.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gitruns.cli.cells import cut, printable
from gitruns.cli.times import duration, iso, local, relative

if TYPE_CHECKING:
    from gitruns.cli.output import Output
    from gitruns.cli.terminal import Terminal
    from gitruns.protocol.spans import Span
    from gitruns.protocol.trace import TraceInfo

TRACE_KEYS = frozenset(
    """
    id name state experiment_id time_ms time duration_ms client_request_id request response metadata tags runs
    assessments
    """.split()
)
_STYLES = {"ERROR": "FAILED", "OK": "FINISHED", "IN_PROGRESS": "RUNNING"}
_DEEPEST = 24
_SHOWN = ("mlflow.spanInputs", "mlflow.spanOutputs")


def trace_record(info: TraceInfo) -> dict[str, Any]:
    """Returns what is known of a trace."""
    return {
        "id": info.id,
        "name": name_of(info),
        "state": info.state,
        "experiment_id": info.experiment_id,
        "time_ms": info.time_ms,
        "time": iso(info.time_ms),
        "duration_ms": info.duration_ms,
        "client_request_id": info.client_request_id,
        "request": info.request_preview,
        "response": info.response_preview,
        "metadata": dict(info.metadata),
        "tags": dict(info.tags),
        "runs": sorted(info.runs),
        "assessments": [
            {
                "name": one.name,
                "type": one.type,
                "value": one.value,
                "source": one.source_id,
                "rationale": one.rationale,
                "valid": one.valid,
            }
            for one in info.assessments
        ],
    }


def span_record(span: Span) -> dict[str, Any]:
    """Returns a span, its attributes as values."""
    return {
        "id": span.id,
        "parent_id": span.parent_id,
        "name": span.name,
        "type": span.type,
        "status": span.status,
        "start_ns": span.start_ns,
        "end_ns": span.end_ns,
        "attributes": {key: span.attribute(key) for key in span.attributes},
    }


def name_of(info: TraceInfo) -> str:
    """Returns what a trace is called, empty when it is not."""
    return info.tags.get("mlflow.traceName", "")


def table(found: Sequence[TraceInfo], terminal: Terminal, now_ms: int) -> str:
    """Returns traces as a table that fits the terminal."""
    from gitruns.cli.tables import Column, render

    said = [", ".join(f"{one.name}={_short(one.value)}" for one in info.assessments if one.valid) for info in found]
    columns = [
        Column(title="TRACE", cells=[info.id[:11] for info in found], styles="id"),
        Column(title="NAME", cells=[printable(name_of(info)) for info in found], least=6, most=24, styles="key"),
        Column(title="STATE", cells=[info.state for info in found], styles=[_STYLES.get(info.state) for info in found]),
        Column(title="TOOK", cells=[_length(info.duration_ms) for info in found], rank=1, right=True),
        Column(title="WHEN", cells=[relative(info.time_ms, now_ms, short=True) for info in found], rank=2),
        Column(title="REQUEST", cells=[_line(info.request_preview) for info in found], rank=3, least=8, most=60),
        Column(title="SAID OF IT", cells=[printable(text) for text in said], rank=4, least=8, most=40),
    ]
    return render([one for one in columns if one.rank < 4 or any(one.cells)], terminal)


def _length(length_ms: int | None) -> str:
    return "-" if length_ms is None else duration(length_ms)


def _line(text: str | None) -> str:
    return printable(" ".join((text or "").split()))


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def tree(info: TraceInfo, spans: Sequence[Span], out: Output) -> Iterator[str]:
    """Yields the lines of one trace: its facts, its spans as a tree with what went in and out, what was said of it."""
    yield out.paint(f"trace {info.id}", "id")
    facts = [("Name", name_of(info)), ("State", info.state), ("Began", local(info.time_ms))]
    facts += [("Took", _length(info.duration_ms)), ("Runs", " ".join(sorted(info.runs)))]
    own = {key: text for key, text in info.tags.items() if not key.startswith("mlflow.")}
    facts += [("Tags", " ".join(f"{key}={text}" for key, text in sorted(own.items())))]
    yield from (f"{name + ':':<7} {printable(text)}" for name, text in facts if text)
    below: dict[str | None, list[Span]] = defaultdict(list)
    known = {span.id for span in spans}
    for span in spans:
        below[span.parent_id if span.parent_id in known else None].append(span)
    yield ""
    yield from _branch(below, None, 0, out)
    for one in info.assessments:
        note = f"  ({one.rationale})" if one.rationale else ""
        over = "" if one.valid else "overridden: "
        yield f"{over}{printable(f'{one.name} = {_short(one.value)}  {one.source_id}{note}')}"


def _branch(below: dict[str | None, list[Span]], parent: str | None, depth: int, out: Output) -> Iterator[str]:
    for span in below.pop(parent, ()):
        indent = "  " * min(depth, _DEEPEST)
        length = "" if span.end_ns is None else duration((span.end_ns - span.start_ns) // 1_000_000)
        state = "" if span.status in ("OK", "UNSET") else f"  {out.paint(span.status, 'FAILED')}"
        kind = f"  {span.type}" if span.type not in (None, "UNKNOWN") else ""
        yield f"{indent}{out.paint(printable(span.name), 'key')}{kind}  {length}{state}"
        for key, mark in zip(_SHOWN, ("<", ">"), strict=True):
            value = span.attribute(key)
            if value is not None:
                yield cut(f"{indent}  {mark} {_line(_short(value))}", max(out.terminal.width, 20))
        if depth < 500:
            yield from _branch(below, span.id, depth + 1, out)
