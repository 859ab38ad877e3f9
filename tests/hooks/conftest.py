"""A clone with a remote, and `git push` as a person types it: with the hook, without a virtual environment on PATH."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conftest import run_git
from gitruns.entities.ids import RunId
from gitruns.entities.run import RunStatus
from gitruns.repo import setup_hooks
from gitruns.repo.repo import Repo
from gitruns.tracking.session import Session

PROGRAM = Path(sys.executable).parent / "git-runs"
BARE_PATH = "/usr/bin:/bin"
"""Where git is and git-runs is not."""


@dataclass
class Pushed:
    """What a git command gave: its exit code, all it said, and how long it took."""

    code: int
    said: str
    took_s: float

    @property
    def ours(self) -> list[str]:
        """What gitruns said."""
        return [line for line in self.said.splitlines() if line.startswith("gitruns:")]


@dataclass
class Clone:
    """A work tree with one remote, `origin`."""

    folder: Path
    remote: Path
    environ: dict[str, str] = field(default_factory=dict)

    def git(self, *words: str) -> str:
        """Runs git, which must succeed."""
        return run_git(self.folder, *words)

    def commit(self, text: str = "more") -> str:
        """Commits a change of the code and returns the commit."""
        (self.folder / "train.py").write_text(f"print({text!r}, {time.time_ns()})\n")
        self.git("commit", "--quiet", "-am", text)
        return self.git("rev-parse", "HEAD")

    def run(self) -> RunId:
        """Logs a run of the code as it is now."""
        session = Session.open(self.folder)
        log = session.start()
        log.log_metric("loss", 0.5, 1)
        log.end(RunStatus.FINISHED)
        session.place.close()
        return log.run_id

    def try_git(self, *words: str, folder: Path | None = None, environ: Mapping[str, str] | None = None) -> Pushed:
        """Runs git and tells how it went."""
        started = time.monotonic()
        done = subprocess.run(
            ["git", *words],
            cwd=folder or self.folder,
            env={**os.environ, "PATH": BARE_PATH, **self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Pushed(done.returncode, done.stderr + done.stdout, time.monotonic() - started)

    def push(self, *words: str, **more: Mapping[str, str]) -> Pushed:
        """Pushes the branch."""
        return self.try_git("push", *(words or ("origin", "HEAD")), **more)  # type: ignore[arg-type]  # environ only

    def sent(self, remote: Path | None = None) -> set[str]:
        """Returns the runs that the remote has."""
        listed = run_git(remote or self.remote, "for-each-ref", "--format=%(refname)", "refs/runs/")
        return {ref.removeprefix("refs/runs/") for ref in listed.splitlines() if ref.count("/") == 2}

    def install(self, program: str = str(PROGRAM), names: tuple[str, ...] = (setup_hooks.PUSH_HOOK,)) -> None:
        """Puts our hook in, as init does."""
        repo = Repo.open(self.folder)
        setup_hooks.write_hooks(repo, setup_hooks.plan_hooks(repo, names).files, program)

    @property
    def hooks(self) -> Path:
        """The folder of hooks."""
        return self.folder / ".git" / "hooks"

    def write_hook(self, text: str, name: str = "pre-push", folder: Path | None = None) -> Path:
        """Writes a hook of the user's own."""
        path = (folder or self.hooks) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path


@pytest.fixture
def clone(git_repo: Path, tmp_path: Path, compiled_once: Path) -> Clone:
    """A clone whose first commit is published, without hooks."""
    remote = tmp_path / "remote.git"
    run_git(tmp_path, "init", "--quiet", "--bare", str(remote))
    run_git(git_repo, "remote", "add", "origin", f"file://{remote}")
    run_git(git_repo, "push", "--quiet", "--set-upstream", "origin", "HEAD")
    for sample in (git_repo / ".git" / "hooks").glob("*.sample"):
        sample.unlink()
    return Clone(git_repo, remote)


@pytest.fixture(scope="session")
def compiled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for compiled modules: an installed git-runs has them too, and starts in half the time."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def compiled_once(compiled_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Children of the tests compile our modules once."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(compiled_folder))
    return compiled_folder
