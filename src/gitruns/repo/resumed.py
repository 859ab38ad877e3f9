"""What a journal adds to a run that has ended before: a resume, late records, or the same seal once more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import read_only
from gitruns.entities.ids import WriterId
from gitruns.entities.run import Run, RunInfo, RunStatus
from gitruns.entities.stamp import Stamp, next_stamp
from gitruns.entities.values import fold_summaries
from gitruns.journal import LiveRun

_OUTCOME = ("status", "end_time_ms", "exit_code", "error", "writer")
_KEYS = {"end_time_ms": "end_time"}
"""Fields that `run.yaml`, and so a stamp, calls otherwise."""


def final_info(live: LiveRun) -> RunInfo:
    """Returns the run's facts at its end: as its owner said, else as anybody said, KILLED when nobody did, or open."""
    info = live.run.info
    if live.end is not None:
        return replace(
            info,
            status=live.end.status,
            end_time_ms=live.end.end_time_ms,
            exit_code=live.end.exit_code,
            error=live.end.error,
        )
    if is_late(live) or info.status.ended:
        return info
    if not live.alive and not live.detached:
        return replace(info, status=RunStatus.KILLED, end_time_ms=live.last_time_ms)
    return info


def is_late(live: LiveRun) -> bool:
    """Returns whether a journal only adds records to a run that has ended: these do not touch its status."""
    if live.base is None:
        return False
    return live.opening.kind == "join" or live.opening.info.status is not RunStatus.RUNNING


def shown_over(old: Run, live: LiveRun) -> Run:
    """Returns how an ended run looks with what its journal adds: `laid_over`, and the metrics folded."""
    merged = laid_over(old, live)
    metrics = dict(old.metrics)
    for key, summary in live.run.metrics.items():
        metrics[key] = fold_summaries([metrics[key], summary]) if key in metrics else summary
    return replace(merged, metrics=read_only(metrics), live=live.alive)


def laid_over(old: Run, live: LiveRun, base: Run | None = None) -> Run:
    """Lays what the journal says over an ended run; a field edited since, by a greater stamp, stays as it is.

    `base` is the run that the journal began on top of, where that is not `old` itself: what it says is later than all
    stamps there, whatever the clocks were.
    """
    later = _Later(old if live.base is not None and live.base == old.commit else base, live.opening.info.writer)
    stamps = dict(old.stamps)
    tags = dict(old.tags)
    for key, (time_ms, value) in live.tag_changes.items():
        field = f"tags/{key}"
        stamp = later.stamp(field, time_ms)
        if tags.get(key) == value or (field in stamps and stamps[field] >= stamp):
            continue
        stamps[field] = stamp
        if value is None:
            tags.pop(key, None)
        else:
            tags[key] = value
    info = _merged_info(old, live, stamps, later)
    artifacts = {artifact.path: artifact for artifact in old.artifacts}
    for artifact in live.run.artifacts:
        known, field = artifacts.get(artifact.path), f"artifacts/{artifact.path}"
        if known is None and field not in stamps:
            artifacts[artifact.path] = artifact
        elif known is None or known.digest != artifact.digest:  # without a stamp a merge could bring the old one back
            stamp = later.stamp(field, live.last_time_ms)
            if field not in stamps or stamps[field] < stamp:
                artifacts[artifact.path], stamps[field] = artifact, stamp
    return replace(
        old,
        info=info,
        params=read_only({**live.run.params, **old.params}),
        tags=read_only(tags),
        artifacts=tuple(artifacts[path] for path in sorted(artifacts)),
        inputs=_united_inputs(old.inputs, live.run.inputs),
        environment=old.environment or live.run.environment,
        stamps=read_only(stamps),
    )


class _Later:
    """Gives the stamps of a journal's records: their own time, and after what stood in the run that it began on."""

    def __init__(self, base: Run | None, writer: WriterId) -> None:
        self.known = base is not None
        self._stamps = base.stamps if base is not None else {}
        self._writer = writer

    def stamp(self, field: str, time_ms: int) -> Stamp:
        return next_stamp(self._stamps.get(field), time_ms, self._writer)


def _merged_info(old: Run, live: LiveRun, stamps: dict[str, Stamp], later: _Later) -> RunInfo:
    info = old.info
    stored = {field.name for field in fields(RunInfo)}
    for field, (time_ms, value) in live.field_changes.items():
        name = f"run/{_KEYS.get(field, field)}"
        stamp = later.stamp(name, time_ms)
        known = stamps.get(name)
        if field not in stored:
            continue
        if getattr(info, field) != value and (known is None or known < stamp):
            stamps[name] = stamp
            info = replace(info, **{field: value})
    final = final_info(live)
    if is_late(live):
        return info
    resumed = replace(
        info,
        status=final.status,
        end_time_ms=final.end_time_ms,
        exit_code=final.exit_code,
        error=final.error,
        dropped=max(info.dropped, final.dropped),
        writer=final.writer,
    )
    return _stamped_outcome(info, resumed, live, stamps, later)


def _stamped_outcome(
    info: RunInfo, resumed: RunInfo, live: LiveRun, stamps: dict[str, Stamp], later: _Later
) -> RunInfo:
    """Returns how the run ended: who owns the log data and how it ended are one decision, made by this resume.

    It is always stamped, also when the words stay the same: a merge must see that it is the later one.
    """
    if all(getattr(resumed, field) == getattr(info, field) for field in _OUTCOME):
        return resumed
    stamp = max(later.stamp(field, live.last_time_ms) for field in ("run/status", "run/writer"))
    decided = max((stamps[field] for field in ("run/status", "run/writer") if field in stamps), default=None)
    if decided is not None and decided >= stamp:
        if later.known:  # somebody resumed it after this journal began, and ended it later
            return replace(info, dropped=resumed.dropped)
        stamp = next_stamp(decided, live.last_time_ms, resumed.writer)
    stamps["run/status"] = stamps["run/writer"] = stamp
    return resumed


def _united_inputs(old: Iterable[DatasetInput], new: Iterable[DatasetInput]) -> tuple[DatasetInput, ...]:
    united = {(one.name, one.digest, one.context or ""): one for one in (*new, *old)}
    return tuple(united[key] for key in sorted(united))
