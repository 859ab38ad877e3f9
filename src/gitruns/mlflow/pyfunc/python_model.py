"""Models of one's own: a class with `predict`, or a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class PythonModelContext:
    """What a model is given with each call: the paths of its artifacts, and its configuration."""

    def __init__(self, artifacts: Mapping[str, str], model_config: Mapping[str, Any] | None) -> None:
        self._artifacts = dict(artifacts)
        self._model_config = dict(model_config or {})

    @property
    def artifacts(self) -> dict[str, str]:
        """Paths by the names under which the model was saved with them."""
        return self._artifacts

    @property
    def model_config(self) -> dict[str, Any]:
        """The configuration that the model was saved with, or loaded with."""
        return self._model_config


class TypeHints(NamedTuple):
    """What MLflow asks a model for when it loads it: the types that `predict` is annotated with. Here none count."""

    input: Any = None
    output: Any = None


class PythonModel:
    """The base of a model of one's own: `predict(self, context, model_input, params=None)`, or without `context`."""

    predict_type_hints = TypeHints()

    def load_context(self, context: PythonModelContext) -> None:
        """Called once when the model is loaded."""

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Returns the predictions for some input."""
        raise NotImplementedError

    def predict_stream(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Yields the predictions for some input."""
        raise NotImplementedError


class FunctionModel(PythonModel):
    """A function as a model."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func  # as MLflow names it: pickled models are of both

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:  # type: ignore[override]
        """Returns what the function returns."""
        return call_with(self.func, model_input, params)


class ContextModel:
    """A Python model and its context, as something that predicts."""

    def __init__(self, python_model: Any, context: PythonModelContext) -> None:
        self.python_model = python_model
        self.context = context

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Returns the model's predictions."""
        return self._call(self.python_model.predict, data, params)

    def predict_stream(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Returns what the model yields."""
        return self._call(self.python_model.predict_stream, data, params)

    def _call(self, method: Callable[..., Any], data: Any, params: dict[str, Any] | None) -> Any:
        if "context" in inspect.signature(method).parameters:
            return call_with(method, self.context, data, params)
        return call_with(method, data, params)


def call_with(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function with data and parameters of inference; the last are left out when it does not know them."""
    *data, params = arguments
    try:
        known = inspect.signature(function).parameters.get("params")
    except (TypeError, ValueError):  # a function of another language
        known = None
    takes = known is not None and known.kind is not inspect.Parameter.VAR_KEYWORD  # as a pipeline's `**params`
    return function(*data, params=params) if takes else function(*data)
