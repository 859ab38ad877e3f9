"""MLflow's calls where MLflow is not installed: `import gitruns.mlflow as mlflow`, and the script stays as it is.

    import gitruns.mlflow as mlflow

    mlflow.sklearn.autolog()
    with mlflow.start_run():
        model.fit(X, y)

Runs, models and everything else are kept in the git repository around the script. What is not here (other flavors,
traces) says so when it is used. `python -m gitruns.mlflow train.py` runs a script with `import mlflow` in it unchanged.
MLflow itself logs into the same repositories, with `MLFLOW_TRACKING_URI=gitruns:`.
"""

from importlib import import_module

from gitruns.mlflow.alias import find_absent

TYPE_CHECKING = False  # importing `typing` would take most of the time that `import gitruns.mlflow` takes

if TYPE_CHECKING:
    from typing import Any

    from gitruns.mlflow import (
        artifacts,
        client,
        config,
        data,
        entities,
        exceptions,
        models,
        pyfunc,
        sklearn,
        tracking,
        types,
    )
    from gitruns.mlflow.active import (
        ActiveRun,
        active_run,
        end_run,
        get_artifact_uri,
        last_active_run,
        set_experiment,
        start_run,
    )
    from gitruns.mlflow.address import get_tracking_uri, is_tracking_uri_set, set_tracking_uri
    from gitruns.mlflow.artifact_calls import (
        load_table,
        log_artifact,
        log_artifacts,
        log_dict,
        log_figure,
        log_image,
        log_stream,
        log_table,
        log_text,
    )
    from gitruns.mlflow.autologging import autolog
    from gitruns.mlflow.client import MlflowClient
    from gitruns.mlflow.config import (
        disable_system_metrics_logging,
        enable_system_metrics_logging,
        get_registry_uri,
        set_registry_uri,
        set_system_metrics_node_id,
        set_system_metrics_samples_before_logging,
        set_system_metrics_sampling_interval,
    )
    from gitruns.mlflow.exceptions import MlflowException
    from gitruns.mlflow.finding import (
        create_experiment,
        delete_experiment,
        delete_run,
        get_experiment,
        get_experiment_by_name,
        get_parent_run,
        get_run,
        restore_experiment,
        restore_run,
        search_experiments,
        search_runs,
    )
    from gitruns.mlflow.image import Image
    from gitruns.mlflow.logging import (
        delete_experiment_tag,
        delete_tag,
        flush_artifact_async_logging,
        flush_async_logging,
        log_input,
        log_inputs,
        log_metric,
        log_metrics,
        log_param,
        log_params,
        set_experiment_tag,
        set_experiment_tags,
        set_tag,
        set_tags,
    )
    from gitruns.mlflow.model_calls import (
        delete_logged_model_tag,
        finalize_logged_model,
        get_logged_model,
        initialize_logged_model,
        last_logged_model,
        log_model_params,
        log_outputs,
        register_model,
        search_logged_models,
        search_model_versions,
        search_registered_models,
        set_logged_model_tags,
        set_model_version_tag,
    )

__version__ = "3.17.0+gitruns"
"""The version of MLflow whose answers these are, for code that asks."""

_MODULES = frozenset("artifacts client config data entities exceptions models pyfunc sklearn tracking types".split())

_HOMES = {
    "active": "ActiveRun active_run end_run get_artifact_uri last_active_run set_experiment start_run",
    "address": "get_tracking_uri is_tracking_uri_set set_tracking_uri",
    "artifact_calls": (
        "load_table log_artifact log_artifacts log_dict log_figure log_image log_stream log_table log_text"
    ),
    "autologging": "autolog",
    "client": "MlflowClient",
    "config": (
        "disable_system_metrics_logging enable_system_metrics_logging get_registry_uri set_registry_uri "
        "set_system_metrics_node_id set_system_metrics_samples_before_logging set_system_metrics_sampling_interval"
    ),
    "exceptions": "MlflowException",
    "finding": (
        "create_experiment delete_experiment delete_run get_experiment get_experiment_by_name get_parent_run get_run "
        "restore_experiment restore_run search_experiments search_runs"
    ),
    "image": "Image",
    "logging": (
        "delete_experiment_tag delete_tag flush_artifact_async_logging flush_async_logging log_input log_inputs "
        "log_metric log_metrics log_param log_params set_experiment_tag set_experiment_tags set_tag set_tags"
    ),
    "model_calls": (
        "delete_logged_model_tag finalize_logged_model get_logged_model initialize_logged_model last_logged_model "
        "log_model_params log_outputs register_model search_logged_models search_model_versions "
        "search_registered_models set_logged_model_tags set_model_version_tag"
    ),
}
"""Where the public names live: each is imported when it is first asked for."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "ActiveRun",
    "Image",
    "MlflowClient",
    "MlflowException",
    "active_run",
    "artifacts",
    "autolog",
    "client",
    "config",
    "create_experiment",
    "data",
    "delete_experiment",
    "delete_experiment_tag",
    "delete_logged_model_tag",
    "delete_run",
    "delete_tag",
    "disable_system_metrics_logging",
    "enable_system_metrics_logging",
    "end_run",
    "entities",
    "exceptions",
    "finalize_logged_model",
    "flush_artifact_async_logging",
    "flush_async_logging",
    "get_artifact_uri",
    "get_experiment",
    "get_experiment_by_name",
    "get_logged_model",
    "get_parent_run",
    "get_registry_uri",
    "get_run",
    "get_tracking_uri",
    "initialize_logged_model",
    "is_tracking_uri_set",
    "last_active_run",
    "last_logged_model",
    "load_table",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_inputs",
    "log_metric",
    "log_metrics",
    "log_model_params",
    "log_outputs",
    "log_param",
    "log_params",
    "log_stream",
    "log_table",
    "log_text",
    "models",
    "pyfunc",
    "register_model",
    "restore_experiment",
    "restore_run",
    "search_experiments",
    "search_logged_models",
    "search_model_versions",
    "search_registered_models",
    "search_runs",
    "set_experiment",
    "set_experiment_tag",
    "set_experiment_tags",
    "set_logged_model_tags",
    "set_model_version_tag",
    "set_registry_uri",
    "set_system_metrics_node_id",
    "set_system_metrics_samples_before_logging",
    "set_system_metrics_sampling_interval",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "sklearn",
    "start_run",
    "tracking",
    "types",
]


find_absent()


def __getattr__(name: str) -> "Any":
    if name in _MODULES:
        return import_module(f"gitruns.mlflow.{name}")
    home = _HOME_OF.get(name)
    if home is not None:
        found = getattr(import_module(f"gitruns.mlflow.{home}"), name)
        globals()[name] = found
        return found
    absent = import_module("gitruns.mlflow.absent")
    if name in absent.NAMES:
        return absent.Absent(name)
    raise AttributeError(f"module 'gitruns.mlflow' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
