"""Folders of Weights & Biases: what its own library has written, once and (where it is installed) just now."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from exchange.round_trip import run_python
from gitruns.entities.run import Run, RunStatus
from gitruns.errors import InvalidInputError
from gitruns.exchange.foreign import IMPORTED_ID_TAG
from gitruns.exchange.importing import import_all
from gitruns.exchange.report import ImportReport
from gitruns.exchange.wandb.store import WandbFolder
from gitruns.repo import Repo

RECORDED = next((Path(__file__).parent / "data").glob("run-*.wandb"))


@pytest.fixture(params=["recorded", "written now"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with one offline run."""
    if request.param == "written now":
        pytest.importorskip("wandb")
        import sys

        run_python(sys.executable, "write_wandb.py", tmp_path / "logs")
        return tmp_path / "logs" / "wandb"
    return recorded(tmp_path)


def recorded(tmp_path: Path) -> Path:
    """A folder with the run that was written once."""
    place = tmp_path / "wandb" / f"offline-run-20240102_030405-{RECORDED.stem.removeprefix('run-')}"
    (place / "files" / "media").mkdir(parents=True)
    shutil.copy(RECORDED, place)
    (place / "files" / "requirements.txt").write_text("numpy==2.0\n")
    return tmp_path / "wandb"


def bring(project: Path, folder: Path, *others: Path) -> tuple[list[Run], ImportReport, Repo]:
    repo = Repo.open(project)
    report = import_all(repo, WandbFolder(folder, others))
    return [repo.get_run(run.info.id) for run in repo.list_runs()], report, repo


def test_a_run_is_what_it_was(folder: Path, project: Path) -> None:
    (run,), report, repo = bring(project, folder)
    assert run.info.name == "bold" and run.info.status is RunStatus.FINISHED and run.info.exit_code == 0
    assert run.info.user == "ada" and run.info.host == "node-1" and run.note == "what it is"
    assert repo.get_experiment(run.info.experiment_id).name == "digits"
    assert dict(run.params) == {
        "lr": 0.1,
        "opt.name": "adam",
        "opt.eps": 1e-8,
        "layers": 3,
        "none": None,
        "list": "[1, 2]",
    }
    losses = repo.metric_history(run.info.id, "loss")
    assert [(one.step, one.value) for one in losses] == [(step, 1 / (step + 1)) for step in range(150)]
    assert all(run.info.start_time_ms <= one.time_ms <= (run.info.end_time_ms or 0) for one in losses)
    assert run.metrics["eval.acc"].count == 150 and run.metrics["odd"].nan == 1 and run.metrics["best"].last == 0.9
    assert run.tags["wandb.tags"] == "a,b" and run.tags["wandb.group"] == "g1"
    assert run.tags[IMPORTED_ID_TAG].startswith("ada/digits/")
    assert report.left_out == {"values that are no numbers": 150}
    assert "requirements.txt" in {one.path for one in run.artifacts}


def test_twice_is_once(folder: Path, project: Path) -> None:
    bring(project, folder)
    assert bring(project, folder.parent)[1].runs == []


def test_links_are_taken_only_where_that_is_allowed(project: Path, tmp_path: Path) -> None:
    folder = recorded(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.bin").write_bytes(b"weights")
    next(folder.glob("*/files")).joinpath("model.bin").symlink_to(tmp_path / "out" / "model.bin")
    next(folder.glob("*/files")).joinpath("passwd").symlink_to("/etc/passwd")
    (run,), report, _ = bring(project, folder, tmp_path / "out")
    assert sorted(one.path for one in run.artifacts) == ["model.bin", "requirements.txt"]
    assert len(report.problems) == 1 and "passwd" in report.problems[0].what


def test_a_run_that_did_not_end_was_killed(project: Path, tmp_path: Path) -> None:
    folder = recorded(tmp_path)
    path = next(folder.glob("*/run-*.wandb"))
    path.write_bytes(path.read_bytes()[:20_000])
    (run,), _, _ = bring(project, folder)
    assert run.info.status is RunStatus.KILLED and 0 < run.metrics["loss"].count < 150


def test_a_damaged_file_is_named_and_the_rest_goes_on(project: Path, tmp_path: Path) -> None:
    folder = recorded(tmp_path)
    place = folder / "run-20240102_030406-bad"
    place.mkdir()
    data = bytearray(RECORDED.read_bytes())
    data[2000] ^= 1
    (place / "run-bad.wandb").write_bytes(bytes(data))
    (folder / "other").mkdir()
    (folder / "other" / "run-text.wandb").write_text("hello, I am no such file")
    runs, report, _ = bring(project, folder)
    assert len(runs) == 1 and sorted(one.what for one in report.problems) == ["run bad", "run text"]


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        WandbFolder(tmp_path)
    assert caught.value.kind == "bad-source"
