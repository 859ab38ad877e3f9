"""The same trainings with MLflow's autologging and with ours: params, metrics, tags, artifacts, models, data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent / "scripts"


def _seen(which: str, address: str, folder: Path) -> list[dict[str, Any]]:
    target = folder / f"{which}.json"
    command = [sys.executable, str(SCRIPTS / "trainings.py"), which, address, str(target)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads(target.read_text())
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_autologging_logs_what_mlflows_does(inside: Path, tmp_path: Path) -> None:
    for package in ("sklearn", "matplotlib", "cloudpickle"):
        pytest.importorskip(package)
    pytest.importorskip("mlflow", minversion="3.17")
    ours = _seen("dropin", "gitruns:", inside)
    theirs = _seen("mlflow", f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    assert len(ours) == len(theirs) == 9
    for our, right in zip(ours, theirs, strict=True):
        for part in right:
            assert our[part] == right[part], (part, our["tags"])


LOAD = """
import json, sys
import mlflow
import pandas as pd
run_id, sklearn_uri, python_uri = json.loads(sys.argv[1])
data = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1, 2, 4]})
found = []
for uri in (sklearn_uri, f"runs:/{run_id}/sk", "models:/line/1", "models:/line@best"):
    found.append([round(float(one), 6) for one in mlflow.sklearn.load_model(uri).predict(data)])
    found.append([round(float(one), 6) for one in mlflow.pyfunc.load_model(uri).predict(data)])
loaded = mlflow.pyfunc.load_model(python_uri)
found.append([float(one) for one in loaded.predict(data, params={"times": 2})])
found.append(loaded.metadata.signature.inputs.to_dict())
print("FOUND" + json.dumps(found))
"""

SAVE = """
import json, sys
import mlflow
import pandas as pd
from sklearn.linear_model import LinearRegression
data = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1, 2, 4]})
class Doubled(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.factor = float(open(context.artifacts["factor"]).read())
    def predict(self, context, model_input, params=None):
        return [float(value) * self.factor * (params or {}).get("times", 1) for value in model_input["a"]]
open("factor.txt", "w").write("2")
with mlflow.start_run() as run:
    one = mlflow.sklearn.log_model(LinearRegression().fit(data, [1.0, 2.0, 3.0]), name="sk", input_example=data,
                                   registered_model_name="line")
    signature = mlflow.models.infer_signature(data, [1.0], {"times": 1})
    two = mlflow.pyfunc.log_model(name="py", python_model=Doubled(), artifacts={"factor": "factor.txt"},
                                  signature=signature)
mlflow.MlflowClient().set_registered_model_alias("line", "best", 1)
print("SAVED" + json.dumps([run.info.run_id, one.model_uri, two.model_uri]))
"""


def _run(folder: Path, text: str, how: list[str], *arguments: str) -> str:
    (folder / "step.py").write_text(text)
    command = [sys.executable, *how, "step.py", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("saver", "loader"), [("dropin", "mlflow"), ("mlflow", "dropin")])
def test_what_one_saves_the_other_loads(saver: str, loader: str, inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("sklearn", "skops", "cloudpickle"):
        pytest.importorskip(package)
    pytest.importorskip("mlflow", minversion="3")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "gitruns:")
    monkeypatch.setenv("GITRUNS_TRUST_MODELS", "1")
    how = {"mlflow": [], "dropin": ["-m", "gitruns.mlflow"]}
    saved = _run(inside, SAVE, how[saver]).partition("SAVED")[2].strip()
    found = json.loads(_run(inside, LOAD, how[loader], saved).partition("FOUND")[2])
    assert found[:-2] == [[1.0, 2.0, 3.0]] * 8
    assert found[-2] == [4.0, 8.0, 12.0]
    assert [one["name"] for one in found[-1]] == ["a", "b"]
