"""What is said to be durable has been synced: every object and ref, and every name down to it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gitruns.entities.ids import RunId
from gitruns.gitstore import GitStore, durability
from gitstore import samples

Git = Callable[..., str]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which file is synced")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The files and folders that were synced, filled as the test goes."""
    found: set[Path] = set()
    real = os.fsync

    def record(fd: int) -> None:
        found.add(Path(os.readlink(f"/proc/self/fd/{fd}")))
        real(fd)

    monkeypatch.setattr(os, "fsync", record)
    return found


def _seal(store: GitStore, run_id: RunId) -> None:
    start = samples.started(run_id)
    identity = store.identity(os.environ)
    commit = store.seal_run(start, samples.finished(start), parent=None, identity=identity, files=samples.FILES)
    store.set_run_tip(run_id, commit, None)


def test_all_of_a_run_is_synced(store: GitStore, git_repo: Path, git: Git, synced: set[Path]) -> None:
    before = set((git_repo / ".git").rglob("*"))
    _seal(store, samples.RUN)
    made = set((git_repo / ".git").rglob("*")) - before
    assert len(made) > 10
    assert synced == set()
    store.sync(store.run_tips().items())
    assert made <= synced
    assert {path.parent for path in made} <= synced


def test_a_packed_ref_is_synced_too(store: GitStore, git_repo: Path, git: Git, synced: set[Path]) -> None:
    _seal(store, samples.RUN)
    git(git_repo, "gc", "-q", "--prune=now")
    store.sync(store.run_tips().items())
    assert git_repo / ".git" / "packed-refs" in synced


def test_a_pack_is_durable_when_it_has_its_name(store: GitStore, git_repo: Path, synced: set[Path]) -> None:
    store.backend.write_pack([("blob", b"x")])
    folder = git_repo / ".git" / "objects" / "pack"
    assert {path.suffix for path in folder.iterdir() if path in synced} == {".pack", ".idx"}
    assert folder in synced


def test_many_runs_are_synced_at_once(
    store: GitStore, git_repo: Path, synced: set[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr("gitruns.gitstore.base_backend.sync_file_system", asked.append)
    for number in range(8):
        _seal(store, RunId(f"{number:032x}"))
    store.sync(store.run_tips().items())
    assert asked == [git_repo / ".git" / "objects"]
    durability.sync_file_system(git_repo)
    durability.sync_paths([git_repo / str(number) for number in range(durability.MANY + 1)], git_repo)
    durability.sync_paths([git_repo / "absent" / "file"], git_repo)
