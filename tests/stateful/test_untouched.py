"""Whatever is logged and read, what belongs to the user stays byte for byte as it was."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gitruns
from gitruns.entities.ids import RunId
from gitruns.repo import Repo
from gitruns.tracking import fluent

OURS = ("refs/runs", "gitruns", "objects", "packed-refs")


def fingerprint(repo: Path) -> dict[str, str]:
    """Returns a digest of each file of the work tree and of `.git`, ours and the object store left out."""
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(repo):
        folders[:] = sorted(name for name in folders if not _is_ours(repo, Path(folder) / name))
        for name in files:
            path = Path(folder) / name
            if not _is_ours(repo, path):
                state = path.lstat()
                content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
                key = f"{path.relative_to(repo)} {state.st_mode:o}"
                found[key] = hashlib.sha256(content).hexdigest()
    listed = subprocess.run(
        ["git", "for-each-ref", "--exclude=refs/runs", "refs/heads", "refs/tags", "refs/stash", "refs/remotes"],
        cwd=repo,
        capture_output=True,
        text=True,
        check=False,
    )
    found["(refs)"] = listed.stdout
    return found


def _is_ours(repo: Path, path: Path) -> bool:
    inside = path.relative_to(repo).as_posix()
    return any(inside == f".git/{ours}" or inside.startswith(f".git/{ours}") for ours in OURS)


def dirty_repo(folder: Path) -> Path:
    """A repository in the middle of somebody's work: staged, unstaged, untracked, stashed, on a branch."""
    folder.mkdir(parents=True)

    def git(*args: str) -> None:
        subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True)

    git("init", "--quiet")
    for name in ("a.py", "b.py", "c.py"):
        (folder / name).write_text(f"# {name}\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    (folder / "a.py").write_text("stashed\n")
    git("stash")
    git("checkout", "--quiet", "-b", "work")
    (folder / "a.py").write_text("staged\n")
    git("add", "a.py")
    (folder / "a.py").write_text("unstaged\n")
    (folder / "b.py").unlink()
    (folder / "new.py").write_text("untracked\n")
    return folder


ACTIONS = st.lists(
    st.sampled_from(
        ["start", "metric", "param", "tag", "artifact", "end", "list", "get", "history", "edit", "delete", "status"]
    ),
    min_size=3,
    max_size=15,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
def test_logging_and_reading_leave_the_users_state_alone(actions: list[str], tmp_path_factory, monkeypatch) -> None:
    folder = dirty_repo(tmp_path_factory.mktemp("work") / "project")
    monkeypatch.chdir(folder)
    before = fingerprint(folder)
    last: str | None = None
    for count, action in enumerate(actions):
        last = perform(action, count, last, folder)
    while gitruns.active_run() is not None:
        gitruns.end_run()
    fluent._close_sessions()
    fluent._sessions.clear()
    assert fingerprint(folder) == before


def perform(action: str, count: int, last: str | None, folder: Path) -> str | None:
    """Does one thing that a user may do."""
    match action:
        case "start":
            run = gitruns.start_run(nested=True)
            return run.info.run_id
        case "metric":
            gitruns.log_metric("m", count, step=count)
        case "param":
            gitruns.log_param(f"p{count}", count)
        case "tag":
            gitruns.set_tag("t", count)
        case "artifact":
            gitruns.log_text(f"text {count}", "text.txt")
        case "end":
            gitruns.end_run()
        case "list":
            Repo.open(folder).list_runs()
        case "status":
            Repo.open(folder).status()
        case "get" | "history" | "edit" | "delete" if last is not None:
            read_or_edit(action, RunId(last), folder)
    return last


def read_or_edit(action: str, run_id: RunId, folder: Path) -> None:
    """Reads or changes one run."""
    repo = Repo.open(folder)
    if action == "get":
        repo.get_run(run_id)
    elif action == "history":
        repo.metric_history(run_id, "m")
    elif action == "delete":
        gitruns.delete_run(run_id)
    else:
        with repo.edit(run_id) as edit:
            edit.set_tag("edited", "yes")
