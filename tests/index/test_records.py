"""The index of records answers as a plain scan of the fold would, however changes come to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gitruns.entities.ids import ObjectId, WriterId
from gitruns.entities.record import PURGED, Change, fold
from gitruns.entities.stamp import Stamp
from gitruns.errors import CorruptDataError
from gitruns.index import RecordIndex
from gitruns.index.record_rows import blobs_of

WRITERS = [WriterId(f"{number:016x}") for number in range(2)]
DIGEST = "ab" * 32


class Source:
    """Journals and refs in memory; an offset is a number of changes."""

    def __init__(self) -> None:
        self.logs: dict[str, list[Change]] = {}
        self.refs: dict[str, ObjectId] = {}
        self.trees: dict[ObjectId, dict[str, ObjectId]] = {}
        self.blobs: dict[ObjectId, list[Change] | None] = {}

    def journals(self) -> Mapping[str, int]:
        return {name: len(changes) for name, changes in self.logs.items()}

    def journal_changes(self, name: str, start: int) -> Iterator[tuple[list[Change], int]]:
        for place in range(start, len(self.logs[name]), 2):
            yield self.logs[name][place : place + 2], min(place + 2, len(self.logs[name]))

    def tips(self) -> Mapping[str, ObjectId]:
        return dict(self.refs)

    def pieces(self, tip: ObjectId) -> Mapping[str, ObjectId]:
        return self.trees[tip]

    def piece_changes(self, path: str, oid: ObjectId) -> list[Change]:
        found = self.blobs[oid]
        if found is None:
            raise CorruptDataError("it is damaged", kind="bad-record")
        return found

    def add_piece(self, ref: str, changes: list[Change] | None, *, instead: bool = False) -> None:
        """Puts a piece below a ref, beside those that are there or instead of them."""
        number = len(self.blobs)
        oid, tip = ObjectId(f"{number:040x}"), ObjectId(f"{number + 10_000:040x}")
        before = {} if instead or ref not in self.refs else self.trees[self.refs[ref]]
        self.blobs[oid] = changes
        self.trees[tip] = {**before, f"{number}": oid}
        self.refs[ref] = tip


values = st.sampled_from(["x", "y", 'x","name":"y', "é", 1, True, 1.5, None, ["x"], {"name": "x"}])
names = st.sampled_from(["name", "experiment_id", "state", 'a"b', "n", "runs/1"])
times = st.dictionaries(st.just("time_ms"), st.integers(-2, 3), max_size=1)
flags = st.dictionaries(st.just("deleted"), st.sampled_from([True, None]), max_size=1)
purges = st.dictionaries(st.just(PURGED), st.just(True), max_size=1)
blobs = st.dictionaries(
    st.just("blobs"),
    st.sampled_from([None, "x", {"spans": {"sha256": DIGEST, "size": 3}}, {"spans": {"sha256": "no"}}]),
    max_size=1,
)
parts = st.tuples(st.dictionaries(names, values, max_size=3), times, flags, blobs, st.just({}) | st.just({}) | purges)
fields = parts.map(lambda found: {key: value for part in found for key, value in part.items()})
stamps = st.builds(Stamp, st.integers(0, 3), st.integers(0, 2), st.sampled_from(WRITERS))
changes = st.builds(Change, st.sampled_from(["trace", "scorer"]), st.sampled_from("abcd"), stamps, fields)
steps = st.lists(
    st.tuples(st.sampled_from(["log", "piece", "instead", "bad", "look", "drop"]), st.lists(changes, max_size=4)),
    max_size=8,
)
wheres = st.dictionaries(names, values, max_size=2)


def shown(one: object) -> str:
    return repr(one)


@given(steps, wheres, st.none() | st.integers(-2, 3), st.none() | st.integers(-2, 3), st.booleans())
def test_it_answers_as_a_scan_would(
    made: list[tuple[str, list[Change]]], where: dict[str, Any], since: int | None, until: int | None, deleted: bool
) -> None:
    source = Source()
    index = RecordIndex(None, source)
    for number, (what, some) in enumerate(made):
        if what == "log":
            source.logs.setdefault(f"log-{number % 2}", []).extend(some)
        elif what in ("piece", "instead"):
            source.add_piece(WRITERS[number % 2], some, instead=what == "instead")
        elif what == "bad":
            source.add_piece(WRITERS[number % 2], None)
        elif what == "look":
            index.refresh()
        elif what == "drop":
            # A journal goes once all of it is sealed.
            for changes_of in source.logs.values():
                source.add_piece(WRITERS[0], changes_of)
            source.logs.clear()
    everything = [one for log in source.logs.values() for one in log]
    for tip in source.refs.values():
        for oid in source.trees[tip].values():
            everything += source.blobs[oid] or []
    states = fold(everything)
    for kind in ("trace", "scorer"):
        expected = [
            (-state.fields.get("time_ms", 0), one, state.fields)
            for (found, one), state in states.items()
            if found == kind
            and state.stamps
            and not state.is_purged
            and (deleted or not state.is_deleted)
            and all(_same(state.fields.get(name), value) for name, value in where.items())
            and (since is None or state.fields.get("time_ms", 0) >= since)
            and (until is None or state.fields.get("time_ms", 0) < until)
        ]
        ordered = [(one, fields_of) for _, one, fields_of in sorted(expected, key=lambda entry: entry[:2])]
        found = list(index.select(kind, where, since_ms=since, until_ms=until, deleted=deleted))
        assert shown([(one.id, dict(sorted(one.fields.items()))) for one in found]) == shown(
            [(one, dict(sorted(fields_of.items()))) for one, fields_of in ordered]
        )
        if since is None and until is None:
            assert index.count(kind, where, deleted=deleted) == len(ordered)
    for (kind, one), state in states.items():
        seen = index.get(kind, one)
        assert (seen is None) == (not state.stamps)
        assert seen is None or (seen.stamps == state.stamps and seen.fields == state.fields)
    assert index.blobs() == {
        digest: size for state in states.values() for digest, size in blobs_of(state.fields).items()
    }
    assert index.purged() == {key for key, state in states.items() if state.is_purged}


def _same(found: object, wanted: object) -> bool:
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)


def test_pages_are_read_in_chunks_without_a_gap() -> None:
    source = Source()
    index = RecordIndex(None, source)
    source.logs["log"] = [
        Change("trace", f"{number:05}", Stamp(1, number, WRITERS[0]), {"time_ms": number // 7, "name": "x"})
        for number in range(3000)
    ]
    expected = sorted((f"{number:05}" for number in range(3000)), key=lambda one: (-(int(one) // 7), one))
    assert [one.id for one in index.select("trace", {"name": "x"})] == expected
    assert [one.id for one in index.select("trace", {})] == expected
