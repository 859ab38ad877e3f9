"""One run of another tracker as a run of ours: facts, values, points and artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.entities import names
from gitruns.entities.artifact import Artifact
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import read_only
from gitruns.entities.ids import DEFAULT_EXPERIMENT_ID, Digest, ExperimentId, ObjectId, is_object_id
from gitruns.entities.run import Lifecycle, Run, RunInfo
from gitruns.entities.source import Source
from gitruns.entities.values import MetricSummary, Point, Summarizer
from gitruns.errors import CorruptDataError, GitRunsError
from gitruns.exchange.fitting import fitted_name, fitted_params, fitted_tags, without_credentials
from gitruns.exchange.foreign import (
    IMPORTED_ID_TAG,
    Damage,
    ForeignFile,
    ForeignRun,
    import_writer,
    keeps_id,
    run_id_of,
)
from gitruns.gitstore.objects import decode_commit
from gitruns.journal import PointSpool
from gitruns.repo.parts import HistoryParts

if TYPE_CHECKING:
    from gitruns.artifacts import ArtifactCache, Batch
    from gitruns.exchange.report import ImportReport
    from gitruns.gitstore import GitStore

_PIECE = 5000


def named(given: ForeignRun) -> str:
    """Returns how a run of the source is named to people."""
    return f"{'model' if given.kind else 'run'} {given.id:.60}"


@dataclass(frozen=True, slots=True)
class RunMaker:
    """Makes runs of what one source has; `experiments` says which experiment each of its ids is here."""

    store: GitStore
    namespace: str
    experiments: Mapping[str, ExperimentId]
    report: ImportReport

    def facts(self, given: ForeignRun) -> Run:
        """Returns a run without points and artifacts."""
        of = named(given)
        if given.experiment not in self.experiments:
            self.report.cannot(of, f"its experiment '{given.experiment:.60}' is not there: it is in Default here")
        tags = fitted_tags(given.tags, of, self.report, limit=names.MAX_TAG_LENGTH)
        if not keeps_id(given.id):
            tags[IMPORTED_ID_TAG] = given.id[: names.MAX_TAG_LENGTH]
        run_id = run_id_of(self.namespace, given.id)
        info = RunInfo(
            id=run_id,
            name=fitted_name(given.name, run_id[:8]),
            experiment_id=self.experiments.get(given.experiment, DEFAULT_EXPERIMENT_ID),
            writer=import_writer(self.namespace),
            status=given.status,
            start_time_ms=given.start_time_ms,
            end_time_ms=given.end_time_ms,
            user=given.user or None,
            host=given.host or None,
            entry_point=given.entry_point or None,
            command=given.command,
            source=self._source(given),
            parent_run_id=None if given.parent is None else run_id_of(self.namespace, given.parent),
            exit_code=given.exit_code,
            error=given.error,
            lifecycle=Lifecycle.DELETED if given.deleted else Lifecycle.ACTIVE,
            kind=given.kind,
        )
        return Run(
            info=info,
            params=read_only(fitted_params(given.params, of, self.report)),
            tags=read_only(tags),
            inputs=_distinct_inputs(given),
        )

    def _source(self, given: ForeignRun) -> Source:
        """Returns what is known of the code; the run is a child of that commit where it is here."""
        if given.commit is None or not is_object_id(given.commit):
            return Source()
        commit = ObjectId(given.commit)
        remote = None if given.remote_url is None else without_credentials(given.remote_url)
        base = ObjectId(given.base) if given.base is not None and is_object_id(given.base) else commit
        known = Source(commit=commit, base=base, dirty=base != commit, branch=given.branch or None, remote_url=remote)
        if not self.is_here(commit):
            return known
        tree = decode_commit(self.store.backend.read_object(commit)[1], commit).tree
        return replace(known, snapshot_tree=tree)

    def is_here(self, commit: ObjectId | None) -> bool:
        """Returns whether a commit is in the repository, so that a run can be its child."""
        if commit is None or len(commit) != len(self._zero()):
            return False
        try:
            return self.store.backend.has_object(commit) and self.store.backend.object_header(commit)[0] == "commit"
        except GitRunsError:
            return False

    def _zero(self) -> str:
        return "0" * (64 if self.store.backend.object_format == "sha256" else 40)


def _distinct_inputs(given: ForeignRun) -> tuple[DatasetInput, ...]:
    found = {(one.name, one.digest, one.context): one for one in given.inputs}
    return tuple(sorted(found.values(), key=lambda one: (one.name, one.digest, one.context or "")))


# Points


def with_history(
    run: Run, points: Iterable[Point], cache: ArtifactCache, spill_dir: Path
) -> tuple[Run, dict[str, bytes], int]:
    """Returns the run with summaries and parts of its points, the files of those, and how many points there are."""
    parts = HistoryParts(cache, {}, ())
    with spooled(points, spill_dir) as (spool, count):
        parts.add(spool)
    return replace(run, metrics=read_only(spool.summaries), parts=tuple(parts.parts)), parts.files, count


@contextmanager
def spooled(points: Iterable[Point], spill_dir: Path) -> Iterator[tuple[PointSpool, int]]:
    """Gives points as one part of a history, in bounded memory, and how many there are."""
    spill_dir.mkdir(parents=True, exist_ok=True)
    summarizers: dict[str, Summarizer] = {}
    summaries: dict[str, MetricSummary] = {}
    count = 0
    with PointSpool(summaries, spill_dir) as spool:
        for piece in _pieces(points):
            for metric, some in piece.items():
                if metric not in summarizers:
                    names.check_key("metric", metric)
                    summarizers[metric] = Summarizer()
                summarizers[metric].add_many(some)
                count += len(some)
            spool.add(piece)
        spool.finish()
        summaries.update({metric: one.summary() for metric, one in summarizers.items()})
        yield spool, count


def _pieces(points: Iterable[Point]) -> Iterator[dict[str, list[tuple[int, int, float]]]]:
    piece: dict[str, list[tuple[int, int, float]]] = {}
    waiting = 0
    for point in points:
        step = names.check_step(point.metric, point.step)
        piece.setdefault(point.metric, []).append((step, point.time_ms, float(point.value)))
        waiting += 1
        if waiting >= _PIECE:
            yield piece
            piece, waiting = {}, 0
    if piece:
        yield piece


# Artifacts


def with_artifacts(run: Run, given: ForeignRun, batch: Batch, report: ImportReport) -> Run:
    """Returns the run with its artifacts, whose bytes are in the cache once the batch is done."""
    kept: dict[str, Artifact] = {}
    for one in listed_artifacts(given):
        if isinstance(one, Damage):
            report.problems.append(one)
            continue
        try:
            path = names.check_artifact_path(one.path)
            digest, size = _put(one, batch)
        except (GitRunsError, OSError) as error:
            report.cannot(f"artifact '{one.path:.100}' of {named(given)}", error)
            continue
        kept[path] = Artifact(path=path, digest=digest, size_bytes=size)
    return replace(run, artifacts=tuple(kept[path] for path in sorted(kept)))


def listed_artifacts(given: ForeignRun) -> Iterator[ForeignFile | Damage]:
    """Yields the artifacts of a run; a list of them that breaks off is damage."""
    try:
        yield from given.artifacts()
    except (GitRunsError, OSError, ValueError, TypeError, AttributeError) as error:
        yield Damage(f"artifacts of {named(given)}", str(error))


def _put(one: ForeignFile, batch: Batch) -> tuple[Digest, int]:
    if isinstance(one.content, Path):
        return batch.put_file(one.content)
    digest, size = batch.put_stream(one.content())
    if one.size_bytes is not None and size != one.size_bytes:
        raise CorruptDataError(f"{size} bytes came of {one.size_bytes}", kind="corrupt")
    return digest, size
