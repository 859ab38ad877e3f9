"""`git runs exec`: the command does not notice, and nothing of it is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.made_runs import Cli
from cli.own_terminal import run_on_terminal
from gitruns.cli.console import Console
from gitruns.cli.porcelain.exec import typed_value
from gitruns.entities.run import Run
from gitruns.repo import Repo

EXEC = [sys.executable, "-m", "gitruns.cli.main", "exec"]


def _latest(folder: Path) -> Run:
    return Repo.open(folder).list_runs()[0]


def _console(folder: Path, run: Run) -> bytes:
    with Repo.open(folder).open_artifact(run.info.id, "console.log") as file:
        return file.read()


def test_a_command_becomes_a_run(cli: Cli, empty_repo: Path) -> None:
    result = cli(
        *(
            "exec",
            "-P",
            "lr=0.1",
            "-P",
            "model=cnn",
            "-t",
            "why=first",
            "-e",
            "digits",
            "--name",
            "one",
            "-m",
            "A note.",
        ),
        *("--", "sh", "-c", "echo out; echo err >&2; exit 3"),
    )
    run = _latest(empty_repo)
    assert (result.code, result.out) == (3, "out\n")
    assert result.err.splitlines()[0] == "err"
    assert result.err.splitlines()[1].startswith(f"run {run.info.id[:8]} one: failed after ")
    assert result.err.endswith("(exit code 3)\n")
    assert dict(run.params) == {"lr": 0.1, "model": "cnn"}
    assert dict(run.tags) == {"why": "first", "mlflow.note.content": "A note."}
    assert run.info.command == ("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (run.info.name, run.info.status.value, run.info.exit_code) == ("one", "FAILED", 3)
    assert _console(empty_repo, run).splitlines() == [b"out", b"err"]
    assert cli("list", "-e", "digits", "--format", "{name}").out == "one\n"


@pytest.mark.parametrize(
    ("script", "code", "status", "error"),
    [
        ("true", 0, "FINISHED", None),
        ("exit 1", 1, "FAILED", "exit code 1"),
        ("kill -TERM $$", 143, "KILLED", "SIGTERM"),
        ("kill -KILL $$", 137, "KILLED", "SIGKILL"),
        ("kill -SEGV $$", 139, "FAILED", "SIGSEGV"),
        ("sh -c 'kill -INT $$'; exit $?", 130, "KILLED", "SIGINT"),
    ],
)
def test_the_end_of_the_command_is_that_of_the_run(
    script: str, code: int, status: str, error: str | None, cli: Cli, empty_repo: Path
) -> None:
    assert cli("exec", "-q", "--", "sh", "-c", script).code == code
    info = _latest(empty_repo).info
    assert (info.exit_code, info.status.value, info.error) == (code, status, error)


def test_a_slip_of_the_finger_makes_no_run(cli: Cli, empty_repo: Path) -> None:
    missing = cli("exec", "--", "nosuchcommand")
    assert (missing.code, missing.err) == (127, "error: cannot run 'nosuchcommand': there is no such command\n")
    assert cli("exec", "--", "./README.md").code == 126
    assert cli("exec").code == 2
    assert cli("exec", "-P", "lr", "--", "true").code == 2
    assert cli("exec", "-P", "lr=1", "-P", "lr=2", "--", "true").err == "error: param 'lr' is given twice\n"
    too_long = cli("exec", "-P", f"{'k' * 300}=1", "--", "true")
    assert too_long.code == 2 and "at most 250" in too_long.err
    assert cli("list").err.startswith("no runs yet")


def test_a_script_without_interpreter_is_a_failed_run(cli: Cli, empty_repo: Path) -> None:
    script = empty_repo / "bad.sh"
    script.write_text("#!/nowhere/sh\n")
    script.chmod(0o755)
    assert cli("exec", "-q", "--", "./bad.sh").code == 127
    assert "no such file" in (_latest(empty_repo).info.error or "")


def test_arguments_after_the_command_are_its_own(cli: Cli, empty_repo: Path) -> None:
    assert cli("exec", "-q", "echo", "--json", "-P", "x").out == "--json -P x\n"
    assert cli("exec", "-q", "--", "echo", "--", "-h").out == "-- -h\n"


def test_a_secret_argument_is_masked(cli: Cli, empty_repo: Path) -> None:
    cli("exec", "-q", "--", "echo", "--api-key", "abcdefghij0123456789")
    assert "abcdefghij0123456789" not in " ".join(_latest(empty_repo).info.command)


def test_what_logs_itself_logs_into_the_same_run(cli: Cli, empty_repo: Path) -> None:
    script = (
        "import gitruns as g\nwith g.start_run():\n    g.log_metric('acc', 0.5)\n    g.log_param('lr', 0.1)\nprint(1)"
    )
    assert cli("exec", "-q", "-P", "lr=0.1", "--", sys.executable, "-c", script).code == 0
    (run,) = Repo.open(empty_repo).list_runs()
    assert run.metrics["acc"].last == 0.5
    assert run.info.status.value == "FINISHED"
    assert run.info.command[0] == sys.executable or "python" in run.info.command[0]
    assert [artifact.path for artifact in run.artifacts] == ["console.log"]


def test_console_output_has_a_bound(cli: Cli, empty_repo: Path) -> None:
    script = "import sys; sys.stdout.write('a' * 3_000_000 + 'z' * 10)"
    result = cli("exec", "-q", "--max-output", "1k", "--", sys.executable, "-c", script)
    assert len(result.out) == 3_000_010, "all of it is shown"
    kept = _console(empty_repo, _latest(empty_repo))
    assert kept == b"a" * 512 + b"\n[git runs: 2998986 bytes left out]\n" + b"a" * 502 + b"z" * 10
    cli("exec", "-q", "--max-output", "0", "--", "echo", "hello")
    assert _latest(empty_repo).artifacts == ()
    assert cli("exec", "--max-output", "many", "--", "true").code == 2


@given(st.lists(st.binary(max_size=20), max_size=30), st.integers(min_value=0, max_value=60))
def test_the_console_keeps_beginning_and_end(chunks: list[bytes], limit: int) -> None:
    console = Console(limit)
    for chunk in chunks:
        console.add(chunk)
    whole, text = b"".join(chunks), console.text()
    if len(whole) <= limit:
        assert text == whole
        return
    head, _, rest = text.partition(b"\n[git runs: ")
    tail = rest.partition(b" bytes left out]\n")[2]
    assert len(head) + len(tail) <= limit
    if b"[git" not in whole:
        assert whole.startswith(head) and whole.endswith(tail)


def test_bytes_that_are_no_text_pass_through(empty_repo: Path) -> None:
    script = "import sys; sys.stdout.buffer.write(bytes(range(256))); sys.stdout.buffer.write(sys.stdin.buffer.read())"
    done = subprocess.run(
        [*EXEC, "-q", "--", sys.executable, "-c", script], input=b"\xff\x00in", capture_output=True, check=True
    )
    assert done.stdout == bytes(range(256)) + b"\xff\x00in"
    assert _console(empty_repo, _latest(empty_repo)) == done.stdout


def test_output_is_shown_while_it_runs(empty_repo: Path) -> None:
    script = "import sys; print('first', flush=True); sys.stdin.readline(); print('second')"
    with subprocess.Popen(
        [*EXEC, "-q", "--", sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == "first\n"  # it waits for us, so this came while it ran
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.read() == "second\n"
    assert process.returncode == 0


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, marks=pytest.mark.slow),
    ],
)
def test_signals_are_passed_on(number: signal.Signals, empty_repo: Path) -> None:
    script = (
        "import os, signal, sys, time\n"  # os.write, because print is not reentrant
        f"signal.signal({int(number)}, lambda *a: (os.write(1, b'got it\\n'), sys.exit(7)))\n"
        "os.write(1, b'ready\\n')\n"
        "time.sleep(30)"
    )
    with subprocess.Popen(
        [*EXEC, "-q", "--", sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == "got it\n"
    assert process.returncode == 7
    assert _latest(empty_repo).info.exit_code == 7


def test_a_reader_that_leaves_ends_the_command_as_in_a_shell(empty_repo: Path) -> None:
    line = f"{sys.executable} -m gitruns.cli.main exec -q -- yes | head -1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "y\n"
    assert _latest(empty_repo).info.error == "SIGPIPE"


def test_a_child_left_behind_does_not_hold_us(empty_repo: Path, cli: Cli) -> None:
    began = time.monotonic()
    assert cli("exec", "-q", "--", "sh", "-c", "sleep 60 & echo started").out == "started\n"
    assert time.monotonic() - began < 20


def test_on_a_terminal_the_command_has_one_of_the_same_size(empty_repo: Path) -> None:
    script = "import os; print(os.isatty(0), os.isatty(1), os.isatty(2), os.get_terminal_size(1).columns)"
    _, seen = run_on_terminal([*EXEC, "-q", "--", sys.executable, "-c", script], empty_repo, columns=101)
    assert b"True True True 101\r\n" in seen
    assert _console(empty_repo, _latest(empty_repo)) == b"True True True 101\n"


def test_ctrl_c_reaches_the_command_once_and_the_run_is_killed(empty_repo: Path) -> None:
    script = (
        "import signal, time\n"
        "count = []\n"
        "signal.signal(signal.SIGINT, lambda *a: count.append(1))\n"
        "print('ready', flush=True)\n"
        "time.sleep(0.5)\n"
        "print('interrupts:', len(count))\n"
        "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
        "signal.raise_signal(signal.SIGINT)"
    )
    code, seen = run_on_terminal([*EXEC, "--", sys.executable, "-c", script], empty_repo, keys=b"\x03", until=b"ready")
    assert code == 130
    assert b"interrupts: 1" in seen
    info = _latest(empty_repo).info
    assert (info.status.value, info.error, info.exit_code) == ("KILLED", "SIGINT", 130)


def test_outside_a_repository_the_command_is_not_run_unless_that_is_wanted(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = cli("exec", "--", "touch", "made")
    assert refused.code == 10
    assert not (tmp_path / "made").exists()
    monkeypatch.setenv("GITRUNS_ON_ERROR", "warn")
    allowed = cli("exec", "--", "touch", "made")
    assert allowed.code == 0
    assert allowed.err.startswith("warning: this run is not recorded: ")
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-12", -12),
        ("0.1", 0.1),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("2.", 2.0),
        ("true", True),
        ("False", False),
        ("", ""),
        ("007", "007"),
        ("1_000", "1_000"),
        ("-0", "-0"),
        ("+1", "+1"),
        ("nan", "nan"),
        ("1e5x", "1e5x"),
        ("٣", "٣"),
        ("9" * 40, int("9" * 40)),
    ],
)
def test_params_get_the_type_that_they_read_as(text: str, value: object) -> None:
    typed = typed_value(text)
    assert (typed, type(typed)) == (value, type(value))
