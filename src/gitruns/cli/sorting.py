"""`--sort FIELD`: order by any field that `--format` can name."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

from gitruns.cli.template import lookup
from gitruns.errors import InvalidInputError

T = TypeVar("T")


def sorted_by(
    items: Iterable[T], field: str, record: Callable[[T], Mapping[str, Any]], known: Collection[str]
) -> list[T]:
    """Returns the items by a field of their records, least first; `-field`: greatest first; equal ones stay in order.

    Numbers stand before text, text that reads as a number counts as one, and what has no such value, or NaN, comes
    last either way. Raises `InvalidInputError` for a field that is not `known`.
    """
    descending, path = field.startswith("-"), field.removeprefix("-")
    if path.split(".")[0] not in known:
        raise InvalidInputError(
            f"cannot sort by '{path}': there is no such field",
            kind="bad-sort",
            hint="fields: " + " ".join(sorted(known)) + "; as metrics.acc or params.lr below metrics and params",
        )
    keyed = [(_key(lookup(record(item), path)), item) for item in items]
    there = [pair for pair in keyed if pair[0] is not None]
    missing = [item for key, item in keyed if key is None]
    ordered = sorted(there, key=lambda pair: pair[0] or (0, 0.0, ""), reverse=descending)
    return [item for _, item in ordered] + missing


def _key(value: Any) -> tuple[int, float, str] | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return (1, 0.0, str(value))
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    return None if math.isnan(number) else (0, number, "")
