"""The signature of a model: what it takes, what it gives, which parameters it knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gitruns.mlflow.exceptions import refused, speaks_mlflow
from gitruns.mlflow.models.schema import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from gitruns.tracking.dataset_schema import array_schema, frame_schema

ANY = {"type": "any"}
"""MLflow's type of what cannot be told."""


class ModelSignature:
    """Schemas of input, output and parameters; at least one is given."""

    def __init__(
        self, inputs: Schema | None = None, outputs: Schema | None = None, params: ParamSchema | None = None
    ) -> None:
        if inputs is None and outputs is None and params is None:
            raise ValueError("At least one of inputs, outputs or params must be provided")
        self.inputs = inputs
        self.outputs = outputs
        self.params = params

    def to_dict(self) -> dict[str, Any]:
        """Returns the form that is in `MLmodel`: JSON texts."""
        return {
            "inputs": self.inputs.to_json() if self.inputs else None,
            "outputs": self.outputs.to_json() if self.outputs else None,
            "params": self.params.to_json() if self.params else None,
        }

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> ModelSignature:
        """Returns what `MLmodel` says."""
        inputs, outputs, params = (said.get(key) for key in ("inputs", "outputs", "params"))
        return cls(
            Schema.from_json(inputs) if inputs else None,
            Schema.from_json(outputs) if outputs else None,
            ParamSchema.from_json(params) if params else None,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelSignature) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # equal by what it holds, as MLflow's

    def __repr__(self) -> str:
        return f"inputs: \n  {self.inputs!r}\noutputs: \n  {self.outputs!r}\nparams: \n  {self.params!r}\n"


@speaks_mlflow
def infer_signature(
    model_input: Any = None, model_output: Any = None, params: Mapping[str, Any] | None = None
) -> ModelSignature:
    """Returns the signature that examples of input, output and parameters show.

    Taken are DataFrames, Series, arrays, dicts of arrays, sparse matrices, and dicts, lists and values as JSON has
    them; of anything else the type is `any`.
    """
    return ModelSignature(
        None if model_input is None else infer_schema(model_input),
        None if model_output is None else infer_schema(model_output),
        infer_params(params) if params else None,
    )


def infer_schema(data: Any) -> Schema:
    """Returns the schema of some data."""
    if isinstance(data, list) and not data:
        return Schema([ColSpec(DataType.string)])
    if hasattr(data, "tocsr") and hasattr(data, "data"):  # scipy's sparse matrices
        return Schema([TensorSpec(data.dtype, (-1, *data.shape[1:]))])
    if hasattr(data, "iloc"):
        return _schema_of_frame(data)
    if hasattr(data, "dtype") and hasattr(data, "shape") and data.shape:
        return _schema_of_arrays(data)
    if isinstance(data, Mapping):
        if data and all(hasattr(value, "dtype") and hasattr(value, "shape") for value in data.values()):
            return _schema_of_arrays(data)
        return _columns_of([data])
    if isinstance(data, list) and all(isinstance(row, Mapping) for row in data):
        return _columns_of(data)
    return _unnamed(_frame([{"0": value} for value in (data if isinstance(data, list) else [data])]))


def _schema_of_frame(data: Any) -> Schema:
    if hasattr(data, "columns"):
        return _columns(data)
    schema = _columns(data.to_frame())
    return _renamed(schema, None) if data.name is None else schema


def _schema_of_arrays(data: Any) -> Schema:
    text = array_schema(data, None)
    if text is None:
        return Schema([ColSpec(ANY)])
    return Schema.from_json(json.loads(text)["mlflow_tensorspec"]["features"])


def _columns_of(rows: list[Any]) -> Schema:
    return _columns(_frame(rows))


def _frame(rows: list[Any]) -> Any:
    from gitruns.exchange import import_extra

    return import_extra("pandas", "pandas", "a signature").DataFrame(rows)


def _columns(frame: Any) -> Schema:
    text = frame_schema(frame)
    specs = json.loads(text)["mlflow_colspec"] if text else []
    return Schema([ColSpec.from_dict(one) for one in specs]) if specs else Schema([ColSpec(ANY)])


def _unnamed(frame: Any) -> Schema:
    return _renamed(_columns(frame), None)


def _renamed(schema: Schema, name: str | None) -> Schema:
    return Schema([ColSpec(one.type, name, True) for one in schema])


def infer_params(params: Mapping[str, Any]) -> ParamSchema:
    """Returns the schema of parameters, their values as defaults."""
    return ParamSchema([_param(name, value) for name, value in params.items()])


_PARAM_TYPES = ((bool, "boolean"), (int, "long"), (float, "double"), (str, "string"), (bytes, "binary"))


def _param(name: str, value: Any) -> ParamSpec:
    plain = value.tolist() if hasattr(value, "tolist") else value
    listed = isinstance(plain, (list, tuple))
    items = list(plain) if listed else [plain]
    kinds = {next((kind for base, kind in _PARAM_TYPES if isinstance(item, base)), "") for item in items}
    if len(kinds) != 1 or "" in kinds:
        raise refused(f"Failed to infer schema for parameter '{name}': {value!r} is neither a value nor a list of one")
    return ParamSpec(name, DataType[kinds.pop()], items if listed else plain, (-1,) if listed else None)
