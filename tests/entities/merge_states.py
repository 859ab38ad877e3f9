"""States of one run and one experiment, drawn from so few values that they meet, tie and clash."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from hypothesis import strategies as st

from gitruns.entities.artifact import Artifact, Manifest
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment, read_only
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import Digest, ExperimentId, RunId, WriterId
from gitruns.entities.merge import RunState, fold_parts
from gitruns.entities.run import Lifecycle, Part, Run, RunInfo, RunStatus
from gitruns.entities.source import Source
from gitruns.entities.stamp import Stamp
from gitruns.entities.values import MetricSummary, Summarizer
from gitruns.testing.strategies import object_ids

RUN = RunId("0123456789abcdef0123456789abcdef")
WRITERS = [WriterId("a" * 16), WriterId("b" * 16)]
PATHS = ["a", "a/b", "a/b/c", "model.bin", "notes.txt"]
TEXTS = [b"", b"one\n", b"two\n"]
KEYS = ["k", "loss/train"]

stamps = st.builds(Stamp, st.integers(0, 2), st.integers(0, 1), st.sampled_from(WRITERS))
NAMES = [
    *(f"run/{key}" for key in ("name", "lifecycle", "status", "writer", "end_time", "source", "user", "newer")),
    *(f"params/{key}" for key in KEYS),
    *(f"tags/{key}" for key in KEYS),
    *(f"artifacts/{path}" for path in PATHS),
    *("environment", "files/later.yaml", "newer/field"),
]


def digest_of(data: bytes) -> Digest:
    """Returns the address of some bytes."""
    return Digest(hashlib.sha256(data).hexdigest())


def summary_of(*values: float) -> MetricSummary:
    """Returns the summary of one metric's values, one a step."""
    summarizer = Summarizer()
    for step, value in enumerate(values):
        summarizer.add(step, step, value)
    return summarizer.summary()


infos = st.builds(
    RunInfo,
    id=st.just(RUN),
    name=st.sampled_from(["calm-bee", "bold-otter"]),
    writer=st.sampled_from(WRITERS),
    status=st.sampled_from(RunStatus),
    start_time_ms=st.just(5),
    end_time_ms=st.none() | st.integers(6, 8),
    user=st.none() | st.sampled_from(["ada", "bob"]),
    command=st.sampled_from([(), ("train.py",), ("train.py", "--lr")]),
    source=st.builds(Source, commit=st.none() | object_ids, dirty=st.booleans()),
    exit_code=st.none() | st.integers(0, 1),
    error=st.none() | st.just("boom"),
    lifecycle=st.sampled_from(Lifecycle),
    dropped=st.integers(0, 2),
)

environments = st.builds(Environment, python=st.sampled_from(["3.10", "3.11"]), platform=st.just("x"))

inputs = st.builds(
    DatasetInput,
    name=st.sampled_from(["digits", "iris"]),
    digest=st.just("d1"),
    source=st.sampled_from(["s1", "s2"]),
    context=st.sampled_from([None, "", "training"]),
)

PARTS = {digest_of(data): data for data in (b"k\t0\t0\t1.0\n", b"k\t0\t0\t2.0\nk\t1\t1\tnan\n", b"loss\t0\t0\t3.0\n")}
SUMMARIES = {
    digest: {data.split(b"\t")[0].decode(): summary_of(*(float(line.split(b"\t")[3]) for line in data.splitlines()))}
    for digest, data in PARTS.items()
}


@st.composite
def histories(draw: st.DrawFn) -> dict[Digest, tuple[Part, bytes]]:
    """Parts in the tree or in the store; a stored one with a curve; now and then a damaged one."""
    found = {}
    for digest in draw(st.lists(st.sampled_from(sorted(PARTS)), unique=True, max_size=3)):
        data = PARTS[digest]
        if draw(st.booleans()):
            points = draw(st.sampled_from([data, data, data, b"damaged"]))
            found[digest] = Part(digest=digest, size_bytes=len(points)), points
        else:
            path = f".gitruns/metrics/{digest}.tsv.gz"
            stored = Artifact(path=path, digest=Digest(draw(st.sampled_from("12")) * 64), size_bytes=40)
            found[digest] = (
                Part(digest=digest, size_bytes=len(data), stored_as=stored),
                draw(st.sampled_from([b"", data])),
            )
    return found


