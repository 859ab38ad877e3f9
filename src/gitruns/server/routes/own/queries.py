"""Queries looked at before they are asked: where one is wrong, and what was likely meant."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from gitruns.errors import InvalidInputError
from gitruns.query import Dialect
from gitruns.server.calls import Context, Role
from gitruns.server.routes.own.kinds import Filter, OrderBy
from gitruns.server.routes.own.route import Route
from gitruns.server.routes.own.scope import hint_for, narrowed, of_all_one_may_see

Part = Literal["filter", "order_by"]


class CheckRequest(Struct):
    """The query, as `RunTable` takes it."""

    filter: Filter = ""
    order_by: OrderBy = field(default_factory=list)
    dialect: Literal["native", "mlflow"] = "native"


class QueryError(Struct):
    """What is wrong. `column` counts from 1; `suggestion` says what would fit, or what was likely meant.

    `pointer` is the piece of the query round the place, and a caret below it.
    """

    where: Part
    message: str
    column: int | None
    suggestion: str | None
    pointer: str | None


class Checked(Struct):
    """The first mistake of each part; none is as it should be."""

    errors: list[QueryError]


def check(context: Context, request: CheckRequest) -> Checked:
    """Returns what is wrong with a query: its grammar, and names that no run has."""
    errors: list[QueryError] = []
    how = {"dialect": Dialect(request.dialect), "max_results": 1, "experiment_ids": narrowed(context, None)}
    asked: tuple[tuple[Part, str, list[str]], ...] = (
        ("filter", request.filter, []),
        ("order_by", "", request.order_by),
    )
    for where, query, order in asked:
        try:
            context.hub.repo.search_run_ids(query, order_by=order, **how)
        except InvalidInputError as error:
            errors.append(_said(context, where, error))
    return Checked(errors)


def _said(context: Context, where: Part, error: InvalidInputError) -> QueryError:
    facts = error.facts
    column, pointer = facts.get("column"), facts.get("pointer")
    return QueryError(
        where=where,
        message=str(facts.get("reason") or error.message),
        column=column if isinstance(column, int) else None,
        suggestion=hint_for(context, error),
        pointer=pointer if isinstance(pointer, str) else None,
    )


ROUTES = (
    Route(
        method="POST",
        path="/query/check",
        name="CheckQuery",
        summary="Look at a query before it is asked",
        about="Says where it is wrong and what would fit; the answer is 200 also then.",
        role=Role.READER,
        request=CheckRequest,
        answer=Checked,
        act=check,
        experiments=of_all_one_may_see,
    ),
)
