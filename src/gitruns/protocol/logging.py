"""Calls that log: points, params and tags. Each is in the run's journal when it returns."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gitruns.entities.ids import RunId, is_run_id
from gitruns.entities.run import Run
from gitruns.entities.values import Point, param_text
from gitruns.errors import NotFoundError
from gitruns.protocol import checks
from gitruns.protocol.checks import Measured, Named
from gitruns.protocol.errors import missing, refused
from gitruns.protocol.hub import Hub
from gitruns.protocol.model_points import log_points_on_models
from gitruns.protocol.runs import active_run, is_open, rename_run
from gitruns.protocol.shown import INPUT_TAGS, OUTPUT_TAGS, PARENT_TAG, RUN_NAME_TAG, run_tags

LOGGED_MODELS_TAG = "mlflow.log-model.history"


# Points


def log_metric(hub: Hub, run_id: str, metric: Measured) -> None:
    """Logs one point."""
    checks.check_metric(metric)
    log_points(hub, run_id, [metric])


def log_points(hub: Hub, run_id: str, metrics: Sequence[Measured]) -> None:
    """Logs checked points, those that were measured on a logged model on that too; what is the same twice, once."""
    record = _to_log(hub, run_id)
    on_models = [one for one in metrics if getattr(one, "model_id", None) is not None]
    if on_models:
        log_points_on_models(hub, run_id, on_models)
    points = points_of(metrics)
    if len(points) == 1:
        (one,) = points
        hub.logs.write(record, lambda log: log.log_metric(one.metric, one.value, one.step, one.time_ms))
    else:
        hub.logs.write(record, lambda log: log.log_points(points))


def points_of(metrics: Sequence[Measured]) -> list[Point]:
    """Returns checked points as we have them."""
    distinct = dict.fromkeys(
        (one.key, 0 if one.step is None else int(one.step), int(one.timestamp), _float(one)) for one in metrics
    )
    return [Point(*one) for one in distinct]


def _float(metric: Measured) -> float:
    try:
        return float(metric.value)
    except OverflowError:
        message = f"(timestamp={metric.timestamp}). Please specify value as a valid double (64-bit floating point)"
        raise refused(checks.invalid_value("value", metric.value, message)) from None


def log_batch(
    hub: Hub, run_id: str, metrics: Sequence[Measured], params: Iterable[Named], tags: Iterable[Named]
) -> None:
    """Logs points, params and tags; when a param is refused nothing is logged."""
    checks.check_run_id(run_id)
    named, tagged = checks.check_batch(metrics, params, tags)
    record = _to_log(hub, run_id)
    if named:
        add_params(hub, record, dict(named), in_batch=True)
    if metrics:
        log_points(hub, run_id, metrics)
    if tagged:
        set_tags(hub, record, dict(tagged))


def _to_log(hub: Hub, run_id: str) -> RunId:
    """Returns the record that is logged into, after checking, not at every call, that it may be."""
    if is_run_id(run_id) and not hub.logs.needs_check(RunId(run_id)):
        return RunId(run_id)
    record = active_run(hub, run_id).info.id
    if hub.logs.find(record) is None:
        hub.logs.get(record)
        active_run(hub, run_id)  # so that the next call finds it open and looked at
    return record


# Params


def log_param(hub: Hub, run_id: str, key: str, value: str) -> None:
    """Logs a param; the same value again is fine, another one is refused."""
    key, value = checks.check_param(key, value)
    add_params(hub, active_run(hub, run_id).info.id, {key: value})


def add_params(hub: Hub, record: RunId, params: Mapping[str, str], *, in_batch: bool = False) -> None:
    """Adds checked params to a run, all of them or none."""
    with hub.logs.params_of(record):
        known = {key: param_text(value) for key, value in hub.repo.get_run(record).params.items()}
        refuse_changed(record, known, params, in_batch=in_batch)
        fresh = {key: value for key, value in params.items() if key not in known}
        if fresh:
            hub.logs.write(record, lambda log: log.log_params(fresh))


def refuse_changed(
    record: RunId, known: Mapping[str, str], params: Mapping[str, str], *, in_batch: bool = False
) -> None:
    """Refuses params that are there with another value, in MLflow's two ways of saying so."""
    changed = [(key, known[key], value) for key, value in params.items() if known.get(key, value) != value]
    if not changed:
        return
    if in_batch:
        said = [{"key": key, "old_value": old, "new_value": new} for key, old, new in changed]
        raise refused(
            f"Changing param values is not allowed. Params were already logged='{said}' for run ID='{record}'."
        )
    key, old, new = changed[0]
    raise refused(
        f"Changing param values is not allowed. Param with key='{key}' was already logged with value='{old}' for "
        f"run ID='{record}'. Attempted logging new value '{new}'."
    )


