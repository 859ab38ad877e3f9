"""git push sends the runs of the code that it publishes, says nothing without cause, and is never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import run_git
from gitruns.entities.run import RunStatus
from gitruns.tracking.session import Session
from hooks.conftest import BARE_PATH, Clone


@pytest.fixture
def hooked(clone: Clone) -> Clone:
    """A clone with our hook."""
    clone.install()
    return clone


def _refuse_runs(clone: Clone) -> None:
    clone.write_hook('case "$1" in refs/runs/*) echo no runs here; exit 1;; esac', "update", clone.remote / "hooks")


def test_runs_travel_with_their_code(hooked: Clone) -> None:
    first = hooked.run()
    hooked.commit()
    second = hooked.run()
    pushed = hooked.push()
    assert (pushed.code, pushed.ours) == (0, ["gitruns: sent 2 runs to origin"])
    assert hooked.sent() == {first, second}
    assert run_git(hooked.remote, "rev-parse", "main") == hooked.git("rev-parse", "HEAD")


def test_nothing_is_said_when_there_is_nothing_to_do(hooked: Clone) -> None:
    assert hooked.push().ours == []
    hooked.run()
    hooked.commit()
    assert hooked.push().ours != []
    hooked.commit()
    assert hooked.push().ours == []


def test_a_run_of_pushed_code_goes_though_there_is_no_code_to_push(hooked: Clone) -> None:
    run = hooked.run()
    pushed = hooked.push()
    assert "up-to-date" in pushed.said
    assert hooked.sent() == {run}


def test_a_run_waits_at_home_until_its_branch_is_pushed(hooked: Clone) -> None:
    hooked.git("switch", "--quiet", "-c", "idea")
    hooked.commit("an idea")
    run = hooked.run()
    hooked.git("switch", "--quiet", "main")
    hooked.commit()
    pushed = hooked.push()
    assert pushed.ours == ["gitruns: 1 run stays here until the code is pushed, too (git runs status lists such runs)"]
    assert hooked.sent() == set()
    assert hooked.push().ours == []  # said once
    assert hooked.push("origin", "idea").ours == ["gitruns: sent 1 run to origin"]
    assert hooked.sent() == {run}


def test_a_run_of_a_dirty_tree_is_not_decided_by_the_hook(hooked: Clone) -> None:
    (hooked.folder / "train.py").write_text("print('not committed')\n")
    hooked.run()
    assert "no commit" in hooked.push().ours[0]
    assert hooked.sent() == set()


@pytest.mark.parametrize(
    "words",
    [
        ("push", "--dry-run", "origin", "HEAD"),
        pytest.param(("push", "-n"), marks=pytest.mark.slow),
        pytest.param(("-c", "color.ui=never", "push", "--dry", "origin", "HEAD"), marks=pytest.mark.slow),
        ("-c", "alias.try=push --dry-run", "try", "origin", "HEAD"),
    ],
)
def test_a_dry_run_sends_nothing(hooked: Clone, words: tuple[str, ...]) -> None:
    hooked.run()
    pushed = hooked.try_git(*words)
    assert (pushed.code, pushed.ours, hooked.sent()) == (0, [], set())


def test_a_dry_run_below_an_existing_hook_sends_nothing(clone: Clone) -> None:
    clone.write_hook("exit 0")
    clone.install()
    clone.run()
    clone.push("--dry-run", "origin", "HEAD")
    assert clone.sent() == set()
    clone.push()
    assert len(clone.sent()) == 1


# Where git-runs is


def test_the_program_that_was_installed_is_found_without_path(hooked: Clone) -> None:
    assert PATH_HAS_NO_PROGRAM
    hooked.run()
    assert hooked.push().ours == ["gitruns: sent 1 run to origin"]


PATH_HAS_NO_PROGRAM = not any(Path(folder, "git-runs").exists() for folder in BARE_PATH.split(":"))


def test_a_program_that_has_moved_is_found_on_path(clone: Clone) -> None:
    clone.install("/gone/bin/git-runs")
    clone.run()
    path = f"{Path(sys.executable).parent}{os.pathsep}{BARE_PATH}"
    assert clone.push("origin", "HEAD", environ={"PATH": path}).ours == ["gitruns: sent 1 run to origin"]


def test_without_the_program_git_goes_on(clone: Clone) -> None:
    clone.install("/gone/bin/git-runs")
    clone.commit()
    pushed = clone.push()
    assert (pushed.code, pushed.ours) == (0, ["gitruns: cannot find git-runs: no runs travel with this"])


@pytest.mark.parametrize("script", ["#!/gone/python\n", "#!/bin/sh\nexit 1\n", "#!/bin/sh\nexit 127\n"])
def test_a_broken_installation_stops_nothing(clone: Clone, tmp_path: Path, script: str) -> None:
    broken = tmp_path / "git-runs"
    broken.write_text(script)
    broken.chmod(0o755)
    clone.install(str(broken))
    clone.commit()
    assert clone.push().code == 0
    assert run_git(clone.remote, "rev-parse", "main") == clone.git("rev-parse", "HEAD")


def test_a_path_with_quotes_and_spaces(clone: Clone, tmp_path: Path) -> None:
    odd = tmp_path / "it's $HOME `here`"
    odd.mkdir()
    (odd / "git-runs").write_text('#!/bin/sh\necho "called $*" >&2\n')
    (odd / "git-runs").chmod(0o755)
    clone.install(str(odd / "git-runs"))
    assert "called hook pre-push origin file://" in clone.push().said


# Modes and failures


def test_a_remote_that_takes_no_runs_is_no_reason_to_stop(hooked: Clone) -> None:
    _refuse_runs(hooked)
    hooked.commit()
    hooked.run()
    pushed = hooked.push()
    assert pushed.code == 0
    assert any("did not take" in line or "not sent" in line for line in pushed.ours)
    assert run_git(hooked.remote, "rev-parse", "main") == hooked.git("rev-parse", "HEAD")
    (hooked.remote / "hooks" / "update").unlink()
    assert hooked.push().ours == ["gitruns: sent 1 run to origin"]  # it is tried again


def test_strict_stops_the_push(hooked: Clone) -> None:
    _refuse_runs(hooked)
    hooked.git("config", "runs.hook", "strict")
    before = run_git(hooked.remote, "rev-parse", "main")
    hooked.commit()
    hooked.run()
    pushed = hooked.push()
    assert pushed.code == 1
    assert pushed.ours[-1] == "gitruns: nothing was pushed: runs.hook is strict; push without: git push --no-verify"
    assert run_git(hooked.remote, "rev-parse", "main") == before
    assert hooked.push("--no-verify", "origin", "HEAD").code == 0


def test_off_is_off(hooked: Clone) -> None:
    hooked.git("config", "runs.hook", "off")
    hooked.run()
    assert hooked.push().ours == []
    assert hooked.sent() == set()


def test_after_sends_what_is_published_already(hooked: Clone) -> None:
    hooked.git("config", "runs.hook", "after")
    hooked.commit()
    run = hooked.run()
    assert "stays here" in hooked.push().ours[0]
    assert hooked.push().ours == ["gitruns: sent 1 run to origin"]
    assert hooked.sent() == {run}


def test_a_mode_that_is_none_is_said(hooked: Clone) -> None:
    hooked.git("config", "runs.hook", "maybe")
    assert "runs.hook is 'maybe', not one of warn, strict, after, off" in hooked.push().said


@pytest.mark.parametrize("mode", ["warn", pytest.param("strict", marks=pytest.mark.slow)])
def test_a_remote_that_hangs_is_left_in_time(hooked: Clone, tmp_path: Path, mode: str) -> None:
    hangs = tmp_path / "ssh"
    hangs.write_text(f"#!/bin/sh\necho $$ >>{tmp_path}/started\nexec sleep 120\n")
    hangs.chmod(0o755)
    hooked.git("config", "runs.remote", "ssh://example.invalid/runs.git")
    hooked.git("config", "runs.hookTimeout", "1.5")
    hooked.git("config", "runs.hook", mode)
    hooked.environ["GIT_SSH_COMMAND"] = str(hangs)
    hooked.environ["GIT_SSH_VARIANT"] = "simple"
    hooked.run()
    pushed = hooked.push()
    assert pushed.code == (1 if mode == "strict" else 0)
    assert pushed.took_s < 8
    assert pushed.ours
    for pid in (tmp_path / "started").read_text().split():
        assert not Path(f"/proc/{pid}").exists() or "sleep" not in Path(f"/proc/{pid}/cmdline").read_text()


def test_nobody_is_asked(hooked: Clone, tmp_path: Path) -> None:
    """A password prompt would go to the terminal, or to a window."""
    asks = tmp_path / "askpass"
    asks.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    asks.chmod(0o755)
    hooked.environ["SSH_ASKPASS"] = str(asks)
    hooked.git("config", "runs.remote", "https://127.0.0.1:9/runs.git")
    hooked.run()
    assert hooked.push().code == 0
    assert not (tmp_path / "asked").exists()


def test_it_never_comes_back_to_itself(hooked: Clone) -> None:
    """The remote is a repository with hooks of its own; and a push that a hook of ours starts sends nothing."""
    hooked.run()
    assert hooked.push("origin", "HEAD", environ={"GITRUNS_HOOK": "1"}).ours == []
    assert hooked.sent() == set()


# Which remote


def test_a_place_to_deploy_to_gets_no_runs(hooked: Clone, tmp_path: Path) -> None:
    run_git(tmp_path, "init", "--quiet", "--bare", "deploy.git")
    hooked.git("remote", "add", "deploy", str(tmp_path / "deploy.git"))
    hooked.run()
    assert hooked.push("deploy", "HEAD").ours == []
    assert hooked.push(str(tmp_path / "deploy.git"), "HEAD:refs/heads/x").ours == []
    assert hooked.sent(tmp_path / "deploy.git") == hooked.sent() == set()


def test_the_address_of_origin_is_origin(hooked: Clone) -> None:
    run = hooked.run()
    hooked.push(f"file://{hooked.remote}", "HEAD")
    assert hooked.sent() == {run}


def test_runs_go_where_runs_are_shared(hooked: Clone, tmp_path: Path) -> None:
    run_git(tmp_path, "init", "--quiet", "--bare", "runs.git")
    hooked.git("config", "runs.remote", str(tmp_path / "runs.git"))
    hooked.commit()
    run = hooked.run()
    assert hooked.push().code == 0
    assert hooked.sent() == set()
    assert hooked.sent(tmp_path / "runs.git") == {run}


def test_a_linked_work_tree(hooked: Clone, tmp_path: Path) -> None:
    hooked.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    linked = Clone(tmp_path / "linked", hooked.remote)
    linked.commit()
    run = linked.run()
    assert linked.push().ours == ["gitruns: sent 1 run to origin"]
    assert linked.sent() == {run}


def test_logging_elsewhere_does_not_lead_the_hook_astray(hooked: Clone, tmp_path: Path) -> None:
    """GITRUNS_REPO names where runs of the shell are kept; the hook is about the repository that is pushed."""
    run_git(tmp_path, "init", "--quiet", "other")
    run = hooked.run()
    hooked.push("origin", "HEAD", environ={"GITRUNS_REPO": str(tmp_path / "other")})
    assert hooked.sent() == {run}


# What is pushed


def test_a_git_tag_publishes_what_it_names(hooked: Clone) -> None:
    hooked.git("switch", "--quiet", "--detach")
    hooked.commit("only tagged")
    run = hooked.run()
    hooked.git("tag", "-a", "v1", "-m", "one")
    assert hooked.push("origin", "v1").ours == ["gitruns: sent 1 run to origin"]
    assert hooked.sent() == {run}


def test_deleting_a_branch_there_publishes_nothing(hooked: Clone) -> None:
    hooked.push("origin", "HEAD:refs/heads/old")
    hooked.commit()
    hooked.run()
    assert "stays here" in hooked.push("origin", "--delete", "old").ours[0]
    assert hooked.sent() == set()


def test_pushing_refs_of_runs_by_hand_publishes_no_code(hooked: Clone) -> None:
    hooked.commit()
    run = hooked.run()
    assert "stays here" in hooked.push("origin", f"refs/runs/{run}:refs/runs/{run}").ours[0]


def test_odd_names_of_branches(hooked: Clone) -> None:
    hooked.git("switch", "--quiet", "-c", "ünï/日本")
    hooked.commit()
    run = hooked.run()
    assert hooked.push("origin", "HEAD", environ={"LC_ALL": "C"}).ours == ["gitruns: sent 1 run to origin"]
    assert hooked.sent() == {run}


def test_a_run_that_was_killed_goes_too(hooked: Clone) -> None:
    script = "import gitruns, os; gitruns.start_run(); gitruns.log_metric('a', 1); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script], cwd=hooked.folder, check=False)
    assert hooked.push().ours == ["gitruns: sent 1 run to origin"]


def test_artifacts_without_a_store_are_said_and_wait(hooked: Clone) -> None:
    session = Session.open(hooked.folder)
    log = session.start()
    log.add_bytes(bytes(100_000), "model.bin")
    log.end(RunStatus.FINISHED)
    session.place.close()
    said = hooked.push().ours
    assert "gitruns: sent 1 run to origin" in said
    assert any("1 artifact, 97.66 KiB, only here" in line for line in said)
    assert hooked.push().ours == []


def test_a_store_named_by_a_committed_file_is_not_used_unasked(hooked: Clone, tmp_path: Path) -> None:
    (hooked.folder / "gitruns.yaml").write_text(f"store: file://{tmp_path}/store\n")
    hooked.git("add", ".")
    hooked.commit("a store")
    session = Session.open(hooked.folder)
    log = session.start()
    log.add_bytes(bytes(100_000), "model.bin")
    log.end(RunStatus.FINISHED)
    session.place.close()
    assert any("only here" in line for line in hooked.push().ours)
    assert not (tmp_path / "store").exists()


def test_a_clone_that_is_shallow(hooked: Clone, tmp_path: Path) -> None:
    hooked.commit()
    hooked.push()
    run_git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{hooked.remote}", "shallow")
    shallow = Clone(tmp_path / "shallow", hooked.remote)
    shallow.install()
    shallow.commit()
    run = shallow.run()
    assert shallow.push().ours == ["gitruns: sent 1 run to origin"]
    assert hooked.sent() == {run}
    assert shallow.git("rev-parse", "--is-shallow-repository") == "true"
