"""`mlflow.autolog()`: turns on what there is, and names what there is not."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from gitruns.mlflow.models.pickles import is_installed
from gitruns.mlflow.warn import warn

_OTHERS = (
    "anthropic autogen catboost crewai dspy fastai gemini keras langchain lightgbm lightning litellm llama_index "
    "mistralai openai paddle pyspark pytorch_lightning statsmodels tensorflow transformers xgboost"
).split()


def autolog(
    log_input_examples: bool = False,
    log_model_signatures: bool = True,
    log_models: bool = True,
    log_datasets: bool = True,
    log_traces: bool = True,
    disable: bool = False,
    exclusive: bool = False,
    disable_for_unsupported_versions: bool = False,
    silent: bool = False,
    extra_tags: Mapping[str, str] | None = None,
    exclude_flavors: Sequence[str] | None = None,
    **more: Any,
) -> None:
    """Turns on autologging of scikit-learn, and warns of other libraries in use, which only MLflow itself logs."""
    excluded = set(exclude_flavors or ())
    others = [name for name in _OTHERS if name in sys.modules and name not in excluded]
    if others and not silent and not disable:
        warn(f"autolog() logs scikit-learn only; of {', '.join(others)} nothing is logged: see docs/drop-in.md")
    if "sklearn" in excluded or not is_installed("sklearn"):
        return
    from gitruns.mlflow.sklearn.autologging import autolog as autolog_sklearn

    autolog_sklearn(
        log_input_examples=log_input_examples,
        log_model_signatures=log_model_signatures,
        log_models=log_models,
        log_datasets=log_datasets,
        disable=disable,
        exclusive=exclusive,
        silent=silent,
        extra_tags=extra_tags,
    )
