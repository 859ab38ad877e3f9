"""Reads the journal of a live run: folds all writers' files into one state, and again only what was added since."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from gitruns.entities.environment import read_only
from gitruns.entities.ids import ObjectId, RunId, is_object_id, is_run_id
from gitruns.entities.run import Run, RunInfo, RunStatus
from gitruns.entities.values import fold_summaries
from gitruns.errors import ConflictError, CorruptDataError, NotFoundError
from gitruns.journal.fold import FileFold, RunEnd, Timed
from gitruns.journal.lines import read_blocks
from gitruns.journal.liveness import WriterState, writer_state
from gitruns.journal.logfile import NEW_SUFFIX, SUFFIX
from gitruns.journal.record import Opening, decode_record
from gitruns.journal.syncing import sync_folder

SEALED_FILE = "sealed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterFile:
    """One writer's file: where it is, who opened it, whether they still live."""

    path: Path
    opening: Opening
    state: WriterState


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRun:
    """A run as its journal tells it, sealed records left out.

    `opening` is the first owner's (`start` or `resume`), or the first joiner's where only late joiners wrote since
    the seal. `base` is the commit that these records come on top of, None for a run that was never sealed. `covers`
    is how far each file was read: what `mark_sealed` must be told. `last_time_ms` is the end of a run whose writers
    were killed.
    """

    opening: Opening
    run: Run
    writers: tuple[WriterFile, ...]
    base: ObjectId | None
    end: RunEnd | None
    last_time_ms: int
    dropped: int
    torn_lines: int
    covers: Mapping[str, int]

    @property
    def alive(self) -> bool:
        """Whether some writer lives."""
        return any(writer.state is WriterState.ALIVE for writer in self.writers)

    @property
    def finished(self) -> bool:
        """Whether the owner ended the run and no other writer lives: it can be sealed."""
        return self.end is not None and not self.alive

    @property
    def abandoned(self) -> bool:
        """Whether nobody writes any more and the run was not ended."""
        return self.end is None and not self.alive

    @property
    def detached(self) -> bool:
        """Whether the run was left open on purpose: abandoned, and every writer closed its file."""
        return self.abandoned and all(writer.state is WriterState.CLOSED for writer in self.writers)


class _File:
    """A fold and how far it has read."""

    def __init__(self, path: Path, start: int) -> None:
        self.fold = FileFold(path)
        self.offset = self.start = start
        self.size = start
        if start:
            self._read_opening()

    def _read_opening(self) -> None:
        for lines, _ in read_blocks(self.fold.path, 0, self.start):
            record = decode_record(lines[0])
            if record is not None:
                self.fold.add(record)
            return

    def read(self) -> None:
        for lines, offset in read_blocks(self.fold.path, self.offset):
            for line in lines:
                if line:
                    self.add_line(line)
            self.offset = offset

    def add_line(self, line: bytes) -> None:
        record = decode_record(line)
        if record is None:
            self.fold.torn += 1
        else:
            self.fold.add(record)


