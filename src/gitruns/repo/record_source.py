"""Where the index of records finds what was changed: journals of this clone, and pieces of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitruns.entities.ids import ObjectId
from gitruns.entities.record import Change, change_of
from gitruns.journal import journal_sizes, read_changes

if TYPE_CHECKING:
    from gitruns.gitstore import GitStore


class RepoRecordSource:
    """The journals in a folder and the refs of a repository (see `index.RecordSource`)."""

    def __init__(self, store: GitStore, folder: Path) -> None:
        self._store = store
        self._folder = folder

    def journals(self) -> Mapping[str, int]:
        """Returns the journals by name, with their sizes in bytes."""
        return journal_sizes(self._folder)

    def journal_changes(self, name: str, start: int) -> Iterator[tuple[list[Change], int]]:
        """Yields changes of a journal from an offset on, with the offset behind them."""
        for found, offset in read_changes(self._folder / name, start):
            yield decoded(found), offset

    def tips(self) -> Mapping[str, ObjectId]:
        """Returns the refs of all writers."""
        return {str(writer): tip for writer, tip in self._store.records.tips().items()}

    def pieces(self, tip: ObjectId) -> Mapping[str, ObjectId]:
        """Returns the pieces at a commit: path → id."""
        return self._store.records.pieces(tip)

    def piece_changes(self, path: str, oid: ObjectId) -> list[Change]:
        """Returns the changes of a piece."""
        return self._store.records.changes(path, oid)


def decoded(found: list[Any]) -> list[Change]:
    """Returns the changes among some JSON; what is none is left out, as everywhere in a journal."""
    changes = []
    for one in found:
        with suppress(ValueError):
            changes.append(change_of(one))
    return changes
