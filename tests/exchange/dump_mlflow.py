"""Prints all that a store holds, as MLflow of whatever version runs this reads it, in a form to compare.

    python dump_mlflow.py FOLDER file|sqlite

Addresses of artifacts are left out, and in their place stands what the artifacts are.
"""

import hashlib
import inspect
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from write_mlflow import open_stores  # after the path


def dump(folder, kind):
    """Returns everything, by id, in plain values."""
    tracking, registry, _ = open_stores(folder, kind)
    experiments = list_experiments(tracking)
    found = {"experiments": {}, "runs": {}, "models": None, "logged": None}
    for one in experiments:
        times = {key: getattr(one, key, None) for key in ("creation_time", "last_update_time")}
        tags = sorted(dict(one.tags).items()) if hasattr(one, "tags") else None
        found["experiments"][one.name] = dict(
            id=str(one.experiment_id), lifecycle=one.lifecycle_stage, tags=tags, **times
        )
    names = {str(one.experiment_id): one.name for one in experiments}
    for run_id, run in list_runs(tracking, list(names)).items():
        found["runs"][run_id] = dump_run(tracking, run, names)
    if registry is not None:
        found["models"] = {model.name: dump_model(registry, model) for model in list_models(registry)}
    if hasattr(tracking, "create_logged_model"):
        listed = tracking.search_logged_models(list(names))
        found["logged"] = {model.model_id: dump_logged(model, names) for model in listed}
    return json.loads(json.dumps(found, sort_keys=True))


def list_experiments(tracking):
    """Returns all experiments, deleted ones too."""
    from mlflow.entities import ViewType

    if hasattr(tracking, "search_experiments"):
        return list(tracking.search_experiments(ViewType.ALL))
    listed = list(tracking.list_experiments(ViewType.ALL))
    return [tracking.get_experiment(one.experiment_id) for one in listed]


def list_runs(tracking, experiments):
    """Returns all runs, by id."""
    from mlflow.entities import ViewType

    runs, token = {}, None
    if "page_token" not in inspect.signature(tracking.search_runs).parameters:  # before MLflow 1.1
        infos = [info for one in experiments for info in tracking.list_run_infos(one, ViewType.ALL)]
        return {info.run_uuid: tracking.get_run(info.run_uuid) for info in infos}
    while True:
        page = tracking.search_runs(experiments, "", ViewType.ALL, 500, None, token)
        for run in page:
            run_id = getattr(run.info, "run_id", None) or run.info.run_uuid
            runs[run_id] = tracking.get_run(run_id)
        token = getattr(page, "token", None)
        if not token:
            return runs


def dump_run(tracking, run, names):
    """Returns one run."""
    info = run.info
    run_id = getattr(info, "run_id", None) or info.run_uuid
    status = info.status
    if not isinstance(status, str):
        from mlflow.entities import RunStatus

        status = RunStatus.to_string(status)
    keys = run.data.metrics if isinstance(run.data.metrics, dict) else [one.key for one in run.data.metrics]
    metrics = {
        key: sorted((one.timestamp, one.step, number(one.value)) for one in tracking.get_metric_history(run_id, key))
        for key in keys
    }
    inputs = []
    for one in getattr(getattr(run, "inputs", None), "dataset_inputs", None) or []:
        data = one.dataset
        tags = sorted((tag.key, tag.value) for tag in one.tags)
        inputs.append([data.name, data.digest, data.source_type, data.source, data.schema, data.profile, tags])
    models = [one.model_id for one in getattr(getattr(run, "inputs", None), "model_inputs", None) or []]
    outputs = [[one.model_id, one.step] for one in getattr(getattr(run, "outputs", None), "model_outputs", None) or []]
    return {
        "experiment": names[str(info.experiment_id)],
        "user": info.user_id,
        "status": status,
        "start": info.start_time,
        "end": info.end_time,
        "lifecycle": info.lifecycle_stage,
        "params": dict(run.data.params),
        "tags": dict(run.data.tags),
        "metrics": metrics,
        "artifacts": digests(info.artifact_uri),
        "inputs": sorted(inputs, key=str),
        "input_models": sorted(models),
        "outputs": sorted(outputs),
    }


def number(value):
    """Returns a value that JSON can hold."""
    return repr(value)


def digests(uri):
    """Returns the SHA-256 of each artifact below an address."""
    folder = uri.replace("file://", "", 1)
    if not os.path.isdir(folder):  # MLflow moves the folder of a deleted experiment, and leaves its addresses
        at = folder.rstrip("/").rfind("/mlruns/")
        folder = os.path.join(folder[:at], "mlruns", ".trash", folder[at + len("/mlruns/") :])
    found = {}
    for parent, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


def list_models(registry):
    """Returns all registered models."""
    if hasattr(registry, "search_registered_models"):
        return [registry.get_registered_model(one.name) for one in registry.search_registered_models(max_results=100)]
    listed = registry.list_registered_models(1000, None)
    return [registry.get_registered_model(one.name) for one in listed]


def dump_model(registry, model):
    """Returns a registered model."""
    versions = {}
    for one in search_versions(registry, f"name='{model.name}'"):
        full = registry.get_model_version(model.name, one.version)
        versions[str(full.version)] = {
            "created": full.creation_timestamp,
            "updated": full.last_updated_timestamp,
            "description": full.description,
            "stage": full.current_stage,
            "run": full.run_id,
            "tags": dict(full.tags),
            "aliases": sorted(getattr(full, "aliases", None) or []),
            "source": what_is_at(registry, model.name, full),
        }
    aliases = getattr(model, "aliases", None) or {}
    return {
        "created": model.creation_timestamp,
        "updated": model.last_updated_timestamp,
        "description": model.description or None,
        "tags": dict(model.tags),
        "aliases": {key: str(text) for key, text in dict(aliases).items()},
        "versions": versions,
    }


def search_versions(registry, condition):
    """Returns the versions that a filter finds."""
    if "max_results" in inspect.signature(registry.search_model_versions).parameters:
        return registry.search_model_versions(condition, max_results=1000)
    return registry.search_model_versions(condition)


def what_is_at(registry, name, version):
    """Returns the digests of the artifacts of a version, or its address where that is not of this machine."""
    uri = registry.get_model_version_download_uri(name, version.version)
    if "://" in uri and not uri.startswith("file://"):
        return uri
    return digests(uri)


def dump_logged(model, names):
    """Returns a logged model."""
    points = [
        [one.key, one.timestamp, one.step, number(one.value), one.run_id, one.dataset_name, one.dataset_digest]
        for one in model.metrics or []
    ]
    return {
        "experiment": names[str(model.experiment_id)],
        "name": model.name,
        "created": model.creation_timestamp,
        "updated": model.last_updated_timestamp,
        "status": str(model.status),
        "type": model.model_type,
        "run": model.source_run_id,
        "params": dict(model.params or {}),
        "tags": dict(model.tags or {}),
        "points": sorted(points, key=str),
        "artifacts": digests(model.artifact_location),
    }


if __name__ == "__main__":
    print(json.dumps(dump(sys.argv[1], sys.argv[2]), indent=1, sort_keys=True))
