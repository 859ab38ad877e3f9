"""init puts hooks in, deinit takes them away; own hooks keep working, folders of others are left alone."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cli.own_terminal import run_on_terminal
from conftest import run_git
from gitruns.cli.app import App
from gitruns.cli.main import main
from gitruns.repo import setup_hooks
from hooks.conftest import PROGRAM, Clone

ROOT = Path(__file__).resolve().parents[2]


class Said:
    """What a call of the command line gave."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


class Cli:
    """Calls the command line in a clone."""

    def __init__(self, clone: Clone, capfd: pytest.CaptureFixture[str]) -> None:
        self._clone, self._capfd = clone, capfd

    def __call__(self, *words: str) -> Said:
        import os

        self._capfd.readouterr()
        code = main(words, App(os.environ))
        return Said(code, *self._capfd.readouterr())


@pytest.fixture
def cli(clone: Clone, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line, in the clone."""
    monkeypatch.chdir(clone.folder)
    return Cli(clone, capfd)


def _files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mode) for path in folder.iterdir()}


def test_what_is_put_in_is_shown_and_taken_away(clone: Clone, cli: Cli) -> None:
    before, config = _files(clone.hooks), (clone.folder / ".git" / "config").read_bytes()
    done = cli("init", "--yes")
    assert ".git/hooks/pre-push\n    git push sends the runs of the commits that it publishes\n" in done.out
    hook = clone.hooks / "pre-push"
    assert hook.read_text() == setup_hooks.shim("pre-push", str(PROGRAM))
    assert stat.S_IMODE(hook.stat().st_mode) == 0o755
    again = cli("init", "--yes")
    assert (again.out, "is set already" in again.err) == ("", True)
    assert f"hook={hook}" in cli("deinit", "--dry-run").out
    assert hook.exists()
    assert f"hook={hook}" in cli("deinit").out
    assert _files(clone.hooks) == before
    assert (clone.folder / ".git" / "config").read_bytes() == config


def test_no_hook_is_put_in_that_is_not_wanted(clone: Clone, cli: Cli) -> None:
    cli("init", "--yes", "--no-hook")
    cli("init", "--dry-run")
    assert _files(clone.hooks) == {}


def test_a_folder_that_was_not_there_goes_again(clone: Clone, cli: Cli) -> None:
    clone.hooks.rmdir()
    cli("init", "--yes")
    clone.run()
    assert clone.push().ours == ["gitruns: sent 1 run to origin"]
    cli("deinit")
    assert not clone.hooks.exists()


def test_a_hook_of_the_users_own_is_called_first_with_the_same(clone: Clone, cli: Cli, tmp_path: Path) -> None:
    own = clone.write_hook(f'echo "$@" >{tmp_path}/words; cat >{tmp_path}/lines; pwd >{tmp_path}/place')
    before = _files(clone.hooks)
    assert "kept as pre-push.before-gitruns and called first" in cli("init", "--yes").out
    commit = clone.commit()
    clone.run()
    assert clone.push().ours == ["gitruns: sent 1 run to origin"]
    there = f"file://{clone.remote}"
    assert (tmp_path / "words").read_text() == f"origin {there}\n"
    assert (tmp_path / "lines").read_text().startswith(f"HEAD {commit} refs/heads/main ")
    assert (tmp_path / "lines").read_text().count("\n") == 1
    assert (tmp_path / "place").read_text() == f"{clone.folder}\n"
    clone.push()
    assert (tmp_path / "lines").read_bytes() == b""  # nothing to push: git tells nothing, and nothing is made of it
    cli("deinit")
    assert _files(clone.hooks) == before
    assert own.exists()


def test_a_hook_of_the_users_own_can_refuse(clone: Clone, cli: Cli) -> None:
    clone.write_hook("echo no >&2; exit 3")
    cli("init", "--yes")
    clone.commit()
    clone.run()
    pushed = clone.push()
    assert pushed.code == 1
    assert (clone.sent(), pushed.ours) == (set(), [])


def test_a_hook_that_reads_nothing_is_no_trouble(clone: Clone, cli: Cli) -> None:
    clone.write_hook("exit 0")
    cli("init", "--yes")
    for number in range(300):
        clone.git("branch", f"branch-with-a-rather-long-name-so-that-the-pipe-is-full-{number}")
    run = clone.run()
    assert clone.push("--all", "origin").code == 0
    assert clone.sent() == {run}


def test_a_hook_that_git_would_not_run_is_not_run(clone: Clone, cli: Cli) -> None:
    clone.write_hook("exit 3").chmod(0o644)
    cli("init", "--yes")
    assert clone.push().code == 0


def test_a_hook_that_is_a_link_stays_one(clone: Clone, cli: Cli, tmp_path: Path) -> None:
    (clone.folder / "scripts").mkdir()
    script = clone.write_hook(f"touch {tmp_path}/called", "check", clone.folder / "scripts")
    (clone.hooks / "pre-push").symlink_to("../../scripts/check")
    cli("init", "--yes")
    clone.push()
    assert (tmp_path / "called").exists()
    cli("deinit")
    assert (clone.hooks / "pre-push").readlink() == Path("../../scripts/check")
    assert script.exists()


def test_a_hook_of_ours_that_was_added_to_stays(clone: Clone, cli: Cli) -> None:
    cli("init", "--yes")
    hook = clone.hooks / "pre-push"
    hook.write_text(hook.read_text() + "make test\n")
    undone = cli("deinit")
    assert hook.exists()
    assert "was changed since" in undone.err


def test_what_is_in_the_way_is_said(clone: Clone, cli: Cli) -> None:
    clone.write_hook("exit 0")
    clone.write_hook("exit 0", "pre-push.before-gitruns")
    before = _files(clone.hooks)
    assert "is in the way" in cli("init", "--yes").err
    assert _files(clone.hooks) == before


def test_a_copied_clone_takes_its_own_away(
    clone: Clone, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("init", "--yes")
    shutil.copytree(clone.folder, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    cli("deinit")
    assert not (tmp_path / "copy" / ".git" / "hooks" / "pre-push").exists()
    assert (clone.hooks / "pre-push").exists()


def test_a_linked_work_tree_has_the_hooks_of_its_clone(
    clone: Clone, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    monkeypatch.chdir(tmp_path / "linked")
    cli("init", "--yes")
    assert (clone.hooks / "pre-push").exists()
    cli("deinit")
    assert not (clone.hooks / "pre-push").exists()


# The pre-commit framework


@pytest.fixture
def framework(clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real pre-commit, with a check of the user's own and our hook, from a repository as ours is."""
    program = Path(sys.executable).parent / "pre-commit"
    if not program.exists():
        pytest.skip("pre-commit is not installed")
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "pre-commit"))
    run_git(tmp_path, "init", "--quiet", "manifest")
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", tmp_path / "manifest")
    run_git(tmp_path / "manifest", "add", ".")
    run_git(tmp_path / "manifest", "commit", "--quiet", "-m", "hooks")
    (clone.folder / ".pre-commit-config.yaml").write_text(
        f"""
repos:
- repo: file://{tmp_path}/manifest
  rev: {run_git(tmp_path / "manifest", "rev-parse", "HEAD")}
  hooks:
  - id: git-runs
    language: system  # the environment that it would make takes a minute
    entry: {PROGRAM} hook pre-push
"""
    )
    clone.git("add", ".")
    clone.git("commit", "--quiet", "-m", "checks")
    return program


