"""From a log call to the independent reader: what a script logged is what stock git and docs/format.md find."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gitruns
from formats import independent_reader as reader
from gitruns.entities.history import CURVE_BUCKETS, MAX_CURVE_BYTES, MAX_IN_TREE_BYTES
from gitruns.entities.values import Point
from gitruns.testing import strategies as some
from gitruns.testing.strategies import same

Git = Callable[..., str]

few_params = st.dictionaries(some.names.filter(lambda key: len(key) < 100), some.scalars, max_size=4)
few_tags = st.dictionaries(some.names.filter(lambda key: len(key) < 100), some.texts, max_size=3)
texts = st.dictionaries(some.artifact_paths.filter(lambda path: "/" not in path), some.texts, max_size=3)


def tuples(points: list[Point]) -> list[list[Any]]:
    """Points by metric, in logged order, for `same`."""
    ordered = sorted(points, key=lambda point: point.metric)
    return [[point.metric, point.step, point.time_ms, point.value] for point in ordered]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(few_params, few_tags, st.lists(some.points(), max_size=8), texts, st.sampled_from(["FINISHED", "FAILED"]))
def test_what_is_logged_is_what_an_independent_reader_finds(
    git_repo: Path,
    params: dict[str, Any],
    tags: dict[str, str],
    points: list[Point],
    texts: dict[str, str],
    status: str,
) -> None:
    client = gitruns.Client(git_repo)
    run_id = client.create_run(run_name="a run").info.run_id
    client.log_batch(run_id, metrics=points, params=params, tags=tags)
    for path, text in texts.items():
        client.log_text(run_id, text, path)
    live = reader.read_journal(git_repo / ".git" / "gitruns" / "live" / run_id)
    assert same(live.params, params) and {key: live.tags[key] for key in tags} == tags
    assert same([list(point) for point in sorted(live.points, key=lambda point: point[0])], tuples(points))
    client.set_terminated(run_id, status)

    repository = reader.Repository(git_repo)
    found = reader.read_run(repository, run_id, repository.refs()[f"refs/runs/{run_id}"])
    assert found.run["status"] == status and found.run["name"] == "a run"
    assert same(found.params, params)
    assert {key: found.tags[key] for key in tags} == tags
    assert same([list(point) for point in found.points], tuples(points))
    assert found.metrics.keys() == {point.metric for point in points}
    assert found.artifacts.keys() == texts.keys()
    for path, text in texts.items():
        assert repository.object_bytes(found.artifacts[path]["sha256"]) == text.encode()
        assert found.artifacts[path].get("git", False) == (path in found.texts)
        assert found.texts.get(path, text.encode()) == text.encode()
    assert found.source == found.run["source_commit"] is not None
    assert found.stamps == {} and found.unknown == {}


@pytest.fixture
def ended(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a run that has ended."""
    monkeypatch.chdir(git_repo)
    with gitruns.start_run(run_name="first", tags={"keep": "1", "drop": "2"}) as run:
        gitruns.log_param("lr", 0.1)
        gitruns.log_metric("loss", 1.0, step=1)
    return str(run.info.run_id)


def test_edits_after_the_end_are_stamped_commits(git_repo: Path, ended: str) -> None:
    client = gitruns.Client(git_repo)
    before = reader.read_runs(git_repo)[ended]
    with client.repo.edit(client.repo.resolve_run(ended)) as edit:
        edit.rename("second")
        edit.set_tag("keep", "new")
        edit.delete_tag("drop")
    client.delete_run(ended)
    found = reader.read_runs(git_repo)[ended]
    assert found.run["name"] == "second" and found.run["lifecycle"] == "deleted"
    assert found.tags["keep"] == "new" and "drop" not in found.tags
    assert set(found.stamps) == {"run/name", "run/lifecycle", "tags/keep", "tags/drop"}
    assert found.stamps["run/lifecycle"] > found.stamps["run/name"]
    assert found.chain[-2:] == before.chain and len(found.chain) == 4
    assert found.params == before.params and found.parts == before.parts


