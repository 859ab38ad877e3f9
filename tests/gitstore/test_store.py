"""Runs as commits: what stock git shows of them, that they are the same everywhere, and that nothing else changes."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from gitruns.entities.environment import read_only
from gitruns.entities.ids import ExperimentId, ObjectId, RunId, WriterId
from gitruns.entities.run import Identity, Run, RunStatus
from gitruns.entities.source import Source
from gitruns.entities.stamp import Stamp
from gitruns.errors import ConflictError, GitRunsError, InvalidInputError
from gitruns.gitstore import GitStore, open_store
from gitruns.gitstore.trees import write_tree
from gitstore import samples

Git = Callable[..., str]
ADA = Identity(name="Ada Lovelace", email="ada@example.org", utc_offset_minutes=60)


def seal(store: GitStore, finish: Run | None = None, start: Run | None = None, **more: bytes) -> ObjectId:
    """Logs a run on HEAD and returns its tip."""
    start = start or samples.started()
    finish = finish or samples.finished(start)
    files = {**samples.FILES, **more}
    commit = store.seal_run(start, finish, parent=store.head().commit, identity=ADA, files=files)
    store.set_run_tip(finish.info.id, commit, None)
    return commit


def test_a_run_comes_back_as_it_was(store: GitStore) -> None:
    commit = seal(store)
    assert store.run_tip(samples.RUN) == commit
    assert store.run_tips() == {samples.RUN: commit}
    assert replace(store.read_run(commit), commit=None) == samples.finished()
    assert store.read_run(commit).commit == commit
    assert store.read_file(commit, f"metrics/{samples.PART.digest}.tsv") == samples.POINTS
    assert store.read_file(commit, "metrics") is None
    assert store.read_file(commit, "absent/x") is None
    listed = store.list_tree_files(commit)
    assert listed["format"][1] == 10
    assert listed["artifacts/notes/a.txt"][1] == 7
    assert store.backend.read_object(listed["artifacts/notes/a.txt"][0])[1] == b"a note\n"


def test_a_run_is_a_child_of_its_source(store: GitStore, git_repo: Path, git: Git) -> None:
    commit = seal(store)
    assert git(git_repo, "rev-parse", f"{commit}^^") == git(git_repo, "rev-parse", "HEAD")
    assert git(git_repo, "log", "--format=%s", f"runs/{samples.RUN}") == (
        "run bold-otter-1: finished, loss 0.5 (train.py)\nrun bold-otter-1: start (train.py)\nfirst"
    )


def test_stock_git_shows_what_a_person_hopes_to_read(store: GitStore, git_repo: Path, git: Git) -> None:
    source = Source(commit=store.head().commit, branch="main")
    start = replace(samples.started(), info=replace(samples.started().info, source=source))
    seal(store, samples.finished(start), start)
    other = replace(start, info=replace(start.info, id=RunId("f" * 32), name="calm-bee-2"))
    seal(store, samples.finished(other, lr=0.1, depth=2), other)
    run = f"runs/{samples.RUN}"
    assert git(git_repo, "show", f"{run}:params.yaml") == '"epochs": 3\n"lr": 0.01'
    assert git(git_repo, "show", "--no-patch", "--date=iso", run).splitlines()[1:] == [
        "Author: Ada Lovelace <ada@example.org>",
        "Date:   2023-11-14 23:14:20 +0100",
        "",
        "    run bold-otter-1: finished, loss 0.5 (train.py)",
        "    ",
        f"    Run-Id: {samples.RUN}",
        "    Experiment: 0",
        f"    Source: {source.commit}",
    ]
    shown = git(git_repo, "show", "--name-status", "--format=", run)
    assert set(shown.splitlines()) == {
        "A\tartifacts.yaml",
        "A\tartifacts/notes/a.txt",
        "A\tenv.yaml",
        "A\tinputs.yaml",
        f"A\tmetrics/{samples.PART.digest}.tsv",
        "A\tmetrics.yaml",
        "A\tparams.yaml",
        "A\ttags.yaml",
        "M\trun.yaml",
    }
    changed = git(git_repo, "diff", "--unified=0", run, f"runs/{other.info.id}", "--", "params.yaml").splitlines()
    assert [line for line in changed if re.match(r"[+-][^+-]", line)] == [
        '+"depth": 2',
        '-"lr": 0.01',
        '+"lr": 0.1',
    ]
    assert git(git_repo, "diff", "--stat", f"{run}^^", f"runs/{other.info.id}^^") == ""
    trailers = git(git_repo, "log", "-1", "--format=%(trailers:key=Run-Id,valueonly)", run)
    assert trailers.strip() == samples.RUN
    git(git_repo, "fsck", "--strict", "--full")


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"status": RunStatus.FAILED, "error": "ValueError: no\nsuch thing"}, "failed, ValueError: no such thing"),
        ({"status": RunStatus.KILLED}, "killed"),
        ({"name": "a\nb\x1b[31m\u2028" + "é" * 300}, "é…"),
    ],
)
def test_a_message_stays_one_line_for_people(
    store: GitStore, git_repo: Path, git: Git, change: dict[str, object], subject: str
) -> None:
    finish = samples.finished()
    finish = replace(finish, info=replace(finish.info, **change), metrics=read_only({}))  # type: ignore[arg-type]
    commit = seal(store, finish)
    said = git(git_repo, "log", "-1", "--format=%s", commit)
    assert subject in said
    assert said.isprintable()
    assert len(said) <= 120
    assert git(git_repo, "log", "-1", "--format=%(trailers:key=Run-Id,valueonly)", commit).strip() == samples.RUN


def test_the_metrics_that_say_most_are_in_the_subject(store: GitStore, git_repo: Path, git: Git) -> None:
    summary = samples.SUMMARY
    metrics = dict.fromkeys(["acc", "epoch", "loss", "system/cpu", "val_loss", "test/acc"], summary)
    commit = seal(store, replace(samples.finished(), metrics=read_only(metrics)))
    assert git(git_repo, "log", "-1", "--format=%s", commit) == (
        "run bold-otter-1: finished, test/acc 0.5, val_loss 0.5 (train.py)"
    )


def test_the_same_run_is_the_same_commit_everywhere(store: GitStore, git_repo: Path, tmp_path: Path, git: Git) -> None:
    commit = seal(store)
    # Of the first commit everything is given, so its id is a promise of the format.
    git(tmp_path, "init", "-q", "other")
    other = open_store(tmp_path / "other", environ={**os.environ, "TZ": "Asia/Tokyo"})
    start, finish = samples.started(), samples.finished()
    shuffled = replace(finish, params=read_only(dict(reversed(finish.params.items()))))
    assert store.seal_run(start, finish, parent=None, identity=ADA, files=samples.FILES) == other.seal_run(
        start, shuffled, parent=None, identity=ADA, files=dict(reversed(samples.FILES.items()))
    )
    assert store.seal_run(start, finish, parent=store.head().commit, identity=ADA, files=samples.FILES) == commit


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_the_ids_of_known_runs_never_change(tmp_path: Path, git: Git, object_format: str) -> None:
    git(tmp_path, "init", "-q", f"--object-format={object_format}", ".")
    store = open_store(tmp_path, environ=os.environ)
    commit = store.seal_run(samples.started(), samples.finished(), parent=None, identity=ADA, files=samples.FILES)
    assert commit == KNOWN[object_format]


KNOWN = {
    "sha1": "7749f580a4550931997caadab2e4865ef672da8c",
    "sha256": "cb50b2a8768c129c817b942909f80a4724751c6a4eae842c89de67b21ed69901",
}


def test_edits_make_a_chain(store: GitStore, git_repo: Path, git: Git) -> None:
    first = seal(store)
    run = store.read_run(first)
    stamp = Stamp(1_700_000_100_000, 0, WriterId("cd" * 8))
    edited = replace(run, tags=read_only({"team": "audio"}), stamps=read_only({"tags/team": stamp}))
    second = store.write_run_commit(
        edited,
        parents=[first],
        identity=ADA,
        time_ms=1_700_000_100_000,
        subject="run bold-otter-1: edit tags team",
        files=samples.FILES,
    )
    store.set_run_tip(samples.RUN, second, first)
    with pytest.raises(ConflictError):
        store.set_run_tip(samples.RUN, first, None)
    assert replace(store.read_run(second), commit=None) == replace(edited, commit=None)
    entries = store.chain(second)
    assert [entry.commit for entry in entries] == [second, first, git(git_repo, "rev-parse", f"{first}^")]
    assert [entry.subject for entry in entries] == [
        "run bold-otter-1: edit tags team",
        "run bold-otter-1: finished, loss 0.5 (train.py)",
        "run bold-otter-1: start (train.py)",
    ]
    assert entries[0].author == "Ada Lovelace <ada@example.org>"
    assert [entry.time_ms for entry in entries] == [1_700_000_100_000, 1_700_000_060_000, 1_700_000_000_000]
    assert git(git_repo, "show", "--format=", "--stat", second).splitlines()[-1].strip().startswith("2 files changed")


def test_a_chain_ends_where_the_source_is_another_run(store: GitStore, git_repo: Path, git: Git) -> None:
    first = seal(store)
    git(git_repo, "checkout", "-q", first)
    other = replace(samples.started(), info=replace(samples.started().info, id=RunId("f" * 32)))
    second = seal(store, samples.finished(other), other)
    assert len(store.chain(second)) == 2
    assert len(store.chain(first)) == 2


def test_a_chain_ends_where_the_source_looks_like_a_run(store: GitStore, git_repo: Path, git: Git) -> None:
    (git_repo / "format").write_text("gitruns 1\n")
    (git_repo / "run.yaml").write_text("- nonsense\n")
    git(git_repo, "add", ".")
    git(git_repo, "commit", "-q", "-m", "odd")
    assert len(store.chain(seal(store))) == 2


def test_a_merged_chain_is_walked_once(store: GitStore) -> None:
    first = seal(store)
    run = store.read_run(first)
    sides = [
        store.write_run_commit(
            replace(run, tags=read_only({"side": str(side)})),
            parents=[first],
            identity=ADA,
            time_ms=1_700_000_100_000 + side * 1000,
            subject=f"side {side}",
            files=samples.FILES,
        )
        for side in range(2)
    ]
    merged = store.write_run_commit(
        run, parents=sides, identity=ADA, time_ms=1_700_000_101_000, subject="merge", files=samples.FILES
    )
    assert [entry.subject for entry in store.chain(merged)][:3] == ["merge", "side 1", "side 0"]
    assert len(store.chain(merged)) == 5


def test_a_hold_keeps_the_source_until_it_is_released(store: GitStore, git_repo: Path, git: Git) -> None:
    (git_repo / "train.py").write_text("print('snapshot')\n")
    snapshot = ObjectId(git(git_repo, "commit-tree", "-p", "HEAD", "-m", "snapshot", git(git_repo, "write-tree")))
    store.hold_source(samples.RUN, snapshot)
    store.hold_source(samples.RUN, snapshot)
    git(git_repo, "gc", "-q", "--prune=now")
    assert store.backend.has_object(snapshot)
    store.release_source(samples.RUN)
    store.release_source(samples.RUN)
    git(git_repo, "gc", "-q", "--prune=now")
    assert not store.backend.has_object(snapshot)


def test_an_experiment_comes_back(store: GitStore, git_repo: Path, git: Git) -> None:
    experiment = samples.experiment()
    commit = store.write_experiment(
        experiment, parent=None, identity=ADA, time_ms=1_700_000_000_000, subject="experiment digits: create digits"
    )
    store.set_experiment_tip(experiment.id, commit, None)
    assert store.experiment_tip(experiment.id) == commit
    assert store.experiment_tips() == {experiment.id: commit}
    assert store.run_tips() == {}
    assert replace(store.read_experiment(commit), commit=None) == experiment
    renamed = store.write_experiment(
        replace(experiment, name="numbers"), parent=commit, identity=ADA, time_ms=1_700_000_001_000, subject="rename"
    )
    store.set_experiment_tip(experiment.id, renamed, commit)
    assert store.read_experiment(renamed).name == "numbers"
    assert [entry.subject for entry in store.chain(renamed)] == ["rename", "experiment digits: create digits"]
    assert "Experiment: 123456789012345678" in git(git_repo, "log", f"runs/experiments/{experiment.id}")
    store.sync([], [(experiment.id, renamed)])
    git(git_repo, "fsck", "--strict")


def test_runs_that_begin_alike_share_their_files(store: GitStore, git_repo: Path, git: Git) -> None:
    seal(store)
    before = int(git(git_repo, "count-objects").split()[0])
    other = replace(samples.started(), info=replace(samples.started().info, id=RunId("f" * 32)))
    seal(store, samples.finished(other), other)
    assert int(git(git_repo, "count-objects").split()[0]) - before == 6  # two commits, two trees, two run.yaml


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples.runs())
def test_any_run_is_stored_exactly_and_git_is_content(
    store: GitStore, git_repo: Path, git: Git, drawn: tuple[Run, dict[str, bytes]]
) -> None:
    run, files = drawn
    commit = store.write_run_commit(run, parents=[], identity=ADA, time_ms=1_700_000_000_000, subject="x", files=files)
    back = replace(store.read_run(commit), commit=None, params=run.params, metrics=run.metrics)
    assert back == run
    assert dict(store.read_run(commit).params).keys() == run.params.keys()
    git(git_repo, "fsck", "--strict", "--no-dangling", commit)


def _everything(folder: Path) -> dict[str, str]:
    """Returns all of a repository that we have no business with, by path."""
    ours = re.compile(r"\.git/(?:objects/|refs/runs)")
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() + oct(path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not ours.match(str(path.relative_to(folder)))
    }


def test_nothing_else_is_touched(store: GitStore, git_repo: Path, git: Git) -> None:
    git(git_repo, "config", "core.logAllRefUpdates", "always")
    (git_repo / "train.py").write_text("print('stashed')\n")
    git(git_repo, "stash", "-q")
    (git_repo / "new.txt").write_text("untracked\n")
    (git_repo / "README.md").write_text("staged\n")
    git(git_repo, "add", "README.md")
    before, status = _everything(git_repo), git(git_repo, "status", "--porcelain=v2")
    before = _everything(git_repo)
    store.backend.is_clean()
    store.hold_source(samples.RUN, store.head().commit or ObjectId(""))
    commit = seal(store)
    store.sync([(samples.RUN, commit)])
    store.chain(commit)
    store.release_source(samples.RUN)
    store.identity(os.environ)
    store.set_run_tip(samples.RUN, None, commit)
    store.close()
    assert _everything(git_repo) == before
    assert git(git_repo, "status", "--porcelain=v2") == status


@pytest.mark.parametrize("path", ["", "a//b", "../x", "a/../b", ".git/config", "a/.GIT/x", "a\0b", "/a"])
def test_no_path_leaves_a_tree(store: GitStore, path: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        write_tree(store.backend, {path: b"x"})
    assert caught.value.kind == "bad-tree-path"


def test_a_file_cannot_stand_where_a_folder_does(store: GitStore) -> None:
    for files in ({"a": b"x", "a/b": b"y"}, {"a/b": b"y", "a": b"x"}):
        with pytest.raises(InvalidInputError):
            write_tree(store.backend, files)


def test_an_identity_where_git_has_none(git_repo: Path, isolated_home: Path, git: Git) -> None:
    (isolated_home / ".gitconfig").unlink()
    store = open_store(git_repo, environ=os.environ)
    found = store.identity({"USER": "x"}, 0)
    assert found.name
    assert re.fullmatch(r"[^<>\s]+@[^<>\s]+", found.email)
    commit = store.seal_run(samples.started(), samples.started(), parent=None, identity=found)
    assert git(git_repo, "log", "-1", "--format=%an <%ae>", commit) == f"{found.name} <{found.email}>"
    git(git_repo, "fsck", "--strict", commit)


def test_an_identity_by_gits_rules(git_repo: Path, git: Git) -> None:
    def named(**environ: str) -> str:
        found = open_store(git_repo, environ=os.environ).identity(environ)
        return f"{found.name} <{found.email}>"

    assert named() == "Ada Lovelace <ada@example.org>"
    git(git_repo, "config", "author.name", "Grace")
    assert named(EMAIL="x@y") == "Grace <ada@example.org>"
    assert named(GIT_AUTHOR_NAME="Eve\n<x>", GIT_AUTHOR_EMAIL="<eve@x>") == "Evex <eve@x>"


def test_a_full_disk_is_said(store: GitStore, git_repo: Path, monkeypatch: pytest.MonkeyPatch, git: Git) -> None:
    def full(*args: object, **kwargs: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(GitRunsError, match=r"cannot write an object in .*: No space left on device") as caught:
            store.backend.write_object("blob", b"x")
        assert caught.value.kind == "disk-full"
        head = store.head().commit
        with pytest.raises(GitRunsError, match="cannot write ref") as caught:
            store.set_run_tip(samples.RUN, head, None)
        assert caught.value.kind == "disk-full"
    assert not list((git_repo / ".git").rglob("tmp_obj_*"))
    assert not list((git_repo / ".git").rglob("*.lock"))
    seal(store)
    git(git_repo, "fsck", "--strict")


def test_what_a_power_cut_leaves_of_a_ref_is_written_again(store: GitStore, git_repo: Path) -> None:
    commit = seal(store)
    place = git_repo / ".git" / "refs" / "runs" / samples.RUN
    for left in (b"", b"\0" * 41):
        place.write_bytes(left)
        assert store.run_tip(samples.RUN) is None
        assert store.run_tips() == {}
        store.set_run_tip(samples.RUN, commit, None)
        assert store.run_tip(samples.RUN) == commit


def test_one_bad_ref_does_not_hide_the_others(store: GitStore, git_repo: Path) -> None:
    commit = seal(store)
    folder = git_repo / ".git" / "refs" / "runs"
    (folder / ("e" * 32)).write_text("garbage\n")
    (folder / ("d" * 32)).write_text("ref: refs/heads/main\n")
    (folder / ("c" * 32)).mkdir()
    (folder / "README").write_text(commit + "\n")
    (folder / f"{samples.RUN}.lock").write_text(commit + "\n")
    assert store.run_tips() == {samples.RUN: commit}
    with pytest.raises(GitRunsError, match="garbage") as caught:
        store.run_tip(RunId("e" * 32))
    assert caught.value.kind == "bad-ref"
    assert store.experiment_tips() == {}
    assert store.experiment_tip(ExperimentId("0")) is None
