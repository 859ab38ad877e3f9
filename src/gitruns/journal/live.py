"""The state of a live run: the folds of its writers' files, folded once more. Equal files give an equal state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gitruns.entities.environment import Environment, read_only
from gitruns.entities.ids import ObjectId
from gitruns.entities.run import Run, RunInfo, RunStatus
from gitruns.entities.values import MetricSummary, fold_summaries
from gitruns.journal.fold import FileFold, RunEnd, Timed
from gitruns.journal.liveness import WriterState
from gitruns.journal.record import Opening


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
    the seal. `base` is the commit that these records come on top of, None for a run that was never sealed. `end` is
    how the owner who came last ended the run, None while that one has not. `covers` is how far each file was read:
    what `mark_sealed` must be told. `last_time_ms` is the end of a run whose writers were killed. `tag_changes` and
    `field_changes` hold what was set and when (a tag taken away is None), for laying it over a run that was edited
    meanwhile.
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
    tag_changes: Mapping[str, Timed]
    field_changes: Mapping[str, Timed]

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
        """Whether the run was left open on purpose: abandoned, and every writer closed its file.

        A server that was killed writes no goodbye, and the program that it wrote for goes on elsewhere.
        """
        return self.abandoned and all(
            writer.state is WriterState.CLOSED or writer.opening.on_behalf for writer in self.writers
        )


def fold_files(
    files: Sequence[tuple[FileFold, WriterFile]], covers: Mapping[str, int], base: ObjectId | None
) -> LiveRun:
    """Returns the state that some files, one at least, add up to; the same for every order of them."""
    files = sorted(files, key=lambda file: (file[1].opening.time_ms, file[0].id))
    folds = [fold for fold, _ in files]
    writers = tuple(writer for _, writer in files)
    owners = [fold for fold, writer in files if writer.opening.owns]
    opening = next((writer.opening for writer in writers if writer.opening.owns), writers[0].opening)
    changes = _last(folds, lambda fold: fold.fields)
    end = _end(owners, changes.get("status"))
    dropped = sum(fold.dropped for fold in folds)
    fields = {name: timed.value for name, timed in changes.items()}
    environment = fields.pop("environment", opening.environment)
    info = replace(opening.info, **{**_ending(opening, end), **fields}, dropped=opening.info.dropped + dropped)
    return LiveRun(
        opening=opening,
        run=_run(folds, _ended(info, end), environment),
        writers=writers,
        base=opening.base or base,
        end=end,
        last_time_ms=max(fold.last_time_ms for fold in folds),
        dropped=dropped,
        torn_lines=sum(fold.torn for fold in folds),
        covers=read_only(covers),
        tag_changes=read_only(_last(folds, lambda fold: fold.tags)),
        field_changes=read_only(changes),
    )


def _end(owners: Sequence[FileFold], said: Timed | None) -> RunEnd | None:
    """How the owner ended the run; `said`, the status that anybody gave it, counts when it is the later word."""
    if not owners or owners[-1].end is None:
        return None
    ended = [(fold.end.time_ms, fold.id, fold.end.value) for fold in owners if fold.end is not None]
    time_ms, _, end = max(ended, key=lambda one: one[:2])
    return None if said is not None and said.time_ms > time_ms else end


def _ended(info: RunInfo, end: RunEnd | None) -> RunInfo:
    if end is None:
        return info
    return replace(info, status=end.status, end_time_ms=end.end_time_ms, exit_code=end.exit_code, error=end.error)


def _ending(opening: Opening, end: RunEnd | None) -> dict[str, Any]:
    """The status to begin with: whoever only joins a run that has ended leaves that as it is."""
    if end is not None or not opening.owns or not opening.info.status.ended:
        return {}
    return {"status": RunStatus.RUNNING, "end_time_ms": None, "exit_code": None, "error": None}


def _run(folds: Sequence[FileFold], info: RunInfo, environment: Environment | None) -> Run:
    params = _first(folds, lambda fold: fold.params)
    tags = _last(folds, lambda fold: fold.tags)
    artifacts = _last(folds, lambda fold: fold.artifacts)
    inputs = _first(folds, lambda fold: fold.inputs)
    by_metric: dict[str, list[MetricSummary]] = {}
    for fold in folds:
        for key, summary in fold.summaries().items():
            by_metric.setdefault(key, []).append(summary)
    return Run(
        info=info,
        params=read_only({key: params[key].value for key in sorted(params)}),
        tags=read_only({key: tags[key].value for key in sorted(tags) if tags[key].value is not None}),
        metrics=read_only({key: fold_summaries(by_metric[key]) for key in sorted(by_metric)}),
        artifacts=tuple(artifacts[path].value for path in sorted(artifacts)),
        inputs=tuple(inputs[key].value for key in sorted(inputs, key=_input_order)),
        environment=environment,
        live=True,
    )


def _input_order(key: tuple[str, str, str | None]) -> tuple[str, str, str]:
    return (key[0], key[1], key[2] or "")


_Changes = Callable[[FileFold], Mapping[Any, Timed]]


def _first(folds: Iterable[FileFold], changes: _Changes) -> dict[Any, Timed]:
    """The first write of each key over all writers, by (time, writer)."""
    chosen: dict[Any, tuple[int, str, Timed]] = {}
    for fold in folds:
        for key, timed in changes(fold).items():
            if key not in chosen or (timed.time_ms, fold.id) < chosen[key][:2]:
                chosen[key] = (timed.time_ms, fold.id, timed)
    return {key: timed for key, (_, _, timed) in chosen.items()}


def _last(folds: Iterable[FileFold], changes: _Changes) -> dict[Any, Timed]:
    """The last write of each key over all writers, by (time, writer)."""
    chosen: dict[Any, tuple[int, str, Timed]] = {}
    for fold in folds:
        for key, timed in changes(fold).items():
            if key not in chosen or (timed.time_ms, fold.id) > chosen[key][:2]:
                chosen[key] = (timed.time_ms, fold.id, timed)
    return {key: timed for key, (_, _, timed) in chosen.items()}
