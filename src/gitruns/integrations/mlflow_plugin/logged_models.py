"""The tracking store's calls for logged models: records of their own kind, each with artifacts, params, tags, metrics.

A logged model is stored as a run is, with `kind: model` in its `run.yaml`, under the id without MLflow's `m-`; its
parent is the run that made it, and its source that run's. Points that were measured on a model are its metrics; which
data and which run they are of, where that is not the run that made it, is said by a reserved tag.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from mlflow.store.entities.paged_list import PagedList
from mlflow.utils import validation

from gitruns.entities import names
from gitruns.entities.ids import RunId, is_run_id, new_run_id
from gitruns.entities.run import MODEL_KIND, MODEL_TAGS, Run, RunInfo, RunStatus
from gitruns.entities.source import Source
from gitruns.entities.status import Lifecycle
from gitruns.entities.values import Point, param_text
from gitruns.errors import GitRunsError, NotFoundError
from gitruns.integrations.mlflow_plugin.errors import missing, speaks_mlflow
from gitruns.integrations.mlflow_plugin.history import HistoryCalls
from gitruns.integrations.mlflow_plugin.logged_model_search import in_order, matching
from gitruns.integrations.mlflow_plugin.views import shown_value
from gitruns.protocol.addresses import MODEL_PREFIX, model_record
from gitruns.repo import now_ms

TYPE_TAG = MODEL_TAGS + "type"
MESSAGE_TAG = MODEL_TAGS + "status_message"
RUN_TAG = MODEL_TAGS + "source_run"
SERIES_TAGS = MODEL_TAGS + "series."
_SERIES = "@"  # in no name of a metric that MLflow takes
_DEFAULT_PAGE = 100


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
        validation._validate_logged_model_name(name)
        experiment = self._experiment(experiment_id)
        self._check_experiment_is_active(experiment)
        repo = self.hub.repo
        maker = self._maker(source_run_id)
        info = RunInfo(
            id=new_run_id(),
            name=name or names.new_run_name(),
            experiment_id=experiment.id,
            writer=repo.writer,
            start_time_ms=now_ms(),
            user=maker.info.user if maker is not None else None,
            host=maker.info.host if maker is not None else None,
            source=maker.info.source if maker is not None else Source(),
            parent_run_id=maker.info.id if maker is not None else None,
            kind=MODEL_KIND,
        )
        log = repo.start_run(info, environment=None, identity=repo.identity(), tags={}, experiment_name=experiment.name)
        self.hub.logs.began(log)
        known = {tag.key: str(tag.value) for tag in tags or ()}
        if model_type is not None:
            known[TYPE_TAG] = model_type
        if source_run_id is not None and maker is None:
            known[RUN_TAG] = source_run_id
        if known:
            log.write_tags(known)
        if params:
            log.log_params({param.key: param.value for param in params})
        return self._model_entity(self._model(MODEL_PREFIX + info.id))

    def _maker(self, run_id: str | None) -> Run | None:
        if run_id is None or not is_run_id(run_id):
            return None
        try:
            return self.hub.repo.get_run(RunId(run_id))
        except GitRunsError:
            return None

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> Any:
        """Returns a logged model; a deleted one only when it is asked for so."""
        found = self._model(model_id)
        if found.info.lifecycle is Lifecycle.DELETED and not allow_deleted:
            raise _not_found(model_id)
        return self._model_entity(found)

    def finalize_logged_model(self, model_id: str, status: Any) -> Any:
        """Ends a logged model as ready or failed, which seals it into git."""
        record = self._model(model_id).info.id
        words = {"READY": RunStatus.FINISHED, "FAILED": RunStatus.FAILED}
        word = words.get(str(getattr(status, "value", status)))
        if word is None:
            self.hub.logs.resume(record)
        else:
            self.hub.logs.end(record, word, None)
        return self._model_entity(self._model(model_id))

    def set_logged_model_tags(self, model_id: str, tags: list[Any]) -> None:
        """Sets tags of a logged model."""
        record = self._model(model_id).info.id
        if tags:
            self._write_tags(record, {tag.key: str(tag.value) for tag in tags})

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Takes a tag of a logged model away."""
        model = self._model(model_id)
        if key not in model.shown_tags:
            raise missing(f"No tag with key {key!r} found for model with ID {model_id!r}.")
        self._write_tags(model.info.id, {key: None})

    def log_logged_model_params(self, model_id: str, params: list[Any]) -> None:
        """Logs params of a logged model."""
        record = self._model(model_id).info.id
        self.hub.logs.get(record).log_params({param.key: param.value for param in params})

    def delete_logged_model(self, model_id: str) -> None:
        """Deletes a logged model."""
        with self.hub.repo.edit(self._model(model_id).info.id) as edit:
            edit.set_lifecycle(Lifecycle.DELETED)

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
        from mlflow.utils.search_utils import SearchLoggedModelsUtils

        repo = self.hub.repo
        ids, _ = repo.search_run_ids("", experiment_ids=self._experiment_ids(experiment_ids), kind=MODEL_KIND)
        everything = [self._model_entity(repo.get_run(record)) for record in ids]
        ordered = in_order(matching(everything, filter_string, datasets), order_by)
        page, token = SearchLoggedModelsUtils.paginate(ordered, page_token, max_results or _DEFAULT_PAGE)
        return PagedList(page, token)

    # Metrics of models

    def _log_model_metrics(self, run_id: str, metrics: Sequence[Any]) -> None:
        by_model: dict[str, list[Any]] = {}
        for metric in metrics:
            if getattr(metric, "model_id", None) is not None:
                by_model.setdefault(metric.model_id, []).append(metric)
        for model_id, some in by_model.items():
            self._log_on_model(self._model(model_id), run_id, some)

    def _log_on_model(self, model: Run, run_id: str, metrics: Sequence[Any]) -> None:
        record = model.info.id
        points, series = [], {}
        for metric in metrics:
            name, said = _series_of(metric, None if model.info.parent_run_id == run_id else run_id)
            points.append(Point(name, int(metric.step or 0), int(metric.timestamp), float(metric.value)))
            if said is not None and SERIES_TAGS + said[0] not in model.tags:
                series[SERIES_TAGS + said[0]] = said[1]
        log = self.hub.logs.get(record)
        if series:
            log.write_tags(series)
        log.log_points(points)

    def _metrics_of(self, model: Run) -> list[Any] | None:
        from mlflow.entities import Metric

        if not model.metrics:
            return None
        found: dict[tuple[Any, ...], Any] = {}
        for point in self.hub.repo.iter_points(model.info.id):
            key, _, number = point.metric.partition(_SERIES)
            said = json.loads(model.tags.get(SERIES_TAGS + number, "{}")) if number else {}
            run_id = said.get("run", model.info.parent_run_id)
            distinct = (point.metric, point.time_ms, point.step, run_id)
            if distinct not in found:
                found[distinct] = Metric(
                    key=key,
                    value=shown_value(point.value),
                    timestamp=point.time_ms,
                    step=point.step,
                    model_id=MODEL_PREFIX + model.info.id,
                    dataset_name=said.get("name"),
                    dataset_digest=said.get("digest"),
                    run_id=run_id,
                )
        return list(found.values())

    # What `mlflow gc` asks for

    def _get_deleted_logged_models(self, older_than: int = 0) -> list[str]:
        latest = now_ms() - older_than
        found, _ = self.hub.repo.search_run_ids("", lifecycle=Lifecycle.DELETED, kind=MODEL_KIND)
        return [MODEL_PREFIX + record for record in found if self._deleted_ms(record) <= latest]

    def _hard_delete_logged_model(self, model_id: str) -> None:
        from gitruns.repo.purging import purge_runs

        purge_runs(self.hub.repo, [self._model(model_id).info.id], reason="mlflow gc")

    # Inside

    def _model(self, model_id: str) -> Run:
        record = model_record(model_id)
        if record is None:
            raise _not_found(model_id)
        try:
            found = self.hub.repo.get_run(record)
        except NotFoundError as error:
            raise _not_found(model_id) from error
        if found.info.kind != MODEL_KIND:
            raise _not_found(model_id)
        return found

    def _model_entity(self, model: Run) -> Any:
        from mlflow.entities import LoggedModel, LoggedModelStatus

        info = model.info
        status = {
            RunStatus.FINISHED: LoggedModelStatus.READY,
            RunStatus.FAILED: LoggedModelStatus.FAILED,
            RunStatus.KILLED: LoggedModelStatus.FAILED,
        }.get(info.status, LoggedModelStatus.PENDING)
        deleted = model.stamps.get("run/lifecycle") if info.lifecycle is Lifecycle.DELETED else None
        changed_ms = info.start_time_ms if info.end_time_ms is None else info.end_time_ms
        tags = dict(model.shown_tags)
        return LoggedModel(
            model_id=MODEL_PREFIX + info.id,
            experiment_id=str(info.experiment_id),
            name=info.name,
            artifact_location=self._model_uri(model),
            creation_timestamp=info.start_time_ms,
            last_updated_timestamp=changed_ms if deleted is None else max(changed_ms, deleted.time_ms),
            model_type=model.tags.get(TYPE_TAG),
            source_run_id=info.parent_run_id or model.tags.get(RUN_TAG),
            status=status,
            status_message=model.tags.get(MESSAGE_TAG) or info.error,
            tags=tags or None,
            params={key: param_text(value) for key, value in model.params.items()} or None,
            metrics=self._metrics_of(model),
        )

    def _model_uri(self, model: Run) -> str:
        try:
            elsewhere = self._location(model.info.experiment_id)
        except GitRunsError:
            elsewhere = None
        model_id = MODEL_PREFIX + model.info.id
        if elsewhere is None:
            return f"{self.hub.uri}/models/{model_id}/artifacts"
        from mlflow.utils.uri import append_to_uri_path

        return str(append_to_uri_path(elsewhere, "models", model_id, "artifacts"))


def _series_of(metric: Any, run_id: str | None) -> tuple[str, tuple[str, str] | None]:
    """Returns the name of a model's metric, and what its reserved tag says where it is not the plain one."""
    said = {"digest": metric.dataset_digest, "name": metric.dataset_name, "run": run_id}
    told = {key: text for key, text in said.items() if text is not None}
    if not told:
        return metric.key, None
    text = json.dumps(told, sort_keys=True, ensure_ascii=False)
    number = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{metric.key}{_SERIES}{number}", (number, text)


def _not_found(model_id: str) -> Any:
    return missing(f"Logged model with ID '{model_id}' not found.")
