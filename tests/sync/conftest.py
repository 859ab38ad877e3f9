"""Clones of one bare remote, as a team has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import run_git
from gitruns.entities.ids import ObjectId, RunId
from gitruns.repo import Repo
from gitruns.sync import FetchReport, PushReport, fetch, push
from gitruns.tracking.client import Client


class Clone:
    """One clone, with what its owner does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repo = Repo.open(folder)

    def git(self, *args: str) -> str:
        return run_git(self.folder, *args)

    def commit(self, text: str = "print('more')\n", *, name: str = "train.py") -> ObjectId:
        """Changes the code and commits it; returns the commit."""
        (self.folder / name).write_text(text)
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "-m", "change")
        return ObjectId(self.git("rev-parse", "HEAD"))

    def log(self, name: str = "run", experiment: str | None = None, **params: object) -> RunId:
        """Logs one run."""
        client = Client(self.folder)
        known = client.get_experiment_by_name(experiment) if experiment else None
        ids = "0" if experiment is None else known.experiment_id if known else client.create_experiment(experiment)
        run_id = client.create_run(ids, run_name=name).info.run_id
        client.log_params(run_id, {"lr": 0.1, **params})
        client.log_metric(run_id, "loss", 0.5, step=1)
        client.set_terminated(run_id)
        self.repo.recover()
        return RunId(run_id)

    def tag(self, run_id: RunId, key: str, value: str) -> None:
        with self.repo.edit(run_id) as edit:
            edit.set_tag(key, value)

    def push(self, *args: str, **options: object) -> PushReport:
        return push(self.repo, *args, **options)  # type: ignore[arg-type]

    def fetch(self, *args: str, **options: object) -> FetchReport:
        return fetch(self.repo, *args, **options)  # type: ignore[arg-type]

    def sync(self) -> None:
        self.fetch()
        self.push(with_source=True, snapshots="all")

    def reopened(self) -> Clone:
        """The same clone as another process sees it."""
        return Clone(self.folder)

    def refs(self, prefix: str = "refs/runs/") -> dict[str, str]:
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)", prefix).splitlines()
        return dict(line.split(" ") for line in lines)

    def shown(self) -> str:
        """What a person sees of all runs, and where each stands."""
        repo = Repo.open(self.folder)
        runs = repo.list_runs(lifecycle=None)
        return json.dumps(
            [
                [one.info.id, one.info.name, one.info.lifecycle.value, dict(one.tags), str(one.params), one.commit]
                for one in runs
            ],
            sort_keys=True,
        )


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare remote with one commit of code."""
    folder = tmp_path / "team.git"
    run_git(tmp_path, "init", "--quiet", "--bare", "-b", "main", str(folder))
    first = tmp_path / "first"
    run_git(tmp_path, "clone", "--quiet", str(folder), str(first))
    run_git(first, "checkout", "--quiet", "-B", "main")
    (first / "train.py").write_text("print('training')\n")
    run_git(first, "add", ".")
    run_git(first, "commit", "--quiet", "-m", "first")
    run_git(first, "push", "--quiet", "origin", "main")
    return folder


MakeClone = Callable[..., Clone]


@pytest.fixture
def clone(tmp_path: Path, remote: Path) -> MakeClone:
    """Makes clones: `clone("ada")`, `clone("ci", "--depth=1")`."""

    def make(name: str, *options: str, url: str | None = None) -> Clone:
        run_git(tmp_path, "clone", "--quiet", *options, url or remote.as_uri(), str(tmp_path / name))
        return Clone(tmp_path / name)

    return make


@pytest.fixture
def ada(clone: MakeClone) -> Clone:
    return clone("ada")


@pytest.fixture
def bob(clone: MakeClone) -> Clone:
    return clone("bob")