class JournalReader:
    """Follows the journal of one run."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self._files: dict[str, _File] = {}

    def refresh(self, *, now_s: float | None = None) -> LiveRun:
        """Returns the run as of now, reading only what was added since the last call.

        Raises `NotFoundError` kind `journal-not-found` when there is nothing unsealed in the folder.
        """
        sealed = _read_sealed(self.run_dir)
        covered: Mapping[str, int] = {} if sealed is None else sealed.covers
        self._follow(covered)
        folds = []
        writers = []
        covers = {}
        for name, file in self._files.items():
            opening = file.fold.opening
            if opening is None or opening.info.id != self.run_dir.name:
                continue
            state = writer_state(file.fold.path, opening, closed=file.fold.closed, now_s=now_s)
            if file.size == covered.get(name) and state is not WriterState.ALIVE:
                continue
            folds.append(file.fold)
            writers.append(WriterFile(path=file.fold.path, opening=opening, state=state))
            covers[name] = file.offset if state is WriterState.ALIVE else file.size
        if not folds:
            raise NotFoundError(f"no live journal of run '{self.run_dir.name}'", kind="journal-not-found")
        return _fold(folds, writers, covers, None if sealed is None else sealed.commit)

    def _follow(self, covered: Mapping[str, int]) -> None:
        paths = sorted(_log_files(self.run_dir))
        names = {path.name for path in paths}
        for gone in [name for name in self._files if name not in names]:
            del self._files[gone]
        for path in paths:
            start = covered.get(path.name, 0)
            file = self._files.get(path.name)
            try:
                size = path.stat().st_size
                if file is None or size < file.offset or file.start != start:
                    file = self._files[path.name] = _File(path, start)
                if size > file.offset:
                    file.read()
                file.size = max(size, file.offset)
            except FileNotFoundError:
                self._files.pop(path.name, None)


def _order(fold: FileFold) -> tuple[int, str]:
    assert fold.opening is not None  # noqa: S101  files without opening were left out
    return (fold.opening.time_ms, fold.id)


def _fold(
    folds: list[FileFold], writers: list[WriterFile], covers: Mapping[str, int], base: ObjectId | None
) -> LiveRun:
    folds = sorted(folds, key=_order)
    openings = [fold.opening for fold in folds if fold.opening is not None]
    owners = [fold for fold in folds if fold.opening is not None and fold.opening.owns]
    opening = next((opening for opening in openings if opening.owns), openings[0])
    end = _end(owners)
    dropped = sum(fold.dropped for fold in folds)
    fields = {name: timed.value for name, timed in _last(folds, "fields").items()}
    environment = fields.pop("environment", opening.environment)
    info = replace(opening.info, **fields, **_ending(end), dropped=opening.info.dropped + dropped)
    return LiveRun(
        opening=opening,
        run=_run(folds, info, environment),
        writers=tuple(sorted(writers, key=lambda writer: (writer.opening.time_ms, writer.path.stem))),
        base=opening.base or base,
        end=end,
        last_time_ms=max(fold.last_time_ms for fold in folds),
        dropped=dropped,
        torn_lines=sum(fold.torn for fold in folds),
        covers=read_only(covers),
    )


def _end(owners: list[FileFold]) -> RunEnd | None:
    """The end that counts: an owner who came last and has not ended keeps the run open."""
    if not owners or owners[-1].end is None:
        return None
    ended = [(fold.end.time_ms, fold.id, fold.end.value) for fold in owners if fold.end is not None]
    end: RunEnd = max(ended)[2]
    return end


def _ending(end: RunEnd | None) -> dict[str, Any]:
    if end is None:
        return {"status": RunStatus.RUNNING, "end_time_ms": None, "exit_code": None, "error": None}
    return {"status": end.status, "end_time_ms": end.end_time_ms, "exit_code": end.exit_code, "error": end.error}


def _run(folds: list[FileFold], info: RunInfo, environment: Any) -> Run:
    params = _first(folds, "params")
    tags = _last(folds, "tags")
    artifacts = _last(folds, "artifacts")
    inputs = _first(folds, "inputs")
    by_metric: dict[str, list[Any]] = {}
    for fold in folds:
        for key, summary in fold.summaries().items():
            by_metric.setdefault(key, []).append(summary)
    return Run(
        info=info,
        params=read_only({key: params[key].value for key in sorted(params)}),
        tags=read_only({key: tags[key].value for key in sorted(tags) if tags[key].value is not None}),
        metrics=read_only({key: fold_summaries(by_metric[key]) for key in sorted(by_metric)}),
        artifacts=tuple(artifacts[path].value for path in sorted(artifacts)),
        inputs=tuple(
            inputs[key].value for key in sorted(inputs, key=lambda key: (key[0], key[1], key[2] is not None, key[2]))
        ),
        environment=environment,
        live=True,
    )


def _first(folds: Iterable[FileFold], what: str) -> dict[Any, Timed]:
    """The first write of each key over all writers, by (time, writer)."""
    return _chosen(folds, what, lambda new, old: new < old)


def _last(folds: Iterable[FileFold], what: str) -> dict[Any, Timed]:
    """The last write of each key over all writers, by (time, writer)."""
    return _chosen(folds, what, lambda new, old: new > old)


def _chosen(folds: Iterable[FileFold], what: str, better: Any) -> dict[Any, Timed]:
    chosen: dict[Any, tuple[tuple[int, str], Timed]] = {}
    for fold in folds:
        for key, timed in getattr(fold, what).items():
            rank = (timed.time_ms, fold.id)
            if key not in chosen or better(rank, chosen[key][0]):
                chosen[key] = (rank, timed)
    return {key: timed for key, (_, timed) in chosen.items()}


def list_live(root: Path) -> list[RunId]:
    """Returns the runs that have a journal below `root`, sealed ones too, in order of their ids."""
    try:
        names = sorted(entry.name for entry in os.scandir(root) if is_run_id(entry.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [RunId(name) for name in names if any(_log_files(root / name))]


def _log_files(run_dir: Path) -> list[Path]:
    try:
        return [run_dir / entry.name for entry in os.scandir(run_dir) if entry.name.endswith(SUFFIX)]
    except (FileNotFoundError, NotADirectoryError):
        return []


@dataclass(frozen=True, slots=True)
class _Sealed:
    commit: ObjectId
    covers: Mapping[str, int]


def _read_sealed(run_dir: Path) -> _Sealed | None:
    path = run_dir / SEALED_FILE
    try:
        given = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except orjson.JSONDecodeError:
        given = None
    if (
        not isinstance(given, dict)
        or not is_object_id(str(given.get("commit")))
        or not isinstance(given.get("covers"), dict)
        or not all(type(size) is int for size in given["covers"].values())
    ):
        raise CorruptDataError(f"cannot read '{path}': it is no mark of a seal", kind="bad-journal", path=str(path))
    return _Sealed(ObjectId(given["commit"]), given["covers"])


def mark_sealed(run_dir: Path, commit: ObjectId, *, covers: Mapping[str, int] | None = None) -> None:
    """Notes, atomically, that the journal's records are in `commit`: those up to `LiveRun.covers`, or all when None.

    The files stay until `remove`, so that a commit that is lost before it is on disk can be made again.
    """
    old = _read_sealed(run_dir)
    if covers is None:
        covers = {path.name: path.stat().st_size for path in _log_files(run_dir)}
    mark = {"commit": commit, "covers": {**(old.covers if old else {}), **covers}}
    temporary = run_dir / f"{SEALED_FILE}.{os.getpid()}{NEW_SUFFIX}"
    temporary.write_bytes(orjson.dumps(mark) + b"\n")
    temporary.replace(run_dir / SEALED_FILE)


def sealed_commit(run_dir: Path) -> ObjectId | None:
    """Returns the commit that the journal was last sealed into, None when it never was."""
    sealed = _read_sealed(run_dir)
    return None if sealed is None else sealed.commit


def remove(run_dir: Path) -> None:
    """Removes what is sealed of the journal, once commit and ref are on disk.

    Files of writers that live, and records that the seal does not cover, stay. Raises `ConflictError` kind
    `journal-not-sealed` when there is no mark of a seal.
    """
    sealed = _read_sealed(run_dir)
    if sealed is None:
        raise ConflictError(f"cannot remove journal '{run_dir.name}': it is not sealed", kind="journal-not-sealed")
    for path in _log_files(run_dir):
        with suppress(FileNotFoundError):
            if path.stat().st_size == sealed.covers.get(path.name):
                path.unlink()
    if not any(_log_files(run_dir)):
        for entry in list(os.scandir(run_dir)):
            if entry.name == SEALED_FILE or entry.name.endswith(NEW_SUFFIX):
                (run_dir / entry.name).unlink(missing_ok=True)
        with suppress(OSError):
            run_dir.rmdir()
    sync_folder(run_dir.parent)
