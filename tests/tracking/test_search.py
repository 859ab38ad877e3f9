"""Searching from Python: MLflow's parameters, names and columns."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

import gitruns
from gitruns.errors import InvalidInputError
from gitruns.exchange import columns as columns_module
from gitruns.exchange import read_columns
from gitruns.repo import Repo

RUNS: dict[str, dict[str, Any]] = {
    "ant": {"params": {"lr": 0.1, "layers": 4, "model": "cnn"}, "metrics": {"acc": 0.9, "loss": math.nan}},
    "bee": {"params": {"lr": 1, "layers": None, "model": "mlp"}, "metrics": {"acc": 0.7}, "tags": {"team": "a b"}},
    "cat": {"params": {"lr": "auto", "seed": 10**30, "odd `key`": True}, "metrics": {"a b": 1.5}},
    "dog": {"params": {"layers": 12}},
}


@pytest.fixture
def repo(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with four runs, the last of which is deleted; the working directory is in it."""
    monkeypatch.chdir(git_repo)
    ids = {}
    for place, (name, what) in enumerate(RUNS.items()):
        gitruns.set_experiment("pets" if name == "bee" else "Default")
        client = gitruns.Client()
        run = client.create_run(
            client.get_experiment_by_name("pets").experiment_id if name == "bee" else "0",  # type: ignore[union-attr]
            run_name=name,
            tags=what.get("tags"),
            start_time=1_700_000_000_000 + place,
        )
        client.log_batch(run.info.run_id, params=what.get("params"))
        for key, value in what.get("metrics", {}).items():
            client.log_metric(run.info.run_id, key, value, timestamp=1_700_000_000_000)
        client.set_terminated(run.info.run_id, end_time=1_700_000_060_000)
        ids[name] = run.info.run_id
    gitruns.set_experiment("Default")
    gitruns.delete_run(ids["dog"])
    return git_repo


def found(**how: Any) -> list[str]:
    return [run.info.run_name for run in gitruns.search_runs(output_format="list", **how)]


def test_the_current_experiment_is_searched_and_others_when_named(repo: Path) -> None:
    assert found() == ["cat", "ant"]
    assert found(search_all_experiments=True) == ["cat", "bee", "ant"]
    assert found(experiment_names=["pets"]) == ["bee"]
    assert found(experiment_ids=[0]) == ["cat", "ant"]
    gitruns.set_experiment("pets")
    assert found() == ["bee"]
    with pytest.warns(gitruns.GitRunsWarning, match="there is no experiment 'none'"):
        assert found(experiment_names=["none"]) == []
    with pytest.raises(InvalidInputError, match="not both"):
        found(experiment_ids=["0"], experiment_names=["pets"])


