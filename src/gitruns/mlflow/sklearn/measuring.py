"""What autologging measures of a fitted estimator on its training data: metrics and pictures, by MLflow's names."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gitruns.mlflow.models.pickles import is_installed
from gitruns.mlflow.warn import warn

PREFIX = "training_"


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted estimator with the data it was fitted on; `labels` is None where there were none."""

    estimator: Any
    data: Any
    labels: Any
    weights: Any
    pos_label: Any


def is_classifier(estimator: Any) -> bool:
    """Returns whether an estimator, or what a pipeline or a search ends with, is a classifier."""
    from sklearn.base import is_classifier as asked

    return bool(asked(estimator))


def metrics_of(trained: Trained) -> dict[str, float]:
    """Returns the training metrics of a classifier or regressor, and its score; what fails is warned of."""
    from sklearn.base import is_regressor

    if trained.labels is None:
        return {}
    found: dict[str, float] = {}
    try:
        if is_classifier(trained.estimator):
            found = _measured(_classifier(trained))
        elif is_regressor(trained.estimator):
            found = _measured(_regressor(trained))
            if "mean_squared_error" in found:
                found["root_mean_squared_error"] = math.sqrt(found["mean_squared_error"])
    except Exception as error:  # the estimator's own code runs on its data: training is done, and stays so
        warn(f"no training metrics of {type(trained.estimator).__name__}: {error}")
    found |= _measured(_score(trained))
    return {PREFIX + name: value for name, value in found.items()}


_Measure = tuple[str, Callable[[], Any]]


def _measured(measures: Iterator[_Measure]) -> dict[str, float]:
    found = {}
    for name, measure in measures:
        try:
            found[name] = measure()
        except Exception as error:  # one that does not fit these labels must not take the others along
            warn(f"no training metric '{name}': {error}")
    return found


def _classifier(trained: Trained) -> Iterator[_Measure]:
    from sklearn import metrics

    labels, weights = trained.labels, trained.weights
    predicted = trained.estimator.predict(trained.data)
    average = "weighted" if trained.pos_label is None else "binary"
    how = {"pos_label": trained.pos_label, "average": average, "sample_weight": weights}
    for name in ("precision_score", "recall_score", "f1_score"):
        yield name, functools.partial(getattr(metrics, name), labels, predicted, **how)
    yield "accuracy_score", lambda: metrics.accuracy_score(labels, predicted, sample_weight=weights)
    if hasattr(trained.estimator, "predict_proba"):
        chances = trained.estimator.predict_proba(trained.data)
        yield "log_loss", lambda: metrics.log_loss(labels, chances, sample_weight=weights)
        scores = chances[:, 1] if len(chances[0]) == 2 else chances
        yield (
            "roc_auc",
            lambda: metrics.roc_auc_score(labels, scores, average="weighted", sample_weight=weights, multi_class="ovo"),
        )


def _regressor(trained: Trained) -> Iterator[_Measure]:
    from sklearn import metrics

    predicted = trained.estimator.predict(trained.data)
    for name in ("mean_squared_error", "mean_absolute_error", "r2_score"):
        measure = getattr(metrics, name)
        yield name, functools.partial(measure, trained.labels, predicted, sample_weight=trained.weights)


def _score(trained: Trained) -> Iterator[_Measure]:
    import inspect

    score = getattr(trained.estimator, "score", None)
    if score is None:
        return
    takes_weights = "sample_weight" in inspect.signature(score).parameters
    extra = (trained.weights,) if takes_weights else ()
    yield "score", lambda: score(trained.data, trained.labels, *extra)


# Pictures


def pictures_of(trained: Trained) -> Iterator[tuple[str, bytes]]:
    """Yields name and PNG of the pictures of a classifier: confusion matrix, and of two classes both curves."""
    if trained.labels is None or not is_classifier(trained.estimator) or not is_installed("matplotlib"):
        return
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    for name, title, draw in _drawings(trained):
        try:
            with mpl.rc_context({"savefig.dpi": 175, "figure.autolayout": True, "font.size": 8}):
                display = draw()
                display.ax_.set_title(title)
                picture = io.BytesIO()
                display.figure_.savefig(picture, format="png")
                plt.close(display.figure_)
            yield f"{PREFIX}{name}.png", picture.getvalue()
        except Exception as error:  # a picture that cannot be drawn of these labels
            warn(f"no picture '{name}': {error}")


def _drawings(trained: Trained) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    from sklearn import metrics

    data, weighted = (trained.estimator, trained.data, trained.labels), {"sample_weight": trained.weights}
    matrix = metrics.ConfusionMatrixDisplay.from_estimator
    draw = functools.partial(matrix, *data, normalize="true", cmap="Blues", **weighted)
    yield "confusion_matrix", "Normalized confusion matrix", draw
    if len(set(trained.labels)) == 2:
        yield "roc_curve", "ROC curve", functools.partial(metrics.RocCurveDisplay.from_estimator, *data, **weighted)
        draw = functools.partial(metrics.PrecisionRecallDisplay.from_estimator, *data, **weighted)
        yield "precision_recall_curve", "Precision recall curve", draw


def page_of(estimator: Any) -> str:
    """Returns the estimator as scikit-learn draws it in HTML."""
    from sklearn.utils import estimator_html_repr

    drawn = estimator_html_repr(estimator)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="UTF-8"/></head>\n<body>\n{drawn}\n</body>\n</html>\n'
    )
