"""What the spans of a trace say about it: its time, its state, what it was asked and answered, tokens and costs.

Programs send spans in any order and number, so all of this is made again from what is there.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from gitruns.protocol import spans as keys
from gitruns.protocol.spans import Span, json_or_text

TOKEN_USAGE = "mlflow.trace.tokenUsage"  # noqa: S105
COST = "mlflow.trace.cost"
PREVIEW_LENGTH = 1000

_TOKENS = ("input_tokens", "output_tokens", "total_tokens")
_CACHED = ("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation_input_tokens_above_1hr")
_COSTS = ("input_cost", "output_cost", "total_cost")


def span_times(spans: Iterable[Span]) -> tuple[int, int | None]:
    """Returns when the first of some spans began and the last one that has ended did, milliseconds."""
    listed = list(spans)
    ends = [span.end_ns for span in listed if span.end_ns is not None]
    return min(span.start_ns for span in listed) // 1_000_000, max(ends) // 1_000_000 if ends else None


def root_of(spans: Iterable[Span]) -> Span | None:
    """Returns the last span that is part of no other."""
    found = None
    for span in spans:
        if span.parent_id is None:
            found = span
    return found


def state_of(spans: Iterable[Span]) -> str | None:
    """Returns the state that the root says; None while there is none."""
    root = next((span for span in spans if span.parent_id is None), None)
    return None if root is None else "ERROR" if root.status == "ERROR" else "OK"


# Tokens and costs


def total_usage(spans: Sequence[Span]) -> dict[str, Any] | None:
    """Returns the tokens of a trace; None when no span tells of any."""
    return _added_up(spans, keys.USAGE, _TOKENS, _CACHED)


def total_cost(spans: Sequence[Span]) -> dict[str, Any] | None:
    """Returns what a trace cost; None when no span tells."""
    return _added_up(spans, keys.COST, _COSTS, ())


def _added_up(
    spans: Sequence[Span], attribute: str, always: Sequence[str], also: Sequence[str]
) -> dict[str, Any] | None:
    """Adds up over the tree of spans: what a span says holds for all below it, and theirs is not added once more."""
    below: dict[str, list[Span]] = defaultdict(list)
    ids = {span.id for span in spans}
    todo: list[tuple[Span, bool]] = []
    for span in spans:
        if span.parent_id is not None and span.parent_id in ids:
            below[span.parent_id].append(span)
        else:
            todo.append((span, False))
    totals: dict[str, Any] = dict.fromkeys(always, 0)
    told = False
    while todo:
        span, covered = todo.pop()
        said = span.attribute(attribute)
        if isinstance(said, dict) and not covered:
            told = covered = True
            for key in (*always, *(key for key in also if key in said)):
                totals[key] = totals.get(key, 0) + _plain(said.get(key))
        todo.extend((one, covered) for one in below.pop(span.id, ()))
    return totals if told else None


def _plain(value: Any) -> int | float:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) else 0


def as_counts(value: Any) -> dict[str, int]:
    """Returns the numbers of tokens that a text or mapping holds, those that are whole numbers."""
    found = {key: _whole(number) for key, number in _mapping(value).items() if key in (*_TOKENS, *_CACHED)}
    return {key: found[key] for key in (*_TOKENS, *_CACHED) if found.get(key) is not None}  # type: ignore[misc]


def as_costs(value: Any) -> dict[str, float]:
    """Returns the costs that a text or mapping holds, those that are finite."""
    found = {key: _finite(number) for key, number in _mapping(value).items() if key in _COSTS}
    return {key: found[key] for key in _COSTS if found.get(key) is not None}  # type: ignore[misc]


def _mapping(value: Any) -> Mapping[str, Any]:
    found = json_or_text(value)
    return found if isinstance(found, dict) else {}


def _whole(value: Any) -> int | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
        if not number.is_finite() or number != number.to_integral_value() or not -(2**63) <= number < 2**63:
            return None
    except (InvalidOperation, ValueError):
        return None
    return int(number)


def _finite(value: Any) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def tidied(metadata: Mapping[str, str], old: Mapping[str, str]) -> dict[str, str]:
    """Returns metadata with tokens and costs in their one form, laid over what was known of them."""
    found = dict(metadata)
    for key, read in ((TOKEN_USAGE, as_counts), (COST, as_costs)):
        if key in found:
            merged = {**read(old.get(key)), **read(found.pop(key))}
            if merged:
                found[key] = json.dumps({name: merged[name] for name in read(merged)})
    return found


# Previews


def preview_of(value: Any, role: str) -> str | None:
    """Returns the beginning of what went in or came out: of a conversation, the last thing that `role` said."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    messages = _messages_in(json_or_text(text))
    said = _text_in(_last_of(messages, role)) if messages else None
    shown = said or text
    return shown if len(shown) <= PREVIEW_LENGTH else shown[: PREVIEW_LENGTH - 3] + "..."


def _messages_in(value: Any) -> list[dict[str, Any]] | None:
    for _ in range(8):  # a request within a request within …
        if not isinstance(value, dict):
            return None
        for key in ("messages", "input", "output"):
            listed = value.get(key)
            if isinstance(listed, list) and listed:
                return [one for one in listed if _is_message(one)]
            if key == "messages" and (found := _chosen(value.get("choices"))):
                return [found]
        value = value.get("request")
    return None


def _chosen(choices: Any) -> dict[str, Any] | None:
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    return message if _is_message(message) else None


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and "role" in value and "content" in value


def _last_of(messages: Sequence[dict[str, Any]], role: str) -> dict[str, Any]:
    return next((one for one in reversed(messages) if one.get("role") == role), messages[-1])


def _text_in(message: Mapping[str, Any]) -> str | None:
    content = message.get("content")
    if isinstance(content, str):
        return content
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            return part
        if isinstance(part, dict) and part.get("type") in ("text", "output_text"):
            return str(part.get("text"))
    return None
