"""What we take and refuse is what the MLflow that is installed takes and refuses, word by word."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'gitruns[mlflow]'")

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils import validation

from gitruns.protocol import checks
from gitruns.protocol.errors import ProtocolError

pytestmark = pytest.mark.skipif(
    validation.MAX_EXPERIMENT_TAG_VAL_LENGTH != checks.MAX_EXPERIMENT_TAG, reason="an older MLflow has other limits"
)

KEYS = [
    *("a", "a/b", "a.b", "a-b", "a b", "a:b", "clé", "x" * 250, "x" * 251, "", " ", "a ", "a\n", "a\n\n"),
    *("it's", "☃", "../x", "a/../b", "/a", "a//b", "a/", ".", "..", "./a", "a/.", "a\tb", "a\0b", "\ud800", "a\\b"),
]
VALUES = ["", "1", "x" * 6000, "x" * 6001, "x" * 8000, "x" * 8001, "ü" * 7000]
NUMBERS = [0, 1, -1, 1.5, float("nan"), float("inf"), True, None, "1", [], 2**53]


def outcome(call: Callable[..., Any], *args: Any) -> Any:
    """Returns what a check gives, or code and words of its refusal."""
    try:
        return call(*args)
    except MlflowException as error:
        return (error.error_code, error.message)
    except ProtocolError as error:
        return (error.code, error.message)


def theirs_of(item: Any) -> tuple[str, str]:
    return (item.key, item.value)


@pytest.mark.parametrize("key", KEYS)
def test_keys_and_texts(key: str) -> None:
    for value in VALUES:
        for ours, right in (
            (checks.check_param, lambda k, v: theirs_of(validation._validate_param(k, v))),
            (checks.check_tag, lambda k, v: theirs_of(validation._validate_tag(k, v))),
            (checks.check_experiment_tag, lambda k, v: (validation._validate_experiment_tag(k, v), (k, v))[1]),
        ):
            assert outcome(ours, key, value) == outcome(right, key, value)


def test_long_values_are_refused_where_mlflow_is_set_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRUNCATE_LONG_VALUES", "false")
    test_keys_and_texts("a")


@pytest.mark.parametrize("key", [*KEYS, None])
@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_points(key: Any, value: Any) -> None:
    for time_ms, step in ((1, 1), (-1, 1), (0, -5), ("1", 1), (1, "1"), (None, 1)):
        point = SimpleNamespace(key=key, value=value, timestamp=time_ms, step=step)
        for path in ("", "metrics[3]"):
            ours = outcome(checks.check_metric, point, path)
            assert ours == outcome(validation._validate_metric, key, value, time_ms, step, path)


BATCHES = [(1000, 0, 0), (1001, 0, 0), (0, 100, 100), (0, 101, 0), (0, 0, 101), (900, 50, 50), (900, 51, 50)]


@pytest.mark.parametrize("sizes", BATCHES, ids=repr)
def test_sizes_of_batches(sizes: tuple[int, int, int]) -> None:
    metrics = [Metric(f"m{one}", 1.0, 1, 1) for one in range(sizes[0])]
    params = [Param(f"p{one}", "1") for one in range(sizes[1])]
    tags = [RunTag(f"t{one}", "1") for one in range(sizes[2])]

    def right(*given: Any) -> Any:
        _, named, tagged = validation._validate_batch_log_data(*given)
        validation._validate_batch_log_limits(*given)
        return list(map(theirs_of, named)), list(map(theirs_of, tagged))

    assert outcome(checks.check_batch, metrics, params, tags) == outcome(right, metrics, params, tags)


def test_a_param_twice() -> None:
    params = [Param("a", "1"), Param("b", "1"), Param("a", "1"), Param("a", "2")]
    ours = outcome(checks.check_batch, [], params, [])
    assert ours == outcome(validation._validate_param_keys_unique, params)


@pytest.mark.parametrize("name", ["a", "", None, 5, "x" * 500, "x" * 501])
def test_names_of_experiments(name: Any) -> None:
    right = outcome(lambda one: (validation._validate_experiment_name(one), one)[1], name)
    assert outcome(checks.check_experiment_name, name) == right


@given(st.integers(min_value=1, max_value=2**62))
def test_tokens_come_back_as_the_offset_they_were_made_of(offset: int) -> None:
    assert checks.offset_of(checks.token_of(offset)) == offset


@pytest.mark.parametrize("token", ["rubbish", "e30=", "W10=", "eyJvZmZzZXQiOiAteDF9", "eyJvZmZzZXQiOiAtMX0=", "ä"])
def test_other_tokens_are_refused(token: str) -> None:
    assert outcome(checks.offset_of, token)[0] == "INVALID_PARAMETER_VALUE"
