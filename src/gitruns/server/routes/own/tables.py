"""Runs as columns: what a table of ten thousand of them needs in one request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from gitruns.entities.values import Scalar
from gitruns.errors import InvalidInputError
from gitruns.query import Dialect
from gitruns.server.calls import Context, Role
from gitruns.server.routes.own.kinds import (
    ExperimentId,
    Filter,
    Key,
    OrderBy,
    PageToken,
    Sight,
    Value,
    cells,
    lifecycle_of,
)
from gitruns.server.routes.own.route import Route
from gitruns.server.routes.own.scope import narrowed, of_all_one_may_see, of_searched

MAX_RUNS = 50_000
MAX_CELLS = 2_000_000
MAX_CHARACTERS = 50_000_000
_MOST_KEYS = 20_000
_LOOKED_AT = 2_000

Experiments = Annotated[list[ExperimentId], Meta(min_length=1, max_length=1000)]


class TableRequest(Struct):
    """What to put into a table. `total` asks for the number of all runs that match."""

    filter: Filter = ""
    fields: Annotated[
        list[Key],
        Meta(
            max_length=500,
            description="The columns: `metrics.KEY`, `params.KEY`, `tags.KEY`, `min(KEY)` and the like, `run_name`…",
        ),
    ] = field(default_factory=list)
    order_by: OrderBy = field(default_factory=list)
    experiment_ids: Experiments | None = None
    lifecycle: Sight = "active"
    dialect: Annotated[Literal["native", "mlflow"], Meta(description="Whose language the query is in.")] = "native"
    limit: Annotated[int, Meta(ge=1, le=MAX_RUNS, description="Rows of a page.")] = 100
    page_token: PageToken = ""
    total: bool = False


class Table(Struct):
    """One page of a table. Each column has a value a run, in the order of `run_ids`; null where a run has none."""

    run_ids: list[str]
    columns: dict[str, list[Value]]
    next_page_token: str
    total: int | None


class KnownKeyAnswer(Struct):
    """A key, and how many runs have it."""

    name: str
    runs: int


class Keys(Struct):
    """The keys that runs have, those of most runs first."""

    metrics: list[KnownKeyAnswer]
    params: list[KnownKeyAnswer]
    tags: list[KnownKeyAnswer]


class KeysRequest(Struct):
    """Which keys: those of one experiment, or of all."""

    experiment_id: ExperimentId | None = None


def table(context: Context, request: TableRequest) -> Table:
    """Returns one page, all of one state of the repository."""
    if len(request.fields) * request.limit > MAX_CELLS:
        raise InvalidInputError(
            f"a table of {request.limit} runs and {len(request.fields)} columns is more than {MAX_CELLS} cells",
            kind="too-much",
            hint="ask for fewer runs a page, or fewer columns",
            limit=MAX_CELLS,
        )
    repo = context.hub.repo
    wanted = {
        "order_by": request.order_by,
        "experiment_ids": narrowed(context, request.experiment_ids),
        "lifecycle": lifecycle_of(request.lifecycle),
        "dialect": Dialect(request.dialect),
    }
    page = repo.table_page(
        request.filter, request.fields, max_results=request.limit, page_token=request.page_token, **wanted
    )
    _check_length(page.columns.values())
    return Table(
        run_ids=list(page.run_ids),
        columns={name: cells(values) for name, values in page.columns.items()},
        next_page_token=page.next_token,
        total=repo.count_runs(request.filter, **wanted) if request.total else None,
    )


def _check_length(columns: Iterable[Sequence[Scalar]]) -> None:
    """Tags may hold thousands of characters each."""
    length = sum(len(value) for column in columns for value in column if isinstance(value, str))
    if length > MAX_CHARACTERS:
        raise InvalidInputError(
            f"the texts of this table are {length} characters long, at most {MAX_CHARACTERS} go into one answer",
            kind="too-much",
            hint="ask for fewer runs a page, or fewer columns",
            limit=MAX_CHARACTERS,
        )


def keys(context: Context, request: KeysRequest) -> Keys:
    """Returns all keys; of one experiment, those of its newest runs."""
    found: dict[str, dict[str, int]] = {"metric": {}, "param": {}, "tag": {}}
    if context.only is None and request.experiment_id is None:
        for known in context.hub.repo.known_keys()[:_MOST_KEYS]:
            found[known.kind][known.name] = known.runs
    else:
        _count_keys(context, request, found)
    return Keys(*(_by_use(found[kind]) for kind in ("metric", "param", "tag")))


def _count_keys(context: Context, request: KeysRequest, found: dict[str, dict[str, int]]) -> None:
    named = None if request.experiment_id is None else [request.experiment_id]
    runs = context.hub.repo.search_runs(experiment_ids=narrowed(context, named), max_results=_LOOKED_AT).runs
    for run in runs:
        for kind, theirs in (("metric", run.metrics), ("param", run.params), ("tag", run.shown_tags)):
            for name in theirs:
                found[kind][name] = found[kind].get(name, 0) + 1


def _by_use(uses: dict[str, int]) -> list[KnownKeyAnswer]:
    ordered = sorted(uses.items(), key=lambda item: (-item[1], item[0]))
    return [KnownKeyAnswer(name, runs) for name, runs in ordered[:_MOST_KEYS]]


def _keys_of(context: Context, request: KeysRequest) -> list[str] | frozenset[str]:
    if request.experiment_id is not None:
        return [request.experiment_id]
    return frozenset(of_all_one_may_see(context, request))


ROUTES = (
    Route(
        method="POST",
        path="/runs/table",
        name="RunTable",
        summary="A table of runs, by column",
        about="Runs that a query finds, with the fields asked for. Without an order those started last come first.",
        role=Role.READER,
        request=TableRequest,
        answer=Table,
        act=table,
        experiments=of_searched,
    ),
    Route(
        method="GET",
        path="/keys",
        name="KnownKeys",
        summary="The keys of metrics, params and tags",
        about=f"Of one experiment, those of its {_LOOKED_AT} newest runs.",
        role=Role.READER,
        request=KeysRequest,
        answer=Keys,
        act=keys,
        experiments=_keys_of,
    ),
)
