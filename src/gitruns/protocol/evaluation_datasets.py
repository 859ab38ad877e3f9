"""Calls for evaluation datasets: create, find, tag and delete them, and put rows in, one for each different input."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gitruns.errors import InvalidInputError
from gitruns.protocol.checks import check_max_results, offset_of, token_of
from gitruns.protocol.errors import missing, refused
from gitruns.protocol.evaluation_dataset import (
    KIND,
    ROW_KIND,
    EvaluationDataset,
    Row,
    read_dataset,
    read_row,
    row_fields,
    row_id,
)
from gitruns.protocol.experiments import experiment_id_of, find_experiment
from gitruns.protocol.record_fields import Change, changes, erased, put
from gitruns.query import evaluate, in_order, parse_mlflow, parse_mlflow_order
from gitruns.query.ast import Entity
from gitruns.query.fields import Attribute, Holds, Subject
from gitruns.repo import now_ms

if TYPE_CHECKING:
    from gitruns.protocol.hub import Hub

USER_TAG = "mlflow.user"
SOURCE_TYPES = ("UNSPECIFIED", "TRACE", "HUMAN", "DOCUMENT", "CODE")
_ID_PREFIX = "d-"
_DEFAULT_ORDER = ("created_time DESC",)
_EMPTY_SCHEMA = {"inputs": {}, "outputs": {}, "expectations": {}, "version": "1.0"}

_ATTRIBUTES = {
    **{name: Attribute(name, Holds.TEXT) for name in ("name", "created_by", "last_updated_by")},
    **{name: Attribute(name, Holds.NUMBER) for name in ("created_time", "last_update_time")},
}
_SUBJECT = Subject(
    word="dataset",
    entities={"tags": Entity.TAG, "attribute": Entity.ATTRIBUTE, "attributes": Entity.ATTRIBUTE},
    mlflow_entities=frozenset({"tags"}),
    attributes=_ATTRIBUTES,
    mlflow_filter=frozenset(_ATTRIBUTES),
    mlflow_order=frozenset({"name", "created_time", "last_update_time"}),
    mlflow_lists=frozenset({"name"}),
)


def create_dataset(
    hub: Hub, name: Any, tags: Mapping[str, str] | None = None, experiment_ids: Iterable[str] = ()
) -> EvaluationDataset:
    """Creates a dataset without rows; names need not be different."""
    if not isinstance(name, str) or not name:
        raise refused("Missing value for required parameter 'name'.")
    known = {str(key): str(text) for key, text in (tags or {}).items()}
    now = now_ms()
    user = known.get(USER_TAG)
    fields: dict[str, Any] = {
        "name": name,
        "created_ms": now,
        "updated_ms": now,
        "created_by": user,
        "updated_by": user,
    }
    fields |= {f"tags/{key}": text for key, text in known.items()}
    fields |= {f"experiments/{experiment_id_of(one)}": True for one in experiment_ids}
    dataset_id = _ID_PREFIX + uuid4().hex
    put(hub.repo.records, KIND, dataset_id, fields)
    return get_dataset(hub, dataset_id)


def get_dataset(hub: Hub, dataset_id: str) -> EvaluationDataset:
    """Returns a dataset."""
    found = _find(hub, dataset_id)
    if found is None:
        raise missing(f"Evaluation dataset with id '{dataset_id}' not found")
    return found


def _find(hub: Hub, dataset_id: str) -> EvaluationDataset | None:
    record = hub.repo.records.get(KIND, dataset_id)
    return None if record is None else read_dataset(hub, record)


def delete_dataset(hub: Hub, dataset_id: str) -> None:
    """Deletes a dataset and its rows; one that is not there is fine."""
    records = hub.repo.records
    record = records.get(KIND, dataset_id)
    if record is not None:
        gone: list[Change] = [(KIND, dataset_id, erased(record))]
        gone += [(ROW_KIND, one.id, erased(one)) for one in records.select(ROW_KIND, {"dataset_id": dataset_id})]
        records.put_many(gone)


def search_datasets(
    hub: Hub,
    experiment_ids: Collection[str] | None = None,
    filter: str | None = None,  # noqa: A002  the field's word, and MLflow's
    max_results: int = 1000,
    order_by: Sequence[str] | None = None,
    page_token: str | None = None,
) -> tuple[list[EvaluationDataset], str]:
    """Returns one page of datasets, newest first unless it is said otherwise, and the token of the next."""
    check_max_results(max_results)
    offset = offset_of(page_token)
    try:
        tree = parse_mlflow(filter or "", _SUBJECT)
        order = parse_mlflow_order(order_by or _DEFAULT_ORDER, _SUBJECT)
    except InvalidInputError as error:
        raise refused(str(error.facts.get("reason", error.message))) from error
    now = datetime.now().astimezone()
    wanted = None if not experiment_ids else {str(one) for one in experiment_ids}
    read = (read_dataset(hub, record) for record in hub.repo.records.select(KIND))
    found = [
        one
        for one in read
        if one is not None
        and (wanted is None or not wanted.isdisjoint(one.experiment_ids))
        and evaluate(tree, _facts(one)[0], one.tags, _SUBJECT, now)
    ]
    found.sort(key=lambda one: one.id, reverse=True)
    found = in_order(found, order, _facts, _SUBJECT)
    end = offset + max_results
    return found[offset:end], token_of(end) if end < len(found) else ""


def _facts(one: EvaluationDataset) -> tuple[dict[str, Any], Mapping[str, str]]:
    return {
        "name": one.name,
        "created_by": one.created_by,
        "last_updated_by": one.updated_by,
        "created_time": one.created_ms,
        "last_update_time": one.updated_ms,
    }, one.tags


# Tags and experiments


def set_dataset_tags(hub: Hub, dataset_id: str, tags: Mapping[str, Any]) -> None:
    """Sets tags of a dataset."""
    record = hub.repo.records.get(KIND, dataset_id)
    if record is None:
        raise missing(f"Could not find evaluation dataset with ID {dataset_id}")
    fields = {f"tags/{key}": str(value) for key, value in tags.items() if value is not None}
    put(hub.repo.records, KIND, dataset_id, fields, record)


def delete_dataset_tag(hub: Hub, dataset_id: str, key: str) -> None:
    """Takes a tag of a dataset away; one that is not there is fine."""
    record = hub.repo.records.get(KIND, dataset_id)
    if record is not None:
        put(hub.repo.records, KIND, dataset_id, {f"tags/{key}": None}, record)


def get_experiment_ids(hub: Hub, dataset_id: str) -> list[str]:
    """Returns the experiments that a dataset is of."""
    found = _find(hub, dataset_id)
    return [] if found is None else list(found.experiment_ids)


def add_to_experiments(hub: Hub, dataset_id: str, experiment_ids: Iterable[str]) -> EvaluationDataset:
    """Makes a dataset one of some experiments too."""
    ids = [find_experiment(hub, one).id for one in experiment_ids]
    return _change_experiments(hub, dataset_id, {f"experiments/{one}": True for one in ids})


def remove_from_experiments(hub: Hub, dataset_id: str, experiment_ids: Iterable[str]) -> EvaluationDataset:
    """Makes a dataset none of some experiments any more."""
    return _change_experiments(hub, dataset_id, {f"experiments/{one}": None for one in experiment_ids})


def _change_experiments(hub: Hub, dataset_id: str, fields: Mapping[str, Any]) -> EvaluationDataset:
    if _find(hub, dataset_id) is None:
        raise missing(f"Dataset '{dataset_id}' not found")
    put(hub.repo.records, KIND, dataset_id, {**fields, "updated_ms": now_ms()})
    return get_dataset(hub, dataset_id)


# Rows


def upsert_rows(hub: Hub, dataset_id: str, rows: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Puts rows in and returns how many are new and how many were there: of the same inputs there is one row.

    What is given of a row that is there replaces its outputs, and is added to its expectations and tags.
    """
    records = hub.repo.records
    record = records.get(KIND, dataset_id)
    found = None if record is None else read_dataset(hub, record)
    if found is None:
        raise missing(f"Evaluation dataset with id '{dataset_id}' not found")
    now, inserted, user = now_ms(), 0, None
    known: dict[str, Row] = {}
    for given in rows:
        if not isinstance(given, Mapping):
            raise refused("Each record must be a dictionary")
        user = (given.get("tags") or {}).get(USER_TAG, user)
        key = row_id(dataset_id, given.get("inputs") or {})
        old = known.get(key) or _row(hub, key)
        inserted += old is None
        known[key] = _new_row(key, dataset_id, given, now) if old is None else _merged_row(old, given, now)
    changed: list[Change] = []
    for key, row in known.items():
        changed += changes(records, ROW_KIND, key, {**row_fields(row), "deleted": None})
    schema = json.dumps(_schema_with(found.schema, rows))
    changed += changes(records, KIND, dataset_id, {"updated_ms": now, "updated_by": user, "schema": schema}, record)
    records.put_many(changed)
    return inserted, len(rows) - inserted


