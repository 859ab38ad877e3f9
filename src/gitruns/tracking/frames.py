"""What a search found as a table: pandas, pyarrow or polars, with MLflow's column names.

`run_id experiment_id status artifact_uri start_time end_time`, then `metrics.KEY` (the last value), `params.KEY` with
the types that were logged, `tags.KEY`. The run's name is in `tags.mlflow.runName`, where MLflow has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gitruns.entities.values import Scalar, param_text
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:
    from gitruns.exchange import RunColumns
    from gitruns.repo import Repo

_LEADING = ("run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time")
_TIMES = ("start_time", "end_time")
_NAME = "tags.mlflow.runName"
_INT64 = 2**63


def search_table(repo: Repo, filter_string: str | None, max_results: int, how: dict[str, Any], form: str) -> Any:
    """Returns a `pandas.DataFrame`, a `pyarrow.Table` or a `polars.DataFrame`, as `form` says.

    Raises `InvalidInputError`: kind `extra-missing` when that library is not installed, `bad-argument` for a form
    that is none, and what a search raises.
    """
    from gitruns.exchange import import_extra, read_columns

    makers = {"pandas": _pandas, "arrow": _arrow, "polars": _polars}
    if form not in makers:
        words = ", ".join(["'list'", *(f"'{word}'" for word in makers)])
        raise InvalidInputError(f"output_format '{form}' is none of {words}", kind="bad-argument")
    library = import_extra({"arrow": "pyarrow"}.get(form, form), form, f"output_format='{form}'")
    attributes = ("run_id", "experiment_id", "status", "start_time", "end_time", "run_name")
    found = read_columns(repo, filter_string or "", attributes=attributes, max_results=max_results, **how)
    columns = _renamed(found)
    return makers[form](library, _params_as_text(columns) if str(how["dialect"]) == "mlflow" else columns)


def _params_as_text(columns: dict[str, list[Scalar]]) -> dict[str, list[Scalar]]:
    """Returns the columns with params as MLflow has them: text, None where a run has none."""

    def text(value: Scalar) -> Scalar:
        return None if value is None else param_text(value)

    return {name: list(map(text, values)) if name.startswith("params.") else values for name, values in columns.items()}


def _renamed(found: RunColumns) -> dict[str, list[Scalar]]:
    """Returns the columns in MLflow's order and by its names."""
    columns = dict(found.columns)
    names = columns.pop("run_name")
    columns["artifact_uri"] = [f"runs:/{run_id}" for run_id in found.run_ids]
    ordered = {name: columns[name] for name in _LEADING}
    ordered |= {name: values for name, values in columns.items() if name not in _LEADING}
    return ordered | {_NAME: names}


def _pandas(pandas: Any, columns: Mapping[str, list[Scalar]]) -> Any:
    made = {name: _series(pandas, name, values) for name, values in columns.items()}
    return pandas.DataFrame(made)


def _series(pandas: Any, name: str, values: list[Scalar]) -> Any:
    """Returns a column: numbers stay exact where a run has none (pandas' own `Int64`), what is mixed stays as it is."""
    if name in _TIMES:
        return pandas.to_datetime(pandas.Series(values, dtype="Int64"), unit="ms", utc=True, errors="coerce")
    if name.startswith("metrics."):
        return pandas.Series(values, dtype="float64")
    if not name.startswith("params."):
        return pandas.Series(values, dtype=None if values else "object")
    kinds = {type(value) for value in values}
    missing = type(None) in kinds
    kinds.discard(type(None))
    if kinds == {int}:
        if all(value is None or -_INT64 <= int(value) < _INT64 for value in values):
            return pandas.Series(values, dtype="Int64" if missing else "int64")
        return pandas.Series(values, dtype="object")
    if kinds == {float}:
        return pandas.Series(values, dtype="float64")
    if kinds == {bool}:
        return pandas.Series(values, dtype="boolean" if missing else "bool")
    return pandas.Series(values, dtype=None if kinds == {str} else "object")


def _arrow(pyarrow: Any, columns: Mapping[str, list[Scalar]]) -> Any:
    from gitruns.exchange import arrow_table

    return arrow_table(columns)


def _polars(polars: Any, columns: Mapping[str, list[Scalar]]) -> Any:
    return polars.DataFrame([_polars_series(polars, name, values) for name, values in columns.items()])


def _polars_series(polars: Any, name: str, values: list[Scalar]) -> Any:
    from gitruns.exchange import of_one_kind

    if name in _TIMES:
        return polars.Series(name, values, dtype=polars.Int64).cast(polars.Datetime("ms", "UTC"))
    if name.startswith("metrics."):
        return polars.Series(name, values, dtype=polars.Float64)
    return polars.Series(name, of_one_kind(values), strict=False)
