"""Searches: query and order read, compiled, answered page by page."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from gitruns.errors import InvalidInputError
from gitruns.index.at_step import points_of
from gitruns.index.failures import Cure, cure_of
from gitruns.index.layout import RUN_LAYOUT, Layout
from gitruns.index.names_known import NameCheck
from gitruns.index.page_token import PageToken, decode_token, encode_token
from gitruns.index.request import Search
from gitruns.index.statement import Statement
from gitruns.query.ast import Condition, OrderItem
from gitruns.query.dialects import read_order, read_query

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(slots=True)
class Prepared:
    """A search with its texts read: done once, before anything is looked at, so that mistakes are said at once."""

    search: Search
    layout: Layout
    query: Condition
    order: tuple[OrderItem, ...]
    token: PageToken | None
    now: datetime
    texts: list[str] = field(default_factory=list)


def prepare(search: Search, layout: Layout = RUN_LAYOUT) -> Prepared:
    """Returns the search with its texts read; raises `InvalidInputError` (kinds `bad-query`, `bad-page-token`)."""
    subject = layout.subject
    query = read_query(search.filter, search.dialect, subject)
    order = _distinct(read_order(search.order_by, search.dialect, subject))
    token = decode_token(search.page_token, _identity(search, layout)) if search.page_token else None
    now = search.now
    if token is not None:
        now = _at(token.now_ms, now)
    texts = [search.order_by] if isinstance(search.order_by, str) else list(search.order_by)
    return Prepared(search, layout, query, order, token, now, texts)


def find_page(connection: sqlite3.Connection, prepared: Prepared) -> tuple[list[str], str]:
    """Returns the ids of one page in order, and the token of the next page, empty when there is none."""
    search = prepared.search
    limit = search.max_results
    after = None if prepared.token is None else prepared.token.values
    with _compiled(connection, prepared) as compiled:
        rows: list[tuple[Any, ...]] | None = None
        if limit is not None:
            # Runs that have what is ordered by come first: where they fill the page, no others are looked at.
            statement = compiled()
            if statement.require_order(prepared.order):
                rows = _rows(statement, prepared, after, limit + 1)
        if rows is None or (limit is not None and len(rows) <= limit):
            rows = _rows(compiled(), prepared, after, None if limit is None else limit + 1)
    if limit is None or len(rows) <= limit:
        return [row[1] for row in rows], ""
    page = rows[:limit]
    token = PageToken(_ms(prepared.now), tuple(page[-1][2:]))
    return [row[1] for row in page], encode_token(token, _identity(search, prepared.layout))


def count_all(connection: sqlite3.Connection, prepared: Prepared) -> int:
    """Returns how many match, on all pages."""
    with _compiled(connection, prepared) as compiled:
        return compiled().count()


def _rows(
    statement: Statement, prepared: Prepared, after: tuple[Any, ...] | None, limit: int | None
) -> list[tuple[Any, ...]]:
    try:
        return statement.rows(prepared.order, after=after, limit=limit)
    except ValueError as error:
        if after is None or isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(
            "the page token does not fit this search",
            kind="bad-page-token",
            hint="begin with the first page: leave the token empty",
        ) from None


@contextmanager
def _compiled(connection: sqlite3.Connection, prepared: Prepared) -> Iterator[Callable[[], Statement]]:
    """Gives what compiles the search, once or again."""
    search, layout = prepared.search, prepared.layout
    check = NameCheck(connection, layout)
    check.query(prepared.query, search.filter)
    check.order(prepared.order, prepared.texts)
    try:
        with points_of(connection, search, prepared.query, prepared.order, prepared.now) as points:
            yield lambda: Statement(connection, layout, search, prepared.query, now=prepared.now, points=points)
    except sqlite3.Error as error:
        if cure_of(error) is not Cure.SIMPLER:
            raise
        raise InvalidInputError(f"the query is too large: {error}", kind="bad-query", column=1) from error


def _distinct(order: tuple[OrderItem, ...]) -> tuple[OrderItem, ...]:
    """Returns the items without those that a former one has decided already."""
    return tuple(
        {item.value: item for item in reversed(order)}[value] for value in dict.fromkeys(i.value for i in order)
    )


def _identity(search: Search, layout: Layout) -> str:
    return f"{layout.subject.word} {search.identity()}"


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _at(now_ms: int, like: datetime) -> datetime:
    """Returns a time in the zone of another; a token with a time that cannot be is none of ours."""
    try:
        return (_EPOCH + timedelta(milliseconds=now_ms)).astimezone(like.tzinfo)
    except (OverflowError, ValueError):
        raise InvalidInputError("the page token is not one of ours", kind="bad-page-token") from None
