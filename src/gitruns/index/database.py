"""One SQLite file, or memory where no file can be: opened, healed, shared by threads, given up at fork.

The file is a cache. One that is damaged, foreign or of an older version is replaced; one of a newer version is left
alone and a file of another name serves; where no file can be written, or somebody holds it too long, what is in it is
copied to memory. Commits are not synced one by one (WAL, `synchronous=NORMAL`): a loss of power may lose the last ones,
whole, and the next refresh makes them again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

from gitruns.index import functions
from gitruns.index.failures import Cure, cure_of
from gitruns.index.schema import RUNS_SCHEMA, Schema

T = TypeVar("T")

BUSY_S = 30.0
_CACHE_KIB = 128 * 1024
_ATTEMPTS = 6
_MEMORY = ":memory:"

_abandoned: list[sqlite3.Connection] = []
"""Connections of a parent process: SQLite forbids a child to use them, and to close them."""


class Database:
    """Connections to one index, one a thread at a time.

    `path` None: in memory.
    """

    def __init__(self, path: Path | None, *, schema: Schema = RUNS_SCHEMA, busy_s: float = BUSY_S) -> None:
        self._path = path
        self._schema = schema
        self._busy_s = busy_s
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._memory: list[sqlite3.Connection] = []  # one at most
        self._memory_lock = threading.RLock()
        self._at_end = weakref.finalize(self, _close_all, os.getpid(), self._idle, self._memory)

    @property
    def path(self) -> Path | None:
        """The file, None when the index is in memory."""
        return self._path

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Returns what the work gives on a connection; does it again after healing what an error asked for.

        So the work must be all in transactions of its own (`reading`, `writing`), which an error undoes.
        """
        for _ in range(_ATTEMPTS):
            try:
                with self._connected() as connection:
                    return work(connection)
            except sqlite3.Error as error:
                cure = cure_of(error)
                if cure in (Cure.SIMPLER, Cure.NONE) or self._path is None:
                    raise
                if cure is Cure.REPLACE:
                    self._replace()
                else:
                    self._move_to_memory()
        self._move_to_memory()
        with self._connected() as connection:
            return work(connection)

    def close(self) -> None:
        """Closes all connections that no thread uses; the database can still be used."""
        self._after_fork()
        with self._lock:
            idle = list(self._idle)
            self._idle.clear()
        for connection in idle:
            connection.close()

    # Connections

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        self._after_fork()
        if self._path is None:
            with self._memory_lock:
                if not self._memory:
                    self._memory.append(_opened(_MEMORY, self._busy_s))
                    _create(self._memory[0], self._schema)
                yield self._memory[0]
            return
        connection = self._take(self._path)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)

    def _take(self, path: Path) -> sqlite3.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._open(path)

    def _open(self, path: Path) -> sqlite3.Connection:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
        connection = _opened(str(path), self._busy_s)
        try:
            version = _version(connection, self._schema)
            if version is None:
                connection.execute("PRAGMA journal_mode=WAL")
                _create(connection, self._schema)
            elif version > self._schema.version:
                connection.close()
                self._path = path.with_name(f"{path.stem}-{self._schema.version}{path.suffix}")
                return self._open(self._path)
            elif version < self._schema.version:
                raise sqlite3.DatabaseError("file is not a database of this version")
            connection.execute("PRAGMA synchronous=NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _after_fork(self) -> None:
        if self._pid == os.getpid():
            return
        # The copy in memory is our own, but may be held by a thread that is not here any more.
        _abandoned.extend([*self._idle, *self._memory])
        self._idle, self._memory = [], []
        self._lock, self._memory_lock = threading.Lock(), threading.RLock()
        self._pid = os.getpid()
        self._at_end.detach()
        self._at_end = weakref.finalize(self, _close_all, self._pid, self._idle, self._memory)

    # Healing

    def _replace(self) -> None:
        """Removes the file, so that the next connection makes a new one; not when somebody else just did."""
        path = self._path
        if path is None:
            return
        self.close()
        try:
            with _locked(path.with_suffix(".lock")):
                if _is_sound(path, self._schema, self._busy_s):
                    return
                for name in ("-wal", "-shm", "-journal", ""):
                    Path(f"{path}{name}").unlink(missing_ok=True)
        except OSError:
            self._move_to_memory()

    def _move_to_memory(self) -> None:
        """Keeps the index in memory from now on, beginning with what the file holds, where it can be read."""
        path, self._path = self._path, None
        if path is None:
            return
        self.close()
        with self._memory_lock:
            copy = _copy_of(path, self._schema)
            if copy is not None:
                self._memory.append(copy)


def _close_all(pid: int, *connections: list[sqlite3.Connection]) -> None:
    """Closes what nobody uses any more; at the end of the process too, so that no log is left beside the file."""
    if os.getpid() == pid:
        for connection in (one for listed in connections for one in listed):
            connection.close()


def _opened(name: str, busy_s: float, *, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(
        name, timeout=busy_s, isolation_level=None, check_same_thread=False, uri=uri, cached_statements=256
    )
    # Sorting must not need a place on disk; no index of ours holds text that was not bound.
    for setting in (f"cache_size=-{_CACHE_KIB}", "temp_store=MEMORY", "trusted_schema=OFF", "wal_autocheckpoint=8000"):
        connection.execute(f"PRAGMA {setting}")
    functions.register(connection)
    return connection


def _version(connection: sqlite3.Connection, schema: Schema) -> int | None:
    """Returns the version of the tables, None when there are none yet; raises for a file that is not ours."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if application == schema.application_id:
        return version
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application or version or tables:
        raise sqlite3.DatabaseError("file is not a database of ours")
    return None


def _create(connection: sqlite3.Connection, schema: Schema) -> None:
    with writing(connection):
        if _version(connection, schema) is not None:
            return  # another process was first
        for statement in schema.tables.split(";\n"):
            connection.execute(statement)
        connection.execute("INSERT INTO meta VALUES ('epoch', ?)", (secrets.token_hex(8),))
        connection.execute("INSERT INTO meta VALUES ('generation', '')")
        connection.execute(f"PRAGMA application_id={schema.application_id}")
        connection.execute(f"PRAGMA user_version={schema.version}")


def _tables(connection: sqlite3.Connection) -> set[tuple[str, str | None]]:
    return set(connection.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))


@cache
def _our_tables(schema: Schema) -> set[tuple[str, str | None]]:
    connection = sqlite3.connect(_MEMORY, isolation_level=None)
    try:
        _create(connection, schema)
        return _tables(connection)
    finally:
        connection.close()


def _is_sound(path: Path, schema: Schema, busy_s: float) -> bool:
    """Returns whether the file is one of ours and whole: another process may have replaced it already."""
    try:
        connection = _opened(str(path), busy_s)
        try:
            if _version(connection, schema) != schema.version or _tables(connection) != _our_tables(schema):
                return False
            answer: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            return answer == "ok"
        finally:
            connection.close()
    except sqlite3.Error:
        return False


def _copy_of(path: Path, schema: Schema) -> sqlite3.Connection | None:
    """Returns a copy in memory of what the file holds, or None when it cannot be read."""
    for how in ("mode=ro", "mode=ro&immutable=1"):
        # Without a log beside it the file is whole, and can be read where no lock can be made.
        if "immutable" in how and not _has_no_log(path):
            return None
        copy = _opened(_MEMORY, 0)
        try:
            _copy(path, how, copy, schema)
        except (sqlite3.Error, OSError):
            copy.close()
            continue
        if "immutable" not in how or _has_no_log(path):
            return copy
        copy.close()
    return None


def _has_no_log(path: Path) -> bool:
    return path.exists() and not Path(f"{path}-wal").exists()


def _copy(path: Path, how: str, copy: sqlite3.Connection, schema: Schema) -> None:
    original = _opened(f"{path.resolve().as_uri()}?{how}", 1.0, uri=True)
    try:
        if _version(original, schema) != schema.version or _tables(original) != _our_tables(schema):
            raise sqlite3.DatabaseError("file is not a database of this version")
        original.backup(copy)
    finally:
        original.close()


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that writes: nobody else writes meanwhile, and all of it happens or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        _roll_back(connection)
        raise
    try:
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that reads: it sees one state throughout."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        _roll_back(connection)


def _roll_back(connection: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock between processes."""
    import fcntl

    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
