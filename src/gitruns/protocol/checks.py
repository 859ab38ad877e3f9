"""What MLflow takes: its limits, its grammar of keys, and the words with which it refuses.

Held against the functions of the MLflow that is installed by `tests/protocol/test_checks.py`.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from numbers import Number
from typing import Any, Protocol

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.run import MODEL_TAGS
from gitruns.protocol.errors import refused

MAX_KEY = 250
MAX_PARAM = 6000
MAX_TAG = 8000
MAX_EXPERIMENT_NAME = 500
MAX_EXPERIMENT_TAG = 20_000
MAX_METRICS, MAX_PARAMS, MAX_TAGS, MAX_ITEMS = 1000, 100, 100, 1000
MAX_RESULTS = 50_000

_KEY = re.compile(r"[/\w.\- :]*$")
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}$")
_INT64 = 2**63
_KEY_CHARACTERS = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes"
    " (/)."
)
_TRUNCATE_VARIABLE = "MLFLOW_TRUNCATE_LONG_VALUES"


class Measured(Protocol):
    """A point as callers give it: of what types, is yet to be checked."""

    @property
    def key(self) -> Any: ...
    @property
    def value(self) -> Any: ...
    @property
    def timestamp(self) -> Any: ...
    @property
    def step(self) -> Any: ...


class Named(Protocol):
    """A param or tag as callers give it."""

    @property
    def key(self) -> Any: ...
    @property
    def value(self) -> Any: ...


def invalid_value(path: str, value: object, message: str) -> str:
    """Returns MLflow's words for a value that is none."""
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return f"Invalid value {shown} for parameter '{path}' supplied: {message}"


# Keys and texts


def check_key(key: str, path: str) -> str:
    """Returns the key of a metric, param or tag; `path` says where in the request it stood."""
    fault = _fault_of_key(key)
    if fault is not None:
        raise refused(invalid_value(path, key, fault))
    return key


@lru_cache(maxsize=4096)
def _fault_of_key(key: str) -> str | None:
    if _KEY.match(key) is None:
        return _KEY_CHARACTERS
    return fault_of_path(key)


def fault_of_path(name: str) -> str | None:
    """Returns MLflow's words for a name that would be another one as a path, None for any other."""
    plain = posixpath.normpath(name)
    if plain != name or plain == "." or plain.startswith(("..", "/")):
        return (
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as such."
            f" This name would resolve to {plain!r}"
        )
    return None


def check_length(what: str, text: str, limit: int, *, cut: bool = False) -> str:
    """Returns a text of at most so many characters; with `cut` the beginning of a longer one, as MLflow is set up to.

    `MLFLOW_TRUNCATE_LONG_VALUES=false` has longer ones refused, as in MLflow.
    """
    if len(text) <= limit:
        return text
    if cut and os.environ.get(_TRUNCATE_VARIABLE, "true").lower() not in ("false", "0"):
        return text[:limit]
    raise refused(f"'{what}' exceeds the maximum length of {limit} characters")


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def check_metric(metric: Measured, path: str = "") -> None:
    """Refuses a point that MLflow would refuse."""
    key, value, time_ms, step = metric.key, metric.value, metric.timestamp, metric.step
    if key is None:
        message = "Metric name cannot be None. A key name must be provided."
        raise refused(invalid_value(_below(path, "name"), key, message))
    if _fault_of_key(key) is not None:
        check_key(key, _below(path, "name"))
    if value is None:
        raise refused(f"Missing value for required parameter '{_below(path, 'value')}'.")
    if type(value) is not float and (isinstance(value, bool) or not isinstance(value, Number)):
        message = f"(timestamp={time_ms}). Please specify value as a valid double (64-bit floating point)"
        raise refused(invalid_value(_below(path, "value"), value, message))
    if not isinstance(time_ms, Number) or not _fits(time_ms, 0):
        message = f"metric '{key}' (value={value}). Timestamp must be a nonnegative long (64-bit integer) "
        raise refused(invalid_value(_below(path, "timestamp"), time_ms, message))
    if step is not None and (not isinstance(step, Number) or not _fits(step, -_INT64)):
        message = f"metric '{key}' (value={value}). Step must be a valid long (64-bit integer)."
        raise refused(invalid_value(_below(path, "step"), step, message))
    if len(key) > MAX_KEY:
        check_length("Metric name", key, MAX_KEY)


def _fits(number: Any, least: int) -> bool:
    return bool(least <= number < _INT64)


def check_param(key: str, value: str, path: str = "") -> tuple[str, str]:
    """Returns key and value of a param; a long value is cut."""
    if key is None:
        raise refused(invalid_value(_below(path, "key"), "", "A key name must be provided."))
    check_key(key, _below(path, "key"))
    check_length("Param key", key, MAX_KEY)
    return key, check_length("Param value", str(value), MAX_PARAM, cut=True)