def test_the_environment_names_the_experiment(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitruns.tracking.fluent._experiment", None)
    assert found() == ["cat", "ant"]
    monkeypatch.setenv("GITRUNS_EXPERIMENT", "pets")
    assert found() == ["bee"]
    monkeypatch.setenv("GITRUNS_EXPERIMENT", "not yet")
    assert found() == []
    assert gitruns.get_experiment_by_name("not yet") is None


def test_views(repo: Path) -> None:
    assert found(run_view_type=gitruns.ViewType.DELETED_ONLY) == ["dog"]
    assert found(run_view_type=3) == ["dog", "cat", "ant"]
    with pytest.raises(InvalidInputError, match="view type 7"):
        found(run_view_type=7)


def test_filters_of_mlflow_and_our_own(repo: Path) -> None:
    everywhere = {"search_all_experiments": True}
    assert found(filter_string="metrics.acc > 0.8 AND params.model = 'cnn'", **everywhere) == ["ant"]
    assert found(filter_string="acc > 0.8 or model = 'mlp'", **everywhere) == ["bee", "ant"]
    assert found(filter_string="acc > 0", order_by=["metrics.acc DESC"], **everywhere) == ["ant", "bee"]
    assert found(filter_string="acc > 0", order_by=["acc"], **everywhere) == ["bee", "ant"]
    assert found(order_by=["params.lr"], **everywhere) == ["ant", "bee", "cat"]
    assert found(order_by=["params.lr DESC"], dialect="mlflow", **everywhere) == ["cat", "bee", "ant"]
    with pytest.raises(InvalidInputError) as error:
        found(filter_string="acc > 0.8 or model = 'mlp'", dialect="mlflow")
    assert error.value.kind == "bad-query"
    with pytest.raises(InvalidInputError) as error:
        found(filter_string="acc > 0.8 and modell = 'mlp'", **everywhere)
    assert (error.value.facts["column"], error.value.hint) == (15, "did you mean model?")
    with pytest.raises(InvalidInputError, match="dialect 'sql'"):
        found(dialect="sql")


def test_pages_do_not_shift(repo: Path) -> None:
    client = gitruns.Client()
    first = client.search_runs(max_results=2)
    assert ([run.info.run_name for run in first], type(first.to_list())) == (["cat", "bee"], list)
    late = client.create_run(run_name="late")
    second = client.search_runs(max_results=2, page_token=first.token)
    assert ([run.info.run_name for run in second], second.token) == (["ant"], None)
    with pytest.raises(InvalidInputError) as error:
        client.search_runs(max_results=2, page_token="nonsense")  # noqa: S106  no password
    assert error.value.kind == "bad-page-token"
    with pytest.raises(InvalidInputError) as error:
        client.search_runs(max_results=0)
    assert error.value.kind == "bad-max-results"
    client.set_terminated(late.info.run_id)
    whole = gitruns.search_runs(output_format="list", max_results=1, search_all_experiments=True)
    assert whole.token
    rest = gitruns.search_runs(output_format="list", page_token=whole.token, search_all_experiments=True)
    assert [run.info.run_name for run in (*whole, *rest)] == ["late", "cat", "bee", "ant"]


def test_what_a_search_finds_is_what_get_run_gives(repo: Path) -> None:
    for run in gitruns.search_runs(output_format="list", search_all_experiments=True):
        whole = gitruns.get_run(run.info.run_id)
        assert (run.info, run.data.params, run.data.tags) == (whole.info, whole.data.params, whole.data.tags)
        assert repr(run.metrics) == repr(whole.metrics)


@pytest.mark.parametrize("few", [0, 1000])
def test_a_dataframe_has_mlflow_s_columns(repo: Path, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas")
    monkeypatch.setattr(columns_module, "FEW", few)
    frame = gitruns.search_runs(search_all_experiments=True)
    assert list(frame.columns) == [
        *("run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"),
        *("metrics.a b", "metrics.acc", "metrics.loss"),
        *("params.layers", "params.lr", "params.model", "params.odd `key`", "params.seed"),
        *("tags.team", "tags.mlflow.runName"),
    ]
    assert frame["tags.mlflow.runName"].tolist() == ["cat", "bee", "ant"]
    assert frame["status"].tolist() == ["FINISHED"] * 3
    assert frame["artifact_uri"][0] == f"runs:/{frame['run_id'][0]}"
    assert frame["start_time"][0] == pandas.Timestamp(1_700_000_000_002, unit="ms", tz="UTC")
    assert str(frame["end_time"].dtype).endswith("UTC]")
    assert frame["metrics.acc"].dtype == "float64" and frame["metrics.acc"].isna().tolist() == [True, False, False]
    assert frame["params.lr"].tolist() == ["auto", 1, 0.1]
    assert frame["params.layers"].dtype == "Int64" and frame["params.layers"][2] == 4
    assert frame["params.seed"][0] == 10**30
    assert frame["params.odd `key`"][0] == True  # noqa: E712  pandas' own truth
    assert frame[frame["metrics.acc"] > 0.8]["tags.mlflow.runName"].tolist() == ["ant"]


def test_params_are_text_in_mlflow_s_dialect(repo: Path) -> None:
    pytest.importorskip("pandas")
    frame = gitruns.search_runs(search_all_experiments=True, dialect="mlflow")
    assert frame["params.lr"].tolist() == ["auto", "1", "0.1"]
    assert frame["params.layers"].dropna().tolist() == ["4"]
    assert frame["params.odd `key`"].tolist()[0] == "True"


def test_nothing_found_is_an_empty_dataframe(repo: Path) -> None:
    pytest.importorskip("pandas")
    frame = gitruns.search_runs(filter_string="acc > 7")
    assert len(frame) == 0 and "run_id" in frame.columns


@pytest.mark.parametrize("form", ["arrow", "polars"])
def test_other_tables(repo: Path, form: str) -> None:
    pytest.importorskip({"arrow": "pyarrow"}.get(form, form))
    table = gitruns.search_runs(output_format=form, search_all_experiments=True)
    rows = table.to_pylist() if form == "arrow" else table.to_dicts()
    assert [row["tags.mlflow.runName"] for row in rows] == ["cat", "bee", "ant"]
    assert [row["params.lr"] for row in rows] == ["auto", "1", "0.1"]
    assert rows[0]["params.seed"] == str(10**30)
    assert rows[2]["metrics.acc"] == 0.9 and math.isnan(rows[2]["metrics.loss"])
    assert rows[0]["start_time"].timestamp() * 1000 == pytest.approx(1_700_000_000_002)


def test_a_missing_library_is_named(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(InvalidInputError) as error:
        gitruns.search_runs(output_format="polars")
    assert (error.value.kind, error.value.hint) == ("extra-missing", "pip install 'gitruns[polars]'")
    with pytest.raises(InvalidInputError, match="none of 'list', 'pandas'"):
        gitruns.search_runs(output_format="excel")


def test_columns_of_few_and_of_many_are_the_same(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Repo.open(repo)
    queries = ({}, {"filter": "acc > 0"}, {"order_by": ["-acc"], "max_results": 2}, {"lifecycle": None})
    few = [read_columns(opened, **how) for how in queries]  # type: ignore[arg-type]
    monkeypatch.setattr(columns_module, "FEW", 0)
    monkeypatch.setattr(type(opened), "search_runs", None)  # it must not be asked for objects
    many = [read_columns(opened, **how) for how in queries]  # type: ignore[arg-type]
    for one, other in zip(few, many, strict=True):
        assert (one.run_ids, repr(one.columns)) == (other.run_ids, repr(other.columns))
        assert list(one.columns) == list(other.columns)


def test_experiments(repo: Path) -> None:
    assert [one.name for one in gitruns.search_experiments()] == ["pets", "Default"]
    assert [one.name for one in gitruns.search_experiments(filter_string="name like 'p%'")] == ["pets"]
    assert [one.name for one in gitruns.search_experiments(order_by=["name"])] == ["Default", "pets"]
    client = gitruns.Client()
    page = client.search_experiments(max_results=1)
    assert ([one.name for one in page], bool(page.token)) == (["pets"], True)
    assert [one.name for one in client.search_experiments(max_results=1, page_token=page.token)] == ["Default"]
    gitruns.delete_experiment(page[0].experiment_id)
    assert [one.name for one in gitruns.search_experiments()] == ["Default"]
    assert [one.name for one in gitruns.search_experiments(view_type=2)] == ["pets"]
    assert {one.name for one in gitruns.search_experiments(include_deleted=True)} == {"pets", "Default"}


def test_histories_are_thinned_and_keep_their_extremes(repo: Path) -> None:
    client = gitruns.Client()
    ids = []
    for spike in (500, 700):
        with gitruns.start_run() as run:
            for step in range(1000):
                gitruns.log_metric("loss", 100.0 if step == spike else 1 / (step + 1), step=step)
        ids.append(run.info.run_id)
    history = client.get_metric_history_bulk(ids, "loss", max_points=50)
    assert list(history) == ids
    for run_id, spike in zip(ids, (500, 700), strict=True):
        points = history[run_id]
        assert len(points) <= 50
        assert (points[0].step, points[-1].step) == (0, 999)
        assert max(points, key=lambda point: point.value).step == spike
    assert len(gitruns.get_metric_history(ids[0], "loss")) == 1000
    assert gitruns.get_metric_history_bulk(ids, "nothing") == {run_id: [] for run_id in ids}
    with pytest.raises(InvalidInputError, match="4 or more"):
        gitruns.get_metric_history(ids[0], "loss", max_points=3)
