"""Last writer wins, field by field: what every merge is made of.

A field of a state is a value, or nothing, with the stamp of its last edit, or none. Of several states the greatest
field wins: by stamp (none is the lowest), then something over nothing, then by canonical bytes. That is a total order,
and the greatest of a set does not depend on how or how often its members are put together: so whatever is merged by
these functions is merged commutatively, associatively and idempotently.

A stamp without a value is a tombstone: the field was taken away then. It stays, so that an older value that arrives
later is taken away too. Source: docs/format.md, "Merge"; docs/design/005-merge.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from gitruns.entities.canonical import encode_value
from gitruns.entities.stamp import Stamp

V = TypeVar("V")

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Stamped(Generic[V]):
    """Some fields of one state: values by key, and when each was edited.

    `stamps` are those of the whole state or of these fields only: their keys have a prefix, as in `stamps.yaml`.
    """

    values: Mapping[str, V]
    stamps: Mapping[str, Stamp] = field(default_factory=lambda: _NOTHING)


def stamp_order(stamp: Stamp | None) -> tuple[int, int, str]:
    """Returns what orders stamps; a field without one has the lowest."""
    return (-(2**63) - 1, 0, "") if stamp is None else (stamp.time_ms, stamp.counter, stamp.writer)


def merge_fields(
    states: Iterable[Stamped[V]], *, prefix: str = "", canonical: Callable[[V], str] = encode_value
) -> Stamped[V]:
    """Returns of each key the greatest field of all states, tombstones too.

    The stamp of `key` is at `prefix + key`; stamps of other prefixes are not looked at and not in the result.
    `canonical` gives a value's canonical text: equal texts are equal values.
    """
    values: dict[str, V] = {}
    stamps: dict[str, Stamp] = {}
    known: set[str] = set()
    for state in states:
        keys = {key[len(prefix) :] for key in state.stamps if key.startswith(prefix)} | state.values.keys()
        for key in keys:
            stamp = state.stamps.get(prefix + key)
            if key in known and not _beats(stamp, key, state.values, stamps.get(prefix + key), values, canonical):
                continue
            known.add(key)
            values.pop(key, None)
            if key in state.values:
                values[key] = state.values[key]
            if stamp is not None:
                stamps[prefix + key] = stamp
    return Stamped({key: values[key] for key in sorted(values)}, {key: stamps[key] for key in sorted(stamps)})


def _beats(
    stamp: Stamp | None,
    key: str,
    values: Mapping[str, V],
    best_stamp: Stamp | None,
    best: Mapping[str, V],
    canonical: Callable[[V], str],
) -> bool:
    """Returns whether one field is greater than the best so far."""
    if stamp != best_stamp:
        return stamp_order(stamp) > stamp_order(best_stamp)
    if key not in values or key not in best:
        return key in values
    return values[key] is not best[key] and canonical(values[key]) > canonical(best[key])


def merge_stamps(states: Iterable[Mapping[str, Stamp]], *, besides: Collection[str] = ()) -> dict[str, Stamp]:
    """Returns the greatest stamp of each field whose name begins with none of the prefixes in `besides`.

    For stamps of fields that this version does not know: they are kept.
    """
    prefixes = tuple(besides)
    greatest: dict[str, Stamp] = {}
    for stamps in states:
        for name, stamp in stamps.items():
            if not name.startswith(prefixes) and (name not in greatest or greatest[name] < stamp):
                greatest[name] = stamp
    return {name: greatest[name] for name in sorted(greatest)}


FILE_PREFIX = "files/"
"""The stamp of a file that has no rule of its own is at `files/<path>`."""


def merge_files(states: Iterable[Stamped[bytes]]) -> Stamped[bytes]:
    """Returns of each path the file with the greatest stamp, else the greatest bytes; no file is lost."""
    return merge_fields(states, prefix=FILE_PREFIX, canonical=lambda data: data.decode("latin-1"))


def greatest(candidates: Iterable[V], order: Callable[[V], Any]) -> V:
    """Returns the greatest of some candidates that belong together, such as how a run ended and who says so.

    `order` must tell apart all candidates that differ; then the result is the same however they are put together.
    """
    return max(candidates, key=order)
