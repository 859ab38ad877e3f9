"""Tables of runs: what `git runs export`, MLflow and pandas write."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.conftest import make_project
from exchange.round_trip import gitruns
from gitruns.entities.ids import RunId
from gitruns.entities.run import RunStatus
from gitruns.errors import CorruptDataError
from gitruns.exchange.importing import import_all
from gitruns.exchange.report import ImportReport
from gitruns.exchange.table import RunTable
from gitruns.repo import Repo


def bring(project: Path, *args: object) -> tuple[Repo, ImportReport]:
    repo = Repo.open(project)
    path, points, metrics, experiment = (*args, None, (), None)[:4] if len(args) == 1 else args
    return repo, import_all(repo, RunTable(path, points, metrics, experiment))  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_export_writes_comes_back(suffix: str, mlruns: Path, project: Path, tmp_path: Path) -> None:
    gitruns(project, "import", "mlflow", mlruns)
    gitruns(project, "export", "--to", tmp_path / f"runs{suffix}", "--history", "--all")
    make_project(tmp_path / "other")
    other, report = bring(tmp_path / "other", tmp_path / f"runs{suffix}", tmp_path / f"runs.points{suffix}", (), None)
    first = Repo.open(project)
    assert len(report.runs) == 20 and report.problems == []
    for run_id in report.runs:
        one, two = first.get_run(run_id), other.get_run(run_id)
        assert (one.info.name, one.info.status, one.info.start_time_ms) == (
            two.info.name,
            two.info.status,
            two.info.start_time_ms,
        )
        assert (one.params, one.shown_tags) == (two.params, two.tags)
        assert one.info.parent_run_id == two.info.parent_run_id
        assert sorted(map(repr, first.iter_points(run_id))) == sorted(map(repr, other.iter_points(run_id)))
        names = [repo.get_experiment(run.info.experiment_id).name for repo, run in ((first, one), (other, two))]
        assert names[0] == names[1]


def test_a_plain_table_becomes_runs(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    path.write_text(
        "Name,State,Created,acc,lr,layers,Notes\n"
        'bold,finished,2024-01-02T03:04:05Z,0.5,0.1,3,"a, b"\n'
        "calm,crashed,1700000000000,nan,,4,\n"
    )
    repo, report = bring(project, path, None, ("acc",), "trials 2024")
    named = {run.info.name: run for run in repo.list_runs()}
    bold = named["bold"]
    assert bold.info.start_time_ms == 1704164645000 and bold.metrics["acc"].last == 0.5
    assert dict(bold.params) == {"lr": "0.1", "layers": "3", "Notes": "a, b"}
    assert named["calm"].info.status is RunStatus.FAILED and named["calm"].metrics["acc"].nan == 1
    assert "lr" not in named["calm"].params
    assert repo.get_experiment(bold.info.experiment_id).name == "trials 2024"
    assert len(report.runs) == 2 and bring(project, path, None, ("acc",), "trials 2024")[1].runs == []


def test_a_row_that_makes_no_sense_is_named(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(f"run_id,start_time,metrics.acc\n{'a' * 32},yesterday,1\n{'b' * 32},1,many\n{'c' * 32},1,2\n")
    repo, report = bring(project, path)
    assert report.runs == [RunId("c" * 32)] and len(report.problems) == 2
    assert repo.get_run(RunId("c" * 32)).metrics["acc"].last == 2.0


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs.parquet").write_bytes(b"no")
    with pytest.raises(CorruptDataError):
        RunTable(tmp_path / "runs.parquet", None, (), None)
