"""The one door: sealing again, editing, resuming after an edit, collecting, verifying."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gitruns
from gitruns.entities.ids import RunId
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.repo import Repo, now_ms
from gitruns.tracking import fluent


@pytest.fixture(autouse=True)
def in_repo(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Works in the repository, as one script."""
    monkeypatch.chdir(git_repo)
    yield
    fluent._close_sessions()
    fluent._sessions.clear()


def make_run(**params: object) -> RunId:
    """Logs one run."""
    with gitruns.start_run() as run:
        gitruns.log_params(params)
        gitruns.log_metric("loss", 1.0, step=1)
    return RunId(run.info.run_id)


def test_an_edit_is_one_commit_with_a_stamp_for_each_field(git_repo: Path, git) -> None:
    run_id = make_run(lr=1)
    repo = Repo.open(git_repo)
    with repo.edit(run_id) as edit:
        edit.set_tag("best", "yes")
        edit.rename("winner")
    run = repo.get_run(run_id)
    assert (run.info.name, run.tags["best"], set(run.stamps)) == ("winner", "yes", {"tags/best", "run/name"})
    assert repo.run_history(run_id)[0].subject == "run winner: rename; edit tags best"
    with repo.edit(run_id) as edit:
        edit.delete_tag("best")
    assert "best" not in repo.get_run(run_id).tags
    assert "tags/best" in repo.get_run(run_id).stamps
    with pytest.raises(NotFoundError, match="has no tag 'best'"), repo.edit(run_id) as edit:
        edit.delete_tag("best")


def test_an_edit_that_raises_changes_nothing(git_repo: Path) -> None:
    run_id = make_run()
    repo = Repo.open(git_repo)
    before = repo.get_run(run_id)
    with pytest.raises(RuntimeError), repo.edit(run_id) as edit:
        edit.set_tag("a", "b")
        raise RuntimeError
    assert repo.get_run(run_id) == before


def test_edits_of_many_processes_are_all_kept(git_repo: Path) -> None:
    run_id = make_run()
    script = f"""
import sys
from gitruns.repo import Repo
repo = Repo.open()
for count in range(5):
    with repo.edit("{run_id}") as edit:
        edit.set_tag(f"t{{sys.argv[1]}}-{{count}}", "x")
"""
    children = [subprocess.Popen([sys.executable, "-c", script, str(number)], cwd=git_repo) for number in range(6)]
    assert [child.wait(timeout=120) for child in children] == [0] * 6
    assert len(Repo.open(git_repo).get_run(run_id).tags) == 30


def test_a_live_run_is_edited_through_its_journal(git_repo: Path) -> None:
    with gitruns.start_run() as run:
        repo = Repo.open(git_repo)
        with repo.edit(RunId(run.info.run_id)) as edit:
            edit.set_tag("seen", "live")
            edit.rename("renamed")
        assert repo.get_run(RunId(run.info.run_id)).tags == {"seen": "live"}
    sealed = Repo.open(git_repo).get_run(RunId(run.info.run_id))
    assert (sealed.info.name, sealed.tags) == ("renamed", {"seen": "live"})


def test_sealing_again_makes_the_same_commits(git_repo: Path, git) -> None:
    with gitruns.start_run() as run:
        gitruns.log_params({"a": 1.5})
        gitruns.log_text("text", "a.txt")
        folder = git_repo / ".git" / "gitruns" / "live" / run.info.run_id
        gitruns.log_metric("loss", 0.1)
    tip = git(git_repo, "rev-parse", f"refs/runs/{run.info.run_id}")
    assert folder.exists(), "the journal waits for the sync"
    (folder / "sealed").unlink()
    git(git_repo, "update-ref", "-d", f"refs/runs/{run.info.run_id}")
    git(git_repo, "prune", "--expire=now")
    assert Repo.open(git_repo).recover() == [run.info.run_id]
    assert git(git_repo, "rev-parse", f"refs/runs/{run.info.run_id}") == tip
    git(git_repo, "fsck", "--strict")


