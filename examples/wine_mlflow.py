"""A script as MLflow's users write it, without MLflow: autologging, a search, a registered model with an alias.

    python wine_mlflow.py

or, with `import mlflow` in place of the line below, `python -m gitruns.mlflow wine_mlflow.py`.
Needs `gitruns[sklearn]`. The data ships with scikit-learn; nothing is downloaded.
"""

from __future__ import annotations

from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import gitruns.mlflow as mlflow

MODEL = "wine"


def main() -> None:
    """Searches for the best classifier of wines, registers it, and uses it as whoever serves it would."""
    wines, kinds = load_wine(return_X_y=True, as_frame=True)
    train_x, test_x, train_y, test_y = train_test_split(wines, kinds, random_state=0, stratify=kinds)
    mlflow.set_experiment("wines")
    mlflow.sklearn.autolog(max_tuning_runs=3)
    with mlflow.start_run(run_name="support vectors") as run:
        search = GridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svc__C": [0.1, 1.0, 10.0]}, cv=3)
        search.fit(train_x, train_y)
        mlflow.log_metric("test_accuracy", search.score(test_x, test_y))

    version = mlflow.register_model(f"runs:/{run.info.run_id}/best_estimator", MODEL)
    mlflow.MlflowClient().set_registered_model_alias(MODEL, "champion", version.version)
    champion = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
    right = (champion.predict(test_x) == test_y).mean()
    print(f"version {version.version} of {MODEL} tells {right:.0%} of the wines")

    tried = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{run.info.run_id}'")
    print(tried[["params.svc__C", "metrics.mean_test_score"]].to_string(index=False))


if __name__ == "__main__":
    main()
