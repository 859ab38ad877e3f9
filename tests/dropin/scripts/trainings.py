"""Trains with autologging, with MLflow or with the drop-in, and writes down what was logged."""

import json
import sys

import numpy as np

which, address, target = sys.argv[1:]
if which == "mlflow":
    import mlflow
else:
    import gitruns.mlflow as mlflow
mlflow.set_tracking_uri(address)

import sklearn.metrics  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402
from sklearn.datasets import load_iris, make_classification, make_regression  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.svm import SVC  # noqa: E402

client = mlflow.MlflowClient()
seen = []


def artifacts(run_id, path=None):
    for one in client.list_artifacts(run_id, path):
        yield from artifacts(run_id, one.path) if one.is_dir else [one.path]


def rounded(metrics):
    return {key: round(value, 6) for key, value in sorted(metrics) if not key.endswith("_time")}


def show(run_id):
    run = client.get_run(run_id)
    models = []
    for output in run.outputs.model_outputs:
        model = mlflow.get_logged_model(output.model_id)
        files = sorted(one.path.rpartition("/")[2] for one in client.list_logged_model_artifacts(output.model_id))
        # MLflow notes the params of the search with its best estimator too.
        params = model.params if model.name == "model" else {}
        metrics = rounded((one.key, one.value) for one in model.metrics or ())
        models.append([model.name, params, metrics, files])
    inputs = [
        [one.dataset.source_type, one.tags[0].value, one.dataset.schema, one.dataset.profile]
        for one in run.inputs.dataset_inputs
    ]
    tags = {key: text for key, text in run.data.tags.items() if not key.startswith("mlflow.") or "autolog" in key}
    seen.append(
        {
            "params": run.data.params,
            "metrics": rounded(run.data.metrics.items()),
            "tags": tags,
            "artifacts": sorted(artifacts(run_id)),
            "models": sorted(models),
            "inputs": sorted(inputs),
            "status": run.info.status,
        }
    )


mlflow.sklearn.autolog()
data, labels = load_iris(return_X_y=True, as_frame=True)
LogisticRegression(max_iter=300).fit(data, labels)
show(mlflow.last_active_run().info.run_id)
two, two_labels = make_classification(60, random_state=1)
with mlflow.start_run() as mine:
    RandomForestClassifier(n_estimators=3, random_state=0).fit(two, two_labels)
show(mine.info.run_id)
numbers, targets = make_regression(50, 3, random_state=1)
with mlflow.start_run() as mine:
    fitted = LinearRegression().fit(numbers, targets)
    test_data = numbers[:10]
    predicted = fitted.predict(test_data)
    sklearn.metrics.mean_squared_error(targets[:10], predicted)
    fitted.score(test_data, targets[:10])
show(mine.info.run_id)
make_pipeline(StandardScaler(), SVC()).fit(data, labels)
show(mlflow.last_active_run().info.run_id)
KMeans(2, n_init=1, random_state=0).fit(np.asarray(numbers))
show(mlflow.last_active_run().info.run_id)
with mlflow.start_run() as mine:
    GridSearchCV(SVC(random_state=0), {"C": [0.1, 1, 10]}, cv=2).fit(data, labels)
show(mine.info.run_id)
children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{mine.info.run_id}'", output_format="list")
for child in sorted(children, key=lambda one: one.data.params["C"]):
    show(child.info.run_id)
with open(target, "w") as out:
    json.dump(seen, out)
