"""Runs as columns: one list a field, all of one length, with MLflow's names (`metrics.acc`, `params.lr`, `tags.team`).

Many runs come from the index column by column and never become objects; a few are read as they are, since a repository
may have far more keys than they do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitruns.entities.ids import RunId
from gitruns.entities.run import Run
from gitruns.entities.values import Scalar
from gitruns.query import format_order
from gitruns.query.ast import Entity, Field, OrderItem

if TYPE_CHECKING:
    from gitruns.repo import Repo

FEW = 1000
"""So many runs and fewer are read as runs."""

LARGEST_PAGE = 50_000

_ENTITIES = {"metric": Entity.METRIC, "param": Entity.PARAM, "tag": Entity.TAG}

# Name of the column -> the field of the query language that it shows.
ATTRIBUTES: Mapping[str, str] = {
    "run_id": "run_id",
    "run_name": "run_name",
    "experiment_id": "experiment_id",
    "experiment": "experiment",
    "status": "status",
    "start_time": "start_time",
    "end_time": "end_time",
    "duration_ms": "duration",
    "user": "user_id",
    "host": "host",
    "entry_point": "entry_point",
    "command": "command",
    "exit_code": "exit_code",
    "error": "attributes.error",
    "parent_run_id": "parent_run_id",
    "source_commit": "commit",
    "branch": "branch",
    "dirty": "dirty",
}
"""Facts of a run that can be columns. Times are milliseconds UTC."""

_TRUTHS = frozenset({"dirty"})


@dataclass(frozen=True, slots=True)
class RunColumns:
    """Columns of the runs of a search, in its order; None where a run has no value. Metrics are floats, NaN too.

    Columns of keys come after those of attributes: metrics, params, tags, each by name. `next_token` asks for the
    runs behind these; empty: there are none, or so many were asked for at once that no page holds them.
    """

    run_ids: list[RunId]
    columns: dict[str, list[Scalar]] = field(default_factory=dict)
    next_token: str = ""

    def __len__(self) -> int:
        return len(self.run_ids)


def read_columns(
    repo: Repo,
    filter: str = "",  # noqa: A002  the field's word, and MLflow's
    *,
    attributes: Sequence[str] = tuple(ATTRIBUTES),
    max_results: int | None = None,
    **how: Any,
) -> RunColumns:
    """Returns attributes, and every metric (last value), param and tag that the runs of a search have.

    `how` is as for `Repo.search`. Raises as that does.
    """
    limit = max_results
    if how.get("page_token") or (limit is not None and limit <= FEW) or repo.count_runs(filter, **how) <= FEW:
        page = min(limit or LARGEST_PAGE, LARGEST_PAGE)
        found = repo.search_runs(filter, max_results=page, **how)
        return RunColumns([run.info.id for run in found.runs], _of_runs(repo, found.runs, attributes), found.next_token)
    # An index answers a page of 50,000 at most; beyond that all is read and what is too much is left off.
    page_size = limit if limit is not None and limit <= LARGEST_PAGE else None
    names = {f"{known.kind}s.{known.name}": _field_text(known.kind, known.name) for known in repo.known_keys()}
    wanted = {**{name: ATTRIBUTES[name] for name in attributes}, **{name: names[name] for name in _ordered(names)}}
    run_ids, found_columns = repo.table(filter, list(dict.fromkeys(wanted.values())), max_results=page_size, **how)
    columns = {name: found_columns[text][:limit] for name, text in wanted.items()}
    for name in _TRUTHS & columns.keys():
        columns[name] = [None if value is None else bool(value) for value in columns[name]]
    kept = {name: values for name, values in columns.items() if name in ATTRIBUTES or _has_any(values)}
    return RunColumns(run_ids[:limit], kept)


def _has_any(values: Sequence[Scalar]) -> bool:
    return any(value is not None for value in values)


def _field_text(kind: str, name: str) -> str:
    """Returns how the query language names a key, in quotes where it must be."""
    return format_order([OrderItem(Field(_ENTITIES[kind], name))])[0].removesuffix(" ASC")


def _ordered(names: Mapping[str, str]) -> list[str]:
    order = {"metrics": 0, "params": 1, "tags": 2}
    return sorted(names, key=lambda name: (order[name.partition(".")[0]], name))


def _of_runs(repo: Repo, runs: Sequence[Run], attributes: Sequence[str]) -> dict[str, list[Scalar]]:
    experiments = {one.id: one.name for one in repo.list_experiments(lifecycle=None)} if runs else {}
    facts = [_facts(run, experiments.get(run.info.experiment_id)) for run in runs]
    columns: dict[str, list[Scalar]] = {name: [one[name] for one in facts] for name in attributes}
    keyed: dict[str, list[Scalar]] = {}
    for place, run in enumerate(runs):
        values: dict[str, Scalar] = {f"metrics.{key}": summary.last for key, summary in run.metrics.items()}
        values |= {f"params.{key}": value for key, value in run.params.items()}
        values |= {f"tags.{key}": text for key, text in run.shown_tags.items()}
        for name, value in values.items():
            keyed.setdefault(name, [None] * len(runs))[place] = value
    return columns | {name: keyed[name] for name in _ordered(dict.fromkeys(keyed, "")) if _has_any(keyed[name])}


def _facts(run: Run, experiment: str | None) -> dict[str, Scalar]:
    info, source = run.info, run.info.source
    return {
        "run_id": info.id,
        "run_name": info.name,
        "experiment_id": info.experiment_id,
        "experiment": experiment,
        "status": info.status.value,
        "start_time": info.start_time_ms,
        "end_time": info.end_time_ms,
        "duration_ms": None if info.end_time_ms is None else info.end_time_ms - info.start_time_ms,
        "user": info.user,
        "host": info.host,
        "entry_point": info.entry_point,
        "command": " ".join(info.command),
        "exit_code": info.exit_code,
        "error": info.error,
        "parent_run_id": info.parent_run_id,
        "source_commit": source.commit,
        "branch": source.branch,
        "dirty": source.dirty,
    }