def test_a_seal_whose_mark_was_lost_changes_nothing(git_repo: Path, git) -> None:
    with gitruns.start_run() as run:
        gitruns.log_metric("loss", 0.1)
    run_id = RunId(run.info.run_id)
    folder = git_repo / ".git" / "gitruns" / "live" / run_id
    repo = Repo.open(git_repo)
    with repo.edit(run_id) as edit:
        edit.set_tag("later", "yes")
    edited = git(git_repo, "rev-parse", f"refs/runs/{run_id}")
    (folder / "sealed").unlink()
    Repo.open(git_repo).recover()
    assert git(git_repo, "rev-parse", f"refs/runs/{run_id}") == edited


def test_late_records_do_not_touch_the_status(git_repo: Path) -> None:
    run_id = make_run()
    client = gitruns.Client()
    client.log_metric(run_id, "test_acc", 0.9)
    client.set_tag(run_id, "evaluated", "yes")
    client.close()
    run = Repo.open(git_repo).get_run(run_id)
    assert run.info.status.value == "FINISHED"
    assert run.metrics["test_acc"].last == 0.9
    assert run.tags == {"evaluated": "yes"}
    assert run.metrics["loss"].count == 1


def test_an_edit_after_the_end_survives_an_older_tag_of_a_resume(git_repo: Path) -> None:
    run_id = make_run()
    with gitruns.start_run(run_id):
        gitruns.set_tag("phase", "resumed")
    repo = Repo.open(git_repo)
    with repo.edit(run_id) as edit:
        edit.set_tag("phase", "edited")
    repo.recover()
    assert Repo.open(git_repo).get_run(run_id).tags["phase"] == "edited"


def test_many_points_go_to_the_store_and_a_curve_stays(git_repo: Path, git) -> None:
    with gitruns.start_run() as run:
        for step in range(20_000):
            gitruns.log_metric("loss", 1 / (step + 1), step=step)
    run_id = RunId(run.info.run_id)
    repo = Repo.open(git_repo)
    (part,) = repo.get_run(run_id).parts
    assert part.stored_as is not None
    assert part.size_bytes > 64 * 1024
    curve = git(git_repo, "cat-file", "-s", f"runs/{run_id}:metrics/{part.digest}.tsv")
    assert 0 < int(curve) <= 8192
    history = repo.metric_history(run_id, "loss")
    assert [point.step for point in history] == list(range(20_000))
    packed = git_repo / ".git/gitruns/cache/o" / part.stored_as.digest[:2] / part.stored_as.digest[2:]
    with packed.open("rb") as file:
        lines = subprocess.run(["zcat"], stdin=file, capture_output=True, check=True).stdout
    assert lines.count(b"\n") == 20_000


