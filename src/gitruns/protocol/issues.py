"""Calls for issues: what is wrong with an application, found in its traces, and named by assessments of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gitruns.protocol import assessments
from gitruns.protocol.assessment import ISSUE
from gitruns.protocol.checks import check_max_results, offset_of, token_of
from gitruns.protocol.errors import missing, refused
from gitruns.protocol.experiments import active_experiment, experiment_id_of
from gitruns.protocol.record_fields import put, value_here
from gitruns.protocol.trace_filters import parse_issue_filter
from gitruns.repo import now_ms

if TYPE_CHECKING:
    from gitruns.protocol.hub import Hub
    from gitruns.repo.records import Record

KIND = "issue"
STATES = ("pending", "rejected", "resolved")
SEVERITIES = ("not_an_issue", "low", "medium", "high")
_PAGE = 1000
_TEXTS = ("experiment_id", "name", "description", "status", "severity", "source_run_id", "created_by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One issue. `traces` is how many traces show it, None where nobody has counted."""

    id: str
    experiment_id: str
    name: str
    description: str
    status: str
    severity: str | None = None
    root_causes: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    source_run_id: str | None = None
    created_by: str | None = None
    created_ms: int = 0
    updated_ms: int = 0
    traces: int | None = None


def create_issue(
    hub: Hub,
    experiment_id: str,
    name: str,
    description: str,
    *,
    status: str = "pending",
    severity: str | None = None,
    root_causes: Sequence[str] = (),
    categories: Sequence[str] = (),
    source_run_id: str | None = None,
    created_by: str | None = None,
) -> Issue:
    """Writes an issue down."""
    experiment = active_experiment(hub, experiment_id)
    _check(status, severity)
    now = now_ms()
    fields = {
        "experiment_id": str(experiment.id),
        "name": name,
        "description": description,
        "status": status,
        "severity": severity,
        "root_causes": list(root_causes) or None,
        "categories": list(categories) or None,
        "source_run_id": source_run_id,
        "created_by": created_by,
        "created_ms": now,
        "updated_ms": now,
    }
    issue_id = f"iss-{uuid4().hex}"
    put(hub.repo.records, KIND, issue_id, fields)
    return get_issue(hub, issue_id)


def _check(status: str | None, severity: str | None) -> None:
    if status is not None and status not in STATES:
        raise refused(f"'{status}' is no status of an issue. Valid ones are {list(STATES)}")
    if severity is not None and severity not in SEVERITIES:
        raise refused(f"'{severity}' is no severity of an issue. Valid ones are {list(SEVERITIES)}")


def get_issue(hub: Hub, issue_id: str) -> Issue:
    """Returns an issue."""
    record = hub.repo.records.get(KIND, issue_id)
    found = None if record is None else _read(hub, record, None)
    if found is None:
        raise missing(f"Issue with ID '{issue_id}' not found")
    return found


def update_issue(
    hub: Hub,
    issue_id: str,
    *,
    status: str | None = None,
    name: str | None = None,
    description: str | None = None,
    severity: str | None = None,
) -> Issue:
    """Changes what is given of an issue."""
    get_issue(hub, issue_id)
    _check(status, severity)
    given = {"status": status, "name": name, "description": description, "severity": severity}
    fields = {key: text for key, text in given.items() if text is not None}
    put(hub.repo.records, KIND, issue_id, {**fields, "updated_ms": now_ms()}, hub.repo.records.get(KIND, issue_id))
    return get_issue(hub, issue_id)


def search_issues(
    hub: Hub,
    experiment_id: str | None = None,
    filter: str | None = None,  # noqa: A002  the field's word, and MLflow's
    max_results: int | None = None,
    page_token: str | None = None,
    *,
    count_traces: bool = False,
) -> tuple[list[Issue], str]:
    """Returns one page of issues, the worst first, then the newest, and the token of the next, empty on the last."""
    size = _PAGE if max_results is None else max_results
    check_max_results(size)
    offset = offset_of(page_token)
    where: Mapping[str, Any] = {} if experiment_id is None else {"experiment_id": str(experiment_id_of(experiment_id))}
    clauses = parse_issue_filter(filter)
    counts = _counts(hub) if count_traces else None
    read = (_read(hub, record, counts) for record in hub.repo.records.select(KIND, where))
    found = [one for one in read if one is not None and all(_holds(one, *clause) for clause in clauses)]
    found.sort(key=lambda one: (_rank(one), one.traces or 0, one.created_ms, one.id), reverse=True)
    end = offset + size
    return found[offset:end], token_of(end) if end < len(found) else ""


def _counts(hub: Hub) -> Mapping[str, int]:
    traces: dict[str, set[str]] = {}
    for one in assessments.of_experiments(hub, None):
        if one.type == ISSUE:
            traces.setdefault(one.name, set()).add(one.trace_id)
    return {issue_id: len(found) for issue_id, found in traces.items()}


def _holds(one: Issue, key: str, comparator: str, value: str) -> bool:
    found = getattr(one, key)
    return found is not None and (found == value) == (comparator == "=")


def _rank(one: Issue) -> int:
    return SEVERITIES.index(one.severity) if one.severity is not None else -1


def _read(hub: Hub, record: Record, counts: Mapping[str, int] | None) -> Issue | None:
    """Returns the issue that a record holds; None for what is not whole."""
    texts = {name: value_here(hub.repo.records, record, name) for name in _TEXTS}
    if not all(isinstance(texts[name], str) for name in _TEXTS[:4]):
        return None
    if texts["status"] not in STATES or texts["severity"] not in (*SEVERITIES, None):
        return None
    if not all(isinstance(text, (str, type(None))) for text in texts.values()):
        return None
    lists = {name: _texts(value_here(hub.repo.records, record, name)) for name in ("root_causes", "categories")}
    times = {
        name: time if isinstance(time := record.fields.get(name), int) else 0 for name in ("created_ms", "updated_ms")
    }
    number = None if counts is None else counts.get(record.id, 0)
    return Issue(id=record.id, traces=number, **texts, **lists, **times)  # type: ignore[arg-type]  # looked at above


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list) else ()
