"""What a power cut takes of a run that was sealed and not yet synced is made again from its journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import gitruns
from gitruns.entities.ids import RunId
from gitruns.gitstore import base_backend, durability
from gitruns.gitstore.base_backend import BaseBackend
from gitruns.repo import Repo
from gitruns.tracking import fluent

Git = Callable[..., str]


@pytest.fixture(autouse=True)
def in_repo(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(git_repo)
    yield
    fluent._close_sessions()
    fluent._sessions.clear()


def log(run_id: str | None = None, count: int = 3) -> tuple[RunId, str]:
    """Logs a run, or more of it, that is sealed and not synced, and returns it and its tip."""
    with gitruns.start_run(run_id=run_id) as run:
        for step in range(count):
            gitruns.log_metric("loss", float(step), step=step)
        gitruns.log_text(f"text {count}", f"{count}.txt")
    return RunId(run.info.run_id), ref_of(run.info.run_id).read_text().strip()


def ref_of(run_id: str) -> Path:
    return Path(".git/refs/runs") / run_id


def empty(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"")


def objects(git: Git, *revisions: str) -> list[Path]:
    """The files of what a revision holds, start commit and points too, but for what the last one has."""
    found = git(Path.cwd(), "rev-list", "--objects", "--no-object-names", *revisions).split()
    return [Path(".git/objects") / oid[:2] / oid[2:] for oid in found]


def all_of(git: Git, tip: str) -> list[Path]:
    return objects(git, tip, f"^{tip}~2")


@pytest.mark.parametrize("taken", ["ref", "empty ref", "objects", "objects and ref", "start", "files"])
def test_a_first_seal_is_made_again(git_repo: Path, git: Git, taken: str) -> None:
    run_id, tip = log()
    lost = all_of(git, tip)
    if "objects" in taken:
        for path in lost:
            empty(path)
    if taken == "start":
        start = git(git_repo, "rev-parse", f"{tip}^")
        empty(Path(".git/objects") / start[:2] / start[2:])
    if taken == "files":
        for path in objects(git, f"{tip}^{{tree}}")[1:]:
            empty(path)
    if taken in ("ref", "objects and ref"):
        ref_of(run_id).unlink()
    if taken == "empty ref":
        ref_of(run_id).write_bytes(b"")
    repo = Repo.open(git_repo)
    repo.recover()
    assert repo.run_history(run_id)[0].commit == tip
    assert len(repo.metric_history(run_id, "loss")) == 3
    assert not (repo.live_root / run_id).exists()
    git(git_repo, "fsck", "--strict")


@pytest.mark.parametrize("objects_too", [False, True])
@pytest.mark.parametrize("ref", ["old", "none", "kept"])
def test_a_resume_is_made_again(git_repo: Path, git: Git, ref: str, objects_too: bool) -> None:
    run_id, before = log()
    Repo.open(git_repo).recover()
    _, tip = log(run_id, 5)
    assert tip != before
    if objects_too:
        for path in objects(git, tip, f"^{before}"):
            empty(path)
    if ref == "old":
        ref_of(run_id).write_text(before + "\n")
    elif ref == "none":
        ref_of(run_id).unlink()
    repo = Repo.open(git_repo)
    repo.recover()
    assert repo.run_history(run_id)[0].commit == tip
    assert repo.get_run(run_id).metrics["loss"].count == 8
    assert len(repo.metric_history(run_id, "loss")) == 8
    assert {one.path for one in repo.get_run(run_id).artifacts} == {"3.txt", "5.txt"}
    git(git_repo, "fsck", "--strict")


def test_what_was_sealed_before_is_not_doubled(git_repo: Path, git: Git) -> None:
    """Two seals of one journal, the second one lost."""
    run_id, before = log()
    _, tip = log(run_id, 5)
    ref_of(run_id).write_text(before + "\n")
    for path in objects(git, tip, f"^{before}"):
        path.unlink()
    repo = Repo.open(git_repo)
    repo.recover()
    assert ref_of(run_id).read_text().strip() == tip
    assert len(repo.metric_history(run_id, "loss")) == 8


def test_an_edit_on_top_stays(git_repo: Path, git: Git) -> None:
    run_id, tip = log()
    start = git(git_repo, "rev-parse", f"{tip}^")
    with Repo.open(git_repo).edit(run_id) as edit:
        edit.set_tag("later", "yes")
    empty(Path(".git/objects") / start[:2] / start[2:])
    repo = Repo.open(git_repo)
    repo.recover()
    assert repo.get_run(run_id).tags == {"later": "yes"}
    assert len(repo.metric_history(run_id, "loss")) == 3
    git(git_repo, "fsck", "--strict")


def test_all_is_on_the_disk_before_refs_go_into_the_archive(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id, _ = log()
    repo = Repo.open(git_repo)
    repo.recover()
    there: list[bool] = []
    monkeypatch.setattr(durability, "sync_file_system", lambda folder: there.append(ref_of(run_id).exists()))
    monkeypatch.setattr(base_backend, "sync_file_system", durability.sync_file_system)
    repo.archive()
    assert True in there and not ref_of(run_id).exists()


def test_whole_and_packed_objects_stay(git_repo: Path, git: Git) -> None:
    run_id, tip = log()
    backend = Repo.open(git_repo).store.backend
    assert isinstance(backend, BaseBackend)
    for path in all_of(git, tip):
        assert not backend.drop_damaged(path.parent.name + path.name)  # type: ignore[arg-type]
        assert path.exists()
    assert ref_of(run_id).exists()


def test_an_edit_is_on_the_disk(git_repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ref that names a commit whose objects a power cut took would take the whole run with it."""
    run_id, before = log()
    repo = Repo.open(git_repo)
    repo.recover()
    synced: set[str] = set()
    real = durability._fsync

    def record(path: Path) -> None:
        synced.add(str(path.relative_to(git_repo)))
        real(path)

    monkeypatch.setattr(durability, "_fsync", record)
    with repo.edit(run_id) as edit:
        edit.set_tag("later", "yes")
    written = objects(git, f"refs/runs/{run_id}", f"^{before}")
    assert len(written) == 4  # commit, tree, tags, stamps
    assert {str(path) for path in [*written, ref_of(run_id)]} <= synced
    synced.clear()
    experiment = repo.create_experiment("new")
    ref = Path(".git/refs/runs/experiments") / experiment
    assert {str(path) for path in [*objects(git, ref.read_text().strip()), ref]} <= synced
