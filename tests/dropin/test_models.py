"""Models saved, logged, registered and loaded; and which of them are loaded without asking."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")
pytest.importorskip("cloudpickle")

import yaml  # noqa: E402  what is above may skip all of this
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

import gitruns.mlflow as mlflow  # noqa: E402
from gitruns.mlflow.models.environment import modules_in  # noqa: E402
from gitruns.mlflow.models.trust import VARIABLE  # noqa: E402

X = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1, 2, 4]})
Y = [1.0, 2.0, 3.0]


class Trap:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


class Doubled(mlflow.pyfunc.PythonModel):
    """A model of one's own."""

    def load_context(self, context: Any) -> None:
        self.factor = float(Path(context.artifacts["factor"]).read_text())

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> list[float]:
        return [float(value) * self.factor * (params or {}).get("times", 1) for value in model_input["a"]]


@pytest.fixture
def fitted() -> Any:
    return LinearRegression().fit(X, Y)


@pytest.mark.parametrize("form", ["skops", "cloudpickle", "pickle"])
def test_a_model_is_saved_and_loaded(form: str, fitted: Any, tmp_path: Path, state: Path) -> None:
    if form == "skops":
        pytest.importorskip("skops")
    mlflow.sklearn.save_model(fitted, tmp_path / "m", serialization_format=form, input_example=X)
    files = sorted(one.name for one in (tmp_path / "m").iterdir())
    written = "MLmodel conda.yaml input_example.json python_env.yaml requirements.txt serving_input_example.json"
    assert files == sorted([*written.split(), "model.skops" if form == "skops" else "model.pkl"])
    assert mlflow.sklearn.load_model(tmp_path / "m").predict(X) == pytest.approx(Y)
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    assert loaded.predict(X[["b", "a"]]) == pytest.approx(Y)  # in the order of the signature
    requirements = (tmp_path / "m" / "requirements.txt").read_text().split("\n")
    assert requirements[0].startswith("mlflow")
    assert any(line.startswith("scikit-learn==") for line in requirements)
    assert [one.name for one in loaded.metadata.signature.inputs] == ["a", "b"]
    assert loaded.metadata.load_input_example(str(tmp_path / "m")).equals(X)


def test_a_pipeline_predicts_as_a_function(tmp_path: Path, state: Path) -> None:
    mlflow.sklearn.save_model(make_pipeline(StandardScaler(), LinearRegression()).fit(X, Y), tmp_path / "m")
    assert mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(X) == pytest.approx(Y)


def test_the_function_that_predicts_can_be_chosen(tmp_path: Path, state: Path) -> None:
    fitted = LogisticRegression().fit(X, [0, 1, 1])
    mlflow.sklearn.save_model(fitted, tmp_path / "m", pyfunc_predict_fn="predict_proba")
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    assert loaded.predict(X).shape == (3, 2)
    assert loaded.get_raw_model().classes_.tolist() == [0, 1]


def test_input_is_held_against_the_signature(fitted: Any, tmp_path: Path, state: Path) -> None:
    signature = mlflow.models.infer_signature(X, Y)
    mlflow.sklearn.save_model(fitted, tmp_path / "m", signature=signature)
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    with pytest.raises(mlflow.MlflowException, match=r"missing inputs \['b'\]"):
        loaded.predict(X[["a"]])
    with pytest.raises(mlflow.MlflowException, match="Can not safely convert"):
        loaded.predict(X.assign(b=[1.5, 2.0, 3.0]))
    assert loaded.predict(X.assign(a=[1, 2, 3], c=0)) == pytest.approx(Y)


def test_a_logged_model_is_loaded_by_all_of_its_addresses(fitted: Any, inside: Path, tmp_path: Path) -> None:
    (tmp_path / "factor.txt").write_text("2")
    with mlflow.start_run() as run:
        first = mlflow.sklearn.log_model(fitted, name="sk", registered_model_name="line", params={"p": 1})
        signature = mlflow.models.infer_signature(X, [1.0], {"times": 1})
        artifacts = {"factor": str(tmp_path / "factor.txt")}
        second = mlflow.pyfunc.log_model(name="py", python_model=Doubled(), artifacts=artifacts, signature=signature)
        third = mlflow.pyfunc.log_model(name="fn", python_model=lambda model_input: len(model_input))
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("line", "best", first.registered_model_version)
    client.transition_model_version_stage("line", 1, "Production")
    for uri in (
        first.model_uri,
        f"runs:/{run.info.run_id}/sk",
        "models:/line/1",
        "models:/line@best",
        "models:/line/Production",
        f"{mlflow.get_logged_model(first.model_id).artifact_location}",
    ):
        assert mlflow.sklearn.load_model(uri).predict(X) == pytest.approx(Y), uri
    doubled = mlflow.pyfunc.load_model(second.model_uri)
    assert doubled.predict(X) == [2.0, 4.0, 6.0]
    assert doubled.predict(X, params={"times": 3}) == [6.0, 12.0, 18.0]
    assert isinstance(doubled.unwrap_python_model(), Doubled)
    assert mlflow.pyfunc.load_model(third.model_uri).predict([1, 2]) == 2
    version = client.get_model_version_by_alias("line", "best")
    assert (version.run_id, version.model_id) == (run.info.run_id, first.model_id)
    assert [one.path for one in client.list_artifacts(run.info.run_id, "sk")][:1] == ["sk/MLmodel"]
    assert mlflow.last_logged_model().name == "fn"
    assert mlflow.get_logged_model(first.model_id).params == {"p": "1"}
    assert set(mlflow.search_logged_models(output_format="list")[0].to_dictionary()) >= {"model_id", "name"}


