"""watch: runs are followed while they run, on a terminal, in a pipe and as JSON, until they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.made_runs import OTTER, START, Cli
from cli.own_terminal import run_on_terminal
from conftest import run_git
from gitruns.cli.live_view import Curve, LiveView
from gitruns.cli.screen import Screen
from gitruns.entities.ids import WriterId
from gitruns.entities.run import Run, RunInfo, RunStatus
from gitruns.entities.values import Point, Scalar, Summarizer
from gitruns.repo import RunLog
from gitruns.tracking.session import Session


def begin(name: str = "bold") -> RunLog:
    """Starts a run in the working directory."""
    return Session.open().start(run_name=name)


def _run(step: int, *, params: Mapping[str, Scalar] | None = None, time_ms: int = START) -> Run:
    info = RunInfo(id=OTTER, name="x", writer=WriterId("a" * 16), start_time_ms=START)
    points = Summarizer()
    points.add(step, time_ms, 0.5)
    return Run(info=info, metrics={"loss": points.summary()}, params=params or {}, live=True)


# What can be said


@given(st.lists(st.floats(-1e6, 1e6), max_size=2000))
def test_a_curve_is_bounded_and_keeps_the_mean(values: list[float]) -> None:
    curve = Curve()
    for value in values:
        curve.add(value)
    shown = curve.shown()
    assert len(shown) <= 128
    if values:
        assert min(values) - 1e-6 <= min(shown) <= max(shown) <= max(values) + 1e-6


def test_rate_and_time_left() -> None:
    view = LiveView(_run(0, params={"total_steps": 100}))
    for second in range(10):
        view.see(_run(second * 5, params={"total_steps": 100}, time_ms=START + second * 1000), START + 60_000)
    assert view.rate == 5
    assert (view.step, view.total) == (45, 100)
    assert view.left_ms() == 11_000


def test_the_rate_is_that_of_late() -> None:
    view = LiveView(_run(0))
    view.begin([Point("loss", step, START + step * 10, 1.0) for step in range(1000)])
    for second in range(60):
        view.see(_run(1000 + second, time_ms=START + 20_000 + second * 1000), START + 3_600_000)
    assert view.rate == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize(
    ("params", "total"),
    [
        ({"epochs": 20}, 20),
        ({"epochs": 5}, None),  # the run is beyond it, so steps are no epochs
        ({"epochs": 20, "max_steps": 500}, 500),
        ({"total_steps": "many"}, None),
        ({"total_steps": True}, None),
        ({}, None),
    ],
)
def test_what_says_how_many_steps_there_are(params: dict[str, Scalar], total: int | None) -> None:
    assert LiveView(_run(10, params=params)).total == total


def test_without_metrics_nothing_is_claimed() -> None:
    view = LiveView(replace(_run(0), metrics={}))
    assert (view.step, view.rate, view.left_ms()) == (None, None, None)


# On the command line


def test_a_run_that_has_ended_is_shown_once(shared_runs: Path, cli: Cli) -> None:
    done = cli("watch", "bold-otter-12")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("3f2a9c1e bold-otter-12 finished step=99 acc=0.9876 loss=")
    assert done.out.count("\n") == 1
    assert cli("watch", "neat-mole-988").code == 1  # it failed


def test_nothing_is_running(shared_runs: Path, cli: Cli) -> None:
    done = cli("watch")
    assert (done.code, done.out, done.err) == (0, "", "nothing is running\n")


def test_a_page_at_80_columns(shared_runs: Path, cli: Cli) -> None:
    page = cli("watch", "bold-otter-12", width=80).out
    assert page.startswith("\033[?25l\r") and page.endswith("\033[J\033[?25h")
    lines = [line.removesuffix("\033[K") for line in page.removeprefix("\033[?25l\r").splitlines()]
    assert lines[0] == "bold-otter-12  3f2a9c1e  finished after 1m 40s on laptop"
    assert lines[1] == "    step 99"
    assert lines[2].startswith("    batch_size 32, lr 0.1, model cnn, seed 1")
    assert "loss" in lines[4] and "█" in lines[4] and lines[4].endswith("min 5.017e-05  max 1")
    assert all(len(line) < 80 for line in lines)


def test_a_run_is_followed_to_its_end(empty_repo: Path, cli: Cli) -> None:
    log = begin()

    def train() -> None:
        for step in range(10):
            log.log_metric("loss", 1 / (step + 1), step)
            time.sleep(0.05)
        log.end(RunStatus.FAILED, exit_code=3, error="ValueError: no")

    thread = threading.Thread(target=train)
    thread.start()
    done = cli("watch", "--json", "--interval", "0.1", log.run_id[:8], now_ms=None)
    thread.join()
    records = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 1
    assert len(records) >= 3
    assert [record["live"] for record in records] == [True] * (len(records) - 1) + [False]
    steps = [record["step"] for record in records if record["step"] is not None]
    assert steps == sorted(steps)
    last = records[-1]
    assert (last["status"], last["step"], last["exit_code"], last["error"]) == ("FAILED", 9, 3, "ValueError: no")
    assert last["metrics"] == {"loss": 0.1}


def test_several_at_once(empty_repo: Path, cli: Cli) -> None:
    logs = [begin("one"), begin("two")]
    for log in logs:
        log.log_metric("loss", 0.5, 7)

    def end() -> None:
        time.sleep(0.4)
        logs[0].end(RunStatus.FINISHED)
        time.sleep(0.2)
        logs[1].end(RunStatus.FINISHED)

    thread = threading.Thread(target=end)
    thread.start()
    done = cli("watch", "--interval", "0.1", width=80, now_ms=None)
    thread.join()
    assert done.code == 0
    frames = done.out.split("\r")
    assert "one" in frames[1] and "two" in frames[1]
    assert "finished after" in frames[-1]
    assert "    step 7   loss 0.5\033[K" in frames[1]


def test_a_killed_run_is_seen(empty_repo: Path, cli: Cli) -> None:
    script = "import gitruns, os; gitruns.start_run(run_name='k'); gitruns.log_metric('a', 1); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script], check=False)
    done = cli("watch", "latest", now_ms=None)
    assert done.code == 1
    assert " k killed step=0 a=1.0" in done.out


def test_odd_values_and_hostile_names(empty_repo: Path, cli: Cli) -> None:
    log = begin("\033[31mred")
    log.log_metric("nan\033[m", float("nan"), 0)
    log.log_metric("inf", float("inf"), 0)
    log.end(RunStatus.FINISHED)
    record = json.loads(cli("watch", "--json", log.run_id, now_ms=None).out)
    assert record["metrics"] == {"inf": "inf", "nan\033[m": "nan"}
    assert "\033[31m" not in cli("watch", log.run_id, width=60, now_ms=None).out
    assert "\033" not in cli("watch", log.run_id, now_ms=None).out


def test_only_the_metrics_that_are_wanted(shared_runs: Path, cli: Cli) -> None:
    assert cli("watch", "-m", "acc", "bold-otter-12").out.endswith("step=99 acc=0.9876\n")


def test_the_cursor_comes_back_after_an_interrupt(empty_repo: Path) -> None:
    log = begin()
    code, seen = run_on_terminal(
        [sys.executable, "-m", "gitruns.cli.main", "watch", "--interval", "0.1"],
        empty_repo,
        keys=b"\x03",
        until=b"running for",
    )
    log.end(RunStatus.FINISHED)
    assert code == 130
    assert seen.rstrip().endswith(b"\033[?25h")


def test_frames_lie_over_one_another(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(Screen, "size", staticmethod(lambda: (10, 5)))
    screen.draw(["one", "two"], ["one", "two"])
    screen.draw(["\033[1m日本\033[m"], ["日本"])
    assert capsys.readouterr().out == "\rone\033[K\ntwo\033[K\n\033[J\033[2A\r\033[1m日本\033[m\033[K\n\033[J"
    monkeypatch.setattr(Screen, "size", staticmethod(lambda: (3, 5)))  # 4 columns take two rows now
    screen.draw(["x"] * 9, ["x"] * 9)
    assert capsys.readouterr().out == "\033[2A\r" + "x\033[K\n" * 4 + "\033[J"


# Other machines


def test_a_run_on_another_machine(empty_repo: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from gitruns.sync.checkpoints import Checkpointer

    run_git(tmp_path, "init", "--quiet", "--bare", "there.git")
    run_git(empty_repo, "remote", "add", "origin", str(tmp_path / "there.git"))
    run_git(empty_repo, "push", "--quiet", "origin", "HEAD")
    session = Session.open()
    log = session.start(run_name="far")
    log.log_metric("loss", 0.25, 3)
    checkpointer = Checkpointer(session.repo, log.run_id, {})
    live = session.repo.live(log.run_id)
    assert live is not None
    checkpointer.push(live.run)
    run_git(tmp_path, "clone", "--quiet", str(tmp_path / "there.git"), "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("gitruns.cli.porcelain.watch._REMOTE_EVERY_S", 0.1)
    timer = threading.Timer(0.6, checkpointer.delete)
    timer.start()
    done = cli("watch", "--remote", "--interval", "0.1", now_ms=None)
    timer.join()
    log.end(RunStatus.FINISHED)
    lines = [line.split(" ", 1)[1] for line in done.out.splitlines()]
    assert (lines[0], lines[-1]) == ("far running step=3 loss=0.25", "far ended step=3 loss=0.25")


def test_a_run_that_was_pushed_is_seen_to_its_end(
    empty_repo: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gitruns.sync import push
    from gitruns.sync.checkpoints import Checkpointer

    run_git(tmp_path, "init", "--quiet", "--bare", "there.git")
    run_git(empty_repo, "remote", "add", "origin", str(tmp_path / "there.git"))
    run_git(empty_repo, "push", "--quiet", "origin", "HEAD")
    session = Session.open()
    log = session.start(run_name="far")
    log.log_metric("loss", 0.25, 3)
    checkpointer = Checkpointer(session.repo, log.run_id, {})
    checkpointer.push(session.repo.get_run(log.run_id))
    run_git(tmp_path, "clone", "--quiet", str(tmp_path / "there.git"), "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("gitruns.cli.porcelain.watch._REMOTE_EVERY_S", 0.1)

    def end() -> None:
        log.end(RunStatus.FAILED, exit_code=1, error="no")
        push(session.repo)
        checkpointer.delete()

    timer = threading.Timer(0.6, end)
    timer.start()
    done = cli("watch", "--remote", "--interval", "0.1", now_ms=None)
    timer.join()
    assert done.code == 1
    assert done.out.splitlines()[-1].endswith("far failed step=3 loss=0.25")


def test_a_remote_out_of_reach_is_said_once(empty_repo: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitruns.cli.porcelain.watch._REMOTE_EVERY_S", 0.05)
    log = begin()
    timer = threading.Timer(0.5, log.end, (RunStatus.FINISHED,))
    timer.start()
    done = cli("watch", "--remote", "--interval", "0.1", now_ms=None)
    timer.join()
    assert done.err.count("cannot see the runs of other machines") == 1
    assert "finished" in done.out


def test_a_run_of_another_host_on_a_shared_disk(empty_repo: Path, cli: Cli) -> None:
    """Its journal lies here; whether it lives is told by the time of its file."""
    log = begin("there")
    log.log_metric("loss", 0.5, 1)
    journal = next((empty_repo / ".git" / "gitruns" / "live" / log.run_id).glob("*.log"))
    text = journal.read_bytes()
    log.end(RunStatus.FINISHED)
    run_git(empty_repo, "update-ref", "-d", f"refs/runs/{log.run_id}")
    folder = journal.parent
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sealed").unlink(missing_ok=True)
    journal.unlink(missing_ok=True)
    first, *rest = text.decode().splitlines()
    body = json.loads(first[9:])
    body[2]["process"] |= {"host": "node7", "boot_id": "11111111-2222-3333-4444-555555555555"}
    body[2]["info"]["host"] = "node7"
    other = json.dumps(body, separators=(",", ":"))
    lines = [f"{zlib.crc32(other.encode()):08x} {other}", *rest]
    (folder / "0123456789abcdef.log").write_text("\n".join(lines) + "\n")

    def gone() -> None:
        os.utime(folder / "0123456789abcdef.log", (1, 1))

    timer = threading.Timer(0.5, gone)
    timer.start()
    done = cli("watch", "--interval", "0.1", width=80, now_ms=None)
    timer.join()
    assert "running for" in done.out and "on node7" in done.out
    assert "killed after" in done.out.split("\r")[-1]
    assert done.code == 1
