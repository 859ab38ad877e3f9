"""An example of what a model takes, saved beside it: `input_example.json` and, as a server is asked, the other file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitruns.mlflow.exceptions import refused
from gitruns.tracking.plain import is_missing, plain_value

EXAMPLE_FILE = "input_example.json"
SERVING_FILE = "serving_input_example.json"


def save_example(example: Any, folder: Path) -> dict[str, Any]:
    """Writes an example; returns what `MLmodel` says of it. A tuple is data and parameters of inference."""
    params = None
    if isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], dict):
        example, params = example
    kind, content, serving = _written(example)
    said = {"artifact_path": EXAMPLE_FILE, "serving_input_path": SERVING_FILE, "type": kind}
    if kind == "dataframe":
        said["pandas_orient"] = "split" if "columns" in content else "values"
    if params is not None:
        content = {"data": content, "params": plain_value(params)}
        serving = {**serving, "params": plain_value(params)}
        said["params"] = "true"
    (folder / EXAMPLE_FILE).write_text(json.dumps(content), encoding="utf-8")
    (folder / SERVING_FILE).write_text(json.dumps(serving, indent=2), encoding="utf-8")
    return said


def _written(example: Any) -> tuple[str, Any, dict[str, Any]]:
    """Returns MLflow's word for the kind of an example, its JSON, and what a server is sent for it."""
    if hasattr(example, "tocsr") and hasattr(example, "indptr"):
        parts = {"data": example.data, "indices": example.indices, "indptr": example.indptr, "shape": example.shape}
        dense = plain_value(example.toarray())
        return f"sparse_matrix_{example.format}", plain_value(parts), {"inputs": dense}
    if hasattr(example, "iloc"):
        frame = example if hasattr(example, "columns") else example.to_frame()
        content = _split(frame)
        return "dataframe", content, {"dataframe_split": content}
    if hasattr(example, "dtype") and getattr(example, "ndim", False):
        values = _without_nan(plain_value(example))
        return "ndarray", values, {"inputs": values}
    if isinstance(example, Mapping) and example and all(hasattr(one, "dtype") for one in example.values()):
        values = _without_nan(plain_value(example))
        return "ndarray", values, {"inputs": values}
    if isinstance(example, (Mapping, list, str, int, float, bool)) or hasattr(example, "item"):
        values = plain_value(example)
        return "json_object", values, {"inputs": values}
    raise refused(
        f"an input example is a DataFrame, an array, a dict, a list or a value, not '{type(example).__name__}'"
    )


def _split(frame: Any) -> dict[str, Any]:
    columns = [plain_value(name) for name in frame.columns]
    cells = [[_cell(value) for value in frame.iloc[:, place].tolist()] for place in range(len(columns))]
    rows = [list(row) for row in zip(*cells, strict=True)]
    numbered = columns == list(range(len(columns)))
    return {"data": rows} if numbered else {"columns": columns, "data": rows}


def _cell(value: Any) -> Any:
    return None if is_missing(value) else plain_value(value)


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    return None if is_missing(value) else value


def read_example(said: Mapping[str, Any], folder: Path) -> Any:
    """Returns the example that was saved with a model: a DataFrame, an array, or what JSON holds."""
    content = json.loads((folder / Path(str(said["artifact_path"])).name).read_text(encoding="utf-8"))
    if said.get("params") and isinstance(content, dict):
        content = content["data"]
    kind = said.get("type")
    if kind == "dataframe":
        import pandas as pd

        return pd.DataFrame(content["data"], columns=content.get("columns"))
    if kind == "ndarray":
        import numpy as np

        if isinstance(content, dict):
            return {name: np.asarray(values) for name, values in content.items()}
        return np.asarray(content)
    if str(kind).startswith("sparse_matrix_"):
        from scipy import sparse

        make = sparse.csr_matrix if kind == "sparse_matrix_csr" else sparse.csc_matrix
        return make((content["data"], content["indices"], content["indptr"]), shape=tuple(content["shape"]))
    return content
