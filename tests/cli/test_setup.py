"""init and deinit: what is set in the configuration is shown, and taken back to the byte. Hooks: see hooks/."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.made_runs import Cli
from conftest import run_git
from gitruns.errors import CorruptDataError, LockedError
from gitruns.repo import Repo
from gitruns.repo.setup import ALIAS_VALUE, plan_setup, recorded_settings, set_up, undo_setup

REFSPEC = "+refs/runs/*:refs/runs-remotes/origin/*"


def _config(folder: Path) -> Path:
    return folder / ".git" / "config"


@pytest.fixture
def cloned(empty_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a repository, as a team member has it."""
    run_git(tmp_path, "clone", "--quiet", str(empty_repo), "clone")
    monkeypatch.chdir(tmp_path / "clone")
    return tmp_path / "clone"


def test_what_is_set_is_shown_and_undone_to_the_byte(cloned: Path, cli: Cli) -> None:
    before = _config(cloned).read_bytes()
    mode = _config(cloned).stat().st_mode
    run_git(cloned, "config", "--global", "log.initialDecorationSet", "all")
    done = cli("init", "--yes", "--no-hook", "--alias", "lga")
    assert done.code == 0
    assert done.out == (
        f"remote.origin.fetch = {REFSPEC}\n"
        "    git fetch brings the runs that others pushed to origin\n"
        "log.excludeDecoration = refs/runs*\n"
        "    git log does not show the refs of runs beside commits\n"
        f"alias.lga = {ALIAS_VALUE}\n"
        "    git lga shows all branches without the runs\n"
    )
    assert run_git(cloned, "config", "--get-all", "remote.origin.fetch").splitlines()[1] == REFSPEC
    again = cli("init", "--yes", "--no-hook", "--alias", "lga")
    assert (again.code, again.out) == (0, "")
    assert "nothing to set" in again.err
    assert cli("deinit", "--dry-run").out.count("\n") == 3
    undone = cli("deinit")
    assert undone.out.splitlines() == [
        f"alias.lga={ALIAS_VALUE}",
        "log.excludeDecoration=refs/runs*",
        f"remote.origin.fetch={REFSPEC}",
    ]
    assert _config(cloned).read_bytes() == before
    assert _config(cloned).stat().st_mode == mode
    assert cli("deinit").err == "nothing to undo: init has set nothing here\n"


def test_a_dry_run_sets_nothing(cloned: Path, cli: Cli) -> None:
    before = _config(cloned).read_bytes()
    assert REFSPEC in cli("init", "--dry-run").out
    assert _config(cloned).read_bytes() == before
    assert recorded_settings(Repo.open(cloned)) == []


def test_nobody_is_asked_where_there_is_no_terminal(cloned: Path, cli: Cli) -> None:
    assert cli("init").code == 0
    assert REFSPEC in _config(cloned).read_text()


def test_what_others_changed_meanwhile_stays(cloned: Path, cli: Cli) -> None:
    before = run_git(cloned, "config", "--list", "--local").splitlines()
    cli("init", "--yes", "--no-hook", "--alias", "lga")
    run_git(cloned, "config", "user.nickname", "ada")
    assert cli("deinit").out.count("\n") == 2
    assert run_git(cloned, "config", "--list", "--local").splitlines() == [*before, "user.nickname=ada"]


def test_what_was_there_before_is_not_ours(cloned: Path, cli: Cli) -> None:
    run_git(cloned, "config", "log.excludeDecoration", "refs/runs*")
    before = _config(cloned).read_bytes()
    assert "is set already" in cli("init", "--yes", "--no-hook").err
    cli("deinit")
    assert _config(cloned).read_bytes() == before


def test_a_value_that_the_user_removed_is_not_missed(cloned: Path, cli: Cli) -> None:
    cli("init", "--yes", "--no-hook", "--alias", "lga")
    run_git(cloned, "config", "--unset", "alias.lga")
    assert cli("deinit").out == f"remote.origin.fetch={REFSPEC}\n"


