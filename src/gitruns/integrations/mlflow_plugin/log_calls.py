"""The tracking store's calls that log: points, params, tags, datasets. Each is in the journal when it returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gitruns.integrations.mlflow_plugin.errors import speaks_mlflow
from gitruns.integrations.mlflow_plugin.runs import RunCalls
from gitruns.protocol import datasets as dataset_calls
from gitruns.protocol import logging
from gitruns.protocol.errors import refused


@speaks_mlflow
class LoggingCalls(RunCalls):
    """Logs into runs."""

    def log_batch(self, run_id: str, metrics: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]) -> None:
        """Logs points, params and tags; when a param is refused nothing is logged."""
        logging.log_batch(self.hub, run_id, list(metrics), params, tags)

    def log_metric(self, run_id: str, metric: Any) -> None:
        """Logs one point."""
        logging.log_metric(self.hub, run_id, metric)

    def log_param(self, run_id: str, param: Any) -> None:
        """Logs a param; the same value again is fine, another one is refused."""
        logging.log_param(self.hub, run_id, param.key, param.value)

    def set_tag(self, run_id: str, tag: Any) -> None:
        """Sets a tag; that of the name or of the parent is that fact of the run."""
        logging.set_tag(self.hub, run_id, tag.key, tag.value)

    def delete_tag(self, run_id: str, key: str) -> None:
        """Takes a tag away."""
        logging.delete_tag(self.hub, run_id, key)

    def log_inputs(self, run_id: str, datasets: list[Any] | None = None, models: list[Any] | None = None) -> None:
        """Logs datasets and logged models that a run reads; a dataset is kept once a run."""
        if datasets is not None and not isinstance(datasets, list):
            raise TypeError(f"Argument 'datasets' should be a list, got '{type(datasets)}'")
        given = [dataset_calls.dataset_of(_checked(one)) for one in datasets or ()]
        dataset_calls.log_inputs(self.hub, run_id, given, [model.model_id for model in models or ()])

    def log_outputs(self, run_id: str, models: list[Any]) -> None:
        """Logs that a run made logged models, each at a step."""
        logging.log_outputs(self.hub, run_id, [(model.model_id, model.step) for model in models])

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        """Notes a model in the run's tag, as clients before MLflow 3 do."""
        from mlflow.models import Model

        if not isinstance(mlflow_model, Model):
            raise TypeError(f"Argument 'mlflow_model' should be mlflow.models.Model, got '{type(mlflow_model)}'")
        logging.record_model(self.hub, run_id, mlflow_model.get_tags_dict())

    def _search_datasets(self, experiment_ids: Sequence[str]) -> list[Any]:
        """Returns the distinct datasets of all runs of some experiments, 1,000 at most."""
        from mlflow.entities import _DatasetSummary

        return [
            _DatasetSummary(experiment_id=one.experiment_id, name=one.name, digest=one.digest, context=one.context)
            for one in dataset_calls.search_datasets(self.hub, experiment_ids)
        ]


def _checked(given: Any) -> Any:
    """Returns a dataset input that has what a dataset must have."""
    if given.dataset is None:
        raise refused("Dataset cannot be None")
    for name in ("name", "digest", "source_type", "source"):
        if getattr(given.dataset, name) is None:
            raise refused(f"Dataset {name} cannot be None")
    return given