# Tags


def set_tag(hub: Hub, run_id: str, key: str, value: str) -> None:
    """Sets a tag; that of the name or of the parent is that fact of the run."""
    key, value = checks.check_tag(key, value)
    set_tags(hub, active_run(hub, run_id).info.id, {key: value})


def set_tags(hub: Hub, record: RunId, tags: Mapping[str, str]) -> None:
    """Sets checked tags."""
    plain = dict(tags)
    name, parent = plain.pop(RUN_NAME_TAG, None), plain.get(PARENT_TAG)
    if name:
        rename_run(hub, record, name)
    if parent is not None and is_run_id(parent):
        fields = {"parent_run_id": plain.pop(PARENT_TAG)}
        hub.logs.write(record, lambda log: log.set_fields(fields))
    if plain:
        write_tags(hub, record, plain)


def delete_tag(hub: Hub, run_id: str, key: str) -> None:
    """Takes a tag away."""
    run = active_run(hub, run_id)
    if key not in run_tags(run):
        raise missing(f"No tag with name: {key} in run with id {run_id}")
    if key in run.tags:
        write_tags(hub, run.info.id, {key: None})
    elif key == PARENT_TAG:
        hub.logs.write(run.info.id, lambda log: log.set_fields({"parent_run_id": None}))


def write_tags(hub: Hub, record: RunId, tags: Mapping[str, str | None]) -> None:
    """Writes tags into the open journal, else as a change of the run that ended."""
    if is_open(hub, record):
        _wait_for_later(hub, record, tags)
        hub.logs.write(record, lambda log: log.write_tags(tags))
        return
    with hub.repo.edit(record) as edit:
        for key, text in tags.items():
            if text is not None:
                edit.set_tag(key, text)
            elif key in find_record(hub, record).tags:
                edit.delete_tag(key)


def _wait_for_later(hub: Hub, record: RunId, tags: Mapping[str, str | None]) -> None:
    """Waits until the clock has moved on from what another worker has written: of two the later one stands."""
    if not hub.in_server or hub.logs.is_alone(record):
        return
    live = hub.repo.live(record)
    if live is None:
        return
    changes = live.tag_changes
    latest = max((changes[key].time_ms for key in tags if key in changes), default=0)
    while 0 <= latest - time.time_ns() // 1_000_000 < 5:
        time.sleep(0.0005)


def find_record(hub: Hub, record: RunId) -> Run:
    """Returns a run or a record of another kind as it stands now."""
    try:
        return hub.repo.get_run(record)
    except NotFoundError as error:
        raise missing(f"Run with id={record} not found") from error


# Logged models


def log_input_models(hub: Hub, record: RunId, model_ids: Iterable[str]) -> None:
    """Logs logged models that a run read."""
    tags = {INPUT_TAGS + model_id: "" for model_id in model_ids}
    if tags:
        write_tags(hub, record, tags)


def log_outputs(hub: Hub, run_id: str, models: Iterable[tuple[str, int]]) -> None:
    """Logs that a run made logged models, each at a step."""
    run = active_run(hub, run_id)
    tags = {OUTPUT_TAGS + model_id: str(int(step)) for model_id, step in models}
    if tags:
        write_tags(hub, run.info.id, tags)


def record_model(hub: Hub, run_id: str, said: Mapping[str, Any]) -> None:
    """Notes a model in the run's tag, as clients before MLflow 3 do."""
    run = active_run(hub, run_id)
    before = json.loads(run.tags.get(LOGGED_MODELS_TAG, "[]"))
    set_tag(hub, run_id, LOGGED_MODELS_TAG, json.dumps([*before, said]))