def test_a_resume_adds_a_part(git_repo: Path, ended: str) -> None:
    with gitruns.start_run(ended):
        gitruns.log_metric("loss", 0.5, step=2)
        gitruns.log_metric("acc", 0.9, step=2)
    found = reader.read_runs(git_repo)[ended]
    assert len(found.parts) == 2 and found.part_metrics.keys() == found.parts.keys()
    assert sorted((metric, step, value) for metric, step, _, value in found.points) == [
        ("acc", 2, 0.9),
        ("loss", 1, 1.0),
        ("loss", 2, 0.5),
    ]
    assert found.metrics["loss"]["first"] == 1.0 and found.metrics["loss"]["last"] == 0.5
    assert found.metrics["loss"]["count"] == 2 and found.metrics["loss"]["mean"] == 0.75
    assert found.source == reader.Repository(git_repo).git("rev-parse", "HEAD").decode().strip()


def test_many_points_are_in_the_store_and_a_curve_in_the_tree(
    git_repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(git_repo)
    with gitruns.start_run() as run:
        for step in range(5000):
            gitruns.log_metric("loss", (step * 7919) % 1000 / 7, step=step)
    found = reader.read_runs(git_repo)[run.info.run_id]
    assert [step for _, step, _, _ in found.points] == list(range(5000))
    (digest,) = found.parts
    curve = reader.Repository(git_repo).files(found.chain[0])[f"metrics/{digest}.tsv"]
    assert hashlib.sha256(curve).hexdigest() != digest
    assert 0 < len(curve) <= MAX_CURVE_BYTES < MAX_IN_TREE_BYTES
    kept = reader.read_points(curve)
    assert 64 < len(kept) <= 2 * CURVE_BUCKETS + 2 and set(kept) <= set(found.points)
    assert kept == expected_curve(found.points)
    assert found.artifacts == {}
    assert git(git_repo, "fsck", "--strict") == ""


def expected_curve(points: list[reader.Point]) -> list[reader.Point]:
    """The curve of one metric as docs/format.md describes it."""
    kept = {0, len(points) - 1}
    for bucket in range(64):
        start, end = bucket * len(points) // 64, (bucket + 1) * len(points) // 64
        values = [point[3] for point in points[start:end]]
        kept |= {start + values.index(min(values)), start + values.index(max(values))}
    return [points[index] for index in sorted(kept)]


def rewrite(folder: Path, git: Git, run_id: str, files: dict[str, str]) -> None:
    """Puts a commit on top of a run with some files more or other, as another version of gitruns would."""
    ref = f"refs/runs/{run_id}"
    index = folder / ".git" / "other-index"
    env = ["-c", "core.hooksPath=/dev/null"]
    git(folder, *env, "read-tree", f"--index-output={index}", ref)
    listed = git(folder, "ls-tree", "-r", ref).splitlines()
    entries = {line.partition("\t")[2]: line for line in listed}
    for path, text in files.items():
        blob = git(folder, "hash-object", "-w", "--stdin", stdin=text)
        entries[path] = f"100644 blob {blob}\t{path}"
    top = {path: line for path, line in entries.items() if "/" not in path}
    folders = [line for line in git(folder, "ls-tree", "-d", ref).splitlines() if line]
    tree = git(folder, "mktree", stdin="\n".join([*top.values(), *folders]) + "\n")
    commit = git(folder, "commit-tree", tree, "-p", ref, "-m", "from the future")
    git(folder, "update-ref", ref, commit)


def test_unknown_files_are_carried_through_edits(git_repo: Path, git: Git, ended: str) -> None:
    rewrite(git_repo, git, ended, {"future.yaml": "whatever: [it, is]\n"})
    client = gitruns.Client(git_repo)
    client.delete_run(ended)
    with gitruns.start_run(ended):
        gitruns.log_metric("late", 1.0)
    found = reader.read_runs(git_repo)[ended]
    assert found.unknown == {"future.yaml": b"whatever: [it, is]\n"}
    assert found.run["lifecycle"] == "deleted" and set(found.metrics) == {"loss", "late"}


def test_a_newer_format_is_shown_and_never_written_on(git_repo: Path, git: Git, ended: str) -> None:
    run = git(git_repo, "show", f"refs/runs/{ended}:run.yaml")
    rewrite(git_repo, git, ended, {"format": "gitruns 2\n", "run.yaml": f'{run}\n"zeal": 11\n', "future": "x"})
    tip = git(git_repo, "rev-parse", f"refs/runs/{ended}")
    client = gitruns.Client(git_repo)
    shown = client.get_run(ended)
    assert shown.info.run_name == "first" and dict(shown.data.params) == {"lr": 0.1}
    with pytest.raises(gitruns.InvalidInputError, match="format 2, this gitruns knows 1") as caught:
        client.delete_run(ended)
    assert caught.value.kind == "format-too-new"
    assert git(git_repo, "rev-parse", f"refs/runs/{ended}") == tip
    assert reader.read_runs(git_repo)[ended].version == 2


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"run.yaml": "nonsense: ["}, "run.yaml:"),
        ({"params.yaml": '"lr": 1\n"lr": 2\n'}, "params.yaml:2"),
        ({"tags.yaml": '"a": "b"\n"t": 1\n'}, "tags.yaml:2"),
        ({"stamps.yaml": '"run/name": 3\n'}, "stamps.yaml:1"),
        ({"metrics.yaml": '"m": {"count": "many"}\n'}, "metrics.yaml:1"),
        ({"artifacts.yaml": '- {"path": "../x", "sha256": "", "size": 1}\n'}, "artifacts.yaml:1"),
        ({"env.yaml": '"python": 3\n'}, "env.yaml:1"),
        ({"format": "gitruns one\n"}, "format"),
    ],
)
def test_hand_edits_that_broke_something_are_named_with_file_and_line(
    git_repo: Path, git: Git, ended: str, files: dict[str, str], place: str
) -> None:
    rewrite(git_repo, git, ended, files)
    with pytest.raises(gitruns.CorruptDataError) as caught:
        gitruns.Client(git_repo).get_run(ended)
    assert place in str(caught.value)


