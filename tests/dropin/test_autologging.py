"""Trainings of scikit-learn that log themselves: what MLflow logs, under its names."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib").use("Agg")

import sklearn.metrics  # noqa: E402  what is above may skip all of this
from sklearn.base import BaseEstimator, clone  # noqa: E402
from sklearn.datasets import make_classification, make_regression  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.svm import SVC  # noqa: E402

import gitruns.mlflow as mlflow  # noqa: E402
from gitruns.errors import GitRunsWarning  # noqa: E402

X, Y = make_classification(40, n_features=4, random_state=0)


@pytest.fixture
def autolog(inside: Path) -> Iterator[Any]:
    """The function; what it turned on is turned off."""
    yield mlflow.sklearn.autolog
    mlflow.sklearn.autolog(disable=True)


def _runs() -> list[Any]:
    found: list[Any] = mlflow.search_runs(output_format="list", order_by=["start_time"])
    return found


def _artifacts(run_id: str) -> list[str]:
    return [one.path for one in mlflow.MlflowClient().list_artifacts(run_id)]


def test_a_classifier_by_itself_is_a_run(autolog: Any) -> None:
    autolog(extra_tags={"team": "a"})
    fitted = LogisticRegression(C=0.5).fit(X, Y)
    (run,) = _runs()
    assert run.info.status == "FINISHED"
    assert run.data.params["C"] == "0.5"
    assert run.data.params.keys() == fitted.get_params().keys()
    assert set(run.data.metrics) == {
        f"training_{name}"
        for name in "precision_score recall_score f1_score accuracy_score log_loss roc_auc score".split()
    }
    assert run.data.tags["estimator_name"] == "LogisticRegression"
    assert run.data.tags["estimator_class"] == "sklearn.linear_model._logistic.LogisticRegression"
    assert (run.data.tags["mlflow.autologging"], run.data.tags["team"]) == ("sklearn", "a")
    pictures = ["training_confusion_matrix.png", "training_precision_recall_curve.png", "training_roc_curve.png"]
    assert _artifacts(run.info.run_id) == ["estimator.html", *pictures]
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.source_type, dataset.tags[0].value) == ("code", "train")
    (model,) = mlflow.search_logged_models(output_format="list")
    assert {one.key for one in model.metrics} == set(run.data.metrics)
    assert run.data.metrics["training_score"] == pytest.approx(fitted.score(X, Y))
    loaded = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/model")
    assert (loaded.predict(X) == fitted.predict(X)).all()


def test_a_regressor_in_a_run_of_mine_adds_to_it(autolog: Any) -> None:
    autolog(log_input_examples=True)
    data, target = make_regression(30, 3, noise=1, random_state=0)
    with mlflow.start_run() as run:
        mlflow.log_param("mine", 1)
        fitted = LinearRegression().fit(pd.DataFrame(data, columns=["a", "b", "c"]), target)
    (found,) = _runs()
    assert found.info.run_id == run.info.run_id
    names = "mean_squared_error mean_absolute_error r2_score root_mean_squared_error score".split()
    assert set(found.data.metrics) == {f"training_{name}" for name in names}
    mse = sklearn.metrics.mean_squared_error(target, fitted.predict(pd.DataFrame(data, columns=["a", "b", "c"])))
    assert found.data.metrics["training_root_mean_squared_error"] == pytest.approx(mse**0.5)
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model").metadata
    assert loaded.signature.inputs.input_names() == ["a", "b", "c"]
    assert loaded.saved_input_example_info["type"] == "dataframe"


def test_what_is_inside_of_a_training_is_part_of_it(autolog: Any) -> None:
    autolog(log_models=False)
    make_pipeline(StandardScaler(), SVC()).fit(X, Y)
    RandomForestClassifier(n_estimators=3, n_jobs=2, random_state=0).fit(X, Y)
    cross_val_score(LogisticRegression(), X, Y, cv=2)
    StandardScaler().fit_transform(X)
    assert [run.data.tags["estimator_name"] for run in _runs()] == ["Pipeline", "RandomForestClassifier"]
    assert _runs()[0].data.params["svc__C"] == "1.0"


def test_a_search_has_a_child_each_of_the_best(autolog: Any) -> None:
    autolog(max_tuning_runs=2)
    with mlflow.start_run() as run:
        search = GridSearchCV(SVC(), {"C": [0.01, 1, 10]}, cv=2).fit(X, Y)
    parent = mlflow.get_run(run.info.run_id)
    assert parent.data.params["best_C"] == str(search.best_params_["C"])
    assert parent.data.metrics["best_cv_score"] == pytest.approx(search.best_score_)
    assert "cv_results.csv" in _artifacts(run.info.run_id)
    children = [one for one in _runs() if one.data.tags.get("mlflow.parentRunId") == run.info.run_id]
    assert (
        sorted(one.data.metrics["rank_test_score"] for one in children)
        == sorted(search.cv_results_["rank_test_score"])[:2]
    )
    assert all(one.data.tags["estimator_name"] == "SVC" and one.info.status == "FINISHED" for one in children)
    models = {one.name: one for one in mlflow.search_logged_models(output_format="list")}
    assert set(models) == {"model", "best_estimator"}
    assert "mean_test_score" in {one.key for one in models["best_estimator"].metrics}


def test_metrics_computed_later_are_added_to_the_run_that_trained(autolog: Any) -> None:
    autolog()
    with mlflow.start_run() as run:
        fitted = LogisticRegression().fit(X, Y)
    test_data, test_labels = X[:10], Y[:10]
    predicted = fitted.predict(test_data)
    sklearn.metrics.accuracy_score(test_labels, predicted)
    sklearn.metrics.accuracy_score(test_labels, predicted, normalize=False)
    fitted.score(test_data, test_labels)
    sklearn.metrics.accuracy_score(test_labels, test_labels)  # nothing that a model predicted
    found = mlflow.get_run(run.info.run_id)
    later = {key: value for key, value in found.data.metrics.items() if not key.startswith("training_")}
    assert set(later) == {
        "accuracy_score_test_data",
        "accuracy_score-2_test_data",
        "LogisticRegression_score_test_data",
    }
    told = mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/metric_info.json")
    assert told["accuracy_score-2_test_data"] == (
        "accuracy_score(y_true=test_labels, y_pred=predicted, normalize=False)"
    )
    assert {one.tags[0].value for one in found.inputs.dataset_inputs} == {"train", "eval"}


def test_training_goes_on_whatever_logging_does(autolog: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    autolog()
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.chdir(outside)
    with pytest.warns(GitRunsWarning, match="not logged"):
        fitted = LogisticRegression().fit(X, Y)
    assert fitted.predict(X).shape == Y.shape
    with pytest.warns(GitRunsWarning), pytest.raises(ValueError, match="inconsistent"):  # the training's own error
        LogisticRegression().fit(X, Y[:-1])


def test_a_training_that_fails_is_a_failed_run(autolog: Any) -> None:
    autolog()
    with pytest.raises(ValueError, match="inconsistent"):
        LogisticRegression().fit(X, Y[:-1])
    assert [run.info.status for run in _runs()] == ["FAILED"]


def test_estimators_stay_what_they_are(autolog: Any) -> None:
    autolog()
    import inspect
    import pickle

    assert list(inspect.signature(LogisticRegression.fit).parameters)[:3] == ["self", "X", "y"]
    assert inspect.isfunction(LogisticRegression.fit)
    assert not hasattr(SVC(probability=False), "predict_proba")
    again = pickle.loads(pickle.dumps(clone(LogisticRegression(C=2))))  # noqa: S301  its own
    assert again.C == 2

    class Own(BaseEstimator):
        def fit(self, data: Any, labels: Any = None) -> Own:
            return self

    Own().fit(X)
    assert _runs() == []


def test_trainings_of_many_threads_leave_it_on(autolog: Any) -> None:
    autolog(log_models=False)
    with ThreadPoolExecutor(4) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = list(pool.map(lambda seed: RandomForestClassifier(4, n_jobs=2, random_state=seed).fit(X, Y), range(8)))
    assert len(fitted) == 8
    before = len(_runs())
    LogisticRegression().fit(X, Y)
    assert len(_runs()) == before + 1


def test_disabled_it_logs_nothing_more(autolog: Any) -> None:
    autolog()
    autolog(disable=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression().fit(X, Y)
    assert _runs() == []