def test_a_change_between_two_inits_is_kept(empty_repo: Path, cli: Cli) -> None:
    cli("init", "--yes", "--no-hook", "--alias", "lga")
    run_git(empty_repo, "remote", "add", "origin", "https://example.org/x.git")
    assert cli("init", "--yes", "--no-hook").out.startswith("remote.origin.fetch")
    cli("deinit")
    assert run_git(empty_repo, "config", "--get-all", "remote.origin.fetch") == "+refs/heads/*:refs/remotes/origin/*"
    assert "alias" not in _config(empty_repo).read_text()


def test_without_a_remote_no_refspec(empty_repo: Path, cli: Cli) -> None:
    result = cli("init", "--yes", "--no-hook")
    assert "no remote to fetch runs from yet" in result.err
    assert (result.code, result.out) == (0, "")


def test_a_shallow_clone_gets_no_refspec(
    git_repo: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_git(git_repo, "commit", "--quiet", "--allow-empty", "-m", "second")
    run_git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{git_repo}", "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    result = cli("init", "--yes", "--no-hook")
    assert "this clone is shallow" in result.err
    assert REFSPEC not in _config(tmp_path / "shallow").read_text()


def test_a_remote_without_refspec_is_left_alone(
    git_repo: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_git(tmp_path, "clone", "--quiet", "--bare", str(git_repo), "bare.git")
    monkeypatch.chdir(tmp_path / "bare.git")
    assert "no fetch refspec" in cli("init", "--yes", "--no-hook").err


def test_a_mirror_is_warned_of(git_repo: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    run_git(tmp_path, "clone", "--quiet", "--mirror", str(git_repo), "mirror.git")
    monkeypatch.chdir(tmp_path / "mirror.git")
    result = cli("init", "--yes", "--no-hook")
    assert "git config --add remote.origin.fetch '^refs/runs/*'" in result.err
    assert REFSPEC not in result.out


def test_a_taken_alias_is_refused(cloned: Path, cli: Cli) -> None:
    run_git(cloned, "config", "--global", "alias.lga", "log --graph --all")
    before = _config(cloned).read_bytes()
    result = cli("init", "--yes", "--no-hook", "--alias", "lga")
    assert (result.code, result.err) == (
        13,
        "error: alias 'lga' means 'log --graph --all' already\nhint: choose another: --alias NAME\n",
    )
    assert cli("init", "--yes", "--alias", "a.b").code == 2
    assert _config(cloned).read_bytes() == before


def test_a_held_lock_is_waited_for_and_said(cloned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo.open(cloned)
    set_up(repo, plan_setup(repo).settings)
    monkeypatch.setattr("gitruns.gitstore.lockfile.PATIENCE_S", 0.05)
    Path(f"{_config(cloned)}.lock").touch()
    with pytest.raises(LockedError):
        undo_setup(repo)
    Path(f"{_config(cloned)}.lock").unlink()
    assert len(undo_setup(repo)) == 1


def test_a_broken_record_is_named(cloned: Path) -> None:
    repo = Repo.open(cloned)
    set_up(repo, plan_setup(repo).settings)
    (repo.folder / "setup.json").write_text("{")
    with pytest.raises(CorruptDataError, match=r"setup\.json"):
        undo_setup(repo)


def test_log_does_what_was_promised(cloned: Path, cli: Cli) -> None:
    head = run_git(cloned, "rev-parse", "HEAD")
    run_git(cloned, "update-ref", "refs/runs/" + "3f" * 16, head)
    child = run_git(cloned, "commit-tree", "-m", "run x", "HEAD^{tree}")
    run_git(cloned, "update-ref", "refs/runs/" + "ab" * 16, child)
    cli("init", "--yes", "--no-hook", "--alias", "lga")
    assert "runs/" not in run_git(cloned, "log", "--decorate=short", "-1")
    assert run_git(cloned, "config", "--get", "--default=none", "log.excludeDecoration") == "none"
    run_git(cloned, "config", "log.excludeDecoration", "refs/heads/x")
    assert "runs/" in run_git(cloned, "log", "--decorate=short", "-1")
    assert "log.excludeDecoration" in cli("init", "--yes", "--no-hook").out
    assert "runs/" not in run_git(cloned, "log", "--decorate=short", "-1")
    assert "origin/main" in run_git(cloned, "log", "--decorate=short", "-1")
    assert "run x" in run_git(cloned, "log", "--all")
    assert "run x" not in run_git(cloned, "lga")
    assert "first" in run_git(cloned, "lga")


def test_a_fetch_brings_runs_into_the_mirror(cloned: Path, empty_repo: Path, cli: Cli) -> None:
    cli("init", "--yes", "--no-hook")
    name = "3f" * 16
    run_git(empty_repo, "update-ref", f"refs/runs/{name}", "HEAD")
    run_git(cloned, "fetch", "--quiet")
    assert (
        run_git(cloned, "for-each-ref", "--format=%(refname)", "refs/runs-remotes")
        == f"refs/runs-remotes/origin/{name}"
    )


LINES = st.lists(
    st.sampled_from(
        [
            "[core]\n",
            "\trepositoryformatversion = 0\n",
            "[log]\n",
            "\texcludeDecoration = refs/x\n",
            "[log] date = iso\n",
            "# [log]\n",
            '[remote "origin"]\n',
            "\tfetch = +refs/heads/*:refs/remotes/origin/*\n",
            "\turl = https://example.org/x.git ; note\n",
            "[alias]\n",
            "\tco = checkout\r\n",
            "\n",
            "[LOG]\n",
        ]
    ),
    max_size=8,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=LINES, last_line_ends=st.booleans())
def test_any_configuration_comes_back_to_the_byte(empty_repo: Path, lines: list[str], last_line_ends: bool) -> None:
    text = "[core]\n\tbare = false\n" + "".join(lines)
    before = (text if last_line_ends else text.rstrip("\r\n")).encode()
    file = _config(empty_repo)
    file.write_bytes(before)
    try:
        run_git(empty_repo, "config", "--list")
    except AssertionError:
        return  # not what git reads
    repo = Repo.open(empty_repo)
    try:
        set_up(repo, plan_setup(repo, alias="lga").settings)
    finally:
        undo_setup(repo)
    assert file.read_bytes() == before


def test_an_interrupted_init_is_undone_too(cloned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _config(cloned).read_bytes()
    repo = Repo.open(cloned)
    first, second = plan_setup(repo, alias="lga").settings
    set_up(repo, [first])

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # right after git has written the second
        patch.setattr("gitruns.repo.setup.edit_between", die)
        with pytest.raises(KeyboardInterrupt):
            set_up(repo, [second])
    assert second.value in _config(cloned).read_text()
    assert len(undo_setup(Repo.open(cloned))) == 2
    assert _config(cloned).read_bytes() == before


def test_a_linked_work_tree_shares_the_setup(
    cloned: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _config(cloned).read_bytes()
    run_git(cloned, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    monkeypatch.chdir(tmp_path / "linked")
    cli("init", "--yes", "--no-hook")
    assert REFSPEC in _config(cloned).read_text()
    monkeypatch.chdir(cloned)
    cli("deinit")
    assert _config(cloned).read_bytes() == before


def test_a_copied_clone_undoes_its_own(cloned: Path, tmp_path: Path) -> None:
    before = _config(cloned).read_bytes()
    repo = Repo.open(cloned)
    set_up(repo, plan_setup(repo).settings)
    shutil.copytree(cloned, tmp_path / "copy")
    undo_setup(Repo.open(tmp_path / "copy"))
    assert _config(tmp_path / "copy").read_bytes() == before
    assert _config(cloned).read_bytes() != before
