"""One training: what is logged before and after `fit`. Source of what is logged: `mlflow.sklearn.autolog`.

Nothing here may disturb the training: what goes wrong is warned of.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from gitruns.mlflow import active, artifact_calls, logging
from gitruns.mlflow.client import MlflowClient
from gitruns.mlflow.models.pickles import CLOUDPICKLE, PICKLE, is_installed
from gitruns.mlflow.models.signature import ModelSignature, infer_signature
from gitruns.mlflow.sklearn import measuring, searching
from gitruns.mlflow.sklearn.saving import log_model
from gitruns.mlflow.warn import warn
from gitruns.tracking import fluent as native
from gitruns.tracking.datasets import from_any

AUTOLOGGING_TAG = "mlflow.autologging"
EXAMPLE_ROWS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `autolog` was told."""

    log_input_examples: bool = False
    log_model_signatures: bool = True
    log_models: bool = True
    log_datasets: bool = True
    exclusive: bool = False
    silent: bool = False
    max_tuning_runs: int | None = 5
    log_post_training_metrics: bool = True
    serialization_format: str | None = None
    registered_model_name: str | None = None
    pos_label: Any = None
    extra_tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Training:
    """One call of `fit`: the estimator and a copy of the data it was given, which training may change."""

    options: Options
    estimator: Any
    data: Any
    labels: Any
    weights: Any
    run_id: str = ""
    model_id: str | None = None

    @classmethod
    def of_call(cls, options: Options, estimator: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> Training:
        """Returns the training that a call of `fit` begins."""
        names = list(inspect.signature(estimator.fit).parameters)
        given = dict(zip(names, args, strict=False)) | dict(named)
        data, labels = (deepcopy(given.get(name)) for name in [*names, "y"][:2])  # mostly, but not always, X and y
        return cls(options, estimator, data, labels, given.get("sample_weight"))

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        """Gives the training a run: the current one, else one of its own that ends with it."""
        if native.current_log() is not None and not self.options.exclusive:
            self.run_id = active.current_run_id()
            yield
            return
        tags = {AUTOLOGGING_TAG: "sklearn", **self.options.extra_tags}
        with active.start_run(tags=tags, nested=native.current_log() is not None) as run:
            self.run_id = run.info.run_id
            yield

    # Before

    def log_before(self) -> None:
        """Logs params, what estimator it is, and the data."""
        _try("params", lambda: logging.log_params(self.params()))
        logging.set_tags(estimator_tags(self.estimator))
        if self.options.log_datasets:
            _try("dataset", self._log_dataset)

    def params(self) -> dict[str, Any]:
        """Returns the estimator's params; those of the estimator inside of a search vary, and are left out."""
        params: dict[str, Any] = self.estimator.get_params(deep=not searching.is_search(self.estimator))
        return params

    def _log_dataset(self) -> None:
        data = self.data.toarray() if hasattr(self.data, "tocsr") else self.data
        if hasattr(data, "iloc") or self.labels is None:
            described = from_any(data, context="train")
        else:
            from gitruns.tracking.datasets import from_numpy

            described = from_numpy(data, targets=self.labels, context="train")
        logging.log_input(described, context="train")

    # After

    def log_after(self) -> None:
        """Logs the model, metrics and pictures, and of a search what it tried."""
        signature, example = self._signature_and_example()
        self.model_id = self._log_model(self.estimator, "model", self._model_params(), signature, example)
        trained = measuring.Trained(self.estimator, self.data, self.labels, self.weights, self.options.pos_label)
        metrics = measuring.metrics_of(trained)
        if metrics:
            logging.log_metrics(metrics, model_id=self.model_id)
        elif self.labels is None:
            self._say("training metrics are not logged: there are no labels")
        _try("pictures", lambda: self._log_pictures(trained))
        _try("estimator.html", lambda: artifact_calls.log_text(measuring.page_of(self.estimator), "estimator.html"))
        if searching.is_search(self.estimator):
            self._log_search(signature, example)

    def _say(self, message: str) -> None:
        if not self.options.silent:
            warn(message)

    def _log_pictures(self, trained: measuring.Trained) -> None:
        log = active.current_log()
        for name, picture in measuring.pictures_of(trained):
            log.add_bytes(picture, name)

    def _signature_and_example(self) -> tuple[ModelSignature | bool | None, Any]:
        options = self.options
        if not options.log_models or not (options.log_input_examples or options.log_model_signatures):
            return None, None
        signature: ModelSignature | bool | None = False
        example = None
        try:
            example = deepcopy(self.data[:EXAMPLE_ROWS])
            if options.log_model_signatures:
                call = getattr(self.estimator, "predict", None) or self.estimator.transform
                signature = infer_signature(example, call(deepcopy(example)))
        except Exception as error:  # data that cannot be sliced, an estimator that only clusters
            self._say(f"no signature of the model: {error}")
        return signature, example if options.log_input_examples else None

    def _model_params(self) -> dict[str, Any]:
        return self.params() | searching.best_params(self.estimator)

    def _log_model(
        self,
        estimator: Any,
        name: str,
        params: Mapping[str, Any],
        signature: ModelSignature | bool | None,
        example: Any,
    ) -> str | None:
        if not self.options.log_models:
            return None
        try:
            info = log_model(
                estimator,
                name=name,
                signature=signature,
                input_example=example,
                serialization_format=self.options.serialization_format or _default_format(),
                registered_model_name=self.options.registered_model_name if name == "model" else None,
                params=params,
            )
        except Exception as error:  # what cannot be pickled can still be trained
            self._say(f"the model is not logged: {error}")
            return None
        return info.model_id

    def _log_search(self, signature: ModelSignature | bool | None, example: Any) -> None:
        search, best_id = self.estimator, None
        if hasattr(search, "best_estimator_"):
            best = search.best_estimator_
            best_id = self._log_model(best, "best_estimator", best.get_params(deep=True), signature, example)
        if hasattr(search, "best_score_"):
            logging.log_metrics({"best_cv_score": search.best_score_}, model_id=self.model_id)
        _try("best params", lambda: logging.log_params(searching.best_params(search)))
        if hasattr(search, "cv_results_"):
            tags = {AUTOLOGGING_TAG: "sklearn", **estimator_tags(search.estimator)}
            children = searching.Children(MlflowClient(), search, MlflowClient().get_run(self.run_id), tags, best_id)
            _try("child runs", lambda: children.log(self.options.max_tuning_runs, self._say))
            _try("cv_results.csv", lambda: artifact_calls.log_text(searching.results_text(search), "cv_results.csv"))


def estimator_tags(estimator: Any) -> dict[str, str]:
    """Returns the tags that say what an estimator is."""
    kind = type(estimator)
    return {"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__name__}"}


def _default_format() -> str:
    """As in MLflow, autologging takes the format that takes everything."""
    return CLOUDPICKLE if is_installed(CLOUDPICKLE) else PICKLE


def _try(what: str, log: Callable[[], object]) -> None:
    """Logs something that training can do without."""
    try:
        log()
    except Exception as error:  # whatever it is, the training is worth more
        warn(f"{what} not logged: {error}", stacklevel=4)
