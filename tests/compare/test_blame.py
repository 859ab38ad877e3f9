"""What set the records of a metric: a planted cause comes first, whatever else changed beside it."""

from __future__ import annotations

import json

import pytest

from cli.made_runs import Cli
from compare.lab import Lab, environment
from gitruns.compare.blame import Record, blame
from gitruns.compare.directions import Direction
from gitruns.compare.evidence import Observation, effect_of
from gitruns.compare.hunks import file_weight, parse_hunks
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment

MODEL = "# the model\n\n\ndef rate():\n    return {}\n"


def data(digest: str) -> DatasetInput:
    """Training data of that digest."""
    return DatasetInput(name="digits", digest=digest, source="data.csv", context="training")


def records(lab: Lab) -> list[Record]:
    """The records of the loss, with their causes."""
    return blame(lab.repo, "loss", lab.repo.list_runs(), Direction.LOWER)


class Plot:
    """A step in which code, a param, a package and data change together, and runs that varied each of them alone."""

    def __init__(self, lab: Lab, cause: str) -> None:
        self.lab = lab
        self.cause = cause

    def run(self, *, code: bool, param: bool, package: bool, data_: bool, noise: float = 0.0) -> None:
        """Logs a run with these changes; the loss falls by 0.4 with the cause and by nothing with the others."""
        self.lab.write(
            model__py=MODEL.format(2 if code else 1),
            README__md="new\n" if code else "old\n",
        )
        changed = {"code": code, "param": param, "package": package, "data": data_}[self.cause]
        env: Environment = environment(numpy="2.2.0" if package else "2.1.0")
        self.lab.run(
            {"loss": (0.5 if changed else 0.9) + noise},
            lr=0.01 if param else 0.1,
            seed=self.lab.count,
            env=env,
            inputs=[data("bbb" if data_ else "aaa")],
        )


@pytest.mark.parametrize("cause", ["code", "param", "package", "data"])
def test_the_cause_that_others_measured_comes_first(lab: Lab, cause: str) -> None:
    lab.commit("first", model__py=MODEL.format(1), README__md="old\n")
    plot = Plot(lab, cause)
    plot.run(code=False, param=False, package=False, data_=False)
    plot.run(code=True, param=True, package=True, data_=True)
    nothing = {"code": False, "param": False, "package": False, "data_": False}
    for varied in ("code", "param", "package", "data_"):  # later and a little worse: no records, but evidence
        plot.run(**{**nothing, varied: True}, noise=0.001)
    last = records(lab)[-1]
    assert last.delta == pytest.approx(-0.4)
    first = last.causes[0]
    assert first.kind == cause
    assert first.share > 0.9 and first.effect is not None
    if cause == "code":
        assert first.key == "model.py" and first.hunk is not None
        assert "+    return 2" in first.hunk.lines
    assert sum(one.share for one in last.causes) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("cause", ["code", "param", "package", "data"])
def test_a_cause_among_what_hardly_matters_comes_first(lab: Lab, cause: str) -> None:
    """Without other runs: a seed, a comment, the documentation and unknown packages stand behind."""
    lab.commit("first", model__py=MODEL.format(1), README__md="old\n", other__py="x = 1\n")
    lab.run({"loss": 0.9}, lr=0.1, seed=1, env=environment(rich="13.0.0"), inputs=[data("aaa")])
    lab.write(README__md="new\n", other__py="x = 1\n# a comment\n")
    if cause == "code":
        lab.write(model__py=MODEL.format(2))
    env = environment(rich="13.0.1", **({"numpy": "3.0.0"} if cause == "package" else {}))
    lab.run(
        {"loss": 0.5},
        lr=0.01 if cause == "param" else 0.1,
        seed=2,
        env=env,
        inputs=[data("bbb" if cause == "data" else "aaa")],
    )
    first = records(lab)[-1].causes[0]
    keys = {"code": "model.py", "param": "lr", "package": "numpy", "data": "digits (training)"}
    assert (first.kind, first.key) == (cause, keys[cause])
    assert first.share > 0.5


def test_of_two_hunks_the_comment_stands_behind(lab: Lab) -> None:
    lines = [f"x{number} = {number}" for number in range(40)]
    lab.commit("first", model__py="\n".join(lines) + "\n")
    lab.run({"loss": 0.9})
    lines[1] = "x1 = 1  "
    lines.insert(2, "# new words")
    lines[30] = "x29 = 99"
    lab.commit("second", model__py="\n".join(lines) + "\n")
    lab.run({"loss": 0.5})
    causes = records(lab)[-1].causes
    assert causes[0].hunk is not None and "+x29 = 99" in causes[0].hunk.lines


def test_records_only_go_forward(lab: Lab) -> None:
    lab.commit("first", model__py="1\n")
    for loss in (0.9, 0.95, 0.5, 0.7, float("nan"), 0.5, 0.4):
        lab.run({"loss": loss})
    assert [record.value for record in records(lab)] == [0.9, 0.5, 0.4]
    assert records(lab)[-1].causes == (), "nothing that is recorded has changed"


def test_what_was_never_varied_alone_is_not_measured() -> None:
    a, b = ("param", "a"), ("param", "b")
    together = [Observation(value=1, factors={a: "1", b: "1"}), Observation(value=0, factors={a: "2", b: "2"})]
    assert effect_of(a, "1", "2", [b], together) is None
    apart = [*together, Observation(value=0.25, factors={a: "2", b: "1"})]
    found = effect_of(a, "1", "2", [b], apart)
    assert found is not None and (found.amount, found.runs) == (-0.75, 2)


def test_hunks_are_read_as_git_writes_them() -> None:
    patch = (
        "diff --git a/x.py b/x.py\nindex 1..2 100644\n--- a/x.py\n+++ b/x.py\n"
        "@@ -1,2 +1,2 @@ def f():\n-a\n+b\n c\n@@ -9 +9 @@\n--- x\n+++ y\n"
        "diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-z\n"
    )
    found = parse_hunks(patch)
    assert [(hunk.path, hunk.line, hunk.where) for hunk in found] == [
        ("x.py", 1, "def f():"),
        ("x.py", 9, ""),
        ("gone", 0, ""),
    ]
    assert found[1].lines == ("--- x", "+++ y")


def test_documentation_hardly_matters() -> None:
    assert file_weight("README.md") < file_weight("data.bin") < file_weight("src/model.py")
    assert file_weight("tests/test_model.py") < 0.05
    assert file_weight("train.py", "train.py") > file_weight("train.py")


def test_the_command(lab: Lab, cli: Cli) -> None:
    lab.commit("first", model__py=MODEL.format(1))
    lab.run({"loss": 0.9}, lr=0.1)
    lab.commit("second", model__py=MODEL.format(2))
    lab.run({"loss": 0.5}, lr=0.1)
    out = cli("blame", "loss", width=80).out
    assert "loss 0.5  -0.4 (-44.4%)" in out
    assert "100%  code        model.py" in out and "+    return 2" in out
    assert out.index("loss 0.5") < out.index("loss 0.9"), "the last record first"
    found = [json.loads(line) for line in cli("blame", "loss", "--json").out.splitlines()]
    assert found[0]["causes"][0]["kind"] == "code" and found[1]["before"] is None
    assert cli("blame", "nothing", "--direction", "lower").code == 12
    assert cli("blame", "thing").code == 2