def test_hand_edits_in_another_style_are_read(git_repo: Path, git: Git, ended: str) -> None:
    plain = "# what I tried\nlr: 0.2   # more\nlayers: 3\nname: 'x'\n"
    rewrite(git_repo, git, ended, {"params.yaml": plain, "tags.yaml": "{a: b, c: 'd'}\n"})
    found = gitruns.Client(git_repo).get_run(ended)
    assert dict(found.data.params) == {"lr": 0.2, "layers": 3, "name": "x"}
    assert dict(found.data.tags) == {"a": "b", "c": "d"}


def test_a_long_list_of_artifacts_is_found(git_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(git_repo)
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(600):
        (frames / f"{number:04}.bin").write_bytes(bytes([number % 256, 0]))
    with gitruns.start_run() as run:
        gitruns.log_artifacts(str(frames), "frames")
        for step in range(4000):
            gitruns.log_metric("loss", step / 7, step=step)
    client = gitruns.Client(git_repo)
    client.log_text(run.info.run_id, "late", "late.txt")
    client.close()
    found = reader.read_runs(git_repo)[run.info.run_id]
    assert found.artifacts.keys() == {*(f"frames/{number:04}.bin" for number in range(600)), "late.txt"}
    assert found.artifacts["frames/0007.bin"]["sha256"] == hashlib.sha256(b"\x07\x00").hexdigest()
    assert len(found.points) == 4000
    listed = reader.Repository(git_repo).files(found.chain[0])["artifacts.yaml"]
    assert listed.count(b"\n") == 2 and b'"manifest": true' in listed and b"tsv_size" in listed


@pytest.mark.parametrize("kind", [["--object-format=sha256"], ["--bare"]])
def test_other_kinds_of_repositories(tmp_path: Path, git: Git, kind: list[str]) -> None:
    git(tmp_path, "init", "--quiet", *kind, "other")
    client = gitruns.Client(tmp_path / "other")
    run_id = client.create_run().info.run_id
    client.log_metric(run_id, "loss", 0.5, step=3)
    client.set_terminated(run_id)
    found = reader.read_runs(tmp_path / "other")[run_id]
    assert [point[:2] + point[3:] for point in found.points] == [("loss", 3, 0.5)]
    assert git(tmp_path / "other", "fsck", "--strict", "--no-dangling") == ""
