"""Finds out what an address of an MLflow store is: a folder, an SQLite file, another database, a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.exchange.folders import folders_in
from gitruns.exchange.mlflow.folder import has_meta
from gitruns.exchange.mlflow.places import local_path

if TYPE_CHECKING:
    from gitruns.exchange.foreign import ForeignStore

_SQLITE = b"SQLite format 3\0"
_BESIDE = ("mlruns", "mlartifacts")
"""Where MLflow puts the artifacts of a database, beside it."""


def open_mlflow(source: str, *, artifacts: Sequence[Path] = (), environ: Mapping[str, str]) -> ForeignStore:
    """Opens the store that an address names, as MLFLOW_TRACKING_URI would: a path, `file:`, `sqlite:`, `http:`…

    `artifacts` are folders whose files may be taken although they are not part of the store. `environ` has the
    credentials of a server, under MLflow's names. Raises `NotFoundError`, `InvalidInputError` (kind `bad-source`) or
    `RemoteError`.
    """
    scheme = source.partition(":")[0].lower() if "://" in source or source.startswith(("file:", "sqlite:")) else ""
    if scheme in ("http", "https"):
        from gitruns.exchange.mlflow.server import MlflowServer

        return MlflowServer(source, environ, artifacts)
    if scheme in ("", "file"):
        return _at(local_path(source) if scheme else Path(source).expanduser(), source, artifacts)
    if scheme == "sqlite":
        return _sqlite(Path(source.partition(":///")[2] or source.partition(":")[2]), artifacts)
    return _database(source, artifacts)


def _at(path: Path | None, source: str, artifacts: Sequence[Path]) -> ForeignStore:
    from gitruns.exchange.mlflow.file_store import MlflowFileStore

    if path is None or not path.exists():
        raise NotFoundError(f"there is no '{source}'", kind="file-not-found")
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(_SQLITE)) == _SQLITE:
                return _sqlite(path, artifacts)
        raise _no_store(source)
    for folder in (path, path / "mlruns"):
        names = folders_in(folder)
        if ".trash" in names or any(has_meta(folder / name) for name in names):
            return MlflowFileStore(folder, artifacts)
    raise _no_store(source)


def _no_store(source: str) -> InvalidInputError:
    return InvalidInputError(
        f"'{source}' is no store of MLflow",
        kind="bad-source",
        hint="a folder as mlruns, an SQLite file, or what MLFLOW_TRACKING_URI was",
    )


def _sqlite(path: Path, artifacts: Sequence[Path]) -> ForeignStore:
    from gitruns.exchange.mlflow.database import MlflowDatabase
    from gitruns.exchange.mlflow.sql_tables import SqliteTables

    beside = [path.parent / name for name in _BESIDE if (path.parent / name).is_dir()]
    return MlflowDatabase(SqliteTables(path), [*beside, *artifacts])


def _database(source: str, artifacts: Sequence[Path]) -> ForeignStore:
    from gitruns.exchange.mlflow.database import MlflowDatabase
    from gitruns.exchange.mlflow.sql_tables import SqlAlchemyTables

    return MlflowDatabase(SqlAlchemyTables(source), artifacts)
