"""`mlflow.sklearn.autolog()`: each training of scikit-learn's becomes a run, or is added to the current one.

Trainings inside of a training (of a pipeline, a forest, a search) are part of it. That is told by one stack for all
threads, because scikit-learn trains parts in threads of its own; so of two trainings that overlap one is logged.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from gitruns.mlflow.exceptions import refused, speaks_mlflow
from gitruns.mlflow.models.pickles import need
from gitruns.mlflow.sklearn import after_training, patching
from gitruns.mlflow.sklearn.training import Options, Training
from gitruns.mlflow.warn import warn

_FITTING = ("fit", "fit_transform", "fit_predict")
_PREDICTING = ("predict", "predict_proba", "transform", "predict_log_proba")
_WITHOUT_LOGGING = (
    "cross_validate",
    "cross_val_predict",
    "cross_val_score",
    "learning_curve",
    "permutation_test_score",
    "validation_curve",
)

_options: Options | None = None
_depth = 0
_counting = threading.Lock()


@speaks_mlflow
def autolog(
    log_input_examples: bool = False,
    log_model_signatures: bool = True,
    log_models: bool = True,
    log_datasets: bool = True,
    disable: bool = False,
    exclusive: bool = False,
    disable_for_unsupported_versions: bool = False,
    silent: bool = False,
    max_tuning_runs: int | None = 5,
    log_post_training_metrics: bool = True,
    serialization_format: str | None = None,
    registered_model_name: str | None = None,
    pos_label: Any = None,
    extra_tags: Mapping[str, str] | None = None,
) -> None:
    """Logs every training of scikit-learn's from now on, or none more with `disable`.

    Logged are params, training metrics, the model with its signature, the data's fingerprint, pictures of a
    classifier, and for a search a child run each of the `max_tuning_runs` best (None: of all). Metrics that are
    computed later from predictions of the model are added to its run.
    """
    global _options
    if max_tuning_runs is not None and max_tuning_runs < 0:
        raise refused(f"`max_tuning_runs` must be non-negative, instead got {max_tuning_runs}.")
    if disable:
        _options = None
        return
    need("sklearn", "mlflow.sklearn.autolog()")
    _options = Options(
        log_input_examples=log_input_examples,
        log_model_signatures=log_model_signatures,
        log_models=log_models,
        log_datasets=log_datasets,
        exclusive=exclusive,
        silent=silent,
        max_tuning_runs=max_tuning_runs,
        log_post_training_metrics=log_post_training_metrics,
        serialization_format=serialization_format,
        registered_model_name=registered_model_name,
        pos_label=pos_label,
        extra_tags=dict(extra_tags or {}),
    )
    _wrap_all()


def _wrap_all() -> None:
    from sklearn import metrics, model_selection

    for kind in patching.estimators():
        for name in _FITTING:
            patching.wrap_method(kind, name, _fit)
        for name in _PREDICTING:
            patching.wrap_method(kind, name, _predict)
        patching.wrap_method(kind, "score", _score)
    for name in _WITHOUT_LOGGING:
        patching.wrap_function(model_selection, name, _unlogged)
    for name in after_training.metric_names():
        patching.wrap_function(metrics, name, _measure)


@contextlib.contextmanager
def _inside() -> Iterator[None]:
    global _depth
    with _counting:
        _depth += 1
    try:
        yield
    finally:
        with _counting:
            _depth -= 1


def _unlogged(original: Any, *args: Any, **named: Any) -> Any:
    with _inside():
        return original(*args, **named)


def _fit(original: Any, estimator: Any, *args: Any, **named: Any) -> Any:
    options = _options
    if options is None or _depth:
        return original(*args, **named)
    if _is_called_by_sklearn():
        return _unlogged(original, *args, **named)
    with _inside():
        try:
            training = Training.of_call(options, estimator, args, named)
        except Exception as error:  # data that cannot be copied
            warn(f"this training is not logged: {error}", stacklevel=4)
            return original(*args, **named)
        return _logged(training, original, args, named)


def _is_called_by_sklearn() -> bool:
    """Returns whether it is scikit-learn that trains, as a part of something: a cross-validation, say."""
    frame = sys._getframe(3)  # the caller of the wrapper, which called what asks
    return str(frame.f_globals.get("__name__", "")).startswith("sklearn.")


def _logged(training: Training, original: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    """Trains, once whatever else happens, and logs around it."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(training.run())
            training.log_before()
        except Exception as error:  # no repository, say: the training is worth more
            warn(f"this training is not logged: {error}", stacklevel=5)
            stack.pop_all()
            return original(*args, **named)
        result = original(*args, **named)
        try:
            training.log_after()
            if training.options.log_post_training_metrics:
                after_training.remember_model(training.estimator, training.run_id, training.model_id)
        except Exception as error:
            warn(f"what came after the training is not logged: {error}", stacklevel=5)
        return result


def _predict(original: Any, estimator: Any, *args: Any, **named: Any) -> Any:
    if not _watching(estimator):
        return original(*args, **named)
    with _inside():
        result = original(*args, **named)
        data = args[0] if args else next(iter(named.values()), None)
        log_dataset = _options is not None and _options.log_datasets
        after_training.remember_prediction(estimator, data, result, log_dataset=log_dataset)
    return result


def _score(original: Any, estimator: Any, *args: Any, **named: Any) -> Any:
    if not _watching(estimator):
        return original(*args, **named)
    with _inside():
        result = original(*args, **named)
        after_training.log_score(estimator, original, args, named, result)
    return result


def _measure(original: Any, *args: Any, **named: Any) -> Any:
    if _options is None or not _options.log_post_training_metrics or _depth:
        return original(*args, **named)
    with _inside():
        result = original(*args, **named)
        after_training.log_measure(original, args, named, result)
    return result


def _watching(estimator: Any) -> bool:
    return (
        _options is not None
        and _options.log_post_training_metrics
        and not _depth
        and after_training.is_remembered(estimator)
    )
