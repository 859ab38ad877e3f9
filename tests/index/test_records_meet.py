"""Who has written a record finds it, also while somebody else reads the same journal in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gitruns.entities.ids import WriterId
from gitruns.entities.record import Change
from gitruns.entities.stamp import Stamp
from gitruns.index import RecordIndex
from index.test_records import Source


def change(number: int) -> Change:
    return Change("trace", f"tr-{number}", Stamp(number, 0, WriterId("0" * 16)), {"experiment_id": "0"})


class Overtaken(Source):
    """While a journal is being read, another index on the same file reads a part of it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.half = Source()
        self.other = RecordIndex(path, self.half)
        self.overtaking = True

    def journal_changes(self, name: str, start: int) -> Iterator[tuple[list[Change], int]]:
        found = list(super().journal_changes(name, start))
        if self.overtaking:
            self.overtaking = False
            self.half.logs[name] = self.logs[name][: len(self.logs[name]) // 2]
            self.other.refresh()
        yield from found


def test_what_was_read_by_halves_is_there(tmp_path: Path) -> None:
    source = Overtaken(tmp_path / "records.db")
    index = RecordIndex(tmp_path / "records.db", source)
    source.logs["log"] = [change(number) for number in range(10)]
    assert index.get("trace", "tr-9") is not None
    assert index.count("trace", {}) == 10
    source.overtaking = True
    source.logs["log"] += [change(number) for number in range(10, 30)]
    assert index.count("trace", {"experiment_id": "0"}) == 30
