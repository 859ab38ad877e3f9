"""What differs between two runs, and which run is the baseline."""

from __future__ import annotations

import csv
import io
import json
import math
import struct

import pytest

from cli.made_runs import Cli
from compare.lab import Lab, environment
from gitruns.compare import Directions, diff_of, diff_runs, find_baseline
from gitruns.compare.code import CodeDiff
from gitruns.compare.pictures import picture_size
from gitruns.entities.dataset import DatasetInput

NOTE = "mlflow.note.content"


def data(digest: str, context: str = "training") -> DatasetInput:
    """A dataset of that digest."""
    return DatasetInput(name="digits", digest=digest, source="data.csv", context=context)


def png(width: int, height: int) -> bytes:
    """The first bytes of a picture."""
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"rest"


@pytest.fixture
def two(lab: Lab) -> Lab:
    """Two runs that differ in everything that a run has."""
    lab.commit("first", train__py="RATE = 1\n", notes__txt="a\n")
    lab.run(
        {"val_loss": [0.9, 0.4, 0.5], "acc": 0.9, "speed": 1.0, "system/cpu": 3.0},
        lr=0.1,
        model="mlp",
        old=1,
        inputs=[data("aaa")],
        artifacts={"report.txt": b"one\ntwo\n", "t.csv": b"x,y\n1,2\n", "p.png": png(4, 5), "raw.bin": b"\0" * 2000},
        tags={NOTE: "first try"},
    )
    lab.commit("second", train__py="RATE = 2\n")
    lab.run(
        {"val_loss": [0.9, 0.2, 0.25], "acc": 0.8, "speed": 2.0, "system/cpu": 9.0},
        lr=0.01,
        model="mlp",
        new=True,
        inputs=[data("bbb")],
        env=environment(numpy="2.2.0", rich="13.0.0"),
        artifacts={"report.txt": b"one\n2\n", "t.csv": b"x,z\n1,2\n3,4\n", "p.png": png(8, 5), "raw.bin": b"\0" * 10},
        tags={NOTE: "second try"},
    )
    return lab


def test_all_parts_of_a_difference(two: Lab) -> None:
    ids = [run.info.id for run in two.repo.list_runs()][::-1]
    diff = diff_runs(two.repo, *ids, patch=True)
    assert [(change.key, change.kind) for change in diff.params] == [
        ("lr", "changed"),
        ("new", "added"),
        ("old", "removed"),
    ]
    assert [(metric.key, metric.verdict) for metric in diff.metrics] == [
        ("acc", "worse"),
        ("speed", "changed"),
        ("val_loss", "better"),
        ("system/cpu", "changed"),
    ]
    loss = diff.metrics[2]
    assert (loss.best_before, loss.best_after) == (0.4, 0.2)
    assert loss.delta == -0.25 and loss.percent == -50
    assert [(file.path, file.added, file.removed) for file in diff.code.files] == [("train.py", 1, 1)]
    assert "+RATE = 2" in diff.code.patch
    assert [change.key for change in diff.environment.packages] == ["numpy"]
    assert [(change.key, change.before, change.after) for change in diff.datasets] == [
        ("digits (training)", "aaa", "bbb")
    ]
    assert diff.note is not None and diff.note.after == "second try"
    told = {artifact.path: artifact.summary for artifact in diff.artifacts}
    assert told["t.csv"] == "1 → 2 rows, 2 columns, +z, -y"
    assert told["p.png"].startswith("4 × 5 → 8 × 5")
    assert told["raw.bin"] == "1.95 KiB → 10 bytes"
    report = next(artifact for artifact in diff.artifacts if artifact.path == "report.txt")
    assert "-two\n+2\n" in report.diff


def test_a_run_and_itself_do_not_differ(two: Lab) -> None:
    run = two.repo.list_runs()[0]
    assert not diff_runs(two.repo, run.info.id, run.info.id)


def test_paths_limit_the_code(two: Lab) -> None:
    two.commit("third", train__py="RATE = 3\n", notes__txt="b\n")
    two.run({"acc": 1.0})
    runs = two.repo.list_runs()
    diff = diff_runs(two.repo, runs[1].info.id, runs[0].info.id, paths=["notes.txt"])
    assert [file.path for file in diff.code.files] == ["notes.txt"]


def test_nan_is_worse_and_equal_to_itself(lab: Lab) -> None:
    lab.commit("first", train__py="1\n")
    first, second, third = (lab.run({"loss": value}) for value in (1.0, math.nan, math.nan))
    code = CodeDiff(before=None, after=None)
    worse = diff_of(lab.get(first), lab.get(second), code=code, directions=Directions())
    assert worse.metrics[0].verdict == "worse" and worse.metrics[0].percent is None
    same = diff_of(lab.get(second), lab.get(third), code=code)
    assert same.metrics[0].verdict == "same" and not same.metrics[0].differs


# Baselines


def test_the_baseline_is_the_newest_run_of_the_nearest_ancestor(lab: Lab) -> None:
    lab.commit("first", train__py="1\n")
    lab.run({"acc": 0.1})
    newest = lab.run({"acc": 0.2})
    lab.run({"acc": 0.3}, experiment="other")
    lab.commit("not run", train__py="2\n")
    lab.commit("run", train__py="3\n")
    run = lab.run({"acc": 0.4})
    found = find_baseline(lab.repo, lab.get(run))
    assert found is not None
    assert (found.run.info.id, found.distance) == (newest, 2)
    assert "2 commits before" in found.why


