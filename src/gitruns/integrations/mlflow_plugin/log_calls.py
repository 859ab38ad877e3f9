"""The tracking store's calls that log: points, params, tags, datasets. Each is in the journal when it returns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import entities
from mlflow.utils import validation

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.ids import RunId, is_run_id
from gitruns.entities.run import Run
from gitruns.entities.values import Point, param_text
from gitruns.integrations.mlflow_plugin.errors import missing, refused, speaks_mlflow
from gitruns.integrations.mlflow_plugin.runs import RunCalls
from gitruns.integrations.mlflow_plugin.views import (
    INPUT_TAGS,
    OUTPUT_TAGS,
    PARENT_TAG,
    RUN_NAME_TAG,
    dataset_input,
    run_tags,
)

LOGGED_MODELS_TAG = "mlflow.log-model.history"


@speaks_mlflow
class LoggingCalls(RunCalls):
    """Logs into runs. Checks are MLflow's own functions, so that limits and words are those of its stores."""

    def log_batch(self, run_id: str, metrics: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]) -> None:
        """Logs points, params and tags; when a param is refused nothing is logged."""
        validation._validate_run_id(run_id)
        metrics, params, tags = validation._validate_batch_log_data(list(metrics), list(params), list(tags))
        validation._validate_batch_log_limits(metrics, params, tags)
        validation._validate_param_keys_unique(params)
        self._log_all(run_id, metrics, params, tags)

    def _log_all(self, run_id: str, metrics: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]) -> None:
        record = self._to_log(run_id)
        if params:
            self._log_params(self._run(run_id), params)
        if metrics:
            self.hub.logs.get(record).log_points(_points(metrics))
            self._log_model_metrics(run_id, metrics)
        if tags:
            self._set_tags(record, {tag.key: str(tag.value) for tag in tags})

    def log_metric(self, run_id: str, metric: Any) -> None:
        """Logs one point."""
        validation._validate_metric(metric.key, metric.value, metric.timestamp, metric.step)
        record = self._to_log(run_id)
        step = 0 if metric.step is None else metric.step
        self.hub.logs.get(record).log_metric(metric.key, metric.value, step, int(metric.timestamp))
        if getattr(metric, "model_id", None) is not None:
            self._log_model_metrics(run_id, [metric])

    def log_param(self, run_id: str, param: Any) -> None:
        """Logs a param; the same value again is fine, another one is refused."""
        checked = validation._validate_param(param.key, param.value)
        run = self._active_run(run_id)
        known = run.params.get(checked.key)
        if checked.key in run.params and param_text(known) != checked.value:
            raise refused(
                f"Changing param values is not allowed. Param with key='{checked.key}' was already logged with "
                f"value='{param_text(known)}' for run ID='{run_id}'. Attempted logging new value '{checked.value}'."
            )
        self.hub.logs.get(run.info.id).log_params({checked.key: checked.value})

    def _log_params(self, run: Run, params: Sequence[Any]) -> None:
        known = {key: param_text(value) for key, value in run.params.items()}
        changed = [
            {"key": param.key, "old_value": known[param.key], "new_value": param.value}
            for param in params
            if param.key in known and known[param.key] != param.value
        ]
        if changed:
            raise refused(
                "Changing param values is not allowed. Params were already"
                f" logged='{changed}' for run ID='{run.info.id}'."
            )
        fresh = {param.key: param.value for param in params if param.key not in known}
        if fresh:
            self.hub.logs.get(run.info.id).log_params(fresh)

    # Tags

    def set_tag(self, run_id: str, tag: Any) -> None:
        """Sets a tag; that of the name or of the parent is that fact of the run."""
        checked = validation._validate_tag(tag.key, tag.value)
        self._set_tags(self._active_run(run_id).info.id, {checked.key: str(checked.value)})

    def delete_tag(self, run_id: str, key: str) -> None:
        """Takes a tag away."""
        run = self._active_run(run_id)
        if key not in run_tags(run):
            raise missing(f"No tag with name: {key} in run with id {run_id}")
        if key in run.tags:
            self._write_tags(run.info.id, {key: None})
        elif key == PARENT_TAG:
            self.hub.logs.get(run.info.id).set_fields({"parent_run_id": None})

    def _set_tags(self, record: RunId, tags: Mapping[str, str]) -> None:
        plain = dict(tags)
        name, parent = plain.pop(RUN_NAME_TAG, None), plain.get(PARENT_TAG)
        if name:
            self._rename(record, name)
        if parent is not None and is_run_id(parent):
            self.hub.logs.get(record).set_fields({"parent_run_id": plain.pop(PARENT_TAG)})
        if plain:
            self._write_tags(record, plain)

    def _write_tags(self, record: RunId, tags: Mapping[str, str | None]) -> None:
        """Writes tags into the open journal, else as a change of the run that ended."""
        log = self.hub.logs.find(record)
        if log is not None:
            log.write_tags(tags)
            return
        with self.hub.repo.edit(record) as edit:
            for key, text in tags.items():
                if text is None:
                    edit.delete_tag(key)
                else:
                    edit.set_tag(key, text)

    # What went in and what came out

    def log_inputs(self, run_id: str, datasets: list[Any] | None = None, models: list[Any] | None = None) -> None:
        """Logs datasets and logged models that a run reads; a dataset is kept once a run."""
        validation._validate_run_id(run_id)
        if datasets is not None:
            if not isinstance(datasets, list):
                raise TypeError(f"Argument 'datasets' should be a list, got '{type(datasets)}'")
            validation._validate_dataset_inputs(datasets)
        run = self._active_run(run_id)
        known = {(one.name, one.digest) for one in run.inputs}
        fresh: dict[tuple[str, str], DatasetInput] = {}
        for given in datasets or ():
            if given.dataset is None:
                raise refused("Dataset input must have a dataset associated with it.", "INTERNAL_ERROR")
            if (given.dataset.name, given.dataset.digest) not in known:
                fresh.setdefault((given.dataset.name, given.dataset.digest), dataset_input(given))
        if fresh:
            self.hub.logs.get(run.info.id).add_inputs(list(fresh.values()))
        if models:
            self._write_tags(run.info.id, {INPUT_TAGS + model.model_id: "" for model in models})

    def log_outputs(self, run_id: str, models: list[Any]) -> None:
        """Logs that a run made logged models, each at a step."""
        run = self._active_run(run_id)
        if models:
            self._write_tags(run.info.id, {OUTPUT_TAGS + model.model_id: str(int(model.step)) for model in models})

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        """Notes a model in the run's tag, as clients before MLflow 3 do."""
        from mlflow.models import Model

        if not isinstance(mlflow_model, Model):
            raise TypeError(f"Argument 'mlflow_model' should be mlflow.models.Model, got '{type(mlflow_model)}'")
        run = self._active_run(run_id)
        before = json.loads(run.tags.get(LOGGED_MODELS_TAG, "[]"))
        text = json.dumps([*before, mlflow_model.get_tags_dict()])
        self.set_tag(run_id, entities.RunTag(LOGGED_MODELS_TAG, text))

    def _search_datasets(self, experiment_ids: Sequence[str]) -> list[Any]:
        """Returns the distinct datasets of all runs of some experiments, 1,000 at most."""
        from mlflow.entities import _DatasetSummary

        repo = self.hub.repo
        search = repo.search("", experiment_ids=self._experiment_ids(experiment_ids), lifecycle=None)
        found: dict[tuple[str, str, str, str | None], Any] = {}
        for listed in repo.index.list_runs(search)[0]:
            for one in repo.get_run(listed.run.info.id).inputs if listed.inputs else ():
                key = (str(listed.run.info.experiment_id), one.name, one.digest, one.context)
                if len(found) < _MOST_DATASETS:
                    found[key] = _DatasetSummary(
                        experiment_id=key[0], name=one.name, digest=one.digest, context=one.context
                    )
        return list(found.values())

    # Inside

    def _log_model_metrics(self, run_id: str, metrics: Sequence[Any]) -> None:
        """Logs those of some points that were measured on a logged model to that model too."""

    def _to_log(self, run_id: str) -> RunId:
        """Returns the record that is logged into, after checking, not at every call, that it may be."""
        if is_run_id(run_id) and not self.hub.logs.needs_check(RunId(run_id)):
            return RunId(run_id)
        return self._active_run(run_id).info.id


_MOST_DATASETS = 1000


def _points(metrics: Sequence[Any]) -> list[Point]:
    distinct = dict.fromkeys(
        (metric.key, 0 if metric.step is None else int(metric.step), int(metric.timestamp), float(metric.value))
        for metric in metrics
    )
    return [Point(*one) for one in distinct]
