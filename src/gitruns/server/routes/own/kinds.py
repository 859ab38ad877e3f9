"""The kinds of values that requests and answers are made of, with their limits; the OpenAPI document says the same."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gitruns.entities.run import Lifecycle
from gitruns.entities.values import Scalar, int_text

MAX_QUERY = 65_536
MAX_IN_QUERY = 2_000
"""What stands in an address may become twelve times as long there."""

MAX_KEY = 600
_EXACT = 2**53 - 1
"""Browsers keep numbers as doubles: beyond this they would lose digits."""

RunId = Annotated[
    str, Meta(pattern="^[0-9a-f]{32}$", min_length=32, max_length=32, description="Id of a run: 32 hex digits.")
]
ExperimentId = Annotated[
    str, Meta(pattern="^[0-9]{1,40}$", max_length=40, description="Id of an experiment: decimal digits.")
]
Filter = Annotated[
    str, Meta(max_length=MAX_QUERY, description="Query, as in docs/query.md: `val_loss < 0.3 and model = 'cnn'`.")
]
OrderBy = Annotated[
    list[Annotated[str, Meta(max_length=MAX_KEY)]],
    Meta(max_length=20, description="What to order by: `val_loss`, `-acc` or `acc DESC`; later ones break ties."),
]
ShortFilter = Annotated[str, Meta(max_length=MAX_IN_QUERY, description="Query, as in docs/query.md: `name like 'a%'`.")]
ShortPageToken = Annotated[
    str, Meta(max_length=MAX_IN_QUERY, description="`next_page_token` of the page before; empty for the first page.")
]
PageToken = Annotated[
    str, Meta(max_length=MAX_QUERY, description="`next_page_token` of the page before; empty for the first page.")
]
Key = Annotated[str, Meta(min_length=1, max_length=MAX_KEY)]
Time = Annotated[int, Meta(description="Milliseconds UTC.")]
Number = float | Literal["nan", "inf", "-inf"]
"""JSON has no number for NaN and infinities: they are text."""
Value = bool | int | float | str | None
"""A param or a cell of a table. Integers that a double cannot hold are text, as are NaN and infinities."""

Sight = Literal["active", "deleted", "all"]


class Nothing(Struct):
    """A request without fields."""


class RunRequest(Struct):
    """A request about one run."""

    run_id: RunId


def lifecycle_of(sight: Sight) -> Lifecycle | None:
    """Returns what a search is told: None for everything."""
    return None if sight == "all" else Lifecycle(sight)


def number(value: float) -> Number:
    """Returns a float as JSON can hold it."""
    if math.isfinite(value):
        return value
    return "nan" if value != value else "inf" if value > 0 else "-inf"


def cell(value: Scalar) -> Scalar:
    """Returns any value as JSON, and who reads it, can hold it."""
    if isinstance(value, float):
        return number(value)
    if type(value) is int and not -_EXACT <= value <= _EXACT:
        return int_text(value)
    return value


def cells(values: Iterable[Scalar]) -> list[Scalar]:
    """Returns a column as JSON can hold it."""
    return [value if type(value) is str or value is None else cell(value) for value in values]


def sayable(value: Any) -> Any:
    """Returns a record of ours with every number in it as `cell` has it."""
    if isinstance(value, dict):
        return {key: sayable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [sayable(one) for one in value]
    return cell(value)


def plain(value: Any) -> bool:
    """Returns whether a value can stand in JSON as it is."""
    if isinstance(value, (list, tuple)):
        return all(map(plain, value))
    return value is None or isinstance(value, (str, bool)) or (isinstance(value, (int, float)) and abs(value) < _EXACT)
