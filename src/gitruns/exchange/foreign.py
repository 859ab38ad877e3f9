"""Runs of another tracker, as an importer sees them: in our words, with the ids and the times that they have there.

A `ForeignStore` reads one place of one tracker. What it cannot read it yields as `Damage`, and goes on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.ids import RunId, WriterId, is_run_id
from gitruns.entities.run import RunStatus
from gitruns.entities.values import Point, Scalar

IMPORTED_ID_TAG = "gitruns.imported_id"
"""Tag of a run or experiment that had another id where it comes from."""

_LOGGED_MODEL_ID = re.compile(r"m-([0-9a-f]{32})\Z")


@dataclass(frozen=True, slots=True)
class Damage:
    """Something of the source that cannot be read, or cannot be carried: what, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """One artifact: its path in the run, its length where that is known, and a file, or what yields its bytes."""

    path: str
    size_bytes: int | None
    content: Path | Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignExperiment:
    """A named group of runs. Times are milliseconds UTC."""

    id: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    created_ms: int | None = None
    updated_ms: int | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRun:
    """One run, or a logged model (`kind`). `experiment` and `parent` are ids of the source; times are milliseconds UTC.

    `commit` is the commit that the source names as its code, `base` the one that it is a change of, where it is one.
    `points` and `artifacts` read when they are called; of an
    artifact that cannot be read they yield `Damage`.
    """

    id: str
    name: str
    experiment: str
    status: RunStatus
    start_time_ms: int
    points: Callable[[], Iterable[Point]] = lambda: ()
    artifacts: Callable[[], Iterable[ForeignFile | Damage]] = lambda: ()
    end_time_ms: int | None = None
    user: str | None = None
    host: str | None = None
    entry_point: str | None = None
    command: tuple[str, ...] = ()
    deleted: bool = False
    kind: str | None = None
    parent: str | None = None
    params: Mapping[str, Scalar] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[DatasetInput, ...] = ()
    commit: str | None = None
    base: str | None = None
    branch: str | None = None
    remote_url: str | None = None
    error: str | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignVersion:
    """One version of a registered model; `run` is an id of the source, `address` says where its artifacts are."""

    number: int
    address: str
    run: str | None = None
    created_ms: int | None = None
    updated_ms: int | None = None
    description: str = ""
    user: str | None = None
    stage: str = "None"
    deleted: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignModel:
    """A registered model with its versions; `aliases` name versions by number."""

    name: str
    description: str = ""
    created_ms: int | None = None
    updated_ms: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    versions: tuple[ForeignVersion, ...] = ()


class ForeignStore(Protocol):
    """One place of another tracker. `namespace` is what its ids are unique in, so that the same run is known again."""

    namespace: str

    def experiments(self) -> Iterable[ForeignExperiment | Damage]:
        """Yields the experiments, deleted ones too."""

    def run_ids(self) -> Sequence[str]:
        """Returns the ids of all runs, deleted ones and logged models too."""

    def read_runs(self, ids: Sequence[str]) -> Iterator[ForeignRun | Damage]:
        """Yields some runs in order, or why one cannot be read."""

    def models(self) -> Iterable[ForeignModel | Damage]:
        """Yields the registered models."""

    def left_out(self) -> Mapping[str, int]:
        """Returns what there is that no importer carries: the word for it, and how many there are."""

    def close(self) -> None:
        """Lets go of what is open."""


def run_id_of(namespace: str, foreign_id: str) -> RunId:
    """Returns the run id that a run of another tracker has here: its own where that is one of ours, else a derived one.

    The id is a function of namespace and id, so that importing twice is once. A logged model loses its `m-`.
    """
    if is_run_id(foreign_id):
        return RunId(foreign_id)
    logged = _LOGGED_MODEL_ID.match(foreign_id)
    if logged is not None:
        return RunId(logged[1])
    return RunId(hashlib.sha256(f"{namespace}\0{foreign_id}".encode()).hexdigest()[:32])


def held_file(path: str, data: bytes) -> ForeignFile:
    """Returns an artifact of some bytes."""
    return ForeignFile(path, len(data), lambda: iter([data]))


def keeps_id(foreign_id: str) -> bool:
    """Returns whether a run of another tracker keeps its id here."""
    return is_run_id(foreign_id) or _LOGGED_MODEL_ID.match(foreign_id) is not None


def import_writer(namespace: str) -> WriterId:
    """Returns who owns the log data of imported runs: nobody logs into them, so all clones that import agree."""
    return WriterId(hashlib.sha256(f"import\0{namespace}".encode()).hexdigest()[:16])
