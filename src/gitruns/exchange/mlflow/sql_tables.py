"""The tables of an MLflow database, whatever version wrote them: a column that is not there reads as None.

SQLite is read with Python's own module, opened so that nothing can be written; other databases through SQLAlchemy.
"""

from __future__ import annotations

import importlib.util
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from gitruns.errors import CorruptDataError, NotFoundError, RemoteError
from gitruns.exchange.extras import import_extra
from gitruns.exchange.fitting import without_credentials

Row = Mapping[str, Any]

_IN_AT_ONCE = 500


class Tables(Protocol):
    """Tables of a database that can only be read."""

    def columns(self, table: str) -> set[str]:
        """Returns the names of a table's columns; none for one that is not there."""

    def select(
        self, table: str, wanted: Sequence[str], where: Mapping[str, Sequence[object]], order: Sequence[str] = ()
    ) -> Iterator[Row]:
        """Yields rows whose columns have one of some values each, in order; columns that are not there are None.

        Names are ours, never from outside; a column in `where` or `order` that is not there is passed over.
        """

    def count(self, table: str) -> int:
        """Returns how many rows a table has, 0 for one that is not there."""

    def close(self) -> None:
        """Ends the connection."""


def pieces(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yields values, so many at once as a database takes in one question."""
    for start in range(0, len(values), _IN_AT_ONCE):
        yield values[start : start + _IN_AT_ONCE]


class SqliteTables:
    """An SQLite file."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise NotFoundError(f"there is no file '{path}'", kind="file-not-found")
        self._known: dict[str, set[str]] = {}
        self._connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
        self._connection.text_factory = lambda data: data.decode("utf-8", "replace")
        try:
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise CorruptDataError(f"cannot read '{path}': {error}", kind="bad-source") from error

    def columns(self, table: str) -> set[str]:
        """As `Tables.columns`."""
        if table not in self._known:
            self._known[table] = {row[1] for row in self._all(f"PRAGMA table_info({table})", ())}
        return self._known[table]

    def select(
        self, table: str, wanted: Sequence[str], where: Mapping[str, Sequence[object]], order: Sequence[str] = ()
    ) -> Iterator[Row]:
        """As `Tables.select`."""
        known = self.columns(table)
        if not known:
            return
        shown = ", ".join(name if name in known else f"NULL AS {name}" for name in wanted)
        used = {name: values for name, values in where.items() if name in known}
        tests = " AND ".join(f"{name} IN ({', '.join('?' * len(values))})" for name, values in used.items())
        sorted_by = ", ".join(name for name in order if name in known)
        text = f"SELECT {shown} FROM {table}"  # noqa: S608  names of ours; values are question marks
        text += (f" WHERE {tests}" if tests else "") + (f" ORDER BY {sorted_by}" if sorted_by else "")
        for row in self._all(text, [value for values in used.values() for value in values]):
            yield dict(zip(wanted, row, strict=True))

    def count(self, table: str) -> int:
        """As `Tables.count`."""
        if not self.columns(table):
            return 0
        return int(next(iter(self._all(f"SELECT count(*) FROM {table}", ())))[0])  # noqa: S608  a name of ours

    def _all(self, text: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(text, values)
        except sqlite3.DatabaseError as error:
            raise CorruptDataError(f"cannot read the database: {error}", kind="bad-source") from error

    def close(self) -> None:
        """As `Tables.close`."""
        self._connection.close()


class SqlAlchemyTables:
    """A database that SQLAlchemy reaches: PostgreSQL, MySQL, SQL Server; its tables are found by reflection."""

    def __init__(self, url: str) -> None:
        self._sql = import_extra("sqlalchemy", "database", "reading a database")
        shown = without_credentials(url)
        try:
            self._engine = self._sql.create_engine(_with_driver(url))
            self._connection = self._engine.connect().execution_options(postgresql_readonly=True)
            self._inspector = self._sql.inspect(self._connection)
        except ImportError as error:
            raise NotFoundError(
                f"cannot open '{shown}': its driver is not installed ({error})",
                kind="extra-missing",
                hint="pip install 'gitruns[database]' for PostgreSQL, or the driver that the address names",
            ) from error
        except self._sql.exc.SQLAlchemyError as error:
            raise RemoteError(f"cannot open '{shown}': {_told(error)}", kind="source-unreachable") from error
        self._tables: dict[str, Any] = {}

    def _table(self, name: str) -> Any:
        if name not in self._tables:
            there = self._inspector.has_table(name)
            columns = self._inspector.get_columns(name) if there else []
            made = [self._sql.Column(one["name"], one["type"]) for one in columns]
            self._tables[name] = self._sql.Table(name, self._sql.MetaData(), *made) if there else None
        return self._tables[name]

    def columns(self, table: str) -> set[str]:
        """As `Tables.columns`."""
        found = self._table(table)
        return set() if found is None else set(found.columns.keys())

    def select(
        self, table: str, wanted: Sequence[str], where: Mapping[str, Sequence[object]], order: Sequence[str] = ()
    ) -> Iterator[Row]:
        """As `Tables.select`."""
        found = self._table(table)
        if found is None:
            return
        columns = found.columns
        shown = [columns[name] if name in columns else self._sql.null().label(name) for name in wanted]
        question = self._sql.select(*shown)
        for name, values in where.items():
            if name in columns:
                question = question.where(columns[name].in_(list(values)))
        question = question.order_by(*(columns[name] for name in order if name in columns))
        for row in self._execute(question):
            yield dict(zip(wanted, row, strict=True))

    def count(self, table: str) -> int:
        """As `Tables.count`."""
        found = self._table(table)
        if found is None:
            return 0
        return int(next(iter(self._execute(self._sql.select(self._sql.func.count()).select_from(found))))[0])

    def _execute(self, question: Any) -> Iterator[Any]:
        try:
            yield from self._connection.execute(question)
        except self._sql.exc.SQLAlchemyError as error:
            raise CorruptDataError(f"cannot read the database: {_told(error)}", kind="bad-source") from error

    def close(self) -> None:
        """As `Tables.close`."""
        self._connection.close()
        self._engine.dispose()


def _with_driver(url: str) -> str:
    """Returns the address of a PostgreSQL with the driver that is there: SQLAlchemy takes the old one unasked."""
    scheme, _, rest = url.partition("://")
    is_old = scheme in ("postgres", "postgresql", "postgresql+psycopg2")
    return f"postgresql+psycopg://{rest}" if is_old and importlib.util.find_spec("psycopg2") is None else url


def _told(error: Exception) -> str:
    return without_credentials(str(error).splitlines()[0][:200])
