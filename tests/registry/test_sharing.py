"""Two people share a registry by `git runs push`, `fetch` and `sync` alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conftest import Git

ROOT = Path(__file__).parents[2]
LOG = """
import gitruns
with gitruns.start_run():
    gitruns.log_text("weights", "model/weights.txt")
    gitruns.log_metric("loss", 0.5)
"""


@pytest.fixture
def people(git_repo: Path, tmp_path: Path, git: Git) -> list[Path]:
    """Two clones of one bare repository."""
    git(tmp_path, "clone", "--quiet", "--bare", str(git_repo), "hub.git")
    for name in ("ada", "ben"):
        git(tmp_path, "clone", "--quiet", str(tmp_path / "hub.git"), name)
    return [tmp_path / "ada", tmp_path / "ben"]


def runs(folder: Path, *arguments: str) -> str:
    """Types `git runs ARGS` in a folder and returns what it says, on both streams."""
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["git", "runs", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def register(folder: Path, *more: str) -> None:
    subprocess.run([sys.executable, "-c", LOG], cwd=folder, check=True)
    runs(folder, "model", "register", "digits", "latest", "model", *more)


def test_numbers_aliases_and_git_tags_are_shared(people: list[Path], git: Git, tmp_path: Path) -> None:
    ada, ben = people
    register(ada, "--alias", "champion")
    assert "digits v1 is confirmed by origin" in runs(ada, "push")
    runs(ben, "fetch")
    assert git(ben, "tag", "-l") == "models/digits/v1"
    # Both work offline and claim the same number; Ben is quicker.
    register(ben)
    register(ada)
    runs(ben, "model", "alias", "digits@champion", "2")
    assert "digits v2 is confirmed by origin" in runs(ben, "push")
    said = runs(ada, "sync")
    assert "digits v2 became v3: somebody else had published v2 to origin" in said
    runs(ben, "sync")
    for folder in people:
        shown = runs(folder, "model", "versions", "digits", "--format", "{version} {confirmed} {aliases}")
        assert shown == '1 true []\n2 true ["champion"]\n3 true []\n'
        assert git(folder, "tag", "-l").split() == ["models/digits/v1", "models/digits/v2", "models/digits/v3"]
        assert runs(folder, "verify") == "nothing is wrong\n"
    tips = {git(folder, "rev-parse", "refs/runs/models/digits") for folder in (*people, tmp_path / "hub.git")}
    assert len(tips) == 1
    assert "has everything" in runs(ada, "push")


def test_a_version_of_unpublished_code_waits(people: list[Path], git: Git, tmp_path: Path) -> None:
    ada, _ = people
    (ada / "train.py").write_text("print('secret')\n")
    git(ada, "commit", "--quiet", "--all", "-m", "not pushed")
    register(ada)
    assert "digits v1 stays unconfirmed: its source" in runs(ada, "push")
    assert git(tmp_path / "hub.git", "tag", "-l") == ""
    git(ada, "push", "--quiet", "origin", "HEAD")
    assert "digits v1 is confirmed by origin" in runs(ada, "push")


def test_a_shallow_clone_gets_the_code_of_a_version(people: list[Path], git: Git, tmp_path: Path) -> None:
    ada, _ = people
    register(ada)
    runs(ada, "push")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{tmp_path}/hub.git", "ci")
    runs(tmp_path / "ci", "fetch")
    assert git(tmp_path / "ci", "show", "models/digits/v1:train.py") == "print('training')"
    assert git(tmp_path / "ci", "rev-parse", "--is-shallow-repository") == "true"


def test_the_example_workflow_deploys_the_files_of_the_tag(people: list[Path], git: Git, tmp_path: Path) -> None:
    """The steps of examples/deploy-on-model-tag.yml, as the runner would run them in a checkout of the tag."""
    workflow = yaml.safe_load((ROOT / "examples" / "deploy-on-model-tag.yml").read_text(encoding="utf-8"))
    assert workflow[True]["push"]["tags"] == ["models/*/v*"]  # YAML 1.1 reads `on` as true
    ada, _ = people
    (tmp_path / "store").mkdir()
    git(ada, "config", "runs.store", f"file://{tmp_path}/store")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    (tmp_path / "signers").write_text(f"ada@example.org {(tmp_path / 'key.pub').read_text()}")
    settings = {"gpg.format": "ssh", "user.signingKey": str(tmp_path / "key.pub"), "commit.gpgSign": "true"}
    settings |= {"gpg.ssh.allowedSignersFile": str(tmp_path / "signers"), "tag.gpgSign": "true"}
    for name, value in settings.items():
        git(ada, "config", "--global", name, value)
    register(ada)
    assert "digits v1 is confirmed by origin" in runs(ada, "push")

    checkout = tmp_path / "checkout"
    hub = f"file://{tmp_path}/hub.git"
    git(
        tmp_path,
        "-c",
        "advice.detachedHead=false",
        "clone",
        "-q",
        "--depth=2",
        "-b",
        "models/digits/v1",
        hub,
        "checkout",
    )
    git(checkout, "config", "runs.store", f"file://{tmp_path}/store")
    (checkout / "deploy.sh").write_text("#!/bin/sh\nfind $1 -type f | sort > deployed\n")
    (checkout / "deploy.sh").chmod(0o755)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for step in workflow["jobs"]["deploy"]["steps"]:
        script = step.get("run", "")
        if script and not script.startswith("pip"):
            done = subprocess.run(
                ["bash", "-e", "-c", script],
                cwd=checkout,
                env={**os.environ, "PATH": path, "GITHUB_REF_NAME": "models/digits/v1"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    assert (checkout / "deployed").read_text() == "deploy/model/weights.txt\n"
