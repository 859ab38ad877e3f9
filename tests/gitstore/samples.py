"""Runs and experiments as hypothesis and tests make them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from hypothesis import strategies as st

from gitruns.entities.artifact import Artifact, Manifest
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment, read_only
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import Digest, ExperimentId, ObjectId, RunId, WriterId
from gitruns.entities.run import Lifecycle, Part, Run, RunInfo, RunStatus
from gitruns.entities.source import LeftOut, Source
from gitruns.entities.stamp import Stamp
from gitruns.entities.values import MetricSummary
from gitruns.testing.strategies import metric_values, names, scalars, steps, texts, times_ms

RUN = RunId("0123456789abcdef0123456789abcdef")
WRITER = WriterId("ab" * 8)
SUMMARY = MetricSummary(
    count=3, nan=0, first=1.0, first_step=0, first_time_ms=1, last=0.5, step=2, time_ms=3, min=0.5, max=1.0, mean=0.75
)
POINTS = b"loss\t0\t1\t1.0\nloss\t1\t2\t0.75\nloss\t2\t3\t0.5\n"
PART = Part(digest=Digest(hashlib.sha256(POINTS).hexdigest()), size_bytes=len(POINTS))
FILES = {f"metrics/{PART.digest}.tsv": POINTS, "artifacts/notes/a.txt": b"a note\n"}


def started(run_id: RunId = RUN, name: str = "bold-otter-1", time_ms: int = 1_700_000_000_000) -> Run:
    """Returns a run as it begins."""
    return Run(
        info=RunInfo(
            id=run_id, name=name, writer=WRITER, start_time_ms=time_ms, entry_point="train.py", command=("train.py",)
        )
    )


def finished(start: Run | None = None, **params: object) -> Run:
    """Returns the run as it ends a minute later, with some of everything; its files are `FILES`."""
    start = start or started()
    return replace(
        start,
        info=replace(start.info, status=RunStatus.FINISHED, end_time_ms=start.info.start_time_ms + 60_000),
        params=read_only({"lr": 0.01, "epochs": 3, **params}),  # type: ignore[dict-item]
        tags=read_only({"team": "vision"}),
        metrics=read_only({"loss": SUMMARY}),
        parts=(PART,),
        artifacts=(
            Artifact(path="model.bin", digest=Digest("1" * 64), size_bytes=5_000_000_000),
            Artifact(path="notes/a.txt", digest=Digest("2" * 64), size_bytes=7, in_git=True),
        ),
        inputs=(DatasetInput(name="digits", digest="abc", source='{"path": "d.csv"}', context="training"),),
        environment=Environment(python="CPython 3.11.7", platform="Linux", packages=read_only({"numpy": "2.0"})),
    )


def experiment(name: str = "digits") -> Experiment:
    """Returns an experiment."""
    return Experiment(
        id=ExperimentId("123456789012345678"),
        name=name,
        creation_time_ms=1_700_000_000_000,
        last_update_time_ms=1_700_000_000_000,
        tags=read_only({"team": "vision"}),
    )


digests = st.binary(min_size=32, max_size=32).map(lambda data: Digest(data.hex()))
object_ids = st.one_of(
    st.binary(min_size=20, max_size=20).map(lambda data: ObjectId(data.hex())),
    st.binary(min_size=32, max_size=32).map(lambda data: ObjectId(data.hex())),
)
run_ids = st.binary(min_size=16, max_size=16).map(lambda data: RunId(data.hex()))
sizes = st.integers(min_value=0, max_value=2**62)
short_names = names.filter(lambda text: len(text) < 80)


def _maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(st.none(), strategy)


@st.composite
def summaries(draw: st.DrawFn) -> MetricSummary:
    """Draws a summary; its numbers need not fit each other."""
    count = draw(st.integers(min_value=1, max_value=2**60))
    return MetricSummary(
        count=count,
        nan=draw(st.one_of(st.just(0), st.integers(min_value=0, max_value=count))),
        first=draw(metric_values),
        first_step=draw(steps),
        first_time_ms=draw(times_ms),
        last=draw(metric_values),
        step=draw(steps),
        time_ms=draw(times_ms),
        min=draw(metric_values),
        max=draw(metric_values),
        mean=draw(metric_values),
    )


sources = st.builds(
    Source,
    commit=_maybe(object_ids),
    base=_maybe(object_ids),
    branch=_maybe(texts),
    code_tree=_maybe(object_ids),
    snapshot_tree=_maybe(object_ids),
    dirty=st.booleans(),
    left_out=st.lists(st.builds(LeftOut, path=texts, reason=texts, size=_maybe(sizes)), max_size=3).map(tuple),
    remote_url=_maybe(texts),
    autocrlf=_maybe(texts),
    eol=_maybe(texts),
)
infos = st.builds(
    RunInfo,
    id=run_ids,
    name=texts,
    experiment_id=st.sampled_from([ExperimentId("0"), ExperimentId("123456789012345678")]),
    writer=st.just(WRITER),
    status=st.sampled_from(RunStatus),
    start_time_ms=times_ms,
    end_time_ms=_maybe(times_ms),
    user=_maybe(texts),
    host=_maybe(texts),
    entry_point=_maybe(texts),
    command=st.lists(texts, max_size=3).map(tuple),
    source=sources,
    parent_run_id=_maybe(run_ids),
    exit_code=_maybe(st.integers(min_value=-255, max_value=255)),
    error=_maybe(texts),
    lifecycle=st.sampled_from(Lifecycle),
    dropped=st.one_of(st.just(0), sizes),
)
inputs = st.lists(
    st.builds(
        DatasetInput,
        name=texts,
        digest=texts,
        source=texts,
        source_type=texts,
        schema=_maybe(texts),
        profile=_maybe(texts),
        context=_maybe(texts),
        tags=st.dictionaries(short_names, texts, max_size=2).map(lambda tags: tuple(sorted(tags.items()))),
    ),
    max_size=3,
    unique_by=lambda one: (one.name, one.digest, one.context),
).map(lambda found: tuple(sorted(found, key=_input_key)))


def _input_key(one: DatasetInput) -> tuple[str, str, bool, str]:
    return (one.name, one.digest, one.context is not None, one.context or "")


environments = st.builds(
    Environment,
    python=texts,
    platform=texts,
    packages=st.dictionaries(short_names, texts, max_size=3).map(read_only),
    hardware=st.dictionaries(short_names, texts, max_size=3).map(read_only),
    variables=st.dictionaries(short_names, texts, max_size=3).map(read_only),
)
stamps = st.dictionaries(
    short_names, st.builds(Stamp, times_ms, st.integers(min_value=0, max_value=2**60), st.just(WRITER)), max_size=3
).map(read_only)
artifact_paths = st.lists(
    st.text(alphabet="abcXYZ.-_ é#:\\\"'", min_size=1, max_size=8).filter(lambda part: part not in (".", "..")),
    min_size=1,
    max_size=3,
).map("/".join)
artifacts = st.lists(
    st.builds(Artifact, path=artifact_paths, digest=digests, size_bytes=sizes),
    max_size=4,
    unique_by=lambda artifact: artifact.path,
).map(lambda found: tuple(sorted(found, key=lambda artifact: artifact.path)))


@st.composite
def runs(draw: st.DrawFn) -> tuple[Run, dict[str, bytes]]:
    """Draws a run and the files that it needs beside its entities."""
    files: dict[str, bytes] = {}
    parts = []
    for data in draw(st.lists(st.binary(max_size=40), max_size=3, unique=True)):
        digest = Digest(hashlib.sha256(data).hexdigest())
        stored = None
        if draw(st.booleans()):
            path = f".gitruns/metrics/{digest}.tsv.gz"
            stored = Artifact(path=path, digest=draw(digests), size_bytes=draw(sizes))
        parts.append(Part(digest=digest, size_bytes=draw(sizes) if stored else len(data), stored_as=stored))
        files[f"metrics/{digest}.tsv"] = data
    manifest = draw(_maybe(st.builds(_manifest, digests, sizes, sizes)))
    run = Run(
        info=draw(infos),
        params=read_only(draw(st.dictionaries(short_names, scalars, max_size=4))),
        tags=read_only(draw(st.dictionaries(short_names, texts, max_size=3))),
        metrics=read_only(draw(st.dictionaries(short_names, summaries(), max_size=3))),
        parts=tuple(sorted(parts, key=lambda part: part.digest)),
        artifacts=() if manifest else draw(artifacts),
        manifest=manifest,  # type: ignore[arg-type]
        inputs=draw(inputs),
        environment=draw(st.one_of(st.none(), environments)),
        stamps=draw(stamps),
        unknown=read_only(draw(st.dictionaries(st.sampled_from(["later.yaml", "later/x"]), st.binary(max_size=9)))),
    )
    return run, files


def _manifest(digest: Digest, size: int, count: int) -> Manifest:
    return Manifest(path=".gitruns/artifacts.yaml", digest=digest, size_bytes=size, count=count)
