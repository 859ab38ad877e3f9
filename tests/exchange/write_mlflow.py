"""Fills a store with runs by MLflow's own store classes, of whatever version runs this: 1.0 to the newest.

    python write_mlflow.py FOLDER file|sqlite|ADDRESS COUNT [COMMIT]

ADDRESS is that of another database; artifacts are below FOLDER all the same.
No part of gitruns is imported: it runs in environments that have nothing but MLflow.
"""

import importlib
import inspect
import os
import sys


def open_stores(folder, kind):
    """Returns tracking store, registry store (None where this MLflow has none) and the address of the store."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    tracking_of, from_place = ("FileStore", "file_store") if kind == "file" else ("SqlAlchemyStore", "sqlalchemy_store")
    try:
        module = importlib.import_module("mlflow.store.tracking." + from_place)
    except ImportError:  # before MLflow 1.3
        module = importlib.import_module("mlflow.store." + from_place)
    if kind == "file":
        uri = os.path.join(folder, "mlruns")
        tracking = getattr(module, tracking_of)(uri, "file://" + uri)
    else:
        uri = "sqlite:///" + os.path.join(folder, "mlflow.db") if kind == "sqlite" else kind
        tracking = getattr(module, tracking_of)(uri, "file://" + os.path.join(folder, "mlruns"))
    return tracking, open_registry(uri, kind), uri


def open_registry(uri, kind):
    """Returns the registry's store, None where this MLflow has none of that kind."""
    try:
        if kind == "file":
            from mlflow.store.model_registry.file_store import FileStore as Registry
        else:
            from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    except ImportError:
        return None
    return Registry(uri)


def fill(folder, kind, count, commit=None):
    """Writes so many runs in three experiments, one of them deleted, and what belongs to them."""
    import mlflow

    tracking, registry, uri = open_stores(folder, kind)
    if hasattr(mlflow, "set_tracking_uri"):
        mlflow.set_tracking_uri(uri)
    experiments = ["0", tracking.create_experiment("speech ✓"), tracking.create_experiment("given up")]
    experiments = [str(one) for one in experiments]
    if hasattr(tracking, "set_experiment_tag"):
        from mlflow.entities import ExperimentTag

        tracking.set_experiment_tag(experiments[1], ExperimentTag("mlflow.note.content", "what\nit is"))
    made = []
    for number in range(count):
        made.append(write_run(tracking, experiments[number % 3], number, made, commit))
    for run_id in made[::7]:
        tracking.delete_run(run_id)
    tracking.delete_experiment(experiments[2])
    if registry is not None:
        write_registry(registry, tracking, made)
    if hasattr(tracking, "create_logged_model"):
        write_logged_models(tracking, registry, experiments[1], [made[1], made[4]])
    return made


def write_run(tracking, experiment, number, before, commit):
    """Writes one run: params, tags, histories with odd values, artifacts, datasets, a parent."""
    from mlflow.entities import Metric, Param, RunStatus, RunTag

    start = 1600000000000 + 60000 * number
    tags = [RunTag("mlflow.user", "ada"), RunTag("mlflow.source.name", "train.py"), RunTag("odd key", "ümlaut\nline")]
    tags.append(RunTag("mlflow.runName", f"run-{number}"))
    if number % 5 == 4:
        tags.append(RunTag("mlflow.parentRunId", before[-1]))
    if commit and number % 2:
        tags.append(RunTag("mlflow.source.git.commit", commit))
    names = inspect.signature(tracking.create_run).parameters
    more = {"run_name": f"run-{number}"} if "run_name" in names else {}
    run = tracking.create_run(experiment, "ada", start, tags, **more)
    run_id = getattr(run.info, "run_id", None) or run.info.run_uuid
    params = [Param("lr", f"0.{number}"), Param("group/name", f"text {number}"), Param("nothing", "None")]
    metrics = [Metric("loss", 1.0 / (step + 1) + number, start + step, step) for step in range(3)]
    metrics.append(Metric("eval/acc", 0.5 + number / 7, start + 5, 2))
    if hasattr(tracking, "search_experiments") or hasattr(tracking, "set_experiment_tag"):  # else only finite ones
        metrics += [Metric("bad", float("nan"), start, 0)] + [Metric("big", float("inf"), start, -1)] * (
            number % 3 == 0
        )
    tracking.log_batch(run_id, metrics, params, [RunTag("late", "yes")])
    write_artifacts(run.info.artifact_uri, number)
    if hasattr(tracking, "log_inputs"):
        write_inputs(tracking, run_id, number)
    killed = RunStatus.KILLED if hasattr(tracking, "set_experiment_tag") else RunStatus.FAILED
    status = (RunStatus.FINISHED, RunStatus.FAILED, killed, RunStatus.RUNNING)[number % 4]
    if status != RunStatus.RUNNING:
        more = {"run_name": None} if "run_name" in inspect.signature(tracking.update_run_info).parameters else {}
        tracking.update_run_info(run_id, status, start + 100, **more)
    return run_id


