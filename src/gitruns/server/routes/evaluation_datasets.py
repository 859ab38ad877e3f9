"""MLflow's calls for evaluation datasets; what is in them travels as JSON within JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from gitruns.protocol import evaluation_datasets as datasets
from gitruns.protocol.errors import ProtocolError
from gitruns.protocol.evaluation_dataset import EvaluationDataset, Row
from gitruns.server.calls import Call, Context, Field, Fields, Role
from gitruns.server.fields import invalid_field
from gitruns.server.pairs import without_nothing

Body = Mapping[str, Any]

_PAGE = 1000


def create(context: Context, fields: Fields) -> Body:
    """Creates a dataset."""
    tags = _within(fields, "tags", dict) if fields.get("tags") else None
    ids = fields.get("experiment_ids") or []
    made = datasets.create_dataset(context.hub, fields["name"], tags, ids)
    return {"dataset": {**_json(made), **without_nothing({"experiment_ids": list(ids)})}}


def _within(fields: Fields, name: str, kind: type) -> Any:
    """Returns what the JSON of a field says, if it is of that kind."""
    try:
        found = json.loads(fields[name])
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, kind):
        raise invalid_field(name, fields[name])
    return found


def get(context: Context, fields: Fields) -> Body:
    """Answers with a dataset."""
    return {"dataset": _json(datasets.get_dataset(context.hub, fields["dataset_id"]))}


def delete(context: Context, fields: Fields) -> Body:
    """Deletes a dataset."""
    datasets.delete_dataset(context.hub, fields["dataset_id"])
    return {}


def search(context: Context, fields: Fields) -> Body:
    """Answers with one page of datasets."""
    found, token = datasets.search_datasets(
        context.hub,
        fields.get("experiment_ids") or context.only or None,
        fields.get("filter_string"),
        fields.get("max_results") or _PAGE,
        fields.get("order_by"),
        fields.get("page_token"),
    )
    return without_nothing({"datasets": [_json(one) for one in found], "next_page_token": token or None})


def set_tags(context: Context, fields: Fields) -> Body:
    """Sets tags of a dataset."""
    datasets.set_dataset_tags(context.hub, fields["dataset_id"], _within(fields, "tags", dict))
    return {}


def delete_tag(context: Context, fields: Fields) -> Body:
    """Takes a tag of a dataset away."""
    datasets.delete_dataset_tag(context.hub, fields["dataset_id"], fields["key"])
    return {}


def experiments(context: Context, fields: Fields) -> Body:
    """Answers with the experiments that a dataset is of."""
    return without_nothing({"experiment_ids": datasets.get_experiment_ids(context.hub, fields["dataset_id"])})


def add_experiments(context: Context, fields: Fields) -> Body:
    """Makes a dataset one of some experiments too."""
    ids = fields.get("experiment_ids") or []
    return {"dataset": _json(datasets.add_to_experiments(context.hub, fields["dataset_id"], ids))}


def remove_experiments(context: Context, fields: Fields) -> Body:
    """Makes a dataset none of some experiments any more."""
    ids = fields.get("experiment_ids") or []
    return {"dataset": _json(datasets.remove_from_experiments(context.hub, fields["dataset_id"], ids))}


def upsert(context: Context, fields: Fields) -> Body:
    """Puts rows into a dataset."""
    inserted, updated = datasets.upsert_rows(context.hub, fields["dataset_id"], _within(fields, "records", list))
    return {"inserted_count": inserted, "updated_count": updated}


def rows(context: Context, fields: Fields) -> Body:
    """Answers with one page of rows."""
    size = fields.get("max_results") or _PAGE
    found, token = datasets.list_rows(context.hub, fields["dataset_id"], max(size, 1), fields.get("page_token"))
    return without_nothing({"records": json.dumps([_row(one) for one in found]), "next_page_token": token})


def delete_rows(context: Context, fields: Fields) -> Body:
    """Deletes rows of a dataset."""
    count = datasets.delete_rows(context.hub, fields["dataset_id"], fields.get("dataset_record_ids") or ())
    return {"deleted_count": count}


def _json(one: EvaluationDataset) -> Body:
    return without_nothing(
        {
            "dataset_id": one.id,
            "name": one.name,
            "tags": json.dumps(dict(one.tags)),
            "schema": one.schema,
            "profile": one.profile,
            "digest": one.digest,
            "created_time": one.created_ms,
            "last_update_time": one.updated_ms,
            "created_by": one.created_by,
            "last_updated_by": one.updated_by,
        }
    )


def _row(one: Row) -> Body:
    return {
        "dataset_record_id": one.id,
        "dataset_id": one.dataset_id,
        "inputs": one.inputs,
        "created_time": one.created_ms,
        "last_update_time": one.updated_ms,
        **{
            name: value
            for name, value in (
                ("outputs", one.outputs),
                ("expectations", one.expectations),
                ("tags", one.tags if one.tags is not None else {}),
                ("source", one.source),
                ("source_id", one.source_id),
                ("source_type", one.source_type),
                ("created_by", one.created_by),
                ("last_updated_by", one.updated_by),
            )
            if value is not None
        },
    }


# Whose they are


def _of(context: Context, fields: Fields) -> Collection[str]:
    """A dataset of several experiments is for those who may see them all."""
    try:
        return datasets.get_dataset(context.hub, fields["dataset_id"]).experiment_ids
    except ProtocolError:
        return ()


def _of_both(context: Context, fields: Fields) -> Collection[str]:
    return {*_of(context, fields), *(fields.get("experiment_ids") or ())}


def _of_ids(context: Context, fields: Fields) -> Collection[str]:
    return fields.get("experiment_ids") or ()


def _of_search(context: Context, fields: Fields) -> Collection[str]:
    """What is not named is narrowed to what the caller may see."""
    return fields.get("experiment_ids") or context.only or ()


_PATH = "/3.0/mlflow/datasets"
_ONE = f"{_PATH}/{{dataset_id}}"
_TEXT, _NEEDED, _TEXTS, _INT = Field("string"), Field("string", required=True), Field("strings"), Field("int")
_ID = {"dataset_id": _NEEDED}
_IDS = {**_ID, "experiment_ids": _TEXTS}
_SEARCH = {
    "experiment_ids": _TEXTS,
    "filter_string": _TEXT,
    "max_results": _INT,
    "order_by": _TEXTS,
    "page_token": _TEXT,
}
_NEW = {"name": _NEEDED, "experiment_ids": _TEXTS, "tags": _TEXT}
_PAGED = {**_ID, "max_results": _INT, "page_token": _TEXT}
_READ = Role.READER

CALLS = (
    Call("POST", f"{_PATH}/create", "CreateDataset", create, _NEW, experiment_of=_of_ids),
    Call("POST", f"{_PATH}/search", "SearchEvaluationDatasets", search, _SEARCH, _READ, experiment_of=_of_search),
    Call("GET", f"{_PATH}/search", "SearchEvaluationDatasets", search, _SEARCH, _READ, experiment_of=_of_search),
    Call("GET", _ONE, "GetDataset", get, _ID, _READ, experiment_of=_of),
    Call("DELETE", _ONE, "DeleteDataset", delete, _ID, experiment_of=_of),
    Call("PATCH", f"{_ONE}/tags", "SetDatasetTags", set_tags, {**_ID, "tags": _NEEDED}, experiment_of=_of),
    Call("DELETE", f"{_ONE}/tags/{{key}}", "DeleteDatasetTag", delete_tag, {**_ID, "key": _NEEDED}, experiment_of=_of),
    Call("GET", f"{_ONE}/experiment-ids", "GetDatasetExperimentIds", experiments, _ID, _READ, experiment_of=_of),
    Call("POST", f"{_ONE}/add-experiments", "AddDatasetToExperiments", add_experiments, _IDS, experiment_of=_of_both),
    Call(
        "POST",
        f"{_ONE}/remove-experiments",
        "RemoveDatasetFromExperiments",
        remove_experiments,
        _IDS,
        experiment_of=_of_both,
    ),
    Call(
        "POST",
        f"{_ONE}/records",
        "UpsertDatasetRecords",
        upsert,
        {**_ID, "records": _NEEDED},
        experiment_of=_of,
        limit_bytes=16 << 20,
    ),
    Call("GET", f"{_ONE}/records", "GetDatasetRecords", rows, _PAGED, _READ, experiment_of=_of),
    Call(
        "DELETE",
        f"{_ONE}/records",
        "DeleteDatasetRecords",
        delete_rows,
        {**_ID, "dataset_record_ids": _TEXTS},
        experiment_of=_of,
    ),
)
