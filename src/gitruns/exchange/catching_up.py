"""Runs that had not ended when they came, and have gone on where they come from: what is new there is added here.

What somebody has edited here since stays as it is here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from gitruns.entities.artifact import Artifact
from gitruns.entities.environment import read_only
from gitruns.entities.ids import ObjectId
from gitruns.entities.run import Run
from gitruns.entities.stamp import Stamp, edit_stamp
from gitruns.entities.values import Point
from gitruns.exchange.foreign import ForeignRun
from gitruns.exchange.incoming_runs import RunMaker, spooled, with_artifacts
from gitruns.repo import now_ms
from gitruns.repo.edit import moved
from gitruns.repo.manifest import packed, unpacked
from gitruns.repo.parts import HistoryParts
from gitruns.repo.seal import same_state
from gitruns.repo.texts import keep_texts
from gitruns.repo.trees import carried_files

if TYPE_CHECKING:
    from gitruns.exchange.report import ImportReport
    from gitruns.repo import Repo


def catch_up(repo: Repo, maker: RunMaker, given: ForeignRun, tip: ObjectId, report: ImportReport) -> bool:
    """Adds to a run what its source has more of, as a commit on top; returns whether there was anything.

    Durable on return. Nothing is done where somebody moves the run at the same time: the next import comes.
    """
    old = unpacked(repo.cache, repo.store.read_run(tip))
    with repo.cache.batch() as batch:
        fresh = with_artifacts(maker.facts(given), given, batch, report)
    carried = carried_files(repo.store, tip)
    parts = HistoryParts(repo.cache, carried, old.parts, old.metrics)
    with spooled(_new_points(repo, old, given), repo.folder / "tmp") as (spool, count):
        parts.add(spool)
    new = _joined(old, fresh)
    if count:
        new = replace(new, metrics=read_only(parts.summaries()), parts=tuple(parts.parts))
    if same_state(new, old):
        return False
    texts = {path: data for path, data in carried.items() if path.startswith("artifacts/")}
    added = [one for one in new.artifacts if one not in old.artifacts]
    for one in added:
        texts.pop(f"artifacts/{one.path}", None)
    kept, more = keep_texts(repo.cache, added, beside=texts)
    new = replace(new, artifacts=_by_path([*new.artifacts, *kept]), stamps=_stamps(old, new))
    commit = repo.store.write_run_commit(
        packed(repo.cache, new),
        parents=[tip],
        identity=repo.identity(),
        time_ms=now_ms(),
        subject=f"run {new.info.name}: import again, {new.info.status.value.lower()}",
        files={**parts.files, **texts, **more},
    )
    if not moved(repo, new.info.id, commit, tip):
        return False
    repo.store.sync([(new.info.id, commit)])
    report.points += count
    return True


def _new_points(repo: Repo, old: Run, given: ForeignRun) -> Iterator[Point]:
    """Yields the points that are not here; each as often as it is there more often."""
    here = Counter((one.metric, one.step, one.time_ms, repr(one.value)) for one in repo.iter_points(old.info.id))
    for point in given.points():
        key = (point.metric, point.step, point.time_ms, repr(float(point.value)))
        if here[key] > 0:
            here[key] -= 1
        else:
            yield point


def _joined(old: Run, fresh: Run) -> Run:
    """Returns the run as it is there now, except for what was edited here: that bears a stamp of somebody else."""
    edited = {field for field, stamp in old.stamps.items() if stamp.writer != old.info.writer}
    info = replace(old.info, status=fresh.info.status, end_time_ms=fresh.info.end_time_ms)
    for name in ("name", "lifecycle", "error", "exit_code", "parent_run_id"):
        if f"run/{name}" not in edited:
            info = replace(info, **{name: getattr(fresh.info, name)})
    known = {(one.name, one.digest, one.context) for one in old.inputs}
    artifacts = {one.path: one for one in old.artifacts}
    for one in fresh.artifacts:
        before = artifacts.get(one.path)
        same = before is not None and before.digest == one.digest
        if not same and f"artifacts/{one.path}" not in edited:
            artifacts[one.path] = one
    inputs = [*old.inputs, *(one for one in fresh.inputs if (one.name, one.digest, one.context) not in known)]
    return replace(
        old,
        info=info,
        params=read_only({**fresh.params, **old.params}),
        tags=_unless_edited(old.tags, fresh.tags, edited),
        inputs=tuple(sorted(inputs, key=lambda one: (one.name, one.digest, one.context or ""))),
        artifacts=_by_path(artifacts.values()),
    )


def _unless_edited(old: Mapping[str, str], fresh: Mapping[str, str], edited: Collection[str]) -> Mapping[str, str]:
    """Returns the fresh tags, but the old ones, or their absence, where they were edited."""
    return read_only(
        {key: text for key, text in fresh.items() if f"tags/{key}" not in edited}
        | {key: text for key, text in old.items() if f"tags/{key}" in edited}
    )


def _by_path(artifacts: Iterable[Artifact]) -> tuple[Artifact, ...]:
    by_path = {one.path: one for one in artifacts}
    return tuple(by_path[path] for path in sorted(by_path))


def _stamps(old: Run, new: Run) -> Mapping[str, Stamp]:
    """Returns the stamps of the new state: how it ended is said anew, as a resume says it.

    They are stamps of the run's own writer, the import, so that the next one tells them from edits.
    """
    fields = ["run/status", "run/writer"]
    fields += [f"tags/{key}" for key in {*old.tags, *new.tags} if old.tags.get(key) != new.tags.get(key)]
    before = {(one.path, one.digest) for one in old.artifacts}
    fields += [f"artifacts/{one.path}" for one in new.artifacts if (one.path, one.digest) not in before]
    stamp = edit_stamp(old.stamps, fields, now_ms(), old.info.writer)
    return read_only({**old.stamps, **dict.fromkeys(fields, stamp)})
