"""Each bad input has its message, its hint and its exit code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.made_runs import OTTER, Cli
from conftest import run_git
from gitruns import errors
from gitruns.cli.failures import asks_for_json, report

GIT_RUNS = [sys.executable, "-m", "gitruns.cli.main"]


def _commit_tree(folder: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Puts a changed tree on top of a run, as somebody might by hand."""
    ref = f"refs/runs/{OTTER}"
    names = run_git(folder, "ls-tree", "--name-only", ref).splitlines()
    own = [name for name in names if name == "format" or name.endswith(".yaml")]
    files = {name: run_git(folder, "show", f"{ref}:{name}").encode() + b"\n" for name in own}
    change(files)
    listing = run_git(folder, "ls-tree", ref).splitlines()
    lines = [line for line in listing if line.split("\t")[1] not in files]
    for name, data in files.items():
        blob = run_git(folder, "hash-object", "-w", "--stdin", stdin=data.decode())
        lines.append(f"100644 blob {blob}\t{name}")
    tree = run_git(folder, "mktree", stdin="\n".join(lines) + "\n")
    commit = run_git(folder, "commit-tree", tree, "-p", ref, "-m", "by hand")
    run_git(folder, "update-ref", ref, commit)


def test_outside_a_repository(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("list")
    assert result.code == 10
    assert result.out == ""
    assert result.err.startswith("error: ")
    for way_out in ("git init", "GITRUNS_REPO", "GITRUNS_JOURNAL"):
        assert way_out in result.err


def test_a_repository_of_somebody_else(runs_repo: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a repository away")
    for place in (runs_repo, *runs_repo.rglob("*")):
        os.chown(place, 12345, 12345, follow_symlinks=False)
    done = subprocess.run([*GIT_RUNS, "list"], capture_output=True, text=True, check=False)
    assert done.returncode == 14
    assert f"hint: git config --global --add safe.directory {runs_repo}\n" in done.stderr


def test_no_git_on_path(runs_repo: Path, tmp_path: Path) -> None:
    environ = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run([*GIT_RUNS, "init", "--yes"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 10
    assert "error: cannot find the program 'git' on PATH\nhint: install git" in done.stderr


def test_an_unknown_run(cli: Cli, runs_repo: Path) -> None:
    assert cli("show", "nobody").err == (
        "error: there is no run 'nobody'\nhint: see what is there: git runs list --all\n"
    )


def test_an_unknown_command_names_the_nearest(cli: Cli) -> None:
    assert cli("lst").err == "error: 'lst' is not a git runs command\nhint: did you mean 'git runs list'?\n"
    assert cli("qqq").err == "error: 'qqq' is not a git runs command\nhint: see git runs -h\n"
    assert cli("list", "--jsn").code == 2
    assert cli("list", "-n", "many").err.endswith("hint: see git runs list -h\n")
    assert cli("rm").code == 2


def test_formats_and_fields_that_are_none(cli: Cli, runs_repo: Path) -> None:
    assert cli("list", "--format", "{nme}").err.startswith("error: there is no field 'nme'\nhint: fields: artifact_")
    assert cli("list", "--sort", "nme").code == 2
    assert cli("list", "--columns", "id,nme").err.startswith("error: there is no field 'nme'\n")
    assert cli("list", "--json", "--format", "{id}").code == 2
    assert cli("list", "-z").code == 2


def test_yaml_that_was_edited_by_hand_names_file_and_line(cli: Cli, runs_repo: Path) -> None:
    def spoil(files: dict[str, bytes]) -> None:
        files["params.yaml"] = b'"lr": 0.1\n"model": "cnn\n"seed": 1\n'

    _commit_tree(runs_repo, spoil)
    result = cli("show", OTTER)
    assert result.code == 15
    assert result.err.startswith("error: cannot read 'params.yaml:3': ")
    assert cli("verify").code == 1
    listed = cli("list")
    assert "calm-stork-7" in listed.out, "one broken run does not hide the others"
    assert listed.err.startswith("warning: run '3f2a9c1e' is left out: cannot read 'params.yaml:3': ")


def test_a_newer_format_is_shown_and_not_changed(cli: Cli, runs_repo: Path) -> None:
    def renew(files: dict[str, bytes]) -> None:
        files["format"] = b"gitruns 2\n"

    _commit_tree(runs_repo, renew)
    assert "(written by a newer version, format 2)" in cli("show", OTTER).out
    refused = cli("tag", OTTER, "a=b")
    assert refused.code != 0
    assert "it is stored in format 2, this gitruns knows 1" in refused.err


# Root may write everywhere, so what runs as root gives that up once all is imported: the interpreter itself may lie
# where nobody else can read.
AS_NOBODY = """
import fcntl, gzip, importlib, os, pkgutil, pwd, sys
import gitruns, prettytable, pygit2, pygit2.enums
for found in pkgutil.walk_packages(gitruns.__path__, "gitruns."):
    if not found.name.startswith(("gitruns.testing", "gitruns.integrations")):
        importlib.import_module(found.name)
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
from gitruns.cli.main import main
code = main(sys.argv[1:])
sys.stdout.flush()
os._exit(code)
"""


def test_a_read_only_repository_is_still_read(runs_template: Path) -> None:
    with tempfile.TemporaryDirectory() as place:  # not below pytest's own folder, which is closed to others
        folder = Path(place) / "project"
        shutil.copytree(runs_template, folder, symlinks=True)
        Path(place).chmod(0o755)
        for inside in (folder, *folder.rglob("*")):
            if os.getuid() == 0:
                os.chown(inside, 65534, 65534, follow_symlinks=False)
            inside.chmod(inside.stat().st_mode & ~0o222)

        def call(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-c", AS_NOBODY, *arguments]
            return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

        try:
            listed = call("list")
            assert (listed.returncode, listed.stderr) == (0, "")
            assert "bold-otter-12" in listed.stdout
            refused = call("tag", "latest", "a=b")
            assert refused.returncode == 14
            assert "permission denied" in refused.stderr.lower()
        finally:
            for inside in (folder, *folder.rglob("*")):
                inside.chmod(inside.stat().st_mode | 0o200)


def test_errors_for_programs_are_json(cli: Cli, runs_repo: Path) -> None:
    error = json.loads(cli("show", "nobody", "--json").err)
    assert error["exit_code"] == 12
    assert error["kind"] == "run-not-found"
    assert json.loads(cli("list", "--json", "--bad").err)["kind"] == "usage"
    assert not asks_for_json(["exec", "--", "tool", "--json"])


def test_words_that_are_no_text_are_refused(cli: Cli, runs_repo: Path, tmp_path: Path) -> None:
    broken = os.fsdecode(b"\xff")
    for arguments in (
        ["show", broken],
        ["list", "-e", broken],
        ["rename", "latest", broken],
        ["tag", "latest", f"{broken}=1"],
        ["note", "latest", "-m", broken],
        ["experiments", "create", broken],
        ["exec", "--name", broken, "--", "true"],
        ["artifacts", "get", "latest", broken],
        ["source", "latest", "--diff", broken],
    ):
        result = cli(*arguments)
        assert result.code in (0, 2, 12), (arguments, result.err)
        assert "bug" not in result.err
    (tmp_path / "note").write_bytes(b"\xff")
    assert cli("note", "latest", "-F", str(tmp_path / "note")).err.endswith("it is not UTF-8\n")
    assert cli("exec", "-q", "--", "printf", broken).code == 0


def test_a_bug_is_owned_up_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(RuntimeError("boom"), as_json=False, environ={}) == 70
    said = capsys.readouterr().err
    assert said.startswith("error: this is a bug of gitruns: RuntimeError: boom\nhint: set GITRUNS_DEBUG=1")
    try:
        raise RuntimeError("boom")
    except RuntimeError as error:
        report(error, as_json=False, environ={"GITRUNS_DEBUG": "1"})
    assert "Traceback" in capsys.readouterr().err


def test_what_an_error_names_cannot_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report(errors.NotFoundError("no '\033[2Jx'", hint="try \033]0;y\a"), as_json=False, environ={})
    assert "\033" not in capsys.readouterr().err


def test_an_interrupt_is_130(runs_repo: Path) -> None:
    script = (
        "import signal, os\n"
        "from gitruns.cli import main\n"
        "from gitruns.cli.app import App\n"
        "App.open_repo = lambda self, recover=True: os.kill(os.getpid(), signal.SIGINT)\n"
        "raise SystemExit(main.main(['list']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "\n")


def test_without_runs_latest_says_how_to_log_one(cli: Cli, empty_repo: Path) -> None:
    for words in (("show",), ("log",), ("artifacts",), ("tag", "latest")):
        found = cli(*words)
        assert (found.code, found.out) == (12, "")
        assert "there are no runs yet" in found.err
        assert "git runs exec -- COMMAND" in found.err


def test_outside_a_repository_a_folder_of_journals_is_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "git init" in cli("list").err
    monkeypatch.setenv("GITRUNS_JOURNAL", "/tmp/node-7")
    found = cli("list")
    assert found.code == 10
    assert "git runs collect /tmp/node-7" in found.err


def test_one_word_that_names_no_run_is_no_broken_query(cli: Cli, shared_runs: Path) -> None:
    found = cli("compare", "nosuch")
    assert found.code == 12
    assert "there is no run 'nosuch'" in found.err
    assert cli("compare", "nosuch <").code == 2
