"""What others' attributes mean: OpenInference, OpenTelemetry's GenAI conventions, Traceloop, in MLflow's words.

Sources: the conventions' own registries, and what MLflow 3.17 reads of them. A span that says a thing in MLflow's words
already keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gitruns.protocol.spans import COST, INPUTS, OUTPUTS, SPAN_TYPE, USAGE, json_or_text

MODEL = "mlflow.llm.model"
PROVIDER = "mlflow.llm.provider"
_UNKNOWN = "UNKNOWN"

_SAME = ("TOOL", "CHAIN", "LLM", "RETRIEVER", "EMBEDDING", "AGENT", "RERANKER", "UNKNOWN", "GUARDRAIL", "EVALUATOR")
_TYPES: Mapping[str, Mapping[str, str]] = {
    "openinference.span.kind": {word: word for word in _SAME},
    "gen_ai.operation.name": {
        "chat": "CHAT_MODEL",
        "create_agent": "AGENT",
        "embeddings": "EMBEDDING",
        "execute_tool": "TOOL",
        "generate_content": "LLM",
        "invoke_agent": "AGENT",
        "text_completion": "LLM",
        "response": "LLM",
    },
    "traceloop.span.kind": {word.lower(): word for word in ("WORKFLOW", "TASK", "AGENT", "TOOL", "UNKNOWN")},
}
_TEXTS: Mapping[str, tuple[str, ...]] = {
    INPUTS: ("input.value", "gen_ai.input.messages", "gen_ai.tool.call.arguments", "traceloop.entity.input"),
    OUTPUTS: ("output.value", "gen_ai.output.messages", "gen_ai.tool.call.result", "traceloop.entity.output"),
    MODEL: (
        "llm.response.model_name",
        "llm.model_name",
        "llm.request.model_name",
        "embedding.model_name",
        "gen_ai.response.model",
        "gen_ai.request.model",
    ),
    PROVIDER: ("llm.provider", "gen_ai.provider.name", "gen_ai.system"),
}
_TOKENS: tuple[Mapping[str, str], ...] = (
    {
        "input_tokens": "llm.token_count.prompt",
        "output_tokens": "llm.token_count.completion",
        "total_tokens": "llm.token_count.total",
        "cache_read_input_tokens": "llm.token_count.prompt_details.cache_read",
        "cache_creation_input_tokens": "llm.token_count.prompt_details.cache_write",
    },
    {
        "input_tokens": "gen_ai.usage.input_tokens",
        "output_tokens": "gen_ai.usage.output_tokens",
        "cache_read_input_tokens": "gen_ai.usage.cache_read.input_tokens",
        "cache_creation_input_tokens": "gen_ai.usage.cache_creation.input_tokens",
    },
    {
        "input_tokens": "gen_ai.usage.prompt_tokens",
        "output_tokens": "gen_ai.usage.completion_tokens",
        "total_tokens": "llm.usage.total_tokens",
    },
)


def in_mlflow_words(attributes: Mapping[str, str]) -> dict[str, str]:
    """Returns attributes (values are JSON texts) with what they say in other words said in MLflow's too."""
    found = {key: _written_once(text) for key, text in attributes.items()}
    kind = _type_in(found)
    if kind is not None and json_or_text(found.get(SPAN_TYPE)) in (None, _UNKNOWN):
        found[SPAN_TYPE] = json.dumps(kind)
    for key, others in _TEXTS.items():
        said = next((found[other] for other in others if json_or_text(found.get(other))), None)
        if key not in found and said is not None:
            found[key] = said
    usage = _usage_in(found) if USAGE not in found else None
    if usage is not None:
        found[USAGE] = json.dumps(usage)
    return found


def _written_once(text: str) -> str:
    """Returns a JSON text that was written as JSON twice as if it had been once: exporters send texts of texts."""
    inner = json_or_text(text)
    return inner if isinstance(inner, str) and isinstance(_json(inner), (str, dict, list)) else text


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _type_in(attributes: Mapping[str, str]) -> str | None:
    for key, words in _TYPES.items():
        said = json_or_text(attributes.get(key))
        if isinstance(said, str) and said in words:
            return words[said]
    return None


def _usage_in(attributes: Mapping[str, str]) -> dict[str, int] | None:
    for keys in _TOKENS:
        found = {name: count for name, key in keys.items() if (count := _count(attributes.get(key))) is not None}
        if "total_tokens" not in found and "input_tokens" in found and "output_tokens" in found:
            found["total_tokens"] = found["input_tokens"] + found["output_tokens"]
        if found.keys() & {"input_tokens", "output_tokens", "total_tokens"}:
            return found
    return None


def _count(text: str | None) -> int | None:
    value = json_or_text(json_or_text(text))
    return value if isinstance(value, int) and not isinstance(value, bool) else None


KEPT = (SPAN_TYPE, INPUTS, OUTPUTS, MODEL, PROVIDER, USAGE, COST)
"""What MLflow has words of its own for."""
