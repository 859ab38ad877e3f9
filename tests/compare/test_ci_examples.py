"""The examples for CI: what they type works in a checkout of one commit, against a host that knows partial clones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from compare.lab import Lab
from conftest import run_git

EXAMPLES = Path(__file__).parents[2] / "examples"


def of_github() -> list[str]:
    """The shell steps of the workflow, but the installation."""
    workflow = yaml.safe_load((EXAMPLES / "github-actions-review.yml").read_text())
    steps: list[dict[str, Any]] = workflow["jobs"]["review"]["steps"]
    assert workflow[True] == "pull_request", "never pull_request_target: that would give a fork our rights"
    return [step["run"] for step in steps if "run" in step and "pip" not in step["run"]]


def of_gitlab() -> list[str]:
    """The lines of the job, but the installation."""
    (job,) = yaml.safe_load((EXAMPLES / "gitlab-ci-review.yml").read_text()).values()
    return [line for line in [*job["before_script"], *job["script"]] if "pip" not in line]


@pytest.mark.parametrize("lines", [of_github(), of_gitlab()], ids=["github", "gitlab"])
def test_what_ci_types_works_in_a_checkout_of_one_commit(lab: Lab, tmp_path: Path, lines: list[str]) -> None:
    lab.commit("train a model", train__py="1\n", gitruns__yaml="review:\n  val_loss: no worse than 1%\n")
    lab.run({"val_loss": 0.5})
    lab.commit("elsewhere", other__py="1\n")
    lab.git("switch", "--quiet", "-c", "feature", "main~1")
    lab.commit("learn faster", train__py="2\n")
    lab.run({"val_loss": 0.4})
    lab.repo.close()
    host = tmp_path / "host.git"
    run_git(tmp_path, "clone", "--quiet", "--bare", "--no-local", str(lab.folder), str(host))
    run_git(lab.folder, "push", "--quiet", str(host), "refs/runs/*:refs/runs/*")
    for key in ("allowFilter", "allowAnySHA1InWant"):
        run_git(host, "config", f"uploadpack.{key}", "true")
    checkout = tmp_path / "checkout"
    run_git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=feature", host.as_uri(), str(checkout))
    head = run_git(checkout, "rev-parse", "HEAD")
    script = "set -eu\n" + "\n".join(lines)
    script = script.replace("--post github", "").replace("--post gitlab", "")
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "BASE": "origin/main",
        "HEAD": head,
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=checkout, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (checkout / "review.html").read_text()
    assert "Passed: the rule holds" in page and "learn faster" in page and "train a model" in page
