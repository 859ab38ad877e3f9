"""The tracking store's calls for runs: begun, found, ended, deleted, restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow import entities
from mlflow.entities import RunStatus as MlflowStatus

from gitruns.entities.run import RunStatus
from gitruns.integrations.mlflow_plugin.errors import speaks_mlflow
from gitruns.integrations.mlflow_plugin.experiments import ExperimentCalls
from gitruns.integrations.mlflow_plugin.views import info_entity, run_entity
from gitruns.protocol import runs
from gitruns.protocol.shown import lifecycle_of


@speaks_mlflow
class RunCalls(ExperimentCalls):
    """Begins, finds, ends, deletes and restores runs."""

    def create_run(
        self,
        experiment_id: str,
        user_id: str,
        start_time: int,
        tags: Sequence[Any] | None,
        run_name: str | None,
    ) -> entities.Run:
        """Begins a run: its source is captured here, unless this is a server, where the code is elsewhere."""
        given = [(tag.key, tag.value) for tag in tags or ()]
        begun = runs.create_run(
            self.hub, experiment_id, user=user_id, start_time_ms=start_time, tags=given, run_name=run_name
        )
        return run_entity(begun)

    def get_run(self, run_id: str) -> entities.Run:
        """Returns a run as it stands now, live or ended, deleted or not."""
        return run_entity(runs.get_run(self.hub, run_id))

    def update_run_info(
        self, run_id: str, run_status: int | None, end_time: int | None, run_name: str | None
    ) -> entities.RunInfo:
        """Changes status, end and name of a run; a status that ends it seals it into git."""
        status = None if run_status is None else RunStatus(MlflowStatus.to_string(run_status))
        return info_entity(runs.update_run(self.hub, run_id, status=status, end_time_ms=end_time, name=run_name))

    def delete_run(self, run_id: str) -> None:
        """Deletes a run until it is restored."""
        runs.delete_run(self.hub, run_id)

    def restore_run(self, run_id: str) -> None:
        """Brings a run back."""
        runs.restore_run(self.hub, run_id)

    def _search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None,
        run_view_type: int,
        max_results: int | None,
        order_by: Sequence[str] | None,
        page_token: str | None,
    ) -> tuple[list[entities.Run], str | None]:
        found, token = runs.search_runs(
            self.hub,
            experiment_ids,
            filter=filter_string,
            lifecycle=lifecycle_of(run_view_type),
            max_results=max_results,
            order_by=order_by,
            page_token=page_token,
        )
        return [run_entity(one) for one in found], token or None

    # What `mlflow gc` asks for

    def _get_deleted_runs(self, older_than: int = 0) -> list[str]:
        """Returns the deleted runs that were deleted so many milliseconds ago, or longer."""
        return [str(one) for one in runs.deleted_runs(self.hub, older_than)]

    def _hard_delete_run(self, run_id: str) -> None:
        """Purges a run: see `git runs purge`."""
        runs.purge_record(self.hub, runs.find_run(self.hub, run_id).info.id)
