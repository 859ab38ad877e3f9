"""What differs between two mappings: the unit that every part of a comparison is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Change(Generic[V]):
    """One key whose value differs. `before` is None where the key was `added`, `after` where it was `removed`."""

    key: str
    before: V | None
    after: V | None
    added: bool = False
    removed: bool = False

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        return "added" if self.added else "removed" if self.removed else "changed"


def _equal(one: object, other: object) -> bool:
    return one == other


def changes(
    before: Mapping[str, V], after: Mapping[str, V], same: Callable[[V, V], bool] = _equal
) -> tuple[Change[V], ...]:
    """Returns what differs, by key."""
    found = []
    for key in sorted({*before, *after}):
        if key not in before:
            found.append(Change(key, None, after[key], added=True))
        elif key not in after:
            found.append(Change(key, before[key], None, removed=True))
        elif not same(before[key], after[key]):
            found.append(Change(key, before[key], after[key]))
    return tuple(found)