def write_artifacts(uri, number):
    """Writes artifacts where the run's address says."""
    folder = uri.replace("file://", "", 1)
    os.makedirs(os.path.join(folder, "model"), exist_ok=True)
    with open(os.path.join(folder, "model", "MLmodel"), "w") as file:
        file.write(f"run: {number}\n")
    with open(os.path.join(folder, "a b ü.bin"), "wb") as file:
        file.write(bytes(range(256)) * (number % 3))


def write_inputs(tracking, run_id, number):
    """Writes datasets that the run read."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    given = [
        DatasetInput(
            dataset=Dataset("digits", f"d{number % 2}", "local", '{"uri": "/x"}', '{"a": 1}', None),
            tags=[InputTag("mlflow.data.context", "training"), InputTag("extra", "e")],
        ),
        DatasetInput(dataset=Dataset("other", "o1", "http", "https://example.org/d", None, None), tags=[]),
    ]
    tracking.log_inputs(run_id, given)


def write_registry(registry, tracking, runs):
    """Writes two registered models: versions, stages, tags, an alias, a deleted version, a description."""
    from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag

    registry.create_registered_model("digits", [RegisteredModelTag("team", "vision")], "all of it")
    registry.create_registered_model("empty")
    for run_id in runs[1:4]:
        source = tracking.get_run(run_id).info.artifact_uri + "/model"
        registry.create_model_version(
            "digits", source, run_id, tags=[ModelVersionTag("why", "best")], description=f"of {run_id}"
        )
    registry.transition_model_version_stage("digits", 1, "Production", False)
    registry.transition_model_version_stage("digits", 3, "Staging", False)
    if hasattr(registry, "set_registered_model_alias"):
        registry.set_registered_model_alias("digits", "champion", 3)
    registry.delete_model_version("digits", 2)


def write_logged_models(tracking, registry, experiment, runs):
    """Writes logged models: one ready, with points of two runs, one that failed, one deleted."""
    from mlflow.entities import (
        LoggedModelInput,
        LoggedModelOutput,
        LoggedModelParameter,
        LoggedModelStatus,
        LoggedModelTag,
        Metric,
    )

    made = []
    for number, status in enumerate((LoggedModelStatus.READY, LoggedModelStatus.FAILED, LoggedModelStatus.READY)):
        model = tracking.create_logged_model(
            experiment,
            f"model-{number}",
            runs[0],
            [LoggedModelTag("stage", "one")],
            [LoggedModelParameter("depth", "3")],
            "sklearn",
        )
        made.append(model.model_id)
        write_artifacts(model.artifact_location, number)
        tracking.finalize_logged_model(model.model_id, status)
    first = Metric("acc", 0.5, 1600000000005, 1, model_id=made[0], run_id=runs[0])
    other = Metric("acc", 0.75, 1600000000006, 2, model_id=made[0], run_id=runs[1])
    data = Metric(
        "acc", 0.25, 1600000000007, 3, model_id=made[0], dataset_name="d", dataset_digest="x1", run_id=runs[0]
    )
    tracking.log_batch(runs[0], [first, data], [], [])
    tracking.log_batch(runs[1], [other], [], [])
    tracking.log_outputs(runs[0], [LoggedModelOutput(made[0], 4), LoggedModelOutput(made[1], 0)])
    tracking.log_inputs(runs[1], models=[LoggedModelInput(made[0])])
    tracking.delete_logged_model(made[2])


if __name__ == "__main__":
    fill(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
