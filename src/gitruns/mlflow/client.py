"""`MlflowClient`: every call names its run. Meanings and refusals are those of `protocol`, which all doors share."""

from __future__ import annotations

from typing import Any

from gitruns.mlflow import absent
from gitruns.mlflow.address import get_tracking_uri, hub_named, settle
from gitruns.mlflow.log_calls import LogCalls
from gitruns.mlflow.logged_models import LoggedModelCalls
from gitruns.mlflow.registry import RegistryCalls
from gitruns.mlflow.run_calls import RunCalls
from gitruns.protocol.hub import Hub


class MlflowClient(RunCalls, LogCalls, RegistryCalls, LoggedModelCalls):
    """Reads and writes the runs and models of one repository: `tracking_uri`, by default the one that is logged into.

    `registry_uri` is accepted for MLflow's sake: the registry is where the runs are.
    """

    def __init__(self, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        self._uri = tracking_uri

    @property
    def tracking_uri(self) -> str:
        """Where it logs to."""
        return self._uri or get_tracking_uri()

    @property
    def hub(self) -> Hub:
        """The repository behind this client."""
        settle()
        return hub_named(self._uri)

    def __getattr__(self, name: str) -> Any:
        if name in absent.CLIENT_NAMES:
            return absent.Absent(f"MlflowClient.{name}")
        raise AttributeError(f"'MlflowClient' object has no attribute '{name}'")

    def __repr__(self) -> str:
        return f"<MlflowClient {self.tracking_uri}>"
