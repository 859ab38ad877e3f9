"""Many runs side by side, on the command line and in Python."""

from __future__ import annotations

import csv
import importlib
import io
import json
import subprocess
import sys

import pytest

import gitruns
from cli.made_runs import Cli
from compare.lab import Lab, environment
from gitruns.compare import Comparison, compare_runs
from gitruns.compare.extras import load
from gitruns.errors import InvalidInputError


@pytest.fixture
def three(lab: Lab) -> Lab:
    """Three runs of two commits."""
    lab.commit("first", train__py="1\n")
    lab.run({"loss": [0.9, 0.5], "acc": 0.8, "system/cpu": 1.0}, lr=0.1, model="mlp")
    lab.run({"loss": [0.9, 0.3, 0.4], "acc": 0.9}, lr=0.01, model="mlp", env=environment(numpy="2.2.0"))
    lab.commit("second", train__py="2\n")
    lab.run({"loss": [0.9, 0.6]}, lr=1, model="mlp", extra=None)
    return lab


def compared(lab: Lab) -> Comparison:
    """All runs, the first one first."""
    return compare_runs(lab.repo, [run.info.id for run in lab.repo.list_runs()][::-1])


def test_rows_hold_what_the_runs_have(three: Lab) -> None:
    found = compared(three)
    rows = {(row.group, row.key): row for row in found.rows}
    assert rows["metrics", "loss"].values == (0.5, 0.4, 0.6)
    assert rows["metrics", "loss"].best == frozenset({1})
    assert rows["metrics", "acc"].present == (True, True, False)
    assert ("metrics", "system/cpu") not in rows
    assert found.best["loss"] == (0.5, 0.3, 0.6)
    assert not rows["params", "model"].varies and rows["params", "lr"].varies
    assert rows["params", "extra"].present == (False, False, True), "None is a value"
    assert [row.key for row in found.only_changed().group("environment")] == ["numpy"]
    assert {row.key for row in found.only_changed().group("code")} == {"commit", "code"}


def test_sorting_puts_what_is_missing_last(three: Lab) -> None:
    names = lambda found: [run.info.name for run in found.runs]  # noqa: E731  a name for a phrase
    found = compared(three)
    assert names(found.sorted_by("loss")) == ["run-2", "run-1", "run-3"]
    assert names(found.sorted_by("-metrics.acc")) == ["run-2", "run-1", "run-3"]
    assert names(found.sorted_by("params.lr")) == ["run-2", "run-1", "run-3"]
    assert found.sorted_by("loss").rows[1].best == frozenset({0})
    with pytest.raises(InvalidInputError) as caught:
        found.sorted_by("nothing")
    assert caught.value.kind == "unknown-field"


def test_data_frames(three: Lab) -> None:
    pytest.importorskip("pandas")
    found = compared(three)
    assert list(found.metrics.columns) == ["acc", "loss"]
    assert list(found.metrics["loss"]) == [0.5, 0.4, 0.6]
    assert list(found.params.index.get_level_values("run_name")) == ["run-1", "run-2", "run-3"]
    assert found.table["environment", "numpy"].tolist() == ["2.1.0", "2.2.0", "2.1.0"]
    assert found.best_metrics["loss"].tolist() == [0.5, 0.3, 0.6]
    assert "0.4" in found._repr_html_() and "<script" not in found._repr_html_()
    assert repr(found).startswith("<Comparison of 3 runs")


def test_in_python_runs_may_be_named_in_any_way(three: Lab) -> None:
    ids = {run.info.id for run in three.repo.list_runs()}
    runs = gitruns.search_runs(output_format="list", search_all_experiments=True)
    ways = ["loss > 0", sorted(ids), runs, ["run-1", "run-2", "latest"]]
    if importlib.util.find_spec("pandas"):
        ways.append(gitruns.search_runs(search_all_experiments=True))
    for way in ways:
        assert {run.info.id for run in gitruns.compare(way).runs} == ids
    assert gitruns.compare(runs, only_changed=True).group("params")
    with pytest.raises(InvalidInputError):
        gitruns.compare([])
    with pytest.raises(InvalidInputError):
        gitruns.compare([3])
    with pytest.raises(InvalidInputError):
        gitruns.compare(3)


def test_the_name_is_a_function_and_a_package() -> None:
    """Importing the package sets its name on `gitruns`, over the function: it can be called as well."""
    program = (
        "import gitruns, sys; assert 'gitruns.compare' not in sys.modules; first = gitruns.compare\n"
        "import gitruns.compare.directions\n"
        "assert gitruns.compare is not first and callable(gitruns.compare)\n"
        "try: gitruns.compare([])\n"
        "except gitruns.GitRunsError as error: print(error.kind)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "not-a-repository"


def test_a_library_that_is_missing_is_named_with_its_extra() -> None:
    with pytest.raises(InvalidInputError) as caught:
        load("no_such_library.part", "review", "drawing curves")
    assert caught.value.kind == "extra-missing"
    assert str(caught.value) == "drawing curves needs 'no_such_library', which is not installed"
    assert caught.value.hint == "pip install 'gitruns[review]'"


# The command


def test_side_by_side_or_a_line_each(three: Lab, cli: Cli) -> None:
    wide = cli("compare", "run-1", "run-2", "--only-changed", width=80).out
    assert "lr" in wide and "model" not in wide
    lines = cli("compare", "loss > 0", "--sort", "loss", width=40).out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("    0")] == ["run-2", "run-1", "run-3"]


def test_csv_and_json_hold_all_digits(three: Lab, cli: Cli) -> None:
    rows = list(csv.DictReader(io.StringIO(cli("compare", "run-1", "run-2", "--csv").out)))
    assert [row["metrics.loss"] for row in rows] == ["0.5", "0.4"]
    found = json.loads(cli("compare", "run-1", "run-3", "--json").out)
    row = next(row for row in found["rows"] if row["key"] == "loss")
    assert row == {
        "group": "metrics",
        "key": "loss",
        "varies": True,
        "direction": "lower",
        "best": [0],
        "values": [0.5, 0.6],
    }


def test_mistakes(three: Lab, cli: Cli) -> None:
    assert cli("compare", "loss > 9").code == 12
    assert cli("compare", "loss >").code == 2
    assert cli("compare", "run-1", "nobody").code == 12
    alone = cli("compare", "latest")
    assert alone.code == 2 and "git runs diff latest" in alone.err
    assert cli("compare", "run-1", "run-2", "-e", "x").code == 2
    assert cli("compare", "loss > 0", "--sort", "nothing").code == 2


def test_equal_runs_are_said_to_be(lab: Lab, cli: Cli) -> None:
    lab.commit("first", train__py="1\n")
    for _ in range(2):
        lab.run({"loss": 1.0})
    assert "Nothing differs." in cli("compare", "run-1", "run-2", "--only-changed", width=80).out
