"""A loaded model of any flavor: `predict`, with the input held against the signature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitruns.mlflow.exceptions import MlflowException, refused
from gitruns.mlflow.models.model import PYFUNC, Model
from gitruns.mlflow.models.schema import ColSpec, DataType, Schema
from gitruns.mlflow.pyfunc.python_model import call_with


class PyFuncModel:
    """A model that was loaded as a Python function."""

    def __init__(self, model_meta: Model, model_impl: Any, predict_fn: str = "predict") -> None:
        if not hasattr(model_impl, predict_fn):
            raise refused(f"Model implementation is missing required {predict_fn} method.")
        self._model_meta = model_meta
        self._model_impl = model_impl
        self._predict = getattr(model_impl, predict_fn)

    @property
    def metadata(self) -> Model:
        """What the `MLmodel` file says."""
        return self._model_meta

    @property
    def model_config(self) -> dict[str, Any]:
        """The configuration that the model was saved with."""
        return dict(self._model_meta.flavors[PYFUNC].get("config") or {})

    @property
    def loader_module(self) -> str:
        """MLflow's module that loads such a model."""
        return str(self._model_meta.flavors[PYFUNC]["loader_module"])

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Returns the predictions for some input, which is held against the signature first."""
        schema = self._model_meta.get_input_schema()
        known = self._model_meta.get_params_schema()
        defaults = {} if known is None else {one.name: one.default for one in known}
        given = {key: value for key, value in (params or {}).items() if known is None or key in defaults}
        return call_with(self._predict, data if schema is None else fitted(data, schema), {**defaults, **given})

    def unwrap_python_model(self) -> Any:
        """Returns the object behind a model of one's own."""
        found = getattr(self._model_impl, "python_model", None)
        if found is None:
            raise MlflowException("Unable to retrieve base model object from pyfunc.")
        return found

    def get_raw_model(self) -> Any:
        """Returns the model as its library has it."""
        if hasattr(self._model_impl, "get_raw_model"):
            return self._model_impl.get_raw_model()
        raise NotImplementedError("`get_raw_model` is not implemented by the underlying model")

    def __repr__(self) -> str:
        meta = self._model_meta
        lines = [
            f"  artifact_path: {meta.artifact_path}",
            f"  flavor: {self.loader_module}",
            f"  run_id: {meta.run_id}",
        ]
        return "\n".join(["mlflow.pyfunc.loaded_model:", *lines, ""])


def fitted(data: Any, schema: Schema) -> Any:
    """Returns data as the schema wants it: named columns in its order and types; raises `MlflowException`."""
    if schema.is_tensor_spec() or not schema.has_input_names():
        return data
    frame = _frame(data, schema)
    if frame is None:
        return data
    missing = [name for name in schema.required_input_names() if name not in frame.columns]
    if missing:
        raise refused(
            f"Failed to enforce schema of data. Error: Model is missing inputs {missing}. "
            f"The data has the columns {list(frame.columns)}"
        )
    present = [one for one, name in zip(schema, schema.input_names(), strict=True) if name in frame.columns]
    chosen = frame[[one.name for one in present]].copy()
    for one in present:
        if isinstance(one, ColSpec) and isinstance(one.type, DataType):
            chosen[one.name] = _cast(chosen[one.name], one.type, str(one.name))
    return chosen


def _frame(data: Any, schema: Schema) -> Any:
    """Returns data as a DataFrame with the schema's columns; None for what is no table."""
    import pandas as pd

    names: list[object] = list(schema.input_names())
    if isinstance(data, pd.DataFrame):
        if not any(name in data.columns for name in names) and len(data.columns) == len(names):
            numbered = data.columns.tolist() == [*range(len(names))]
            return data.set_axis(names, axis=1) if numbered else data
        return data
    if isinstance(data, Mapping):
        values = list(data.values())
        return (
            pd.DataFrame(data)
            if all(hasattr(one, "__len__") and not isinstance(one, str) for one in values)
            else (pd.DataFrame([data]))
        )
    if isinstance(data, list) and data and all(isinstance(row, Mapping) for row in data):
        return pd.DataFrame(data)
    if getattr(data, "ndim", 0) == 2 and data.shape[1] == len(names) and not hasattr(data, "tocsr"):
        return pd.DataFrame(data, columns=names)
    return None


def _cast(column: Any, kind: DataType, name: str) -> Any:
    """Returns a column as the type of the schema, where that loses nothing."""
    import numpy as np

    wanted = kind.to_numpy()
    if column.dtype == wanted or wanted.kind == "O" or column.dtype.kind not in "biuf" or wanted.kind not in "biuf":
        return column
    if np.can_cast(column.dtype, wanted, "safe") or (column.dtype.kind in "iu" and wanted.kind == "f"):
        return column.astype(wanted)
    raise refused(
        f"Failed to enforce schema of data. Error: Incompatible input types for column {name}. "
        f"Can not safely convert {column.dtype} to {wanted}."
    )