def check_tag(key: str, value: str, path: str = "") -> tuple[str, str]:
    """Returns key and value of a run's tag; a long value is cut."""
    _check_tag_key(key, _below(path, "key"))
    check_length(_below(path, "key"), key, MAX_KEY)
    return key, check_length(_below(path, "value"), str(value), MAX_TAG, cut=True)


def _check_tag_key(key: str, path: str) -> None:
    if key is None:
        raise refused(f"Missing value for required parameter '{path}'.")
    check_key(key, path)
    check_not_reserved(key, path)


def check_not_reserved(key: str, path: str = "key") -> None:
    """Refuses the key of a tag in which gitruns keeps what belongs together; nobody is shown those either."""
    if key.startswith(MODEL_TAGS):
        raise refused(invalid_value(path, key, f"Tags that begin with '{MODEL_TAGS}' are reserved."))


def check_experiment_tag(key: str, value: str) -> tuple[str, str]:
    """Returns key and value of an experiment's tag."""
    _check_tag_key(key, "key")
    check_length("key", key, MAX_KEY)
    return key, check_length("value", str(value), MAX_EXPERIMENT_TAG)


def check_experiment_name(name: object) -> str:
    """Returns the name of an experiment."""
    if name is None or name == "":
        raise refused(f"Invalid experiment name: '{name}'")
    if not isinstance(name, str):
        raise refused(f"Invalid experiment name: {name}. Expects a string.")
    return check_length("name", name, MAX_EXPERIMENT_NAME)


def check_run_id(run_id: str) -> None:
    """Refuses what can be no run's id in any MLflow."""
    if _RUN_ID.match(run_id) is None:
        raise refused(
            f"Invalid value {json.dumps(run_id)} for parameter 'run_id' supplied.",
        )


# Batches


def check_batch(
    metrics: Sequence[Measured], params: Iterable[Named], tags: Iterable[Named]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Returns params and tags of a batch whose every item, and whose size, MLflow would take."""
    for index, metric in enumerate(metrics):
        check_metric(metric, f"metrics[{index}]")
    named = [check_param(one.key, one.value, f"params[{index}]") for index, one in enumerate(params)]
    tagged = [check_tag(one.key, one.value, f"tags[{index}]") for index, one in enumerate(tags)]
    _check_count("metrics", MAX_METRICS, len(metrics))
    _check_count("params", MAX_PARAMS, len(named))
    _check_count("tags", MAX_TAGS, len(tagged))
    _check_count("metrics, params, and tags", MAX_ITEMS, len(metrics) + len(named) + len(tagged))
    seen: set[str] = set()
    twice = [key for key, _ in named if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
    if twice:
        raise refused(
            f"Duplicate parameter keys have been submitted: {twice}. Please ensure the request contains only one param"
            " value per param key."
        )
    return named, tagged


def _check_count(what: str, limit: int, count: int) -> None:
    if count > limit:
        raise refused(
            f"A batch logging request can contain at most {limit} {what}. Got {count} {what}. Please split up {what}"
            " across multiple requests and try again."
        )


# Datasets

_DATASET_LIMITS = (("name", 500), ("digest", 36), ("source", 65_535), ("schema", 1_048_575), ("profile", 16_777_215))


def check_datasets(datasets: Iterable[DatasetInput]) -> None:
    """Refuses datasets whose texts are longer than MLflow's tables hold."""
    for dataset in datasets:
        for name, limit in _DATASET_LIMITS:
            check_length(name, getattr(dataset, name) or "", limit)
        for key, value in dataset.tags:
            check_length("key", key, 255)
            check_length("value", value, 500)


# Pages


def check_max_results(max_results: object) -> None:
    """Refuses a size that no page of a search can have."""
    if not isinstance(max_results, int) or max_results < 1:
        raise refused(
            f"Invalid value {max_results} for parameter 'max_results' supplied. It must be a positive integer"
        )
    if max_results > MAX_RESULTS:
        raise refused(
            f"Invalid value {max_results} for parameter 'max_results' supplied. It must be at most {MAX_RESULTS}"
        )


def offset_of(page_token: str | None) -> int:
    """Returns where the page begins that a token asks for, 0 without one."""
    if not page_token:
        return 0
    try:
        decoded = base64.b64decode(page_token)
    except (ValueError, binascii.Error):
        raise refused("Invalid page token, could not base64-decode") from None
    try:
        parsed = json.loads(decoded)
    except (ValueError, RecursionError):
        raise refused(f"Invalid page token, decoded value={decoded!r}") from None
    offset = parsed.get("offset") if isinstance(parsed, dict) else None
    if type(offset) is not int or not 0 < offset < _INT64:
        raise refused(f"Invalid page token, parsed value={parsed}")
    return offset


def token_of(offset: int) -> str:
    """Returns the token that asks for the page that begins there."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()
