"""`git runs export` and `git runs plot -o`: what others read back is what there was."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path

import pytest

from cli.made_runs import Cli
from gitruns.repo import Repo


def test_csv_comes_back(cli: Cli, example_repo: Path, tmp_path: Path) -> None:
    result = cli("export", "--to", str(tmp_path / "runs.csv"), "--sort", "val_loss")
    assert result.err == f"wrote 9 runs to '{tmp_path}/runs.csv'\n"
    with (tmp_path / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run_name"] for row in rows[:2]] == ["quiet-mole-8", "bold-crane-4"]
    assert float(rows[0]["metrics.val_loss"]) == 0.088
    assert rows[1]["tags.team"] == "vision" and rows[0]["tags.team"] == ""
    assert rows[0]["dirty"] == "false" and rows[0]["exit_code"] == "0"
    assert cli("list", "--csv", "--sort", "val_loss").out == (tmp_path / "runs.csv").read_text()


def test_points_are_in_a_second_file(cli: Cli, example_repo: Path, tmp_path: Path) -> None:
    target = tmp_path / "runs.csv"
    result = cli("export", "--to", str(target), "--history", "name = 'bold-crane-4'")
    assert result.err == f"wrote 1 run to '{target}' and '{tmp_path}/runs.points.csv'\n"
    with (tmp_path / "runs.points.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    repo = Repo.open(example_repo)
    points = list(repo.iter_points(repo.resolve_run("bold-crane-4")))
    assert [(row["metric"], int(row["step"]), float(row["value"])) for row in rows] == [
        (point.metric, point.step, point.value) for point in points
    ]


def test_sqlite_has_tables(cli: Cli, example_repo: Path, tmp_path: Path) -> None:
    target = tmp_path / "runs.sqlite"
    assert cli("export", "--to", str(target), "--history").code == 0
    connection = sqlite3.connect(target)
    query = (
        "SELECT p.value, count(*), min(m.last) FROM runs JOIN metrics m USING (run_id) JOIN params p USING (run_id) "
        "WHERE m.key = 'val_loss' AND p.key = 'model' GROUP BY p.value ORDER BY 1"
    )
    assert connection.execute(query).fetchall() == [("cnn", 4, 0.093), ("mlp", 2, 0.297), ("vit", 3, 0.088)]
    assert connection.execute("SELECT count(*) FROM points").fetchone() == (9 * 41,)
    assert connection.execute("SELECT typeof(value), value FROM params WHERE key = 'layers' LIMIT 1").fetchone() == (
        "integer",
        12,
    )
    connection.close()


def test_parquet_comes_back(cli: Cli, example_repo: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    target = tmp_path / "runs.parquet"
    assert cli("export", "--to", str(target), "--history", "--sort", "val_loss").code == 0
    rows = parquet.read_table(target).to_pylist()
    assert [row["run_name"] for row in rows[:2]] == ["quiet-mole-8", "bold-crane-4"]
    assert rows[0]["params.lr"] == 0.003 and rows[0]["params.layers"] == 12
    assert rows[0]["start_time"].year == 2025
    assert parquet.read_table(tmp_path / "runs.points.parquet").num_rows == 9 * 41


def test_json_is_what_list_prints(cli: Cli, example_repo: Path, tmp_path: Path) -> None:
    target = tmp_path / "runs.json"
    assert cli("export", "--to", str(target), "model = 'vit'").code == 0
    assert target.read_text() == cli("list", "--json", "model = 'vit'").out
    assert cli("export", "--to", str(target), "model = 'vit'", "--history", "--force").code == 0
    record = json.loads(target.read_text().splitlines()[0])
    assert len(record["history"]["val_loss"]) == 20 and record["history"]["seconds"][0][2] == 601.0


def test_hostile_and_huge_values_survive(cli: Cli, shared_runs: Path, tmp_path: Path) -> None:
    for ending in ("csv", "sqlite", "json", "parquet"):
        if ending == "parquet":
            pytest.importorskip("pyarrow")
        assert cli("export", "--to", str(tmp_path / f"all.{ending}"), "--history", "--all").code == 0, ending
    connection = sqlite3.connect(tmp_path / "all.sqlite")
    assert connection.execute("SELECT value FROM params WHERE key = 'seed'").fetchall() == [(str(10**30),)]
    assert connection.execute("SELECT run_name FROM runs WHERE run_id LIKE 'c0ff%'").fetchone() == (
        "日本 \033[31mrun\033[m",
    )
    connection.close()


def test_a_file_is_there_whole_or_not_at_all(
    cli: Cli, example_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "runs.csv"
    target.write_text("mine")
    result = cli("export", "--to", str(target))
    assert (result.code, result.err) == (
        13,
        f"error: '{target}' is there already\nhint: --force writes it anew\n",
    )
    monkeypatch.setattr("gitruns.exchange.writers.csv_rows", lambda columns: 1 / 0)
    assert cli("export", "--to", str(target), "--force").code == 70
    assert target.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir() if "runs" in path.name] == ["runs.csv"]


def test_what_cannot_be_written_is_refused_first(cli: Cli, example_repo: Path, tmp_path: Path) -> None:
    assert "its ending may be: .parquet .csv" in cli("export", "--to", str(tmp_path / "runs.xls")).err
    assert cli("export", "--to", str(tmp_path / "no" / "runs.csv")).code == 12
    assert cli("plot", "acc", "-o", str(tmp_path / "a.exe")).err.endswith("may be: .png .svg .pdf .html\n")
    assert list(tmp_path.glob("*.exe")) == []


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_pictures(ending: str, cli: Cli, example_repo: Path, tmp_path: Path) -> None:
    pytest.importorskip("plotly" if ending == "html" else "matplotlib")
    target = tmp_path / f"curve.{ending}"
    result = cli("plot", "val_loss", "@cnn", "-o", str(target))
    assert result.code == 0, result.err
    assert "has no points of val_loss to draw" in result.err  # the one that diverged
    assert f"drew val_loss of 3 runs into '{target}'" in result.err
    head = target.read_bytes()[:400]
    assert {"png": b"\x89PNG", "svg": b"<svg", "html": b"<html"}[ending] in head
    assert cli("plot", "val_loss", "-o", str(target)).code == 13


def test_a_drawing_in_ascii_has_only_ascii(example_repo: Path) -> None:
    pytest.importorskip("plotext")
    from gitruns.cli.charts import Chart, Curve, terminal_chart
    from gitruns.cli.terminal import Terminal

    curves = [Curve("a", "0" * 32, [0.0, 1.0, 2.0], [1.0, 0.5, 0.25]), Curve("b", "1" * 32, [0.0, 2.0], [1.0, 2.0])]
    text = terminal_chart(Chart("loss", "step", curves), Terminal(width=60, unicode=False), 12)
    assert text.isascii() and max(map(len, text.splitlines())) <= 60


def test_plot_without_its_library_names_it(cli: Cli, example_repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "plotext", None)
    assert cli("plot", "acc").err.endswith("hint: pip install 'gitruns[plot]'\n")
    assert "'nothing'" in cli("plot", "nothing").err
