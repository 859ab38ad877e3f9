"""A repository with something of everything, and a server over it, for tests that only look or that clean up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.serving import Reply, Served, isolated_environ, make_repo, serving

BASE = "/api/gitruns/v1"

_SCRIPT = """
import json, math, sys
import gitruns

made = {}
gitruns.set_experiment("vision")
for number, lr in enumerate((0.1, 0.01, 0.001)):
    with gitruns.start_run(run_name=f"run {number}") as run:
        gitruns.log_params({"lr": lr, "model": "cnn", "huge": 2**70, "layers": 2**53 - 1})
        gitruns.log_metrics({"acc": 0.5 + number / 10, "broken": math.nan, "wild": math.inf})
        for step in range(1000):
            gitruns.log_metric("loss", math.exp(-step / 300) + (5.0 if step == 317 else 0.0) - number / 10, step=step)
        gitruns.set_tags({"team": "vision", "stage": "draft"})
        gitruns.log_text("hello", "notes/a.txt")
        gitruns.log_text("<script>alert(1)</script>", "notes/b.html")
        made[f"run{number}"] = run.info.run_id
    with open("train.py", "a") as file:
        file.write(f"# lr was {lr}\\n")
with gitruns.start_run(run_name="parent") as parent:
    with gitruns.start_run(run_name="child", nested=True) as child:
        gitruns.log_metric("loss", 1.0)
made.update(parent=parent.info.run_id, child=child.info.run_id)
gitruns.register_model(f"runs:/{made['run0']}/notes", "digits")
gitruns.Client().set_registered_model_alias("digits", "champion", 1)
made["vision"] = gitruns.get_experiment_by_name("vision").experiment_id
print(json.dumps(made))
"""


@dataclass
class World:
    """The server, the repository, and the ids of what is in it by name."""

    server: Served
    repo: Path
    ids: Mapping[str, str]

    def get(self, path: str, **headers: str) -> Reply:
        """Asks our own API; `{run0}` in the path becomes that run's id."""
        return self.server.get(BASE + path.format(**self.ids), headers)

    def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Sends JSON to our own API."""
        return self.server.post(BASE + path.format(**self.ids), body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Changes something."""
        return self.server.call("PATCH", BASE + path.format(**self.ids), body)

    def found(self, path: str) -> Any:
        """Returns an answer that must be there."""
        reply = self.get(path)
        assert reply.status == 200, reply.body
        return reply.json

    def asked(self, path: str, body: Mapping[str, Any]) -> Any:
        """Returns the answer to a question that must have one."""
        reply = self.post(path, body)
        assert reply.status == 200, reply.body
        return reply.json


def run_script(repo: Path, environ: Mapping[str, str], script: str) -> str:
    """Runs Python in the repository; returns the last line that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=repo, env=dict(environ), check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()[-1] if done.stdout else ""


@contextmanager
def made_world(folder: Path) -> Iterator[World]:
    """Makes all of it below a folder, and serves it until the block ends."""
    environ = isolated_environ(folder)
    repo = make_repo(folder / "project", environ)
    (repo / "train.py").write_text("print('training')\n")
    for words in (["add", "."], ["commit", "--quiet", "-m", "first"]):
        subprocess.run(["git", *words], cwd=repo, env=environ, check=True)
    ids = json.loads(run_script(repo, environ, _SCRIPT))
    with serving(repo, folder / "server.log", environ=environ) as server:
        yield World(server, repo, ids)