def _install_framework(clone: Clone, program: Path) -> None:
    subprocess.run(
        [program, "install", "--hook-type", "pre-push"], cwd=clone.folder, check=True, stdout=subprocess.DEVNULL
    )


def test_the_framework_sends_runs(clone: Clone, framework: Path) -> None:
    _install_framework(clone, framework)
    run = clone.run()
    pushed = clone.push("--dry-run", "origin", "HEAD")
    assert (pushed.code, clone.sent()) == (0, set())
    pushed = clone.push()
    assert "gitruns: sent 1 run to origin" in pushed.said
    assert clone.sent() == {run}


@pytest.mark.parametrize("first", ["init", pytest.param("framework", marks=pytest.mark.slow)])
def test_init_and_the_framework_go_together(clone: Clone, cli: Cli, framework: Path, first: str) -> None:
    config = clone.folder / ".pre-commit-config.yaml"
    config.write_text(
        "repos:\n- repo: local\n  hooks:\n  - {id: check, name: checks it, entry: 'true', language: system, "
        "stages: [pre-push], always_run: true, pass_filenames: false}\n"
    )
    _commit_and_push_all(clone)
    own = clone.write_hook("echo mine >&2")
    for step in (first, "framework" if first == "init" else "init"):
        if step == "init":
            cli("init", "--yes")
        else:
            _install_framework(clone, framework)
    clone.commit()
    run = clone.run()
    pushed = clone.push()
    assert pushed.code == 0
    assert "checks it" in pushed.said
    assert "mine" in pushed.said
    assert clone.sent() == {run}
    cli("deinit")
    clone.commit()
    clone.run()
    pushed = clone.push()
    assert pushed.code == 0
    assert "checks it" in pushed.said
    assert "mine" in pushed.said
    assert clone.sent() == {run}
    assert own.exists()


