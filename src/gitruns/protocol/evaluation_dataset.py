"""What an evaluation dataset is, and one row of it: what an application is asked, and what it is expected to say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitruns.protocol.record_fields import BLOBS, group_of, value_of

if TYPE_CHECKING:
    from gitruns.protocol.hub import Hub
    from gitruns.repo.records import Record

KIND = "evaluation-dataset"
ROW_KIND = "dataset-record"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationDataset:
    """A dataset without its rows. `schema` and `profile` are JSON texts; `profile` counts the rows."""

    id: str
    name: str
    created_ms: int
    updated_ms: int
    tags: Mapping[str, str] = field(default_factory=dict)
    schema: str | None = None
    profile: str | None = None
    created_by: str | None = None
    updated_by: str | None = None
    experiment_ids: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Changes with each change, as MLflow's does."""
        return hashlib.sha256(f"{self.name}:{self.updated_ms}".encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row. `source` has `source_type` and `source_data`."""

    id: str
    dataset_id: str
    inputs: Any
    outputs: Any = None
    expectations: Mapping[str, Any] | None = None
    tags: Mapping[str, str] | None = None
    source: Mapping[str, Any] | None = None
    created_ms: int
    updated_ms: int
    created_by: str | None = None
    updated_by: str | None = None

    @property
    def source_type(self) -> str | None:
        """Where it comes from: `HUMAN`, `TRACE`, `CODE` …"""
        return None if self.source is None else str(self.source.get("source_type"))

    @property
    def source_id(self) -> str | None:
        """The trace, or whatever else it comes from."""
        data = (self.source or {}).get("source_data")
        found = data.get("trace_id" if self.source_type == "TRACE" else "source_id") if isinstance(data, dict) else None
        return found if isinstance(found, str) else None


_TEXTS = ("name", "schema", "created_by", "updated_by")
_JSON_TEXTS = ("inputs", "outputs", "expectations", "tags", "source")


def read_dataset(hub: Hub, record: Record) -> EvaluationDataset | None:
    """Returns the dataset that a record holds; None for what is not whole."""
    texts = {name: value_of(hub.repo.records, record, name) for name in _TEXTS}
    times = {name: record.fields.get(name) for name in ("created_ms", "updated_ms")}
    if not isinstance(texts["name"], str) or not all(type(time) is int for time in times.values()):
        return None
    rows = hub.repo.records.count(ROW_KIND, {"dataset_id": record.id})
    tags = {key: str(text) for key, text in group_of(record, "tags/").items()}
    large = [name for name in record.fields.get(BLOBS) or () if name.startswith("tags/")]
    tags |= {name[5:]: str(value_of(hub.repo.records, record, name)) for name in large}
    return EvaluationDataset(
        id=record.id,
        **texts,
        **times,  # type: ignore[arg-type]  # integers, as was looked at
        tags=tags,
        profile=json.dumps({"num_records": rows}) if rows else None,
        experiment_ids=tuple(group_of(record, "experiments/")),
    )


def row_id(dataset_id: str, inputs: Any) -> str:
    """Returns the id of the row with these inputs: there is one of each, and clones agree on it."""
    text = json.dumps(inputs, sort_keys=True)
    return "dr-" + hashlib.sha256(f"{dataset_id}:{text}".encode()).hexdigest()[:32]


def row_fields(row: Row) -> dict[str, Any]:
    """Returns the fields of a row's record; what is any JSON is a text, as it keeps order and numbers."""
    texts = {name: getattr(row, name) for name in _JSON_TEXTS}
    return {
        "dataset_id": row.dataset_id,
        **{name: None if value is None else json.dumps(value, ensure_ascii=False) for name, value in texts.items()},
        "created_ms": row.created_ms,
        "updated_ms": row.updated_ms,
        "created_by": row.created_by,
        "updated_by": row.updated_by,
    }


def read_row(hub: Hub, record: Record) -> Row | None:
    """Returns the row that a record holds; None for what is not whole."""
    texts = {name: value_of(hub.repo.records, record, name) for name in _JSON_TEXTS}
    fields = record.fields
    times = {name: fields.get(name) for name in ("created_ms", "updated_ms")}
    if not isinstance(texts["inputs"], str) or not all(type(time) is int for time in times.values()):
        return None
    try:
        values = {name: None if text is None else json.loads(text) for name, text in texts.items()}
    except (TypeError, ValueError):
        return None
    if not all(values[name] is None or isinstance(values[name], dict) for name in ("expectations", "tags", "source")):
        return None
    people = {name: fields.get(name) for name in ("created_by", "updated_by")}
    return Row(id=record.id, dataset_id=str(fields.get("dataset_id")), **values, **times, **people)  # type: ignore[arg-type]