@st.composite
def run_states(draw: st.DrawFn) -> RunState:
    """A state of the run, as some clone may hold it."""
    texts: dict[str, bytes] = {}
    artifacts = []
    for path in draw(st.lists(st.sampled_from(PATHS), unique=True, max_size=3)):
        data = draw(st.sampled_from(TEXTS))
        in_git = draw(st.booleans()) and not any(
            path.startswith(other + "/") or other.startswith(path + "/") for other in texts
        )
        artifacts.append(Artifact(path=path, digest=digest_of(data), size_bytes=len(data), in_git=in_git))
        if in_git:
            texts[path] = data if draw(st.integers(0, 4)) else b"damaged"
    manifests = ()
    if draw(st.integers(0, 2)) == 0:
        digests = draw(st.lists(st.sampled_from("345"), unique=True, min_size=1, max_size=2).map(sorted))
        manifests = tuple(
            Manifest(path=".gitruns/artifacts.yaml", digest=Digest(one * 64), size_bytes=9, count=2) for one in digests
        )
        if draw(st.booleans()) and not texts:
            texts["listed/x.txt"] = draw(st.sampled_from(TEXTS))
    history = draw(histories())
    summaries = {digest: SUMMARIES[digest] for digest in history}
    run = Run(
        info=draw(infos),
        params=read_only(draw(st.dictionaries(st.sampled_from(KEYS), st.sampled_from([None, 1, "1", 0.0, -0.0])))),
        tags=read_only(draw(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["x", "y"])))),
        metrics=read_only(fold_parts(summaries.values())),
        parts=tuple(history[digest][0] for digest in sorted(history)),
        artifacts=tuple(sorted(artifacts, key=lambda artifact: artifact.path)),
        manifest=manifests[0] if manifests else None,
        more_manifests=manifests[1:],
        inputs=tuple({(one.name, one.context): one for one in draw(st.lists(inputs, max_size=3))}.values()),
        environment=draw(
            st.none() | st.builds(Environment, python=st.sampled_from(["3.10", "3.11"]), platform=st.just("x"))
        ),
        stamps=read_only(draw(st.dictionaries(st.sampled_from(NAMES), stamps, max_size=5))),
        unknown=read_only(draw(st.dictionaries(st.sampled_from(["later.yaml", "metrics/odd"]), st.binary(max_size=2)))),
    )
    return RunState(
        run=run, points={digest: one[1] for digest, one in history.items()}, summaries=summaries, texts=texts
    )


experiments = st.builds(
    Experiment,
    id=st.just(ExperimentId("123")),
    name=st.sampled_from(["digits", "iris"]),
    creation_time_ms=st.integers(0, 3),
    last_update_time_ms=st.integers(3, 6),
    lifecycle=st.sampled_from(Lifecycle),
    tags=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["x", "y"])).map(read_only),
    stamps=st.dictionaries(
        st.sampled_from(["experiment/name", "experiment/lifecycle", "tags/k", "newer"]), stamps, max_size=3
    ).map(read_only),
    unknown=st.dictionaries(st.sampled_from(["later.yaml"]), st.binary(max_size=2)).map(read_only),
)


def finished(**info: object) -> RunState:
    """Returns a state without anything but its facts."""
    facts = RunInfo(
        id=RUN,
        name="calm-bee",
        writer=WRITERS[0],
        status=RunStatus.FINISHED,
        start_time_ms=5,
        end_time_ms=9,
        exit_code=0,
    )
    return RunState(run=Run(info=replace(facts, **info)))
