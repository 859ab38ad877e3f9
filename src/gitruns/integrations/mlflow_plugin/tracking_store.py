"""MLflow's tracking store on a git repository."""

from __future__ import annotations

from typing import Any

from mlflow.store.tracking.abstract_store import AbstractStore

from gitruns.integrations.mlflow_plugin.errors import speaks_mlflow
from gitruns.integrations.mlflow_plugin.logged_models import LoggedModelCalls
from gitruns.integrations.mlflow_plugin.versions import warn_of_untested
from gitruns.protocol.hub import hub_at


@speaks_mlflow
class GitRunsTrackingStore(LoggedModelCalls, AbstractStore):  # type: ignore[misc]  # MLflow has no types
    """Experiments, runs and logged models of one repository. What it does not have answers as in MLflow's base class.

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

    def link_traces_to_run(self, trace_ids: list[str], run_id: str) -> None:
        """Is not there: traces are not kept here."""
        raise NotImplementedError(type(self).__name__)