# Folders of hooks that are not the clone's own


def test_a_tracked_folder_is_left_alone_and_the_lines_do(clone: Clone, cli: Cli) -> None:
    clone.git("config", "core.hooksPath", ".githooks")
    own = clone.write_hook("cat >/dev/null", folder=clone.folder / ".githooks")
    before = own.read_bytes()
    said = cli("init", "--yes").err
    assert "is in the work tree, so nothing is changed there" in said
    assert own.read_bytes() == before
    assert not (clone.hooks / "pre-push").exists()
    line = said.partition("pre-push': ")[2].splitlines()[0]
    assert line == setup_hooks.line_to_add("pre-push")
    _add_first(own, line)
    _commit_and_push_all(clone)
    clone.run()
    path = {"PATH": f"{PROGRAM.parent}:/usr/bin:/bin"}
    assert clone.push("origin", "HEAD", environ=path).ours == ["gitruns: sent 1 run to origin"]
    assert clone.push().code == 0  # a colleague without gitruns
    assert "is in the work tree" not in cli("init", "--yes").err  # the line is there
    cli("deinit")
    assert line in own.read_text()


def _commit_and_push_all(clone: Clone) -> None:
    clone.git("add", ".")
    clone.git("commit", "--quiet", "--all", "-m", "hooks")
    clone.git("push", "--quiet", "--no-verify", "origin", "HEAD")


def _add_first(hook: Path, line: str) -> None:
    first, *rest = hook.read_text().splitlines()
    hook.write_text("\n".join([first, line, *rest, ""]))


def test_husky_is_told_the_users_own_file(clone: Clone, cli: Cli) -> None:
    """husky 9 points core.hooksPath at `.husky/_`, whose scripts run `.husky/<hook>` with `sh -e`."""
    clone.git("config", "core.hooksPath", ".husky/_")
    clone.write_hook('exec sh -e "${0%/*}/../pre-push" "$@"', folder=clone.folder / ".husky" / "_")
    said = cli("init", "--yes").err
    own = clone.folder / ".husky" / "pre-push"
    assert f"in '{own}': " in said
    own.write_text(said.partition("pre-push': ")[2].splitlines()[0] + "\necho checked >&2\n")
    _commit_and_push_all(clone)
    clone.run()
    assert "checked" in clone.push().said
    pushed = clone.push("origin", "HEAD", environ={"PATH": f"{PROGRAM.parent}:/usr/bin:/bin"})
    assert pushed.ours == ["gitruns: sent 1 run to origin"]


@pytest.mark.parametrize(("code", "expected"), [(14, 1), (1, 0), (0, 0), (70, 0)])
def test_the_line_to_add_stops_a_push_only_when_told_to(tmp_path: Path, code: int, expected: int) -> None:
    program = tmp_path / "git-runs"
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)
    for options in ("-c", "-ec"):
        done = subprocess.run(
            ["/bin/sh", options, setup_hooks.line_to_add("pre-push") + "\ntrue"],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            check=False,
        )
        assert done.returncode == expected


