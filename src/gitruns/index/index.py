"""The index of one repository: runs and experiments found in milliseconds, always as they are now."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from gitruns.entities.ids import ExperimentId, ObjectId, RunId
from gitruns.entities.run import Run
from gitruns.entities.values import Scalar
from gitruns.errors import InvalidInputError
from gitruns.index.columns import COLUMN_ATTRIBUTES, Columns, KnownKey, known_keys
from gitruns.index.database import Database, reading
from gitruns.index.layout import EXPERIMENT_LAYOUT
from gitruns.index.reading import ListedRun, read_runs, read_states
from gitruns.index.refresh import Progress, RefreshReport, forget_everything, has_pending, is_fresh, refresh
from gitruns.index.request import ExperimentPage, RunPage, Search, TablePage
from gitruns.index.schema import MODEL
from gitruns.index.search import Prepared, count_all, find_page, prepare
from gitruns.index.source import Source, Unreadable
from gitruns.index.sources import BASES, TREES, distinct_sources, infos_of_sources
from gitruns.index.verify import Difference, differences
from gitruns.query.ast import Entity, Field, Summary
from gitruns.query.fields import RUNS
from gitruns.query.order import parse_order

T = TypeVar("T")

_WITH_KEYS = (Entity.METRIC, Entity.PARAM, Entity.TAG)


@dataclass(frozen=True, slots=True)
class IndexStats:
    """What the index is: where it lies (None: in memory), its size, and how much it holds."""

    path: Path | None
    size_bytes: int
    runs: int
    experiments: int
    keys: int
    values: int
    unreadable: int


class Index:
    """Answers searches from a SQLite file at `path` (None: in memory), which it keeps up to date from a source.

    Each question first asks the source what changed, reads only that, and is answered from one state of the index. It
    may be used by many threads, processes and forked children at once. `progress` is told how far a refresh is.
    """

    def __init__(self, path: Path | None, source: Source, *, progress: Progress | None = None) -> None:
        self._database = Database(path)
        self._source = source
        self._progress = progress

    # Searching

    def search_runs(self, search: Search) -> RunPage:
        """Returns one page of the runs that match, in order.

        Raises `InvalidInputError`: kinds `bad-query`, `bad-page-token`, `regexp-not-available`.
        """
        prepared = prepare(search)
        ids, token = self._answer(lambda connection: find_page(connection, prepared))
        return RunPage(tuple(map(RunId, ids)), token)

    def count_runs(self, search: Search) -> int:
        """Returns how many runs match, on all pages."""
        prepared = self._without_page(search)
        return self._answer(lambda connection: count_all(connection, prepared))

    def list_runs(self, search: Search) -> tuple[list[ListedRun], str]:
        """Returns the runs of one page as the index has them, and the token of the next page, of one same state."""
        prepared = prepare(search)

        def work(connection: sqlite3.Connection) -> tuple[list[ListedRun], str]:
            ids, token = find_page(connection, prepared)
            return list(read_runs(connection, map(RunId, ids))), token

        return self._answer(work)

    def list_states(self, search: Search) -> tuple[list[tuple[RunId, str]], str]:
        """Returns the runs of one page, each with the stored state that it is in, and the token of the next page.

        Equal states mean equal runs: for who keeps what they have made of one. Most of the work of `list_runs` is not
        done; `read_runs` does it for some of them.
        """
        prepared = prepare(search)

        def work(connection: sqlite3.Connection) -> tuple[list[tuple[RunId, str]], str]:
            ids, token = find_page(connection, prepared)
            return read_states(connection, ids), token

        return self._answer(work)

    def read_runs(self, run_ids: Sequence[RunId]) -> list[ListedRun]:
        """Returns runs as the index has them, those that it does not have left out."""
        return self._answer(lambda connection: list(read_runs(connection, run_ids)))

    def list_infos(self, search: Search) -> list[Run]:
        """Returns the runs of one page with their facts alone: no params, tags and metrics, in a third of the time."""
        prepared = prepare(search)

        def work(connection: sqlite3.Connection) -> list[Run]:
            ids = map(RunId, find_page(connection, prepared)[0])
            return [listed.run for listed in read_runs(connection, ids, values=False)]

        return self._answer(work)

    def table(self, search: Search, fields: Sequence[str]) -> tuple[list[RunId], dict[str, list[Scalar]]]:
        """Returns the ids of the runs of one page, and the value of each field for each of them, of one same state.

        Fields are `metrics.KEY`, `params.KEY`, `tags.KEY`, `min(KEY)` and the like, and attributes (`start_time`).
        Missing values are None. Raises `InvalidInputError` (kind `bad-query`).
        """
        page = self.table_page(search, fields)
        return list(page.run_ids), dict(page.columns)

    def table_page(self, search: Search, fields: Sequence[str]) -> TablePage:
        """Returns the same with the token of the next page."""
        prepared = prepare(search)
        wanted = {text: _field(text) for text in fields}

        def work(connection: sqlite3.Connection) -> TablePage:
            found, token = find_page(connection, prepared)
            ids = [RunId(run_id) for run_id in found]
            columns = Columns(connection, ids)
            return TablePage(tuple(ids), {text: columns.of(field) for text, field in wanted.items()}, token)

        return self._answer(work)

    def search_experiments(self, search: Search) -> ExperimentPage:
        """Returns one page of the experiments that match, in order; those created last first when none is given."""
        prepared = prepare(_with_default_order(search), EXPERIMENT_LAYOUT)
        ids, token = self._answer(lambda connection: find_page(connection, prepared))
        return ExperimentPage(tuple(map(ExperimentId, ids)), token)

    # Reading

    def runs(self, run_ids: Iterable[RunId]) -> list[ListedRun]:
        """Returns runs as the index has them, in the order asked for; those that are not there are left out."""
        wanted = list(run_ids)
        return self._answer(lambda connection: list(read_runs(connection, wanted)))

    def known_keys(self) -> list[KnownKey]:
        """Returns all keys that runs have, those of most runs first."""
        return self._answer(known_keys)

    def source_commits(self) -> set[ObjectId]:
        """Returns the distinct source commits of all runs."""

        def work(connection: sqlite3.Connection) -> set[ObjectId]:
            rows = connection.execute("SELECT DISTINCT source_commit FROM details WHERE source_commit IS NOT NULL")
            return {ObjectId(commit) for (commit,) in rows}

        return self._answer(work)

    def source_trees(self) -> set[ObjectId]:
        """Returns the distinct trees that runs ran: of the tracked files, and of snapshots."""
        return self._answer(lambda connection: distinct_sources(connection, TREES))

    def infos_of_trees(
        self, trees: Collection[ObjectId], experiments: Collection[ExperimentId] | None, limit: int
    ) -> list[Run]:
        """Returns the newest runs that ran one of these trees, facts alone; those out of sight too."""
        return self._answer(lambda connection: infos_of_sources(connection, TREES, trees, experiments, limit))

    def source_bases(self) -> set[ObjectId]:
        """Returns the distinct commits that were checked out when runs started."""
        return self._answer(lambda connection: distinct_sources(connection, BASES))

    def infos_of_bases(
        self, commits: Collection[ObjectId], experiments: Collection[ExperimentId] | None, limit: int
    ) -> list[Run]:
        """Returns the newest runs that were started on one of these commits, facts alone; those out of sight too."""
        return self._answer(lambda connection: infos_of_sources(connection, BASES, commits, experiments, limit))

    def unreadable(self) -> list[Unreadable]:
        """Returns the runs whose stored state could not be read, and why."""

        def work(connection: sqlite3.Connection) -> list[Unreadable]:
            rows = connection.execute("SELECT run_id, reason FROM unreadable ORDER BY run_id")
            return [Unreadable(RunId(run_id), reason) for run_id, reason in rows]

        return self._answer(work)

    # Upkeep

    def refresh(self) -> RefreshReport:
        """Brings the index up to date, as every question does; returns what was done."""
        return self._database.run(lambda connection: refresh(connection, self._source, self._progress))

    def rebuild(self) -> RefreshReport:
        """Reads everything anew; queries go on meanwhile."""
        self._database.run(forget_everything)
        return self.refresh()

    def verify(self) -> list[Difference]:
        """Reads everything again and returns what the index holds otherwise; none is as it should be."""
        return self._answer(lambda connection: list(differences(connection, self._source, self._progress)))

    def stats(self) -> IndexStats:
        """Returns what the index is and holds now."""

        def work(connection: sqlite3.Connection) -> IndexStats:
            def count(table: str) -> int:
                row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  our own names
                return int(row[0])

            def pragma(name: str) -> int:
                return int(connection.execute(f"PRAGMA {name}").fetchone()[0])

            return IndexStats(
                path=self._database.path,
                size_bytes=pragma("page_count") * pragma("page_size"),
                runs=count(f"runs WHERE lifecycle < {MODEL}"),
                experiments=count("experiments WHERE known"),
                keys=count("keys WHERE uses > 0"),
                values=count("metrics") + count("labels"),
                unreadable=count("unreadable"),
            )

        return self._answer(work)

    def close(self) -> None:
        """Closes the file; the index can still be used and opens it again."""
        self._database.close()

    def _answer(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Returns what the work finds in one state of the index that is not older than this call."""

        def attempt(connection: sqlite3.Connection) -> T:
            if connection.in_transaction:  # asked while answering, and there is one connection only: the same state
                return work(connection)
            marks = dict(self._source.places())
            with reading(connection):
                if is_fresh(connection, marks):
                    return work(connection)
            while True:
                refresh(connection, self._source, self._progress)
                with reading(connection):
                    # What others wait for is newer than this call; but to wait with them is cheap and shows it.
                    if not has_pending(connection):
                        return work(connection)

        return self._database.run(attempt)

    def _without_page(self, search: Search) -> Prepared:
        return prepare(replace(search, page_token="", max_results=None))


def _with_default_order(search: Search) -> Search:
    """Returns the search with MLflow's order of experiments where it has none: those created last first."""
    return search if search.order_by else replace(search, order_by=("creation_time DESC", "experiment_id ASC"))


def _field(text: str) -> Field | Summary:
    attribute = RUNS.attribute(text.removeprefix("attributes."))
    if attribute is not None and attribute.name in COLUMN_ATTRIBUTES:
        return Field(Entity.ATTRIBUTE, attribute.name)
    items = parse_order([text])
    value = items[0].value if len(items) == 1 else None
    if isinstance(value, Summary) or (isinstance(value, Field) and value.entity in _WITH_KEYS):
        return value
    names = ", ".join(COLUMN_ATTRIBUTES)
    raise InvalidInputError(
        f"'{text[:80]}' is no column", kind="bad-query", hint=f"metrics.KEY, params.KEY, tags.KEY, {names}", column=1
    )
