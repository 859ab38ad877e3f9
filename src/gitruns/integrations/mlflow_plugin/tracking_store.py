"""MLflow's tracking store on a git repository."""

from __future__ import annotations

from typing import Any

from mlflow.store.tracking.abstract_store import AbstractStore

from gitruns.integrations.mlflow_plugin.errors import speaks_mlflow
from gitruns.integrations.mlflow_plugin.judging import JudgingCalls
from gitruns.integrations.mlflow_plugin.logged_models import LoggedModelCalls
from gitruns.integrations.mlflow_plugin.traces import TraceCalls
from gitruns.integrations.mlflow_plugin.versions import warn_of_untested
from gitruns.protocol.hub import hub_at


# MLflow has no types.
@speaks_mlflow
class GitRunsTrackingStore(TraceCalls, JudgingCalls, LoggedModelCalls, AbstractStore):  # type: ignore[misc]
    """Experiments, runs, logged models and traces of one repository; what it has not answers as MLflow's base class.

    `artifact_uri` is MLflow's default place of artifacts; here they are kept with their runs.
    """

    def __init__(self, store_uri: str, artifact_uri: str | None = None) -> None:
        super().__init__()
        warn_of_untested()
        self.store_uri = store_uri
        self.artifact_root_uri = artifact_uri
        self.hub = self._open(store_uri)

    def _open(self, store_uri: str) -> Any:
        return hub_at(store_uri)