def test_hooks_of_all_repositories_are_left_alone(clone: Clone, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    run_git(clone.folder, "config", "--global", "core.hooksPath", str(tmp_path / "all"))
    assert "is for all your repositories" in cli("init", "--yes").err
    assert list((tmp_path / "all").iterdir()) == []


def test_hooks_that_are_switched_off_stay_off(clone: Clone, cli: Cli) -> None:
    clone.git("config", "core.hooksPath", "/dev/null")
    assert "hooks are switched off" in cli("init", "--yes").err


def test_a_folder_of_this_clone_outside_the_work_tree_is_its_own(clone: Clone, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    clone.git("config", "core.hooksPath", str(tmp_path / "mine"))
    cli("init", "--yes")
    run = clone.run()
    clone.push()
    assert clone.sent() == {run}
    cli("deinit")
    assert list((tmp_path / "mine").iterdir()) == []


# Fetching


def test_pull_and_switch_fetch_when_asked_to(clone: Clone, cli: Cli, tmp_path: Path) -> None:
    cli("init", "--yes", "--auto-fetch")
    assert {path.name for path in clone.hooks.iterdir()} == {"pre-push", "post-merge", "post-checkout"}
    run_git(tmp_path, "clone", "--quiet", f"file://{clone.remote}", "other")
    other = Clone(tmp_path / "other", clone.remote)
    other.install()
    run = other.run()
    other.commit()
    other.push()
    clone.git("config", "--unset-all", "remote.origin.fetch", "refs/runs/")
    pulled = clone.try_git("pull", "--quiet")
    assert pulled.ours == ["gitruns: fetched 1 new run from origin"]
    assert clone.git("rev-parse", f"refs/runs/{run}")
    assert clone.try_git("switch", "-c", "more").ours == []  # a moment ago
    cli("deinit")
    assert _files(clone.hooks) == {}
    assert clone.git("config", "--get", "--default=no", "runs.autoFetch") == "no"


# What is shipped


@pytest.mark.parametrize("name", setup_hooks.HOOK_NAMES)
def test_the_hooks_to_put_in_by_hand_are_the_same(name: str) -> None:
    shipped = ROOT / "hooks" / name
    assert shipped.read_text() == setup_hooks.shim(name, "git-runs")
    assert shipped.stat().st_mode & 0o111


def test_the_hook_is_plain_sh(tmp_path: Path) -> None:
    for keeps in (False, True):
        script = tmp_path / "hook"
        script.write_text(setup_hooks.shim("pre-push", "/x/git-runs", keeps=keeps))
        assert subprocess.run(["/bin/sh", "-n", str(script)], check=False).returncode == 0


# Consent


def _answer(clone: Clone, *keys: str) -> str:
    """Types answers to init on a terminal, each once it is asked."""
    code, seen = run_on_terminal(
        [sys.executable, "-m", "gitruns.cli.main", "init"],
        clone.folder,
        keys="".join(f"{key}\n" for key in keys).encode(),
        until=b"Set this?",
    )
    assert code == 0, seen
    return seen.decode()


def test_init_asks_and_takes_no_for_an_answer(clone: Clone) -> None:
    before = (clone.folder / ".git" / "config").read_bytes()
    said = _answer(clone, "n")
    assert ".git/hooks/pre-push" in said
    assert not (clone.hooks / "pre-push").exists()
    assert (clone.folder / ".git" / "config").read_bytes() == before
    assert "nothing was set" in said


def test_init_asks_for_the_rest(clone: Clone, cli: Cli) -> None:
    before = (clone.folder / ".git" / "config").read_bytes()
    said = _answer(clone, "y", "y", "y")
    assert "send the changes to tracked files with it?" in said
    assert clone.git("config", "runs.publishSnapshots") == "tracked"
    assert "refs/runs*" in clone.git("config", "alias.lga")
    assert (clone.hooks / "pre-push").exists()
    (clone.folder / "train.py").write_text("print('not committed')\n")
    run = clone.run()
    assert clone.push().ours == ["gitruns: sent 1 run to origin"]
    assert clone.sent() == {run}
    cli("deinit")
    assert (clone.folder / ".git" / "config").read_bytes() == before


def test_nothing_uncommitted_is_decided_without_a_word(clone: Clone, cli: Cli) -> None:
    cli("init", "--yes")
    assert clone.git("config", "--get", "--default=undecided", "runs.publishSnapshots") == "undecided"
    cli("init", "--yes", "--snapshots", "never")
    assert clone.git("config", "runs.publishSnapshots") == "never"


def test_hooks_are_found_after_the_folder_was_set_elsewhere(clone: Clone, cli: Cli) -> None:
    cli("init", "--yes")
    clone.git("config", "core.hooksPath", ".githooks")
    assert f"hook={clone.hooks / 'pre-push'}" in cli("deinit").out
