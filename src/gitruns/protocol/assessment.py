"""What an assessment is: feedback on a trace, what was expected of it, or an issue that it shows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitruns.protocol.record_fields import value_here

if TYPE_CHECKING:
    from gitruns.protocol.hub import Hub
    from gitruns.repo.records import Record

KIND = "assessment"
FEEDBACK, EXPECTATION, ISSUE = "feedback", "expectation", "issue"
SOURCE_RUN_KEY = "mlflow.assessment.sourceRunId"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One assessment.

    `type` is `feedback`, `expectation` or `issue`; `value` anything that is JSON. `error` has `error_code`,
    `error_message` and `stack_trace`. `valid` is false once another one overrides it. An empty `id` is to be made.
    """

    id: str = ""
    trace_id: str
    name: str
    type: str
    value: Any = None
    error: Mapping[str, str] | None = None
    source_type: str = "CODE"
    source_id: str = "default"
    run_id: str | None = None
    span_id: str | None = None
    rationale: str | None = None
    metadata: Mapping[str, str] | None = None
    create_ms: int = 0
    update_ms: int = 0
    overrides: str | None = None
    valid: bool = True

    @property
    def value_text(self) -> str:
        """The value as searches look at it: a JSON text."""
        return json.dumps(self.value)

    @property
    def number(self) -> float | None:
        """The value if it is a number."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            return None
        try:
            found = float(self.value)
        except OverflowError:
            return None
        return found if math.isfinite(found) else None


_TEXTS = ("trace_id", "name", "type", "source_type", "source_id", "run_id", "span_id", "rationale", "overrides")


def fields_of(one: Assessment) -> dict[str, Any]:
    """Returns the fields of its record. The value is a text, as null would mean that there is none."""
    fields: dict[str, Any] = {name: getattr(one, name) for name in _TEXTS}
    return fields | {
        "value": json.dumps(one.value, ensure_ascii=False),
        "error": dict(one.error) if one.error else None,
        "metadata": dict(one.metadata) if one.metadata else None,
        "create_ms": one.create_ms,
        "update_ms": one.update_ms,
        "valid": one.valid,
    }


def read_assessment(hub: Hub, record: Record) -> Assessment | None:
    """Returns the assessment that a record holds; None for what is not whole."""
    named = {name: value_here(hub.repo.records, record, name) for name in (*_TEXTS, "error", "metadata", "value")}
    if not all(isinstance(named[name], str) for name in ("trace_id", "name", "value")):
        return None
    if named["type"] not in (FEEDBACK, EXPECTATION, ISSUE) or not all(_is_text(named[name]) for name in _TEXTS):
        return None
    named |= {name: _texts(named[name]) for name in ("error", "metadata")}
    try:
        value = json.loads(named.pop("value"))
    except ValueError:
        return None
    named["source_type"] = named["source_type"] or "CODE"
    named["source_id"] = named["source_id"] or "default"
    named |= {name: _time(record.fields.get(name)) for name in ("create_ms", "update_ms")}
    return Assessment(id=record.id, value=value, valid=record.fields.get("valid") is not False, **named)


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _texts(value: Any) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    return {key: str(text) for key, text in value.items() if text is not None}


def _time(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
