"""The table of every call, held against the MLflow that is installed and against the drop-in."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import NamedTuple

import pytest

import gitruns.mlflow as dropin
from gitruns.mlflow import absent

PAGE = Path(__file__).parents[2] / "docs" / "mlflow.md"


class Row(NamedTuple):
    names: list[str]
    plugin: str
    server: str
    dropin: str


def _rows(heading: str) -> list[Row]:
    """Returns the rows of the table below a line of the page."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n{heading}\n")[2].lstrip("\n")
    lines = text.partition("\n\n")[0].split("\n")[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [Row(re.findall(r"`(\w+)`", names), *stands) for _, names, *stands in cells]


FUNCTIONS = _rows("Functions and classes of `mlflow`:")
METHODS = _rows("Methods of `MlflowClient`:")


def _names(rows: list[Row]) -> list[str]:
    return [name for row in rows for name in row.names]


def test_no_name_stands_twice() -> None:
    for rows in (FUNCTIONS, METHODS):
        assert len(rows) > 10
        assert len(set(_names(rows))) == len(_names(rows))
        assert {word for row in rows for word in (row.plugin, row.server)} == {"yes", "no"}


def test_every_public_name_of_mlflow_is_in_the_table() -> None:
    mlflow = pytest.importorskip("mlflow", minversion="3")
    public = set(mlflow.__all__)
    assert public - set(_names(FUNCTIONS)) == set()
    if mlflow.__version__.startswith("3.17."):  # other versions have not all of them
        assert set(_names(FUNCTIONS)) - public <= {"context", "test"}


def test_every_public_method_of_mlflows_client_is_in_the_table() -> None:
    mlflow = pytest.importorskip("mlflow", minversion="3")
    public = {name for name in dir(mlflow.MlflowClient) if not name.startswith("_")}
    assert public - set(_names(METHODS)) == set()
    if mlflow.__version__.startswith("3.17."):
        assert set(_names(METHODS)) == public


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: row.names[0])
def test_the_drop_in_has_what_the_table_says(row: Row) -> None:
    for name in row.names:
        assert isinstance(getattr(dropin, name), absent.Absent) == (row.dropin == "no"), name
        assert (name in dropin.__all__) == (row.dropin != "no"), name


@pytest.mark.parametrize("row", METHODS, ids=lambda row: row.names[0])
def test_the_drop_ins_client_has_what_the_table_says(row: Row) -> None:
    for name in row.names:
        assert hasattr(dropin.MlflowClient, name) == (row.dropin == "yes"), name
        assert (name in absent.CLIENT_NAMES) == (row.dropin == "no"), name


def test_every_public_name_of_the_drop_in_is_in_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in dropin.__all__:
        assert f"`{name}`" in text, name
    methods = {name for name in dir(dropin.MlflowClient) if not name.startswith("_")} - {"hub"}
    assert methods <= set(_names(METHODS))


def _parameters(function: object) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore")
def test_calls_take_what_mlflows_take() -> None:
    """Every argument that MLflow's calls have is taken here, in the same place."""
    mlflow = pytest.importorskip("mlflow", minversion="3.17")
    pairs = [(name, mlflow, dropin) for row in FUNCTIONS if row.dropin != "no" for name in row.names]
    pairs += [
        (name, mlflow.MlflowClient, dropin.MlflowClient) for row in METHODS if row.dropin == "yes" for name in row.names
    ]
    pairs += [(name, mlflow.sklearn, dropin.sklearn) for name in ("autolog", "log_model", "save_model", "load_model")]
    pairs += [(name, mlflow.artifacts, dropin.artifacts) for name in dropin.artifacts.__all__]
    for name, theirs, ours in pairs:
        their, our = getattr(theirs, name), getattr(ours, name)
        if not inspect.isfunction(their) or not callable(our):
            continue
        known = _parameters(our)
        wanted = [one for one in _parameters(their).values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        assert [one.name for one in wanted if one.name not in known] == [], name
        positional = [one.name for one in wanted if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        assert list(known)[: len(positional)] == positional, name
