"""Artifacts, datasets and logged models of MLflow on a git repository, held against its own stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'gitruns[mlflow]'")
pytest.importorskip("sqlalchemy", reason="MLflow's SQLite store, which says what is right, needs the whole of MLflow")

from compat.transcript import Transcript

pytestmark = pytest.mark.filterwarnings("ignore")

Same = Callable[[Callable[[Any, Transcript], None]], None]


def _tree(client: Any, run_id: str, path: str | None = None) -> list[Any]:
    found = []
    for one in client.list_artifacts(run_id, path):
        found += [one, *(_tree(client, run_id, one.path) if one.is_dir else [])]
    return found


def test_artifacts_of_every_sort(same: Same, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    folder = tmp_path / "things"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a file.txt").write_text("one")
    (folder / "deep" / "er" / "ümlaut.bin").write_bytes(b"\0\1")
    (folder / "empty").write_bytes(b"")

    def scenario(mlflow: Any, transcript: Transcript) -> None:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot
        import numpy
        import pandas
        from PIL import Image

        client = mlflow.MlflowClient()
        with mlflow.start_run() as run:
            mlflow.log_artifact(str(folder / "a file.txt"))
            mlflow.log_artifact(str(folder / "a file.txt"), "sub/folder")
            mlflow.log_artifacts(str(folder), "all")
            mlflow.log_text("text", "notes/t.txt")
            mlflow.log_text("changed", "notes/t.txt")
            mlflow.log_dict({"a": [1, 2]}, "d.json")
            mlflow.log_dict({"a": [1, 2]}, "d.yaml")
            figure, _ = matplotlib.pyplot.subplots()
            mlflow.log_figure(figure, "plots/f.png")
            mlflow.log_image(numpy.zeros((2, 3, 3), dtype=numpy.uint8), "i.png")
            mlflow.log_image(Image.new("RGB", (4, 4)), key="samples", step=3, timestamp=1000)
            mlflow.log_table({"q": ["a", "b"], "n": [1, 2]}, "table.json")
            mlflow.log_table(pandas.DataFrame({"q": ["c"], "n": [3]}), "table.json")
            transcript.say("live", [one.path for one in client.list_artifacts(run.info.run_id)])
        run_id = run.info.run_id
        listed = [(one.path, one.is_dir, one.file_size) for one in _tree(client, run_id)]
        sized = [one for one in listed if not one[0].startswith(("plots/", "images/"))]
        transcript.say("files", sized)
        transcript.say("figure", [one[0] for one in listed if one[0].startswith("plots")])
        transcript.say("images", len([one for one in listed if one[0].startswith("images/")]))
        transcript.say("a file is no folder", client.list_artifacts(run_id, "d.json"))
        transcript.say("nothing", client.list_artifacts(run_id, "nothing"))
        transcript.say("text", mlflow.artifacts.load_text(f"runs:/{run_id}/notes/t.txt"))
        transcript.say("dict", mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/d.json"))
        transcript.say("table", mlflow.load_table("table.json", run_ids=[run_id]).to_dict("list"))
        transcript.say("image", mlflow.artifacts.load_image(f"runs:/{run_id}/i.png").size)
        transcript.say("tag", client.get_run(run_id).data.tags.get("mlflow.loggedArtifacts"))
        for path in ("all", "d.json", ""):
            place = Path(client.download_artifacts(run_id, path))
            files = [place] if place.is_file() else sorted(one for one in place.rglob("*") if one.is_file())
            transcript.say(f"download {path}", sorted(one.name for one in files if "images" not in one.parts))
        there = tmp_path / ("there" + str(len(list(tmp_path.iterdir()))))
        there.mkdir()
        mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="all/deep", dst_path=str(there))
        transcript.say("where to", sorted(str(one.relative_to(there)) for one in there.rglob("*")))
        client.log_text(run_id, "late", "late.txt")
        transcript.say("late", mlflow.artifacts.load_text(f"runs:/{run_id}/late.txt"))
        transcript.refused("no file", client.log_artifact, run_id, str(folder / "no such file"))
        transcript.refused("outside", client.log_text, run_id, "x", "../out.txt", words=False)
        transcript.refused("nothing to load", mlflow.artifacts.load_text, f"runs:/{run_id}/nothing.txt", words=False)

    same(scenario)


def _summaries(mlflow: Any, experiment: str) -> list[tuple[str, str, str]]:
    store = mlflow.tracking._tracking_service.utils._get_store()
    if hasattr(store, "_search_datasets"):
        found = store._search_datasets([experiment])
        return [(one.name, one.digest, str(one.context)) for one in found]
    import requests

    address = f"{mlflow.get_tracking_uri()}/ajax-api/2.0/mlflow/experiments/search-datasets"
    reply = requests.post(address, json={"experiment_ids": [experiment]}, timeout=30)
    return [(one["name"], one["digest"], str(one.get("context"))) for one in reply.json()["dataset_summaries"]]


def test_datasets(same: Same) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": [1.0, 2.0], "y": [0, 1]})

    def scenario(mlflow: Any, transcript: Transcript) -> None:
        experiment = transcript.experiment(mlflow.set_experiment("data").experiment_id)
        with mlflow.start_run() as run:
            train = mlflow.data.from_pandas(frame, source="train.csv", name="train", targets="y")
            mlflow.log_input(train, context="training", tags={"more": "yes"})
            mlflow.log_input(train, context="training")
            mlflow.log_input(mlflow.data.from_pandas(frame.head(1), source="t.csv", name="test"), context="eval")
            mlflow.log_input(mlflow.data.from_numpy(frame.to_numpy(), name="array"))
        found = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
        listed = sorted(found, key=lambda one: one.dataset.name)
        transcript.say("inputs", [[one.dataset, one.tags] for one in listed if one.dataset.source_type != "code"])
        transcript.say("from code", [one.dataset.name for one in listed])
        source = mlflow.data.get_source(next(one.dataset for one in found if one.dataset.name == "train"))
        transcript.say("source", type(source).__name__)
        transcript.say("summaries", sorted(_summaries(mlflow, experiment)))

    same(scenario)


def test_logged_models_autologging_and_loading(same: Same) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("skops", reason="MLflow keeps models of scikit-learn with it")

    def scenario(mlflow: Any, transcript: Transcript) -> None:
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression

        data, target = load_iris(return_X_y=True, as_frame=True)
        transcript.experiment(mlflow.set_experiment("models").experiment_id)
        mlflow.sklearn.autolog(log_datasets=True)
        try:
            with mlflow.start_run() as run:
                model = LogisticRegression(max_iter=200).fit(data, target)
        finally:
            mlflow.sklearn.autolog(disable=True)
        logged = mlflow.get_run(run.info.run_id)
        transcript.say(
            "autologged",
            (logged.data.params, logged.data.metrics, sorted(logged.inputs.dataset_inputs[0].dataset.name)),
        )
        with mlflow.start_run() as run:
            made = mlflow.sklearn.log_model(
                model, name="model", registered_model_name="iris", input_example=data.head(2), params={"depth": 3}
            )
            mlflow.log_metric("acc", 0.9, step=1, model_id=made.model_id)
        client = mlflow.MlflowClient()
        transcript.say("outputs", mlflow.get_run(run.info.run_id).outputs)
        client.set_registered_model_alias("iris", "champion", 1)
        version = client.get_model_version("iris", 1)
        transcript.say("version", (version.run_id, version.source))
        found = mlflow.get_logged_model(made.model_id)
        transcript.say("model", (found.name, str(found.status), found.params, found.metrics, found.source_run_id))
        transcript.say("tags", [key for key in sorted(found.tags) if "source" not in key])
        for address in (
            f"runs:/{run.info.run_id}/model",
            "models:/iris/1",
            "models:/iris@champion",
            "models:/iris/latest",
            f"models:/{made.model_id}",
        ):
            loaded = mlflow.pyfunc.load_model(address)
            transcript.say("predicts", loaded.predict(data.head(3)).tolist())
        listed = [one.path for one in mlflow.artifacts.list_artifacts(f"models:/{made.model_id}")]
        # MLflow writes that one into what it downloads, which is the store itself where that is a local folder.
        transcript.say("files", sorted(path for path in listed if path != "registered_model_meta"))
        transcript.say("in the run", sorted(one.path for one in client.list_artifacts(run.info.run_id)))

    same(scenario)


def test_autologging_of_xgboost(same: Same) -> None:
    pytest.importorskip("xgboost")

    def scenario(mlflow: Any, transcript: Transcript) -> None:
        import numpy
        import xgboost

        data = numpy.arange(40.0).reshape(20, 2)
        target = (data[:, 0] > 20).astype(int)
        transcript.experiment(mlflow.set_experiment("boosted").experiment_id)
        mlflow.xgboost.autolog(log_datasets=False)
        try:
            with mlflow.start_run() as run:
                train = xgboost.DMatrix(data, label=target)
                params = {"objective": "binary:logistic", "max_depth": 2}
                booster = xgboost.train(params, train, num_boost_round=4, evals=[(train, "train")], verbose_eval=False)
        finally:
            mlflow.xgboost.autolog(disable=True)
        client = mlflow.MlflowClient()
        logged = client.get_run(run.info.run_id)
        transcript.say("params", logged.data.params)
        transcript.say("metrics", {key: round(value, 6) for key, value in logged.data.metrics.items()})
        transcript.say("history", [one.step for one in client.get_metric_history(run.info.run_id, "train-logloss")])
        transcript.say("files", sorted(one.path for one in client.list_artifacts(run.info.run_id)))
        model_id = logged.outputs.model_outputs[0].model_id
        loaded = mlflow.xgboost.load_model(f"models:/{model_id}")
        transcript.say("same model", bool(numpy.allclose(loaded.predict(train), booster.predict(train))))
        mlflow.register_model(f"models:/{model_id}", "boosted")
        predicted = mlflow.pyfunc.load_model("models:/boosted/1").predict(data)
        transcript.say("predicts", [round(float(one), 5) for one in predicted])

    same(scenario)


def test_logged_models_by_hand(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        if not hasattr(mlflow, "initialize_logged_model"):
            pytest.skip("there are no logged models before MLflow 3")
        client = mlflow.MlflowClient()
        experiment = transcript.experiment(mlflow.set_experiment("models").experiment_id)
        with mlflow.start_run() as run:
            models = []
            for number in range(4):
                model = mlflow.initialize_logged_model(
                    name=f"m{number}", params={"p": str(number)}, tags={"t": str(number % 2)}, model_type="kind"
                )
                models.append(model.model_id)
                mlflow.log_metrics({"acc": number / 10}, step=1, model_id=model.model_id)
        transcript.say("pending", client.get_logged_model(models[0]))
        for model_id, status in zip(models, ("READY", "FAILED", "READY"), strict=False):
            mlflow.finalize_logged_model(model_id, status)
        for model_id in models:
            transcript.say("finalized", client.get_logged_model(model_id))
        mlflow.set_logged_model_tags(models[0], {"more": "1"})
        mlflow.delete_logged_model_tag(models[0], "t")
        transcript.refused("tag twice", client.delete_logged_model_tag, models[0], "t")
        transcript.say("tags", client.get_logged_model(models[0]).tags)
        mlflow.log_metric("acc", 0.7, step=2, model_id=models[1], run_id=run.info.run_id)
        dataset = mlflow.entities.Dataset("held", "d1", "local", "x") if hasattr(mlflow.entities, "Dataset") else None
        if dataset is not None:
            client.log_metric(
                run.info.run_id, "acc", 0.8, step=3, timestamp=5, model_id=models[1],
                dataset_name=dataset.name, dataset_digest=dataset.digest,
            )  # fmt: skip
        measured = client.get_logged_model(models[1]).metrics
        transcript.say("metrics", [(one.step, one.value, one.dataset_name) for one in measured])
        for text in (
            "name = 'm1'",
            "name LIKE 'm%' AND params.p = '2'",
            "tags.t = '1'",
            "metrics.acc > 0.15",
            "source_run_id != 'x'",
        ):
            transcript.refused(text, _names, client, experiment, text)
        for text in ("params.p > '1'", "name"):
            transcript.refused(text, _names, client, experiment, text, words=False)
        for order in ([{"field_name": "metrics.acc", "ascending": False}], [{"field_name": "name"}]):
            transcript.refused(str(order), _names, client, experiment, None, order)
        page = client.search_logged_models([experiment], max_results=3, order_by=[{"field_name": "name"}])
        transcript.say("page", [one.name for one in page])
        page = client.search_logged_models(
            [experiment], max_results=3, order_by=[{"field_name": "name"}], page_token=page.token
        )
        transcript.say("last page", ([one.name for one in page], page.token or None))
        client.delete_logged_model(models[2])
        transcript.refused("deleted", client.get_logged_model, models[2])
        transcript.refused("left", _names, client, experiment, None, [{"field_name": "name"}])
        transcript.refused("no model", client.get_logged_model, "m-" + "0" * 32)
        transcript.say("runs", len(client.search_runs([experiment])))

    same(scenario)


def _names(client: Any, experiment: str, text: str | None, order: Any = None) -> list[str]:
    order = order or [{"field_name": "name"}]
    return [one.name for one in client.search_logged_models([experiment], filter_string=text, order_by=order)]