def _row(hub: Hub, key: str) -> Row | None:
    record = hub.repo.records.get(ROW_KIND, key)
    return None if record is None else read_row(hub, record)


def _new_row(key: str, dataset_id: str, given: Mapping[str, Any], now: int) -> Row:
    user = (given.get("tags") or {}).get(USER_TAG)
    return Row(
        id=key,
        dataset_id=dataset_id,
        inputs=given.get("inputs") or {},
        outputs=given.get("outputs", {}),
        expectations=given.get("expectations"),
        tags=given.get("tags"),
        source=_source_of(given.get("source")),
        created_ms=now,
        updated_ms=now,
        created_by=user,
        updated_by=user,
    )


def _merged_row(old: Row, given: Mapping[str, Any], now: int) -> Row:
    tags = given.get("tags") or {}
    return replace(
        old,
        outputs=given.get("outputs", old.outputs),
        expectations={**(old.expectations or {}), **(given.get("expectations") or {})} or old.expectations,
        tags={**(old.tags or {}), **tags} or old.tags,
        updated_ms=now,
        updated_by=tags.get(USER_TAG, old.updated_by),
    )


def _source_of(given: Any) -> Mapping[str, Any] | None:
    if not given:
        return None
    if not isinstance(given, Mapping):
        raise refused("The source of a record must be a dictionary")
    kind = str(given.get("source_type", "")).upper()
    if kind not in SOURCE_TYPES:
        raise refused(f"Invalid dataset record source type: {kind}. Valid source types: {list(SOURCE_TYPES)}")
    return {"source_type": kind, "source_data": given.get("source_data") or {}}