def test_a_model_that_cannot_be_saved_is_a_failed_one(inside: Path) -> None:
    with mlflow.start_run(), pytest.raises(Exception, match="pickle"):
        mlflow.sklearn.log_model((one for one in ()), name="bad", serialization_format="pickle")
    (found,) = mlflow.search_logged_models(output_format="list")
    assert found.status == "FAILED"


# Trust


def _trap(folder: Path, trace: Path) -> Path:
    """A model folder from elsewhere, whose loading would leave a trace."""
    folder.mkdir()
    (folder / "model.pkl").write_bytes(pickle.dumps(Trap(trace)))
    flavors = {
        "sklearn": {"pickled_model": "model.pkl", "serialization_format": "pickle", "code": None},
        "python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.pkl"},
    }
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors}))
    return folder


def test_a_pickle_from_elsewhere_is_not_loaded(inside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap, trace = _trap(tmp_path / "trap", tmp_path / "trace"), tmp_path / "trace"
    version = mlflow.register_model(trap, "trap")
    for load in (mlflow.sklearn.load_model, mlflow.pyfunc.load_model):
        for uri in (str(trap), f"models:/trap/{version.version}"):
            with pytest.raises(mlflow.MlflowException, match="not made by you") as caught:
                load(uri)
            assert caught.value.kind == "untrusted-model"
    assert not trace.exists()
    monkeypatch.setenv(VARIABLE, "1")
    with pytest.raises(mlflow.MlflowException):  # said of this call, which is nearer than the environment
        mlflow.sklearn.load_model(str(trap), trust=False)
    assert not trace.exists()
    mlflow.sklearn.load_model(str(trap))
    assert trace.exists()


def test_mlflows_own_switch_refuses_every_pickle(
    fitted: Any, tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow.sklearn.save_model(fitted, tmp_path / "m", serialization_format="pickle")
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    with pytest.raises(mlflow.MlflowException, match="MLFLOW_ALLOW_PICKLE"):
        mlflow.sklearn.load_model(tmp_path / "m", trust=True)


def test_code_beside_a_model_of_mine_is_not_run_when_it_is_not_mine(
    fitted: Any, tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])  # loading a model puts its code there
    (tmp_path / "helper_of_mine.py").write_text("VALUE = 1\n")
    mlflow.sklearn.save_model(
        fitted, tmp_path / "m", serialization_format="pickle", code_paths=[tmp_path / "helper_of_mine.py"]
    )
    mlflow.sklearn.load_model(tmp_path / "m")
    (tmp_path / "m" / "code" / "json.py").write_text("raise SystemExit('taken over')\n")
    with pytest.raises(mlflow.MlflowException, match=r"code/json\.py"):
        mlflow.sklearn.load_model(tmp_path / "m")


def test_a_skops_file_names_types_and_its_own_word_for_them_does_not_count(tmp_path: Path, state: Path) -> None:
    skops = pytest.importorskip("skops.io")
    folder = _trap(tmp_path / "m", tmp_path / "trace")
    skops.dump(Path("x"), folder / "model.skops")  # a type that skops does not call safe
    told = {"pickled_model": "model.skops", "serialization_format": "skops", "skops_trusted_types": ["pathlib.Path"]}
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": {"sklearn": told}}))
    if not skops.get_untrusted_types(file=folder / "model.skops"):
        pytest.skip("this skops knows it to be safe")
    with pytest.raises(mlflow.MlflowException, match="not made by you"):
        mlflow.sklearn.load_model(folder)


@pytest.mark.parametrize("name", ["../outside.pkl", "/etc/passwd", "model.pkl/../../outside.pkl"])
def test_a_model_names_no_file_outside_of_its_folder(name: str, tmp_path: Path, state: Path) -> None:
    folder = _trap(tmp_path / "m", tmp_path / "trace")
    shutil.copy(folder / "model.pkl", tmp_path / "outside.pkl")
    told = {"pickled_model": name, "serialization_format": "pickle"}
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": {"sklearn": told}}))
    with pytest.raises(mlflow.MlflowException):
        mlflow.sklearn.load_model(folder, trust=True)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("protocol", range(2, 6))
def test_what_a_pickle_needs_is_read_and_not_run(protocol: int, tmp_path: Path) -> None:
    data = pickle.dumps([Trap(tmp_path / "trace"), np.float64(1), {"a": LinearRegression()}], protocol=protocol)
    assert {"pathlib", "numpy", "sklearn"} <= modules_in(data)
    assert not (tmp_path / "trace").exists()
    assert modules_in(b"no pickle at all") == set()


# Signatures


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (X, [{"type": "double", "name": "a", "required": True}, {"type": "long", "name": "b", "required": True}]),
        (pd.Series([1, 2]), [{"type": "long", "required": True}]),
        (np.zeros((3, 4)), [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}]),
        ({"x": np.zeros(3)}, [{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]),
        (["a", "b"], [{"type": "string", "required": True}]),
        (
            {"q": "text", "n": 1},
            [{"type": "string", "name": "q", "required": True}, {"type": "long", "name": "n", "required": True}],
        ),
        ("text", [{"type": "string", "required": True}]),
    ],
)
def test_a_signature_is_inferred_and_read_back(data: Any, told: list[Any]) -> None:
    signature = mlflow.models.infer_signature(data, params={"k": 1, "names": ["a"]})
    assert json.loads(signature.to_dict()["inputs"]) == told
    assert mlflow.models.ModelSignature.from_dict(signature.to_dict()) == signature
    assert json.loads(signature.to_dict()["params"])[1] == {
        "name": "names",
        "type": "string",
        "default": ["a"],
        "shape": [-1],
    }
