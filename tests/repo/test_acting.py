"""On whose behalf something is written: who is named as author, and that it is over when it is over."""

from __future__ import annotations

import threading
from pathlib import Path

from conftest import run_git
from gitruns.entities.run import Identity
from gitruns.repo import Repo
from gitruns.repo.acting import acting_as

BOB = Identity(name="Bob B", email="bob@example.org")


def _author(folder: Path, ref: str) -> str:
    return run_git(folder, "log", "-1", "--format=%an <%ae>", ref)


def test_git_names_whom_we_write_for(git_repo: Path) -> None:
    repo = Repo.open(git_repo)
    with acting_as(BOB):
        theirs = repo.create_experiment("bob's")
    ours = repo.create_experiment("ada's")
    assert _author(git_repo, f"refs/runs/experiments/{theirs}") == "Bob B <bob@example.org>"
    assert _author(git_repo, f"refs/runs/experiments/{ours}") == "Ada Lovelace <ada@example.org>"


def test_it_is_over_after_an_error_and_in_other_threads(git_repo: Path) -> None:
    repo = Repo.open(git_repo)
    elsewhere = []
    try:
        with acting_as(BOB):
            thread = threading.Thread(target=lambda: elsewhere.append(repo.identity().name))
            thread.start()
            thread.join()
            with acting_as(None):
                elsewhere.append(repo.identity().name)
            assert repo.identity() == BOB
            raise ValueError
    except ValueError:
        pass
    assert elsewhere == ["Ada Lovelace", "Ada Lovelace"]
    assert repo.identity().name == "Ada Lovelace"


def test_what_many_people_did_is_nobodys_alone(git_repo: Path) -> None:
    repo = Repo.open(git_repo)
    with acting_as(BOB):
        repo.records.put("trace", "t1", {"tags/a": "b"})
        repo.records.seal(force=True)
    refs = run_git(git_repo, "for-each-ref", "--format=%(authorname)", "refs/runs/records/")
    assert refs.splitlines() == ["Ada Lovelace"]