def test_of_a_merge_the_nearer_parent_is_the_baseline(lab: Lab) -> None:
    lab.commit("first", train__py="1\n")
    lab.run({"acc": 0.1})
    lab.git("switch", "--quiet", "-c", "side")
    lab.commit("side", side__py="1\n")
    side = lab.run({"acc": 0.2})
    lab.git("switch", "--quiet", "main")
    for number in range(3):
        lab.commit(f"main {number}", main__py=f"{number}\n")
    lab.git("merge", "--quiet", "--no-edit", "side")
    run = lab.run({"acc": 0.3})
    found = find_baseline(lab.repo, lab.get(run))
    assert found is not None and (found.run.info.id, found.distance) == (side, 1)


def test_changed_files_are_compared_with_the_commit_that_they_lie_on(lab: Lab) -> None:
    lab.commit("first", train__py="1\n")
    clean = lab.run({"acc": 0.1})
    lab.write(train__py="2\n")
    lab.run({"acc": 0.15})
    dirty = lab.run({"acc": 0.2})
    found = find_baseline(lab.repo, lab.get(dirty))
    assert found is not None and found.run.info.id == clean


def test_where_nothing_was_committed_it_is_the_run_before(lab: Lab) -> None:
    lab.commit("first", train__py="1\n")
    lab.write(train__py="2\n")
    first = lab.run({"acc": 0.1})
    assert find_baseline(lab.repo, lab.get(first)) is None
    lab.write(train__py="3\n")
    second = lab.run({"acc": 0.2})
    found = find_baseline(lab.repo, lab.get(second))
    assert found is not None and found.run.info.id == first
    assert "no ancestor's exact code was run" in found.why


# Commands


def test_the_command_says_what_it_compared_with(two: Lab, cli: Cli) -> None:
    result = cli("diff", width=80)
    assert result.code == 0
    assert "baseline:" in result.out and "1 commit before" in result.out
    assert "val_loss" in result.out and "better" in result.out and "system/cpu" not in result.out
    assert "1 metric of the machine left out" in result.out
    assert max(map(len, result.out.splitlines())) <= 90


def test_the_first_run_has_nothing_to_compare_with(lab: Lab, cli: Cli) -> None:
    lab.commit("first", train__py="1\n")
    lab.run({"acc": 1.0})
    result = cli("diff", "latest")
    assert result.code == 12 and "the first of its experiment" in result.err


def test_exit_codes(two: Lab, cli: Cli) -> None:
    assert cli("diff", "run-1", "run-2", "--exit-code").code == 1
    assert cli("diff", "run-1", "run-1", "--exit-code").code == 0
    assert cli("diff", "run-1", "nobody").code == 12
    assert cli("diff", "run-1", "run-2", "run-1").code == 2
    assert cli("diff", "--markdown", "--json").code == 2


def test_json_and_csv_hold_all_digits(two: Lab, cli: Cli) -> None:
    found = json.loads(cli("diff", "run-1", "run-2", "--json").out)
    assert {metric["key"]: metric["delta"] for metric in found["metrics"]}["val_loss"] == -0.25
    assert found["code"]["files"] == [{"path": "train.py", "old_path": None, "added": 1, "removed": 1}]
    rows = list(csv.reader(io.StringIO(cli("diff", "run-1", "run-2", "--csv").out)))
    assert rows[0][:3] == ["section", "key", "change"]
    assert ["params", "lr", "changed", "0.1", "0.01", "", ""] in rows


def test_only_the_code(two: Lab, cli: Cli) -> None:
    out = cli("diff", "run-1", "run-2", "--stat", width=80).out
    assert "train.py" in out and "Metrics" not in out
    out = cli("diff", "run-1", "run-2", "-p", "--", "notes.txt", width=80).out
    assert "train.py" not in out


def test_a_source_that_is_not_here_is_said(two: Lab, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = two.repo.store.backend
    monkeypatch.setattr(type(backend), "has_object", lambda self, oid: False)
    out = cli("diff", "run-1", "run-2", width=100).out
    assert "is not in this clone" in out and "git fetch origin" in out


def test_html_goes_to_a_file(two: Lab, cli: Cli) -> None:
    result = cli("diff", "run-1", "run-2", "--html", "-o", "out.html")
    assert result.code == 0 and result.out == ""
    assert (two.folder / "out.html").read_text().startswith("<!doctype html>")
    assert cli("diff", "run-1", "run-2", "--html", "-o", "no/such/folder.html").code == 14


@pytest.mark.parametrize(
    ("picture", "size"),
    [
        (png(640, 480), (640, 480)),
        (b"GIF89a" + struct.pack("<HH", 3, 4), (3, 4)),
        (b"\xff\xd8\xff\xe0\0\4ab\xff\xc0\0\x0b\x08\0\x10\0\x20\0", (32, 16)),
        (b"\xff\xd8\xff\xe0\xff", None),
        (b"nothing", None),
        (b"\x89PNG\r\n\x1a\n", None),
    ],
)
def test_the_size_of_a_picture(picture: bytes, size: tuple[int, int] | None) -> None:
    assert picture_size(picture) == size
