"""What columns and arrays hold, in the shape of MLflow's schemas, so that its readers know them.

Source: mlflow.types.schema (`mlflow_colspec`, `mlflow_tensorspec`) and mlflow.types.utils._infer_schema. A column
whose type MLflow has no name for is `any` here, where MLflow would leave out the whole schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_SCHEMA_BYTES = 1_000_000
"""MLflow's servers take no longer ones; a schema above that is left out."""

_BY_KIND = {"b": "boolean", "O": "any", "U": "string", "S": "binary", "M": "datetime"}
_BY_INFERENCE = {
    "string": "string",
    "bytes": "binary",
    "boolean": "boolean",
    "integer": "long",
    "floating": "double",
    "mixed-integer-float": "double",
    "integer-na": "double",
    "datetime": "datetime",
    "datetime64": "datetime",
    "date": "datetime",
}
_BY_TYPE = {bool: "boolean", int: "long", float: "double", str: "string", bytes: "binary"}
_VALUES_LOOKED_AT = 100


def frame_schema(frame: Any) -> str | None:
    """Returns the schema of a pandas DataFrame as JSON; None when it has no columns or is too long."""
    columns = [_column(name, frame.iloc[:, place]) for place, name in enumerate(frame.columns)]
    return _json({"mlflow_colspec": columns}) if columns else None


def array_schema(features: Any, targets: Any) -> str | None:
    """Returns the schema of numpy arrays, or dicts of them, as JSON; None when one has no dimension."""
    specs = [None if one is None else _tensors(one) for one in (features, targets)]
    if "" in specs:
        return None
    return _json({"mlflow_tensorspec": {"features": specs[0], "targets": specs[1]}})


def _json(schema: dict[str, Any]) -> str | None:
    text = json.dumps(schema)
    return text if len(text) <= MAX_SCHEMA_BYTES else None


def _column(name: Any, series: Any) -> dict[str, Any]:
    kind = _column_type(series)
    plain = int(name) if hasattr(name, "__index__") else str(name)
    return {**kind, "name": plain, "required": kind["type"] != "any" and not bool(series.isna().any())}


def _column_type(series: Any) -> dict[str, Any]:
    dtype = series.dtype
    if hasattr(dtype, "categories"):
        return _column_type(dtype.categories.to_series())
    if getattr(dtype, "tz", None) is not None:
        return {"type": "datetime"}
    dtype = getattr(dtype, "numpy_dtype", dtype)  # pandas' nullable numbers
    kind, size = getattr(dtype, "kind", "O"), getattr(dtype, "itemsize", 8)
    if kind in "iu":
        width = size + (kind == "u")  # unsigned numbers need the next wider type
        return {"type": "integer" if width <= 4 else "long" if width <= 8 else "any"}
    if kind == "f":
        return {"type": "float" if size <= 4 else "double"}
    if kind == "O":
        return _object_type(series)
    return {"type": _BY_KIND.get(kind, "any")}


def _object_type(series: Any) -> dict[str, Any]:
    from pandas.api.types import infer_dtype

    inferred = infer_dtype(series, skipna=True)
    if inferred == "integer" and bool(series.isna().any()):
        return {"type": "double"}
    if inferred in _BY_INFERENCE:
        return {"type": _BY_INFERENCE[inferred]}
    present = series.dropna().iloc[:_VALUES_LOOKED_AT].tolist()
    return _joined([_value_type(value) for value in present])


def _value_type(value: Any) -> dict[str, Any]:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        items = [_value_type(item) for item in value[:_VALUES_LOOKED_AT] if item is not None]
        return {"type": "array", "items": _joined(items)}
    if isinstance(value, Mapping):
        properties = {str(key): {**_value_type(item), "required": True} for key, item in sorted(value.items(), key=str)}
        return {"type": "object", "properties": properties}
    return {"type": _BY_TYPE.get(type(value), "any")}


def _joined(kinds: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the type that all have; `any` when they have none in common."""
    if kinds and all(kind["type"] == "object" for kind in kinds):
        return {"type": "object", "properties": _joined_properties([kind["properties"] for kind in kinds])}
    if kinds and all(kind["type"] == "array" for kind in kinds):
        items = [kind["items"] for kind in kinds if kind["items"]["type"] != "any"]
        return {"type": "array", "items": _joined(items)}
    return kinds[0] if kinds and all(kind == kinds[0] for kind in kinds) else {"type": "any"}


def _joined_properties(each: list[dict[str, Any]]) -> dict[str, Any]:
    names = sorted({name for properties in each for name in properties})
    joined = {}
    for name in names:
        kinds = [properties[name] for properties in each if name in properties]
        plain = _joined([{key: value for key, value in kind.items() if key != "required"} for kind in kinds])
        joined[name] = {**plain, "required": len(kinds) == len(each)}
    return joined


def _tensors(arrays: Any) -> str:
    """Returns the tensors as JSON text, which MLflow nests in its JSON; "" when one has no dimension."""
    named = arrays.items() if isinstance(arrays, Mapping) else [(None, arrays)]
    specs = []
    for name, array in named:
        if array.ndim == 0:
            return ""
        spec = {"dtype": _tensor_type(array.dtype), "shape": [-1, *array.shape[1:]]}
        specs.append({**({} if name is None else {"name": str(name)}), "type": "tensor", "tensor-spec": spec})
    return json.dumps(specs)


def _tensor_type(dtype: Any) -> str:
    return {"U": "str", "S": "bytes"}.get(dtype.kind, str(dtype))