def _schema_with(known: str | None, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the names and types of what is in a dataset: of each name the type that was seen first."""
    schema: dict[str, Any] = json.loads(known) if known else json.loads(json.dumps(_EMPTY_SCHEMA))
    for row in rows:
        for part in ("inputs", "outputs", "expectations"):
            value = row.get(part)
            if isinstance(value, Mapping) and isinstance(schema[part], dict):
                schema[part] |= {key: _type_of(one) for key, one in value.items() if key not in schema[part]}
            elif part == "outputs" and value is not None and not schema[part]:
                schema[part] = _type_of(value)
    return schema


def _type_of(value: Any) -> str:
    for kind, word in ((bool, "boolean"), (int, "integer"), (float, "float"), (str, "string"), (list, "array")):
        if isinstance(value, kind):
            return word
    return "null" if value is None else "object" if isinstance(value, dict) else "unknown"


def list_rows(
    hub: Hub, dataset_id: str, max_results: int | None = None, page_token: str | None = None
) -> tuple[list[Row], str | None]:
    """Returns the rows of a dataset, the oldest first: one page and the token of the next, or all of them."""
    read = (read_row(hub, record) for record in hub.repo.records.select(ROW_KIND, {"dataset_id": dataset_id}))
    found = sorted((one for one in read if one is not None), key=_place)
    if page_token:
        after = _after(page_token)
        found = [one for one in found if _place(one) > after]
    if not max_results or len(found) <= max_results:
        return found, None
    time_ms, key = _place(found[max_results - 1])
    return found[:max_results], base64.b64encode(f"{time_ms}:{key}".encode()).decode()


def _place(row: Row) -> tuple[int, str]:
    return row.created_ms, row.id


def _after(token: str) -> tuple[int, str]:
    try:
        time_ms, _, key = base64.b64decode(token, validate=True).decode().partition(":")
        return int(time_ms), key
    except (ValueError, binascii.Error):
        raise refused("Invalid page token, could not base64-decode") from None


def delete_rows(hub: Hub, dataset_id: str, row_ids: Iterable[str]) -> int:
    """Deletes rows and returns how many were there."""
    records = hub.repo.records
    known = (records.get(ROW_KIND, one) for one in dict.fromkeys(row_ids))
    found = [one for one in known if one is not None and one.fields.get("dataset_id") == dataset_id]
    records.put_many([(ROW_KIND, one.id, erased(one)) for one in found])
    return len(found)