def test_two_thousand_artifacts_are_listed_by_a_manifest_in_the_store(git_repo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(2000):
        (folder / f"file{number:05}.txt").write_text(str(number))
    with gitruns.start_run() as run:
        gitruns.log_artifacts(folder, "many")
    repo = Repo.open(git_repo)
    stored = repo.get_run(RunId(run.info.run_id))
    assert stored.manifest is not None
    assert len(repo.list_artifacts(RunId(run.info.run_id), "many")) == 2000
    assert list(repo.verify()) == []


def test_verify_names_what_is_wrong(git_repo: Path) -> None:
    with gitruns.start_run() as run:
        gitruns.log_text("x" * 50_000, "big.txt")
        gitruns.log_text("y" * 50_000, "gone.txt")
    repo = Repo.open(git_repo)
    assert list(repo.verify()) == []
    artifacts = {one.path: one for one in repo.get_run(RunId(run.info.run_id)).artifacts}
    cache = git_repo / ".git/gitruns/cache/o"
    big, gone = (cache / artifacts[name].digest[:2] / artifacts[name].digest[2:] for name in ("big.txt", "gone.txt"))
    big.chmod(0o644)
    big.write_text("z" * 50_000)
    gone.unlink()
    problems = {problem.place: problem.message for problem in repo.verify()}
    assert problems == {
        "big.txt": "its bytes have changed: they are not its digest",
        "gone.txt": "its bytes are not on this machine",
    }


NODE = """
import gitruns
gitruns.set_experiment("on the node")
with gitruns.start_run(run_name="job"):
    gitruns.log_params({"lr": 0.5})
    for step in range(10):
        gitruns.log_metric("loss", step / 2, step=step)
    gitruns.log_text("done", "log.txt")
"""


def log_on_a_node(folder: Path, source: str, tmp_path: Path) -> None:
    """Runs a script where there is neither git nor a repository."""
    script = tmp_path / "node.py"
    script.write_text(NODE)
    environ = {"GITRUNS_JOURNAL": str(folder), "PATH": "/nowhere", "HOME": str(tmp_path)}
    if source:
        environ["GITRUNS_SOURCE"] = source
    result = subprocess.run(
        [sys.executable, "-W", "error", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_a_node_without_git_is_collected_and_twice_is_once(git_repo: Path, tmp_path: Path, git) -> None:
    head = git(git_repo, "rev-parse", "HEAD")
    log_on_a_node(tmp_path / "journals", head, tmp_path)
    repo = Repo.open(git_repo)
    report = repo.collect(tmp_path / "journals")
    assert (len(report.sealed), report.problems) == (1, [])
    run = repo.get_run(report.sealed[0])
    assert (run.info.name, run.params, run.metrics["loss"].count) == ("job", {"lr": 0.5}, 10)
    assert repo.get_experiment(run.info.experiment_id).name == "on the node"
    assert git(git_repo, "rev-parse", f"runs/{run.info.id}~2") == head
    with repo.open_artifact(run.info.id, "log.txt") as file:
        assert file.read() == b"done"
    with repo.edit(run.info.id) as edit:
        edit.set_tag("a", "b")
    tip = git(git_repo, "rev-parse", f"refs/runs/{run.info.id}")
    again = repo.collect(tmp_path / "journals")
    assert (again.sealed, again.known) == ([], [run.info.id])
    assert git(git_repo, "rev-parse", f"refs/runs/{run.info.id}") == tip


ON_A_NODE = """
import os, sys
import gitruns
run = gitruns.start_run(run_id=sys.argv[1] if len(sys.argv) > 1 else None)
for step in range(3):
    gitruns.log_metric("loss", float(step), step=step)
gitruns.log_text("text of " + str(len(sys.argv)), "note.txt")
gitruns.flush()
print(run.info.run_id, flush=True)
if len(sys.argv) == 1:
    os._exit(9)  # as one that is pre-empted
gitruns.set_tag("again", "yes")
gitruns.end_run()
"""


def log_by(script: str, folder: Path, tmp_path: Path, *arguments: str) -> RunId:
    away = tmp_path / "work"
    away.mkdir(exist_ok=True)
    environ = {"PATH": "/usr/bin:/bin", "GITRUNS_JOURNAL": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=away, env=environ, stdout=subprocess.PIPE, text=True
    )
    return RunId(done.stdout.strip())


def test_what_a_collected_run_logs_when_it_is_resumed_comes_once(git_repo: Path, tmp_path: Path) -> None:
    run_id = log_by(ON_A_NODE, tmp_path / "journals", tmp_path)
    repo = Repo.open(git_repo)
    assert repo.collect(tmp_path / "journals").sealed == [run_id]
    assert repo.get_run(run_id).info.status == "KILLED"
    assert repo.collect(tmp_path / "journals").known == [run_id]
    log_by(ON_A_NODE, tmp_path / "journals", tmp_path, run_id)
    assert repo.collect(tmp_path / "journals").sealed == [run_id]
    run = repo.get_run(run_id)
    assert (run.info.status, dict(run.tags)) == ("FINISHED", {"again": "yes"})
    assert run.metrics["loss"].count == 6
    assert len(repo.metric_history(run_id, "loss")) == 6
    with repo.open_artifact(run_id, "note.txt") as file:
        assert file.read() == b"text of 2"
    assert repo.collect(tmp_path / "journals").known == [run_id]


def test_a_resume_that_only_sets_a_tag_is_collected_too(git_repo: Path, tmp_path: Path) -> None:
    run_id = log_by(ON_A_NODE, tmp_path / "journals", tmp_path)
    repo = Repo.open(git_repo)
    repo.collect(tmp_path / "journals")
    script = 'import sys, gitruns\nwith gitruns.start_run(run_id=sys.argv[1]):\n    gitruns.set_tag("again", "yes")'
    log_by(script, tmp_path / "journals", tmp_path, run_id)
    repo.collect(tmp_path / "journals")
    run = repo.get_run(run_id)
    assert (run.info.status, run.tags.get("again"), run.metrics["loss"].count) == ("FINISHED", "yes", 3)


def test_a_node_without_a_commit_id_keeps_the_script(git_repo: Path, tmp_path: Path) -> None:
    log_on_a_node(tmp_path / "journals", "", tmp_path)
    repo = Repo.open(git_repo)
    (run_id,) = repo.collect(tmp_path / "journals").sealed
    with repo.open_artifact(run_id, "source/node.py") as file:
        assert file.read().decode() == NODE


def test_runs_are_named_by_prefix_name_and_latest(git_repo: Path) -> None:
    first = make_run()
    with gitruns.start_run(run_name="second") as run:
        pass
    repo = Repo.open(git_repo)
    assert repo.resolve_run(first[:8]) == first
    assert repo.resolve_run("second") == run.info.run_id
    assert repo.resolve_run("latest") == run.info.run_id
    with pytest.raises(NotFoundError):
        repo.resolve_run("third")
    with pytest.raises(NotFoundError):
        repo.resolve_run(first[:3])


def test_a_copied_clone_is_another_writer(git_repo: Path, tmp_path: Path) -> None:
    make_run()
    ours = Repo.open(git_repo).writer
    assert Repo.open(git_repo).writer == ours
    shutil.copytree(git_repo, tmp_path / "copy")
    theirs = Repo.open(tmp_path / "copy").writer
    assert theirs != ours
    assert Repo.open(tmp_path / "copy").writer == theirs


def test_a_bare_repository_keeps_runs_of_code_elsewhere(
    tmp_path: Path, git, monkeypatch: pytest.MonkeyPatch, git_repo: Path
) -> None:
    bare = tmp_path / "runs.git"
    git(tmp_path, "init", "--quiet", "--bare", str(bare))
    monkeypatch.setenv("GITRUNS_REPO", str(bare))
    run_id = make_run(lr=3)
    run = Repo.open(bare).get_run(run_id)
    assert run.params == {"lr": 3}
    assert run.info.end_time_ms is not None
    assert run.info.end_time_ms <= now_ms()
    git(bare, "fsck", "--strict")


def test_settings_are_checked(git_repo: Path) -> None:
    (git_repo / "gitruns.yaml").write_text("snapshot: some\n")
    with pytest.raises(InvalidInputError, match=r"'snapshot' in gitruns\.yaml is 'some', not one of all, tracked, off"):
        _ = Repo.open(git_repo).config
    (git_repo / "gitruns.yaml").write_text("snapshot: off\nexperiment: digits\nredact: [host]\n")
    config = Repo.open(git_repo).config
    assert (config.snapshot, config.experiment, config.redact) == ("off", "digits", ("host",))


def test_the_experiment_may_be_configured(git_repo: Path, git) -> None:
    git(git_repo, "config", "runs.experiment", "digits")
    run_id = make_run()
    repo = Repo.open(git_repo)
    assert repo.get_experiment(repo.get_run(run_id).info.experiment_id).name == "digits"
