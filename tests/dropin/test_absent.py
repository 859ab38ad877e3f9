"""What is not there: importable, and clear when it is used."""

from __future__ import annotations

import importlib
import pickle
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gitruns.mlflow as mlflow
from gitruns.errors import GitRunsError, GitRunsWarning
from gitruns.mlflow import absent


@pytest.mark.parametrize("use", [lambda found: found(), lambda found: found.autolog(), lambda found: found.__enter__()])
def test_what_is_absent_says_so_when_it_is_used(use: Callable[[Any], object]) -> None:
    for name in sorted(absent.NAMES):
        with pytest.raises(mlflow.MlflowException, match=f"'mlflow.{name}") as caught:
            use(getattr(mlflow, name))
        assert caught.value.kind == "extra-missing"
        assert "pip install 'gitruns[mlflow]'" in str(caught.value)
        assert caught.value.error_code == "NOT_IMPLEMENTED"


def test_what_the_client_has_not_says_so_when_it_is_used(inside: Path) -> None:
    client = mlflow.MlflowClient()
    for name in sorted(absent.CLIENT_NAMES):
        with pytest.raises(mlflow.MlflowException, match=rf"MlflowClient\.{name}") as caught:
            getattr(client, name)("x")
        assert caught.value.kind == "extra-missing"


def test_a_model_class_of_what_is_absent_says_so() -> None:
    with pytest.raises(mlflow.MlflowException, match=r"pyfunc\.ChatModel"):

        class Chat(mlflow.pyfunc.ChatModel):
            pass


@pytest.mark.parametrize("module", ["pytorch", "xgboost", "genai.scorers", "utils.environment"])
def test_absent_modules_can_be_imported(module: str) -> None:
    found = importlib.import_module(f"gitruns.mlflow.{module}")
    with pytest.raises(mlflow.MlflowException):
        found.anything(1)


def test_names_that_mlflow_has_not_are_errors_of_python() -> None:
    for owner in (mlflow, mlflow.sklearn, mlflow.pyfunc, mlflow.data, mlflow.MlflowClient()):
        assert not hasattr(owner, "no_such_name")
    with pytest.raises(ImportError):
        importlib.import_module("gitruns.mlflow.no_such_module")


@pytest.mark.parametrize(
    "uri", ["http://localhost:5000", "https://x.example/api", "sqlite:///a.db", "postgresql://x/y", "databricks"]
)
def test_a_server_or_database_is_refused_with_the_way_out(uri: str, inside: Path) -> None:
    with pytest.raises(mlflow.MlflowException, match="pip install mlflow") as caught:
        mlflow.set_tracking_uri(uri)
    assert caught.value.kind == "no-repository-address"
    with pytest.raises(mlflow.MlflowException):
        mlflow.MlflowClient(tracking_uri=uri).search_experiments()


def test_a_server_in_the_environment_is_refused_and_not_passed_over(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    with pytest.raises(mlflow.MlflowException, match="localhost"):
        mlflow.start_run()


def test_a_folder_that_is_not_there_and_one_that_is_no_repository(inside: Path, tmp_path: Path) -> None:
    with pytest.raises(mlflow.MlflowException, match="no folder"):
        mlflow.set_tracking_uri("file:./mlruns")
    outside = tmp_path / "outside"
    outside.mkdir()
    mlflow.set_tracking_uri(outside)
    with pytest.raises(mlflow.MlflowException, match="git init") as caught:
        mlflow.start_run()
    assert caught.value.kind == "not-a-repository"


def test_addresses_of_repositories(inside: Path, tmp_path: Path) -> None:
    assert mlflow.get_tracking_uri() == "gitruns:"
    for uri in (f"gitruns:{inside}", inside, str(inside), f"file://{inside}"):
        mlflow.set_tracking_uri(uri)
        assert mlflow.get_tracking_uri() == f"gitruns:{inside}"
        assert mlflow.is_tracking_uri_set()
    mlflow.set_tracking_uri("gitruns:")
    assert mlflow.get_tracking_uri() == mlflow.get_registry_uri() == "gitruns:"


def test_errors_are_of_both_worlds(inside: Path) -> None:
    with pytest.raises(mlflow.MlflowException) as caught:
        mlflow.get_run("0" * 32)
    assert isinstance(caught.value, GitRunsError)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert caught.value.get_http_status_code() == 404
    assert '"error_code": "RESOURCE_DOES_NOT_EXIST"' in caught.value.serialize_as_json()
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  its own
    assert (str(again), again.error_code) == (str(caught.value), caught.value.error_code)


def test_a_library_that_is_not_installed_is_named_with_its_extra(
    inside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow.log_table({"q": ["a"]}, "t.json")
    mlflow.end_run()
    for module in ("pandas", "cloudpickle", "sklearn"):
        monkeypatch.setitem(sys.modules, module, None)
    calls: list[Callable[[], object]] = [
        mlflow.search_runs,
        lambda: mlflow.load_table("t.json"),
        lambda: mlflow.models.infer_signature({"a": 1}),
        lambda: mlflow.pyfunc.save_model(tmp_path / "m", python_model=len),
        mlflow.sklearn.autolog,
    ]
    for call in calls:
        with pytest.raises(mlflow.MlflowException, match="pip install 'gitruns") as caught:
            call()
        assert caught.value.kind == "extra-missing"
    assert len(mlflow.search_runs(output_format="list")) == 1


def test_autolog_names_what_it_cannot_log(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", types.ModuleType("xgboost"))
    with pytest.warns(GitRunsWarning, match="xgboost"):
        mlflow.autolog(exclude_flavors=["sklearn"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mlflow.autolog(exclude_flavors=["sklearn", "xgboost"])
