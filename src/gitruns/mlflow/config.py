"""`mlflow.config`: what is switched on and off, kept in the variables that MLflow keeps it in."""

from __future__ import annotations

import os

from gitruns.mlflow.active import SYSTEM_METRICS_VARIABLE
from gitruns.mlflow.address import get_tracking_uri, is_tracking_uri_set, set_tracking_uri

__all__ = [
    "disable_system_metrics_logging",
    "enable_system_metrics_logging",
    "get_registry_uri",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "set_registry_uri",
    "set_system_metrics_node_id",
    "set_system_metrics_samples_before_logging",
    "set_system_metrics_sampling_interval",
    "set_tracking_uri",
]


def get_registry_uri() -> str:
    """Returns where models are registered: where runs are logged to."""
    return get_tracking_uri()


def set_registry_uri(uri: str) -> None:
    """Takes the address of the repository that is logged into, and no other: the registry is where the runs are."""
    from gitruns.mlflow.address import current_hub, hub_named
    from gitruns.mlflow.exceptions import refused, speaks_mlflow

    if speaks_mlflow(hub_named)(uri) is not current_hub():
        raise refused("the registry is where the runs are", hint="set_tracking_uri chooses both")


def enable_system_metrics_logging() -> None:
    """Samples the machine into each run that starts from now on."""
    os.environ[SYSTEM_METRICS_VARIABLE] = "true"


def disable_system_metrics_logging() -> None:
    """Samples the machine no more in runs that start from now on."""
    os.environ[SYSTEM_METRICS_VARIABLE] = "false"


def set_system_metrics_sampling_interval(interval: float | None) -> None:
    """Samples the machine every so many seconds."""
    _set("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", interval)


def set_system_metrics_samples_before_logging(samples: int | None) -> None:
    """Logs the mean of so many samples."""
    _set("MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING", samples)


def set_system_metrics_node_id(node_id: str | None) -> None:
    """Names this machine in the metrics."""
    _set("MLFLOW_SYSTEM_METRICS_NODE_ID", node_id)


def _set(name: str, value: object) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = str(value)
