"""Archived runs are the same runs: shown, searched, edited, resumed and verified as before, under few refs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Git

from gitruns.entities.ids import RunId
from gitruns.entities.run import Lifecycle, RunStatus
from gitruns.errors import LockedError, NotFoundError
from gitruns.repo import Repo, archiving
from gitruns.repo.archiving import archive_before_push, archive_if_many, archive_runs, covered_by, group_runs
from gitruns.repo.private_lock import only_one
from gitruns.repo.purging import purge_runs
from gitruns.tracking.client import Client

Log = Callable[..., RunId]


@pytest.fixture
def repo(git_repo: Path) -> Repo:
    return Repo.open(git_repo)


@pytest.fixture
def log(git_repo: Path) -> Log:
    """Logs one finished run and returns its id."""
    client = Client(git_repo)

    def make(name: str = "one", value: float = 0.5, *, end: bool = True) -> RunId:
        run = client.create_run("0", run_name=name)
        run_id = RunId(run.info.run_id)
        client.log_param(run_id, "lr", 0.1)
        client.log_metric(run_id, "loss", value, step=1)
        if end:
            client.set_terminated(run_id)
            Repo.open(git_repo).recover(archive=False)
        return run_id

    return make


def run_refs(git: Git, folder: Path) -> list[str]:
    """Returns the refs of runs and segments, without `refs/runs/`."""
    listed = git(folder, "for-each-ref", "--format=%(refname)", "refs/runs/").splitlines()
    return [ref.removeprefix("refs/runs/") for ref in listed if "/experiments/" not in ref]


def test_archived_runs_read_as_before(repo: Repo, log: Log, git: Git, git_repo: Path) -> None:
    ids = [log(f"run-{number}", number / 10) for number in range(4)]
    before = {run.info.id: run for run in repo.list_runs()}
    history = repo.run_history(ids[0])
    report = archive_runs(repo)
    assert report.folded == sorted(ids)
    assert run_refs(git, git_repo) == [f"archive/{report.segments[0]}"]
    fresh = Repo.open(git_repo)
    assert {run.info.id: run for run in fresh.list_runs()} == before
    assert fresh.run_history(ids[0]) == history
    assert fresh.resolve_run(ids[1][:10]) == ids[1]
    assert fresh.resolve_run("run-2") == ids[2]
    assert fresh.resolve_run("latest") == ids[3]
    assert [point.value for point in fresh.metric_history(ids[3], "loss")] == [0.3]
    assert fresh.status().runs == 4
    assert list(fresh.verify()) == []
    assert fresh.count_runs("loss < 0.15") == 2
    git(git_repo, "fsck", "--strict")


def test_archiving_is_not_reading_again_for_the_index(repo: Repo, log: Log) -> None:
    ids = [log(f"run-{number}") for number in range(3)]
    assert repo.count_runs("") == 3
    archive_runs(repo)
    assert repo.index.refresh().written == 0
    with repo.edit(ids[0]) as edit:
        edit.set_tag("team", "vision")
    assert repo.index.refresh().written == 1
    assert repo.search_run_ids("tags.team = 'vision'")[0] == [ids[0]]
    archive_runs(repo)
    report = repo.index.refresh()
    assert (report.written, report.removed) == (0, 0)
    assert repo.index.verify() == []


def test_edits_take_a_run_out_and_it_goes_in_again(repo: Repo, log: Log, git: Git, git_repo: Path) -> None:
    ids = [log(f"run-{number}") for number in range(3)]
    archive_runs(repo)
    tip = repo.store.run_tip(ids[1])
    with repo.edit(ids[1]) as edit:
        edit.rename("better")
        edit.set_lifecycle(Lifecycle.DELETED)
    assert ids[1] in run_refs(git, git_repo)
    assert git(git_repo, "rev-parse", f"refs/runs/{ids[1]}^") == tip
    assert repo.get_run(ids[1]).info.name == "better"
    assert [run.info.id for run in repo.list_runs(lifecycle=Lifecycle.DELETED)] == [ids[1]]
    archive_runs(repo)
    assert len(run_refs(git, git_repo)) == 2  # a segment of one run takes in none of three
    with repo.edit(ids[1]) as edit:
        edit.set_lifecycle(Lifecycle.ACTIVE)
    assert len(repo.list_runs()) == 3


def test_a_run_can_be_resumed_from_the_archive(repo: Repo, log: Log, git_repo: Path) -> None:
    run_id = log()
    archive_runs(repo)
    run_log = repo.open_log(run_id)
    run_log.log_metric("loss", 0.1, 2)
    run_log.end(RunStatus.FINISHED)
    repo.seal(run_id)
    repo.close()
    assert {point.value for point in Repo.open(git_repo).metric_history(run_id, "loss")} == {0.5, 0.1}


def test_what_is_not_finished_stays(repo: Repo, log: Log) -> None:
    ended, live = log("ended"), log("live", end=False)
    report = archive_runs(repo)
    assert report.folded == [ended]
    assert live not in report.folded
    assert {run.info.name for run in repo.list_runs()} == {"ended", "live"}


def test_a_dry_run_changes_nothing(repo: Repo, log: Log, git: Git, git_repo: Path) -> None:
    ids = [log(f"run-{number}") for number in range(2)]
    report = archive_runs(repo, dry_run=True)
    assert (report.folded, report.segment_count, report.segments) == (sorted(ids), 1, [])
    assert run_refs(git, git_repo) == sorted(ids)


def test_only_the_runs_that_are_named(repo: Repo, log: Log, git: Git, git_repo: Path) -> None:
    ids = [log(f"run-{number}") for number in range(3)]
    archive_runs(repo, [ids[0]])
    assert set(repo.store.loose_run_tips()) == set(ids[1:])


def test_small_segments_are_joined(repo: Repo, log: Log, git: Git, git_repo: Path) -> None:
    replaced = 0
    for number in range(9):
        log(f"run-{number}")
        replaced += len(archive_runs(repo).replaced)
    assert replaced >= 5
    assert len(repo.store.segments()) <= 4
    assert len(repo.list_runs()) == 9


def test_redundant_refs_and_segments_go(repo: Repo, log: Log, git: Git, git_repo: Path) -> None:
    ids = [log(f"run-{number}") for number in range(3)]
    tips = dict(repo.store.run_tips())
    (small,) = repo.store.write_segments([{ids[0]: tips[ids[0]]}])
    (whole,) = repo.store.write_segments([tips])
    repo.store.add_segments([small, whole])
    report = archive_runs(repo)
    assert (report.replaced, report.folded, report.redundant) == ([small], [], sorted(ids))
    assert run_refs(git, git_repo) == [f"archive/{whole}"]
    assert repo.store.run_tips() == tips


def test_two_cannot_archive_at_once(repo: Repo, log: Log) -> None:
    log()
    with only_one(repo.folder / "archive.lock"):
        with pytest.raises(LockedError) as caught:
            archive_runs(repo)
        assert caught.value.kind == "archive-locked"


# By itself


def test_many_runs_are_archived_by_themselves(
    repo: Repo, log: Log, monkeypatch: pytest.MonkeyPatch, git: Git, git_repo: Path
) -> None:
    ids = [log(f"run-{number}") for number in range(6)]
    assert archive_if_many(repo) is None
    monkeypatch.setattr(archiving, "AUTO_ABOVE", 5)
    git(git_repo, "config", "runs.archive", "off")
    ids.append(log("run-6"))
    assert run_refs(git, git_repo) == sorted(ids)
    git(git_repo, "config", "runs.archive", "auto")
    Repo.open(git_repo).recover()
    assert run_refs(git, git_repo) == sorted(ids)  # who only looks at runs does not wait for it
    client = Client(git_repo)
    client.set_terminated(client.create_run("0").info.run_id)
    client.repo.close()
    assert len(run_refs(git, git_repo)) == 1
    git(git_repo, "pack-refs", "--all")
    assert len(Repo.open(git_repo).list_runs()) == 8


def test_what_cannot_be_archived_is_not_tried_each_time(repo: Repo, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiving, "AUTO_ABOVE", 2)
    gone = [log(f"run-{number}") for number in range(2)]
    purge_runs(repo, gone)
    log("one")
    report = archive_if_many(repo)
    assert report is not None
    assert (len(report.folded), set(report.skipped)) == (1, set(gone))
    log("two")
    log("three")
    assert archive_if_many(repo) is None  # two tombstones, and two that are not yet many
    log("four")
    report = archive_if_many(repo)
    assert report is not None
    assert len(report.folded) == 3


def test_a_push_of_many_archives_first(repo: Repo, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [log(f"run-{number}") for number in range(3)]
    assert archive_before_push(repo, ids) is None
    monkeypatch.setattr(archiving, "PUSH_ABOVE", 2)
    report = archive_before_push(repo, ids)
    assert report is not None
    assert report.folded == sorted(ids)


# How runs are grouped


def test_full_segments_and_a_rest() -> None:
    tips = {RunId(f"{number:032x}"): f"{number:040x}" for number in range(2500)}
    groups, absorbed = group_runs(tips, {})  # type: ignore[arg-type]
    assert [len(group) for group in groups] == [1000, 1000, 500]
    assert absorbed == {}


def test_each_run_is_written_a_few_times_only() -> None:
    segments: dict[str, dict[RunId, str]] = {}
    written = 0
    for number in range(2000):
        groups, absorbed = group_runs({RunId(f"{number:032x}"): f"{number:040x}"}, segments)  # type: ignore[arg-type]
        for gone in absorbed:
            del segments[gone]
        for group in groups:
            segments[f"{len(segments)}-{number}"] = dict(group)
            written += len(group)
    assert sum(map(len, segments.values())) == 2000
    assert len(segments) <= 15
    assert written <= 2000 * 12


def test_a_segment_is_covered_by_one_that_has_all_of_it() -> None:
    newest = lambda tips: (max(tips),)  # noqa: E731
    one = {RunId("a" * 32): "1", RunId("b" * 32): "2"}
    assert covered_by(one, {**one, RunId("c" * 32): "3"}, newest)  # type: ignore[arg-type]
    assert covered_by(one, {**one, RunId("b" * 32): "3"}, newest)  # type: ignore[arg-type]
    assert not covered_by(one, {**one, RunId("b" * 32): "1"}, newest)  # type: ignore[arg-type]
    assert not covered_by(one, {RunId("a" * 32): "1"}, newest)  # type: ignore[arg-type]


# Crashes and others at the same time

_ARCHIVE = """
import os, signal, sys
from pathlib import Path
from gitruns.gitstore import GitStore
from gitruns.repo import Repo
from gitruns.repo.archiving import archive_runs
step = sys.argv[2]
def dying(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
def after(function):
    def run(*args, **kwargs):
        function(*args, **kwargs)
        dying()
    return run
repo = Repo.open(Path(sys.argv[1]))
if step.startswith("after-"):
    name = step.removeprefix("after-")
    setattr(GitStore, name, after(getattr(GitStore, name)))
elif step == "between-refs":
    from gitruns.gitstore.file_refs import FileRefs
    plain, seen = FileRefs._delete_loose, []
    def counted(self, name, expected):
        seen.append(name)
        return dying() if len(seen) == 3 else plain(self, name, expected)
    FileRefs._delete_loose = counted
archive_runs(repo)
"""


@pytest.mark.parametrize(
    "step", ["after-write_segments", "after-add_segments", "between-refs", "after-drop_run_refs", "after-drop_segments"]
)
def test_a_kill_at_any_step_loses_nothing(repo: Repo, log: Log, git: Git, git_repo: Path, step: str) -> None:
    log("older")
    archive_runs(repo)
    for number in range(5):
        log(f"run-{number}")
    before = repo.store.run_tips()
    ended = subprocess.run([sys.executable, "-c", _ARCHIVE, str(git_repo), step], check=False)
    assert ended.returncode == -9
    fresh = Repo.open(git_repo)
    assert fresh.store.run_tips() == before
    assert len(fresh.list_runs()) == 6
    git(git_repo, "fsck", "--strict")
    for lock in (git_repo / ".git" / "refs").rglob("*.lock"):
        lock.unlink()  # at most the one that the killed process held
    archive_runs(fresh)
    assert fresh.store.loose_run_tips() == {}
    assert fresh.store.run_tips() == before
    assert len(fresh.store.segments()) == 1


_EDITOR = """
import sys
from pathlib import Path
from gitruns.repo import Repo
repo = Repo.open(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    for run_id in sys.argv[4:]:
        with repo.edit(run_id) as edit:
            edit.set_tag(f"{sys.argv[2]}-{number}", "yes")
"""

_ARCHIVER = """
import sys, time
from pathlib import Path
from gitruns.errors import LockedError
from gitruns.repo import Repo
from gitruns.repo.archiving import archive_runs
repo = Repo.open(Path(sys.argv[1]))
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    try:
        archive_runs(repo)
    except LockedError:
        time.sleep(0.01)
"""


@pytest.mark.parametrize("rounds", [3, pytest.param(40, marks=pytest.mark.slow)])
def test_edits_seals_and_archiving_at_the_same_time_lose_nothing(
    log: Log, git: Git, git_repo: Path, rounds: int
) -> None:
    ids = [log(f"run-{number}") for number in range(6)]
    chosen = sorted(ids)

    def start(code: str, *args: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", code, str(git_repo), *args])

    archivers = [start(_ARCHIVER, str(2 + rounds / 2)) for _ in range(2)]
    editors = [start(_EDITOR, name, str(rounds), *chosen) for name in ("left", "right")]
    sealed = [log(f"new-{number}") for number in range(rounds)]
    assert [editor.wait() for editor in editors] == [0, 0]
    for archiver in archivers:
        archiver.terminate()
        archiver.wait()
    for lock in (git_repo / ".git").rglob("*.lock"):
        if lock.name != "archive.lock" and lock.parent.name != "gitruns":
            lock.unlink(missing_ok=True)
    repo = Repo.open(git_repo)
    expected = {f"{name}-{number}" for name in ("left", "right") for number in range(rounds)}
    for run_id in chosen:
        tags = repo.get_run(run_id).tags
        assert expected <= tags.keys(), expected - tags.keys()
    assert {run.info.id for run in repo.list_runs()} == {*ids, *sealed}
    archive_runs(repo)
    assert repo.store.loose_run_tips() == {}
    assert all(expected <= repo.get_run(run_id).tags.keys() for run_id in chosen)
    git(git_repo, "fsck", "--strict")


# Size


@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.slow)])
def test_a_repository_of_many_runs_round_trips(
    tmp_path: Path, git: Git, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from generate import generate  # type: ignore[import-not-found]

    folder = tmp_path / "many"
    tips = generate(folder, count, points=3)
    repo = Repo.open(folder)
    before = repo.count_runs("acc > 0.5", lifecycle=None)
    report = archive_runs(repo)
    assert len(report.folded) == count
    assert len(run_refs(git, folder)) == -(-count // 1000)
    fresh = Repo.open(folder)
    assert fresh.store.run_tips() == tips
    assert fresh.index.refresh().written == 0
    assert fresh.count_runs("acc > 0.5", lifecycle=None) == before
    git(folder, "fsck", "--strict")
    git(folder, "gc", "--quiet", "--prune=now")
    assert Repo.open(folder).store.run_tips() == tips
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(folder), str(clone))
    git(clone, "fetch", "--quiet", "origin", "refs/runs/*:refs/runs/*")
    assert Repo.open(clone).store.run_tips() == tips


def test_missing_runs_are_still_missing(repo: Repo, log: Log) -> None:
    log()
    archive_runs(repo)
    with pytest.raises(NotFoundError):
        repo.get_run(RunId("f" * 32))
    assert repo.find_run(RunId("0" * 32)) is None
