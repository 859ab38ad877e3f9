"""Runs and experiments become files and come back; files that say something else are refused by place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitruns.entities.artifact import Artifact, Manifest
from gitruns.entities.environment import read_only
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import Digest, ExperimentId, ObjectId
from gitruns.entities.run import Lifecycle, Run
from gitruns.errors import CorruptDataError, InternalError
from gitruns.gitstore import decode_manifest, encode_manifest, encode_summaries, part_summaries
from gitruns.gitstore.codec import decode_experiment, decode_run, encode_experiment, encode_run
from gitruns.testing.strategies import same, texts, times_ms
from gitstore import samples

COMMIT = ObjectId("c" * 40)


@given(samples.runs())
def test_a_run_comes_back_from_its_files(drawn: tuple[Run, dict[str, bytes]]) -> None:
    run, files = drawn
    tree = encode_run(run, files=files)
    back = decode_run(tree, COMMIT)
    assert back.commit == COMMIT
    assert same(dict(back.params), dict(run.params))
    assert {key: _bits(value) for key, value in back.metrics.items()} == {
        key: _bits(value) for key, value in run.metrics.items()
    }
    assert replace(back, commit=None, params=run.params, metrics=run.metrics) == run
    assert encode_run(back, files=files) == tree


def _bits(summary: object) -> str:
    return repr(summary)  # tells -0.0 from 0.0, and has one NaN


@given(samples.runs())
def test_sizes_do_for_what_need_not_be_read(drawn: tuple[Run, dict[str, bytes]]) -> None:
    run, files = drawn
    tree = encode_run(run, files=files)
    metadata = {path: data for path, data in tree.items() if not path.startswith("metrics/")}
    assert decode_run(metadata, sizes={path: len(data) for path, data in tree.items()}).parts == run.parts


@given(
    st.builds(
        Experiment,
        id=st.just(ExperimentId("123456789012345678")),
        name=texts,
        creation_time_ms=times_ms,
        last_update_time_ms=times_ms,
        lifecycle=st.sampled_from(Lifecycle),
        tags=st.dictionaries(samples.short_names, texts, max_size=3).map(read_only),
        stamps=samples.stamps,
        unknown=st.dictionaries(st.just("later.yaml"), st.binary(max_size=9)).map(read_only),
    )
)
def test_an_experiment_comes_back_from_its_files(experiment: Experiment) -> None:
    files = encode_experiment(experiment)
    assert decode_experiment(files) == experiment
    assert encode_experiment(decode_experiment(files)) == files


def test_what_is_empty_has_no_file() -> None:
    assert sorted(encode_run(samples.started())) == ["format", "run.yaml"]
    full = encode_run(samples.finished(), files=samples.FILES)
    assert full.keys() == {
        "format",
        "run.yaml",
        "params.yaml",
        "tags.yaml",
        "metrics.yaml",
        "artifacts.yaml",
        "inputs.yaml",
        "env.yaml",
        *samples.FILES,
    }
    plain = replace(samples.experiment(), tags=read_only({}))
    assert sorted(encode_experiment(plain)) == ["experiment.yaml", "format"]


def test_the_files_read_as_documented() -> None:
    files = encode_run(samples.finished(), files=samples.FILES)
    assert files["format"] == b"gitruns 1\n"
    assert files["params.yaml"] == b'"epochs": 3\n"lr": 0.01\n'
    assert files["artifacts.yaml"].decode() == (
        f'- {{"path": "model.bin", "sha256": "{"1" * 64}", "size": 5000000000}}\n'
        f'- {{"git": true, "path": "notes/a.txt", "sha256": "{"2" * 64}", "size": 7}}\n'
    )
    assert files["metrics.yaml"].decode() == (
        '"loss": {"count": 3, "first": 1.0, "first_step": 0, "first_time": 1, "last": 0.5, "max": 1.0, "mean": 0.75,'
        ' "min": 0.5, "step": 2, "time": 3}\n'
    )
    assert files["env.yaml"] == b'"package/numpy": "2.0"\n"platform": "Linux"\n"python": "CPython 3.11.7"\n'
    assert files["run.yaml"].decode() == (
        '"command": ["train.py"]\n"end_time": 1700000060000\n"entry_point": "train.py"\n"experiment_id": "0"\n'
        f'"id": "{samples.RUN}"\n"lifecycle": "active"\n"name": "bold-otter-1"\n"start_time": 1700000000000\n'
        f'"status": "FINISHED"\n"writer": "{samples.WRITER}"\n'
    )


def test_a_file_that_a_run_names_must_be_given() -> None:
    for path in samples.FILES:
        with pytest.raises(InternalError, match=path):
            encode_run(samples.finished(), files={name: data for name, data in samples.FILES.items() if name != path})


def test_a_text_that_no_artifact_names_is_dropped() -> None:
    files = {**samples.FILES, "artifacts/gone.txt": b"x", "metrics/other.yaml": b"{}\n"}
    tree = encode_run(samples.finished(), files=files)
    assert "artifacts/gone.txt" not in tree
    assert "metrics/other.yaml" in tree
    listed = Manifest(path=".gitruns/artifacts.yaml", digest=Digest("3" * 64), size_bytes=100_000, count=900)
    tree = encode_run(replace(samples.finished(), artifacts=(), manifest=listed), files=files)
    assert "artifacts/gone.txt" in tree
    assert tree["artifacts.yaml"].decode() == (
        f'- {{"count": 900, "manifest": true, "path": ".gitruns/artifacts.yaml", "sha256": "{"3" * 64}",'
        ' "size": 100000}\n'
    )


@given(samples.artifacts)
def test_a_manifest_comes_back(artifacts: tuple[Artifact, ...]) -> None:
    assert decode_manifest(encode_manifest(reversed(artifacts))) == artifacts


@given(st.dictionaries(samples.short_names, samples.summaries(), max_size=3), samples.digests)
def test_summaries_of_parts_come_back(summaries: dict[str, object], digest: Digest) -> None:
    data = encode_summaries(summaries)  # type: ignore[arg-type]
    found = part_summaries({f"metrics/{digest}.yaml": data, "metrics/x.yaml": b"!", f"metrics/{digest}.tsv": b""})
    assert list(found) == [digest]
    assert {key: _bits(value) for key, value in found[digest].items()} == {
        key: _bits(value) for key, value in summaries.items()
    }


BAD_FILES = [
    ("format", b"", "'format'"),
    ("format", b"gitruns 0\n", "'format'"),
    ("format", b"gitruns one\n", "'format'"),
    ("run.yaml", b'"id": "x"\n', "'run.yaml:1': 'id' is not a run id"),
    ("run.yaml", b"", "'run.yaml'"),
    ("run.yaml", b'{"id": 3}', "'run.yaml'"),
    ("params.yaml", b'"a": 1\n"b": [1]\n', "'params.yaml:2': 'b' is neither text, number"),
    ("params.yaml", b'"a": 1\n"a": 2\n', "'params.yaml:2': key 'a' stands there twice"),
    ("params.yaml", b"a: [1\nb: 2\n", "'params.yaml:2'"),
    ("params.yaml", b"- 1\n", "'params.yaml:1': it is not a mapping"),
    ("params.yaml", b'"a": 2024-01-01\n', "'params.yaml:1'"),
    ("params.yaml", b"1: 2\n", "'params.yaml:1': a key is not text"),
    ("params.yaml", b"\xff: 1\n", "'params.yaml:1': it is not UTF-8"),
    ("tags.yaml", b'"a": "x"\n"b": 1\n', "'tags.yaml:2': 'b' is not text"),
    ("metrics.yaml", b'"loss": 1\n', "'metrics.yaml:1': 'loss' is not a mapping"),
    ("metrics.yaml", b'"loss": {"count": 1}\n', "'metrics.yaml:1': 'first' is not a number"),
    ("artifacts.yaml", b'"a": 1\n', "'artifacts.yaml:1': it is not a list"),
    ("artifacts.yaml", b'- {"path": "a", "sha256": "zz", "size": 1}\n', "'sha256' is not a SHA-256 digest"),
    ("artifacts.yaml", b'- {"path": "../a", "sha256": "%s", "size": 1}\n', "artifacts.yaml:1': 'path' is no artifact"),
    ("artifacts.yaml", b'- {"path": "/a", "sha256": "%s", "size": 1}\n', "'path' is no artifact path"),
    ("artifacts.yaml", b'- {"path": "a//b", "sha256": "%s", "size": 1}\n', "'path' is no artifact path"),
    ("artifacts.yaml", b'- {"path": ".gitruns/x", "sha256": "%s", "size": 1}\n', "'path' is no artifact path"),
    ("artifacts.yaml", b'- {"path": "a", "sha256": "%s", "size": -1}\n', "'size' is negative"),
    ("artifacts.yaml", b'- {"path": "a", "sha256": "%s", "size": 1, "x": 1}\n', "'x' is no key of this file"),
    (
        "artifacts.yaml",
        b'- {"path": "a", "sha256": "%s", "size": 1}\n- {"path": "a", "sha256": "%s", "size": 2}\n',
        "'a' stands there twice",
    ),
    ("inputs.yaml", b'- {"name": "a"}\n', "'inputs.yaml:1': 'digest' is missing"),
    ("inputs.yaml", b"- 1\n", "'inputs.yaml:1': it is not a mapping"),
    ("env.yaml", b'"python": "3"\n', "'env.yaml': 'platform' is missing"),
    ("env.yaml", b'"platform": "x"\n"python": "3"\n"what": "x"\n', "'env.yaml:3': 'what' is no key"),
    ("stamps.yaml", b'"tags/a": [1, 2]\n', "'stamps.yaml:1': 'tags/a' is no stamp"),
]


@pytest.mark.parametrize(("path", "data", "why"), BAD_FILES)
def test_a_bad_file_is_refused_by_place(path: str, data: bytes, why: str) -> None:
    files = encode_run(samples.finished(), files=samples.FILES)
    files[path] = data.replace(b"%s", b"1" * 64)
    with pytest.raises(CorruptDataError) as caught:
        decode_run(files)
    assert why in str(caught.value)
    assert caught.value.kind == "bad-yaml"


@pytest.mark.parametrize("key", ["id", "name", "experiment_id", "writer", "status", "start_time", "lifecycle"])
def test_what_a_run_must_say(key: str) -> None:
    files = encode_run(samples.started())
    lines = files["run.yaml"].splitlines(keepends=True)
    files["run.yaml"] = b"".join(line for line in lines if not line.startswith(f'"{key}"'.encode()))
    with pytest.raises(CorruptDataError, match=f"'{key}' is missing"):
        decode_run(files)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("status", '"DONE"'),
        ("lifecycle", '"gone"'),
        ("start_time", "1.5"),
        ("end_time", str(2**63)),
        ("command", '"train.py"'),
        ("command", "[1]"),
        ("source_commit", '"HEAD"'),
        ("source_dirty", '"yes"'),
        ("source_left_out", '[{"path": "a"}]'),
        ("source_left_out", "[1]"),
        ("parent_run_id", '"abc"'),
        ("experiment_id", '"../x"'),
        ("later", "1"),
    ],
)
def test_what_a_run_must_not_say(key: str, value: str) -> None:
    files = encode_run(samples.started())
    lines = [line for line in files["run.yaml"].decode().splitlines() if not line.startswith(f'"{key}"')]
    lines = sorted([*lines, f'"{key}": {value}'])
    files["run.yaml"] = ("\n".join(lines) + "\n").encode()
    place = lines.index(f'"{key}": {value}') + 1
    with pytest.raises(CorruptDataError, match=rf"run\.yaml:{place}'"):
        decode_run(files)


def test_a_newer_format_is_shown_as_far_as_it_is_known() -> None:
    files = encode_run(samples.finished(), files=samples.FILES)
    files["format"] = b"gitruns 2\n"
    files["run.yaml"] += b'"zz_later": {"x": 1}\n'
    files["metrics.yaml"] = b'"loss": [1, 2]\n'
    files["artifacts.yaml"] = b'- {"path": "a", "blake3": "x"}\n'
    files["later.yaml"] = b"?"
    run = decode_run(files)
    assert run.format_version == 2
    assert dict(run.params) == {"lr": 0.01, "epochs": 3}
    assert dict(run.metrics) == {}
    assert run.artifacts == ()
    assert run.unknown["later.yaml"] == b"?"


def test_what_people_write_by_hand_is_read() -> None:
    files = encode_run(samples.started())
    files["params.yaml"] = b"# tried on Monday\nlr: 0.5\nname: 'a b'\nnothing:\nbig: 0x10\n"
    files["metrics.yaml"] = (
        b"loss:\n  {count: 1, first: 1, first_step: 0, first_time: 0,"
        b" last: 1, max: 1, mean: 1, min: 1, step: 0, time: 0}\n"
    )
    run = decode_run(files)
    assert same(dict(run.params), {"lr": 0.5, "name": "a b", "nothing": None, "big": 16})
    assert same(run.metrics["loss"].last, 1.0)
