"""Methods of estimators wrapped, so that trainings are seen.

A wrapped function stays a function with its signature, because scikit-learn looks at both; a method that an estimator
has only under a condition (`predict_proba` of a support vector machine) keeps its condition.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

Around = Callable[..., Any]
"""Called as `around(original, estimator, *args, **named)`; `original` is bound already."""

_OURS = "_gitruns_original"
_EXCLUDED_MODULES = (
    "sklearn.preprocessing",
    "sklearn.impute",
    "sklearn.feature_extraction",
    "sklearn.feature_selection",
)
_EXCLUDED_CLASSES = ("sklearn.compose._column_transformer.ColumnTransformer",)


def estimators() -> Iterator[type]:
    """Yields the classes whose `fit` is training: all of scikit-learn's but those that prepare data."""
    from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.utils import all_estimators

    for kind in {*(found for _, found in all_estimators()), GridSearchCV, RandomizedSearchCV, Pipeline}:
        module = kind.__module__
        if not module.startswith(_EXCLUDED_MODULES) and f"{module}.{kind.__name__}" not in _EXCLUDED_CLASSES:
            yield kind


def wrap_method(owner: type, name: str, around: Around) -> None:
    """Wraps a method of a class, unless it inherits one that is wrapped already."""
    original = inspect.getattr_static(owner, name, None)
    if original is None or hasattr(original, _OURS):
        return
    wrapped: Any
    if inspect.isfunction(original):
        wrapped = _function(original, around)
    elif hasattr(original, "__get__") and not isinstance(original, property):
        wrapped = _Conditional(original, around)
    else:
        return
    setattr(wrapped, _OURS, original)
    setattr(owner, name, wrapped)


def _function(original: Callable[..., Any], around: Around) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(self: Any, *args: Any, **named: Any) -> Any:
        return around(functools.partial(original, self), self, *args, **named)

    return call


class _Conditional:
    """A method behind scikit-learn's `available_if`."""

    def __init__(self, original: Any, around: Around) -> None:
        self._original = original
        self._around = around
        self.__doc__ = getattr(original, "__doc__", None)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        bound = self._original.__get__(instance, owner)  # raises AttributeError where it is not available
        if instance is None:
            return bound

        @functools.wraps(bound)
        def call(*args: Any, **named: Any) -> Any:
            return self._around(bound, instance, *args, **named)

        return call


def wrap_function(owner: Any, name: str, around: Around) -> None:
    """Wraps a function of a module, or one that an object holds."""
    original = getattr(owner, name)
    if hasattr(original, _OURS):
        return

    @functools.wraps(original)
    def call(*args: Any, **named: Any) -> Any:
        return around(original, *args, **named)

    setattr(call, _OURS, original)
    setattr(owner, name, call)
