"""Runs and experiments as docs/format.md describes them: an independent reader reads what gitruns wrote."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formats import independent_reader as reader
from gitruns.artifacts import ArtifactCache
from gitruns.entities import history
from gitruns.entities.artifact import Artifact, Manifest
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import Digest, ObjectId, RunId, WriterId, experiment_id_candidate
from gitruns.entities.run import Identity, Lifecycle, Part, Run, RunInfo, RunStatus
from gitruns.entities.stamp import Stamp
from gitruns.entities.values import MetricSummary, Point, Summarizer, fold_summaries
from gitruns.gitstore import GitStore, encode_manifest, encode_summaries, open_store
from gitruns.testing import strategies as some
from gitruns.testing.strategies import same

ADA = Identity(name="Ada", email="ada@example.org", utc_offset_minutes=60)

Git = Callable[..., str]


@pytest.fixture(scope="module")
def shared_repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One repository with a commit, for all examples."""
    folder = tmp_path_factory.mktemp("shared")
    whoever = ["-c", "user.name=A", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", *whoever, "commit", "-q", "--allow-empty", "-m", "first"], cwd=folder, check=True)
    return folder


SMALL = RunInfo(
    id=RunId("00c0ffee" * 4),
    name="small",
    writer=WriterId("ab" * 8),
    status=RunStatus.FINISHED,
    start_time_ms=1000,
    end_time_ms=2500,
)


def summaries_of(points: Sequence[Point]) -> dict[str, MetricSummary]:
    """The summaries of some points."""
    found: dict[str, Summarizer] = {}
    for point in points:
        found.setdefault(point.metric, Summarizer()).add(point.step, point.time_ms, point.value)
    return {metric: summarizer.summary() for metric, summarizer in found.items()}


def tsv(points: Sequence[Point]) -> bytes:
    """A part's text."""
    lines = [
        history.encode_point(history.encode_metric_key(point.metric), point.step, point.time_ms, point.value)
        for point in sorted(points, key=lambda point: point.metric)
    ]
    return "".join(lines).encode()


def with_history(
    run: Run, parts: Sequence[tuple[list[Point], bool]], cache: ArtifactCache
) -> tuple[Run, dict[str, bytes]]:
    """The run with that history, and the files that belong to it; a flag says which parts are in the store."""
    files, made, of_part = {}, {}, {}
    for points, stored in parts:
        text = tsv(points)
        digest = Digest(hashlib.sha256(text).hexdigest())
        where = None
        if stored:
            packed, size = cache.put_bytes(gzip.compress(text, mtime=0))
            where = Artifact(path=f".gitruns/metrics/{digest}.tsv.gz", digest=packed, size_bytes=size)
        files[f"metrics/{digest}.tsv"] = b"" if stored else text
        made[digest] = Part(digest=digest, size_bytes=len(text), stored_as=where)
        of_part[digest] = summaries_of(points)
    if len(made) > 1:
        files |= {f"metrics/{digest}.yaml": encode_summaries(found) for digest, found in of_part.items()}
    metrics = {metric for found in of_part.values() for metric in found}
    folded = {
        metric: fold_summaries([found[metric] for found in of_part.values() if metric in found]) for metric in metrics
    }
    return dataclasses.replace(run, parts=tuple(made[digest] for digest in sorted(made)), metrics=folded), files


def seal(store: GitStore, run: Run, files: dict[str, bytes]) -> ObjectId:
    """Writes a run as two commits and moves its ref there."""
    start = dataclasses.replace(run.info, status=RunStatus.RUNNING, end_time_ms=None, exit_code=None, error=None)
    commit = store.seal_run(Run(info=start), run, parent=run.info.source.commit, identity=ADA, files=files)
    store.set_run_tip(run.info.id, commit, store.run_tip(run.info.id))
    return commit


def summary_entry(summary: MetricSummary) -> dict[str, Any]:
    """A summary in the words of the format."""
    entry = {
        "count": summary.count,
        "first": summary.first,
        "first_step": summary.first_step,
        "first_time": summary.first_time_ms,
        "last": summary.last,
        "step": summary.step,
        "time": summary.time_ms,
        "min": summary.min,
        "max": summary.max,
        "mean": summary.mean,
    }
    return {**entry, "nan": summary.nan} if summary.nan else entry


def run_entry(run: Run) -> dict[str, Any]:
    """What `run.yaml` must hold."""
    info, source = run.info, run.info.source
    entry = {
        "id": info.id,
        "name": info.name,
        "experiment_id": info.experiment_id,
        "writer": info.writer,
        "status": info.status.value,
        "kind": info.kind,
        "lifecycle": info.lifecycle.value,
        "start_time": info.start_time_ms,
        "end_time": info.end_time_ms,
        "exit_code": info.exit_code,
        "error": info.error,
        "user": info.user,
        "host": info.host,
        "entry_point": info.entry_point,
        "command": list(info.command) or None,
        "parent_run_id": info.parent_run_id,
        "dropped": info.dropped or None,
        "source_commit": source.commit,
        "source_base": source.base,
        "source_branch": source.branch,
        "source_code_tree": source.code_tree,
        "source_snapshot_tree": source.snapshot_tree,
        "source_dirty": source.dirty or None,
        "source_left_out": [left_out_entry(item) for item in source.left_out] or None,
        "source_remote_url": source.remote_url,
        "source_autocrlf": source.autocrlf,
        "source_eol": source.eol,
    }
    return {key: value for key, value in entry.items() if value is not None}


def left_out_entry(item: Any) -> dict[str, Any]:
    """An item of `source_left_out`."""
    entry = {"path": item.path, "reason": item.reason, "size": item.size}
    return {key: value for key, value in entry.items() if value is not None}


def environment_entry(run: Run) -> dict[str, str]:
    """What `env.yaml` must hold."""
    if run.environment is None:
        return {}
    return {
        "python": run.environment.python,
        "platform": run.environment.platform,
        **{f"package/{key}": value for key, value in run.environment.packages.items()},
        **{f"hardware/{key}": value for key, value in run.environment.hardware.items()},
        **{f"variable/{key}": value for key, value in run.environment.variables.items()},
    }


def artifact_entry(artifact: Artifact) -> dict[str, Any]:
    """An item of `artifacts.yaml`."""
    entry = {"path": artifact.path, "sha256": artifact.digest, "size": artifact.size_bytes}
    return {**entry, "git": True} if artifact.in_git else entry


def input_entries(run: Run) -> list[dict[str, Any]]:
    """What `inputs.yaml` must hold."""
    entries = []
    for one in sorted(run.inputs, key=lambda one: (one.name, one.digest, one.context is not None, one.context or "")):
        entry = dataclasses.asdict(one) | {"tags": dict(one.tags) or None}
        entries.append({key: value for key, value in entry.items() if value is not None})
    return entries


def check(found: reader.StoredRun, run: Run) -> None:
    """Holds what the independent reader found against what was written."""
    assert found.version == 1
    assert same(found.run, run_entry(run))
    assert same(found.params, dict(run.params))
    assert found.tags == dict(run.tags)
    assert same(found.metrics, {metric: summary_entry(summary) for metric, summary in run.metrics.items()})
    assert found.environment == environment_entry(run)
    assert found.inputs == input_entries(run)
    assert found.stamps == {key: [stamp.time_ms, stamp.counter, stamp.writer] for key, stamp in run.stamps.items()}
    assert set(found.parts) == {part.digest for part in run.parts}
    assert found.source == run.info.source.commit
    assert found.unknown == dict(run.unknown)


curves = st.lists(some.points(some.names.filter(lambda key: len(key) < 50)), min_size=1, max_size=6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(some.runs(), st.lists(st.tuples(curves, st.booleans()), max_size=3), st.booleans())
def test_an_independent_reader_reads_what_was_written(
    shared_repo: Path, run: Run, parts: list[tuple[list[Point], bool]], has_source: bool
) -> None:
    store = open_store(shared_repo, environ=os.environ)
    if has_source:
        source = dataclasses.replace(run.info.source, commit=store.head().commit)
        run = dataclasses.replace(run, info=dataclasses.replace(run.info, source=source))
    run, files = with_history(run, parts, ArtifactCache(shared_repo / ".git" / "gitruns" / "cache"))
    tip = seal(store, run, files)
    found = reader.read_run(reader.Repository(shared_repo), run.info.id, tip)
    check(found, run)
    assert found.artifacts == {artifact.path: artifact_entry(artifact) for artifact in run.artifacts}
    assert len(found.chain) == 2 and found.chain[0] == tip
    whole = {digest: [list(point) for point in points] for digest, points in found.parts.items()}
    for points, _ in parts:
        ordered = sorted(points, key=lambda point: point.metric)
        digest = hashlib.sha256(tsv(points)).hexdigest()
        assert same(whole[digest], [[one.metric, one.step, one.time_ms, one.value] for one in ordered])
    if len(whole) > 1:
        assert found.part_metrics.keys() == whole.keys()
    # And gitruns reads its own.
    again = store.read_run(tip)
    assert again.info == run.info and again.parts == run.parts and again.artifacts == run.artifacts
    assert same(dict(again.params), dict(run.params))
    store.close()


def test_the_start_holds_the_run_as_it_began(shared_repo: Path, git: Git) -> None:
    run = Run(info=SMALL, params={"lr": 0.01})
    store = open_store(shared_repo, environ=os.environ)
    tip = seal(store, run, {})
    repository = reader.Repository(shared_repo)
    files = repository.files(f"{tip}^")
    assert set(files) == {"format", "run.yaml"}
    assert files["format"] == b"gitruns 1\n"
    assert reader.read_yaml(files["run.yaml"], "run.yaml")["status"] == "RUNNING"
    message = git(shared_repo, "log", "-1", "--format=%(trailers)", tip)
    assert message.split("\n")[:2] == [f"Run-Id: {run.info.id}", "Experiment: 0"]
    assert git(shared_repo, "log", "-1", "--format=%s", tip).startswith("run small: finished")
    assert git(shared_repo, "log", "-1", "--format=%an %ae %ai", tip) == (
        "Ada ada@example.org 1970-01-01 01:00:02 +0100"
    )
    assert git(shared_repo, "cat-file", "blob", f"{tip}:params.yaml") == '"lr": 0.01'


def test_a_long_list_of_artifacts_is_an_object_of_its_own(shared_repo: Path) -> None:
    store = open_store(shared_repo, environ=os.environ)
    cache = ArtifactCache(shared_repo / ".git" / "gitruns" / "cache")
    many = [Artifact(path=f"frames/{n:06}.png", digest=Digest(f"{n:064x}"), size_bytes=n) for n in range(1000)]
    text = encode_manifest(many)
    digest, size = cache.put_bytes(text)
    manifest = Manifest(path=".gitruns/artifacts.yaml", digest=digest, size_bytes=size, count=len(many))
    points = [Point("loss", step, 0, 1.0) for step in range(3)]
    run, files = with_history(Run(info=SMALL, manifest=manifest), [(points, True)], cache)
    tip = seal(store, run, files)
    found = reader.read_run(reader.Repository(shared_repo), run.info.id, tip)
    check(found, run)
    assert found.artifacts == {artifact.path: artifact_entry(artifact) for artifact in many}
    assert found.points == [("loss", step, 0, 1.0) for step in range(3)]
    assert reader.Repository(shared_repo).files(tip)["artifacts.yaml"].count(b"\n") == 2


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    some.names.filter(lambda name: name != "Default"),
    st.dictionaries(some.names.filter(lambda key: len(key) < 100), some.texts, max_size=3),
    st.sampled_from(Lifecycle),
    st.none() | some.stamps,
)
def test_an_independent_reader_reads_experiments(
    shared_repo: Path, name: str, tags: dict[str, str], lifecycle: Lifecycle, stamp: Stamp | None
) -> None:
    store = open_store(shared_repo, environ=os.environ)
    experiment = Experiment(
        id=experiment_id_candidate(name),
        name=name,
        creation_time_ms=5,
        last_update_time_ms=7,
        lifecycle=lifecycle,
        tags=tags,
        stamps={} if stamp is None else {"experiment/name": stamp, "tags/gone": stamp},
    )
    old = store.experiment_tip(experiment.id)
    commit = store.write_experiment(experiment, parent=old, identity=ADA, time_ms=7, subject="experiment: edit")
    store.set_experiment_tip(experiment.id, commit, old)
    assert reader.experiment_id(name) == experiment.id
    assert reader.read_experiments(shared_repo)[experiment.id] == {
        "id": experiment.id,
        "name": name,
        "lifecycle": lifecycle.value,
        "creation_time": 5,
        "last_update_time": 7,
        "tags": tags,
        "stamps": {key: [one.time_ms, one.counter, one.writer] for key, one in experiment.stamps.items()},
    }
    store.close()
