"""The archive in repositories of other kinds: SHA-256, bare, and clones whose history is cut."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.conftest import Git
from tests.gitstore.test_archive import add_runs, edit

from gitruns.gitstore import open_store
from gitruns.repo import Repo
from gitruns.repo.archiving import archive_runs
from gitruns.repo.keeping import keep_run
from gitruns.repo.purging import purge_runs


@pytest.mark.parametrize("kind", [["--object-format=sha256"], ["--bare"]])
def test_other_kinds_of_repositories(tmp_path: Path, git: Git, kind: list[str]) -> None:
    git(tmp_path, "init", "--quiet", *kind, "project")
    folder = tmp_path / "project"
    store = open_store(folder, environ=os.environ)
    tips = add_runs(store, 4)
    repo = Repo.open(folder)
    archive_runs(repo)
    assert repo.store.loose_run_tips() == {}
    assert repo.store.run_tips() == tips
    one, two, *_ = sorted(tips)
    with repo.edit(one) as change:
        change.set_tag("team", "speech")
    purge_runs(repo, [two])
    fresh = Repo.open(folder)
    assert fresh.get_run(one).tags["team"] == "speech"
    assert {run.info.id for run in fresh.list_runs()} == set(tips) - {two}
    assert fresh.count_runs("") == 3
    keep_run(fresh, two)
    assert len(Repo.open(folder).list_runs()) == 4
    git(folder, "fsck", "--strict")


def test_segments_are_read_in_a_clone_whose_history_is_cut(tmp_path: Path, git: Git, git_repo: Path) -> None:
    store = open_store(git_repo, environ=os.environ)
    tips = add_runs(store, 3)
    archive_runs(Repo.open(git_repo))
    (segment,) = store.segments()
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{git_repo}", str(clone))
    ref = f"refs/runs/archive/{segment}"
    git(clone, "fetch", "--quiet", "--depth=2", "origin", f"{ref}:{ref}")
    shallow = Repo.open(clone)
    assert shallow.store.run_tips() == tips
    assert len(shallow.list_runs()) == 3
    one = min(tips)
    newer = edit(shallow.store, one, tips[one])
    shallow.store.set_run_tip(one, newer, tips[one])
    assert shallow.store.tips_of(one) == (newer,)
    assert shallow.get_run(one).info.name == "edited"
