"""The registry where things are not as usual: other object formats, bare repositories, killed runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Git
from gitruns.errors import AccessDeniedError, InvalidInputError
from gitruns.registry import Registry, propose
from gitruns.repo import Repo
from registry.conftest import MakeRun

LOG = 'import gitruns\nwith gitruns.start_run():\n    gitruns.log_text("weights", "model/weights.txt")\n'
REGISTER = """
import os, signal, gitruns
run = gitruns.start_run()
gitruns.log_text("weights", "model/weights.txt")
gitruns.register_model(f"runs:/{run.info.run_id}/model", "digits")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_repository_of_sha256(tmp_path: Path, git: Git) -> None:
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "project")
    folder = tmp_path / "project"
    (folder / "train.py").write_text("print('training')\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    subprocess.run([sys.executable, "-c", LOG], cwd=folder, check=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    git(folder, "config", "gpg.format", "ssh")
    git(folder, "config", "user.signingKey", str(tmp_path / "key.pub"))
    repo = Repo.open(folder)
    registry = Registry(repo)
    registry.create_model("digits")
    registry.create_version("digits", run_id=repo.resolve_run("latest"), path="model")
    registry.create_version("digits", "models:/digits/1", sign=True, aliases=["best"])
    assert git(folder, "tag", "-l").split() == ["models/digits/v1", "models/digits/v2"]
    assert "BEGIN SSH SIGNATURE" in git(folder, "cat-file", "tag", "models/digits/v2")
    assert git(folder, "show", "models/digits/v2:train.py") == "print('training')"
    assert git(folder, "fsck", "--strict", "--no-dangling") == ""
    assert list(Repo.open(folder).verify()) == []


def test_a_killed_run_keeps_its_version(git_repo: Path, git: Git) -> None:
    done = subprocess.run([sys.executable, "-c", REGISTER], cwd=git_repo, check=False)
    assert done.returncode == -9
    assert Registry(Repo.open(git_repo)).get_version("digits", 1).version.git_tag is None
    assert git(git_repo, "tag", "-l") == ""
    Repo.open(git_repo).recover()
    assert git(git_repo, "tag", "-l") == "models/digits/v1"
    assert not (git_repo / ".git" / "gitruns" / "untagged").exists()
    assert list(Repo.open(git_repo).verify()) == []


def test_nothing_of_the_users_is_touched(registry: Registry, make_run: MakeRun, git_repo: Path, git: Git) -> None:
    run_id = make_run()

    def seen() -> list[str]:
        asked = [
            ["status", "--porcelain"],
            ["symbolic-ref", "HEAD"],
            ["rev-parse", "HEAD"],
            ["for-each-ref", "refs/heads"],
        ]
        index = (git_repo / ".git" / "index").read_bytes().hex()
        return [index, (git_repo / ".git" / "config").read_text(), *(git(git_repo, *words) for words in asked)]

    before = seen()
    registry.create_model("digits")
    registry.create_version("digits", f"runs:/{run_id}/model", aliases=["best"])
    registry.transition_stage("digits", 1, "Production")
    registry.delete_model("digits")
    assert seen() == before
    assert not list((git_repo / ".git" / "logs").rglob("*models*"))


def test_a_bare_repository(git_repo: Path, make_run: MakeRun, tmp_path: Path, git: Git) -> None:
    run_id = make_run()
    git(tmp_path, "clone", "--quiet", "--mirror", str(git_repo), "bare.git")
    git(tmp_path / "bare.git", "remote", "remove", "origin")
    registry = Registry(Repo.open(tmp_path / "bare.git"))
    registry.create_model("digits")
    registry.create_version("digits", run_id=run_id, path="model")
    assert git(tmp_path / "bare.git", "show", "models/digits/v1:train.py") == "print('training')"
    with pytest.raises(InvalidInputError) as error:
        propose(registry, "digits", "champion", 1)
    assert error.value.kind == "no-work-tree"


def test_packed_refs_and_gc_keep_everything(registry: Registry, make_run: MakeRun, git_repo: Path, git: Git) -> None:
    run_id = make_run()
    registry.create_model("digits")
    for _ in range(3):
        registry.create_version("digits", f"runs:/{run_id}/model")
    git(git_repo, "gc", "--quiet", "--prune=now")
    registry.create_version("digits", f"runs:/{run_id}/model")
    fresh = Registry(Repo.open(git_repo))
    assert [one.version.number for one in fresh.list_versions("digits")] == [1, 2, 3, 4]
    assert list(fresh.repo.verify()) == []


def test_a_read_only_repository_says_so(registry: Registry, make_run: MakeRun, git_repo: Path) -> None:
    import os

    if os.getuid() == 0:
        pytest.skip("root may write everywhere")
    run_id = make_run()
    registry.create_model("digits")
    for folder in (git_repo / ".git" / "objects", git_repo / ".git" / "refs"):
        folder.chmod(0o500)
    with pytest.raises(AccessDeniedError):
        registry.create_version("digits", f"runs:/{run_id}/model")
