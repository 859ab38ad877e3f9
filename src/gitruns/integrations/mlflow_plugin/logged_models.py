"""The tracking store's calls for logged models; what they mean is said in `protocol.logged_models`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlflow.store.entities.paged_list import PagedList

from gitruns.integrations.mlflow_plugin.errors import speaks_mlflow
from gitruns.integrations.mlflow_plugin.history import HistoryCalls
from gitruns.integrations.mlflow_plugin.views import logged_model_entity
from gitruns.protocol import logged_models as models


@speaks_mlflow
class LoggedModelCalls(HistoryCalls):
    """Creates, finds, changes and deletes logged models."""

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: list[Any] | None = None,
        params: list[Any] | None = None,
        model_type: str | None = None,
    ) -> Any:
        """Begins a logged model: it is pending until it is finalized."""
        made = models.create_logged_model(
            self.hub,
            experiment_id,
            name=name,
            source_run_id=source_run_id,
            tags=_texts(tags),
            params=_texts(params),
            model_type=model_type,
        )
        return logged_model_entity(made)

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> Any:
        """Returns a logged model; a deleted one only when it is asked for so."""
        return logged_model_entity(models.get_logged_model(self.hub, model_id, deleted=allow_deleted))

    def finalize_logged_model(self, model_id: str, status: Any) -> Any:
        """Ends a logged model as ready or failed, which seals it into git."""
        word = str(getattr(status, "value", status))
        return logged_model_entity(models.finalize_logged_model(self.hub, model_id, word))

    def set_logged_model_tags(self, model_id: str, tags: list[Any]) -> None:
        """Sets tags of a logged model."""
        models.set_logged_model_tags(self.hub, model_id, _texts(tags))

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Takes a tag of a logged model away."""
        models.delete_logged_model_tag(self.hub, model_id, key)

    def log_logged_model_params(self, model_id: str, params: list[Any]) -> None:
        """Logs params of a logged model."""
        models.log_logged_model_params(self.hub, model_id, _texts(params))

    def delete_logged_model(self, model_id: str) -> None:
        """Deletes a logged model."""
        models.delete_logged_model(self.hub, model_id)

    def search_logged_models(
        self,
        experiment_ids: list[str],
        filter_string: str | None = None,
        datasets: list[dict[str, Any]] | None = None,
        max_results: int | None = None,
        order_by: list[dict[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList:
        """Returns one page of logged models."""
        found, token = models.search_logged_models(
            self.hub,
            experiment_ids,
            filter=filter_string,
            datasets=datasets,
            max_results=max_results,
            order_by=order_by,
            page_token=page_token,
        )
        return PagedList([logged_model_entity(one) for one in found], token or None)

    # What `mlflow gc` asks for

    def _get_deleted_logged_models(self, older_than: int = 0) -> list[str]:
        return models.deleted_models(self.hub, older_than)

    def _hard_delete_logged_model(self, model_id: str) -> None:
        models.purge_model(self.hub, model_id)


def _texts(given: Iterable[Any] | None) -> dict[str, str]:
    return {one.key: str(one.value) for one in given or ()}
