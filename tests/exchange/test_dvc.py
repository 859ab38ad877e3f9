"""Experiments of DVC: a repository in which DVC 3.67 has run two, kept as a bundle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from conftest import run_git
from exchange.conftest import make_project
from gitruns.entities.run import Run
from gitruns.errors import InvalidInputError
from gitruns.exchange.dvc import DvcRepository
from gitruns.exchange.foreign import IMPORTED_ID_TAG
from gitruns.exchange.importing import import_all
from gitruns.exchange.report import ImportReport
from gitruns.repo import Repo

BUNDLE = Path(__file__).parent / "data" / "dvc.bundle"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The repository that DVC has worked in."""
    folder = tmp_path / "dvc"
    run_git(tmp_path, "clone", "--quiet", str(BUNDLE), str(folder))
    run_git(folder, "fetch", "--quiet", str(BUNDLE), "refs/exps/*:refs/exps/*")
    return folder


def bring(project: Path, source: Path) -> tuple[dict[str, Run], ImportReport, Repo]:
    repo = Repo.open(project)
    store = DvcRepository(source, {})
    report = import_all(repo, store)
    store.close()
    return {run.info.name: repo.get_run(run.info.id) for run in repo.list_runs()}, report, repo


def test_experiments_become_runs_of_their_own_code(repository: Path) -> None:
    runs, report, repo = bring(repository, repository)
    assert sorted(runs) == ["first", "second"] and report.problems == [] and report.linked == 2
    second = runs["second"]
    assert second.params["model.lr"] == 0.5 and second.params["model.layers"] == 3 and second.params["seed"] == 7
    assert [(one.step, one.value) for one in repo.metric_history(second.info.id, "loss")] == [
        (0, 0.5),
        (1, 0.25),
        (2, 0.5 / 3),
        (3, 0.125),
    ]
    assert second.metrics["final.acc"].last == 1.0 and runs["first"].metrics["final.acc"].last == 0.6
    assert second.info.user == "Ada Lovelace" and second.info.source.base == run_git(repository, "rev-parse", "main")
    commit = second.tags[IMPORTED_ID_TAG]
    assert run_git(repository, "rev-parse", f"runs/{second.info.id}~2") == commit
    assert "lr: 0.5" in run_git(repository, "show", f"runs/{second.info.id}~2:params.yaml")
    assert bring(repository, repository)[1].runs == [] and list(repo.verify()) == []


def test_another_repository_takes_them_without_the_code(repository: Path, project: Path) -> None:
    runs, report, _ = bring(project, repository)
    assert sorted(runs) == ["first", "second"] and report.linked == 0
    assert runs["first"].info.source.commit == runs["first"].tags[IMPORTED_ID_TAG]


def test_files_of_the_cache_become_artifacts(repository: Path) -> None:
    model, listing = b"weights", hashlib.md5(b"list", usedforsecurity=False).hexdigest() + ".dir"
    digest = hashlib.md5(model, usedforsecurity=False).hexdigest()
    cache = repository / ".dvc" / "cache" / "files" / "md5"
    for name, data in ((digest, model), (listing, json.dumps([{"md5": digest, "relpath": "a/b.bin"}]).encode())):
        (cache / name[:2]).mkdir(parents=True, exist_ok=True)
        (cache / name[:2] / name[2:]).write_bytes(data)
    outs = f"    outs:\n    - path: model.bin\n      md5: {digest}\n    - path: folder\n      md5: {listing}\n"
    outs += "    - path: away\n      md5: ../../../../../etc/passwd\n"
    (repository / "dvc.lock").write_text("schema: '2.0'\nstages:\n  train:\n    cmd: x\n" + outs)
    run_git(repository, "add", "dvc.lock")
    run_git(repository, "commit", "--quiet", "-m", "dvc: commit experiment")
    base = run_git(repository, "rev-parse", "HEAD~1")
    run_git(repository, "update-ref", f"refs/exps/{base[:2]}/{base[2:]}/third", "HEAD")
    runs, report, _ = bring(repository, repository)
    assert report.problems == []
    assert [one.path for one in runs["third"].artifacts] == ["folder/a/b.bin", "model.bin"]


def test_a_damaged_experiment_is_named_and_the_rest_goes_on(repository: Path) -> None:
    (repository / "dvc.yaml").write_text("stages: [\n")
    run_git(repository, "commit", "--quiet", "-a", "-m", "broken")
    base = run_git(repository, "rev-parse", "HEAD~1")
    run_git(repository, "update-ref", f"refs/exps/{base[:2]}/{base[2:]}/third", "HEAD")
    runs, report, _ = bring(repository, repository)
    assert sorted(runs) == ["first", "second"] and [one.what for one in report.problems] == ["experiment third"]


def test_a_repository_without_experiments_is_refused(tmp_path: Path) -> None:
    make_project(tmp_path / "plain")
    with pytest.raises(InvalidInputError) as caught:
        DvcRepository(tmp_path / "plain", {})
    assert caught.value.kind == "bad-source"
