"""A server for hostile clients: run by a user without rights, in a scratch folder, with canaries all round it.

What lies outside of the repository may be read and written by that user, so that a hole would show: a canary in an
answer, a changed file, a connection to the listener that stands for everything a server must not be sent to.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from server.serving import Served, serving

NOBODY = "nobody"

_SCRIPT = """
import json, gitruns
made = {}
for name in ("one", "two"):
    with gitruns.start_run(run_name=name) as run:
        gitruns.log_params({"lr": 0.1})
        for step in range(5):
            gitruns.log_metric("loss", 1.0 / (step + 1), step=step)
        gitruns.set_tag("team", "vision")
        gitruns.log_text("hello", "notes/a.txt")
        gitruns.log_text("<script>alert(1)</script>", "page.html")
        gitruns.log_text('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "picture.svg")
    made[name] = run.info.run_id
gitruns.register_model(f"runs:/{made['one']}/notes", "digits")
print(json.dumps(made))
"""


@dataclass
class Hostile:
    """The server, the ids in its repository, and what must stay as it is.

    `canary` is a text that is in files outside and in no answer. `trap` is the port of the listener; `sprung` has
    whoever came there.
    """

    server: Served
    repo: Path
    outside: Path
    canary: str
    ids: Mapping[str, str]
    before: Mapping[str, str]
    trap: int
    facts: dict[str, str] = field(default_factory=dict)
    sprung: list[str] = field(default_factory=list)
    asked: int = 0


def python_of_nobody() -> str:
    """Returns an interpreter of our version that the user nobody may run; skips when there is none."""
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for python in (sys.executable, f"/usr/bin/python{ours}", f"/usr/local/bin/python{ours}"):
        with contextlib.suppress(OSError):
            ask = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            found = subprocess.run(ask, user=NOBODY, capture_output=True, text=True, check=False)
            if found.stdout.strip() == ours:
                return python
    pytest.skip("the user nobody can run no interpreter of this version")


def snapshot(folder: Path) -> dict[str, str]:
    """Returns what is in a folder: each path, and what its bytes are."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_dir():
            found[name] = "/"
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@contextmanager
def hostile_world() -> Iterator[Hostile]:
    """Makes all of it in a folder of its own, and serves it until the block ends.

    Not in pytest's folder: every pytest that starts takes the rights of others away there.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root to run a server as a user without rights")
    with tempfile.TemporaryDirectory(prefix="gitruns-hostile-") as scratch, _world_in(Path(scratch)) as world:
        yield world


@contextmanager
def _world_in(scratch: Path) -> Iterator[Hostile]:
    python = python_of_nobody()
    canary = f"canary-{secrets.token_hex(8)}"
    outside = _outside(scratch, canary)
    repo, environ = _repository(scratch)
    done = subprocess.run(
        [python, "-c", _SCRIPT], cwd=repo, env=environ, user=NOBODY, check=True, capture_output=True, text=True
    )
    ids = dict(json.loads(done.stdout.splitlines()[-1]))
    ids.update(_links(repo, outside, ids))
    sprung: list[str] = []
    with _trap(sprung) as port:
        program = [python, "-m", "gitruns.cli.main"]
        with serving(repo, scratch / "log", environ=environ, program=program, user=NOBODY) as server:
            facts = {
                "outside": str(outside),
                "trap": str(port),
                "run": ids["one"],
                **made_over_http(server, ids["one"]),
            }
            yield Hostile(server, repo, outside, canary, ids, snapshot(outside), port, facts, sprung)


def made_over_http(server: Served, run_id: str) -> dict[str, str]:
    """Makes one of each thing that only a client can make; returns their ids."""
    two, three = "/api/2.0/mlflow", "/api/3.0/mlflow"
    trace_id = "tr-" + "1" * 32
    made = {
        "model": server.post(f"{two}/logged-models", {"experiment_id": "0", "name": "m", "source_run_id": run_id}),
        "dataset": server.post(f"{three}/datasets/create", {"name": "d", "experiment_ids": ["0"]}),
        "trace": server.post(f"{three}/traces", {"trace": {"trace_info": _TRACE | {"trace_id": trace_id}}}),
        "scorer": server.post(
            f"{three}/scorers/register", {"experiment_id": "0", "name": "digits", "serialized_scorer": "{}"}
        ),
        "upload": server.post(
            f"/api/2.0/mlflow-artifacts/mpu/create/{run_id}/artifacts/notes",
            {"path": "big.bin", "num_parts": 1},
        ),
        "spare": server.post(f"{two}/experiments/create", {"name": "spare"}),
        "deleted": server.post(f"{two}/experiments/create", {"name": "deleted"}),
        "spare model": server.post(f"{two}/registered-models/create", {"name": "spare"}),
        "alias": server.post(f"{two}/registered-models/alias", {"name": "digits", "alias": "champion", "version": "1"}),
    }
    issue = {"experiment_id": "0", "name": "i", "description": "d", "status": "pending"}
    made["issue"] = server.post(f"{three}/issues", issue)
    path = f"{three}/traces/{trace_id}/assessments"
    made["assessment"] = server.post(path, {"assessment": _ASSESSMENT | {"trace_id": trace_id}})
    made["gone"] = server.post(f"{two}/experiments/delete", {"experiment_id": made["deleted"].json["experiment_id"]})
    for name, reply in made.items():
        assert reply.status == 200, (name, reply.body)
    return {
        "spare": made["spare"].json["experiment_id"],
        "deleted": made["deleted"].json["experiment_id"],
        "model": made["model"].json["model"]["info"]["model_id"],
        "dataset": made["dataset"].json["dataset"]["dataset_id"],
        "trace": trace_id,
        "issue": made["issue"].json["issue"]["issue_id"],
        "assessment": made["assessment"].json["assessment"]["assessment_id"],
        "upload": made["upload"].json["upload_id"],
    }


_TRACE = {
    "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}},
    "request_time": "2026-01-01T00:00:00Z",
    "state": "OK",
}
_ASSESSMENT = {
    "assessment_name": "good",
    "source": {"source_type": "HUMAN", "source_id": "ada"},
    "feedback": {"value": 5},
}


def _outside(scratch: Path, canary: str) -> Path:
    scratch.chmod(0o755)
    outside = scratch / "outside"
    (outside / "folder" / "artifacts").mkdir(parents=True)
    for name in ("secret.txt", "MLmodel", "folder/secret.txt", "folder/artifacts/secret.txt", ".netrc"):
        (outside / name).write_text(f"{canary}\n")
        (outside / name).chmod(0o666)
    for folder in (outside, outside / "folder", outside / "folder" / "artifacts"):
        folder.chmod(0o777)
    return outside


def _repository(scratch: Path) -> tuple[Path, dict[str, str]]:
    inside = scratch / "inside"
    repo, home = inside / "project", inside / "home"
    home.mkdir(parents=True)
    repo.mkdir()
    (repo / "train.py").write_text("print('training')\n")
    shutil.chown(inside, NOBODY)
    for path in inside.rglob("*"):
        shutil.chown(path, NOBODY)
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("GIT_", "GITRUNS_", "MLFLOW_"))}
    environ = {
        **kept,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONDONTWRITEBYTECODE": "1",
        **{f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in _NAMES.items()},
    }
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "first"]):
        subprocess.run(["git", *words], cwd=repo, env=environ, user=NOBODY, check=True)
    return repo, environ


_NAMES = {"NAME": "Ada Lovelace", "EMAIL": "ada@example.org"}


def _links(repo: Path, outside: Path, ids: Mapping[str, str]) -> dict[str, str]:
    """Puts links that lead outside where the server keeps its things; returns the ids of what they pretend to be."""
    private = repo / ".git" / "gitruns"
    planted = "ab" * 16
    (private / "live").mkdir(parents=True, exist_ok=True)
    (private / "live" / planted).symlink_to(outside / "folder")
    for stored in sorted((private / "cache" / "o").glob("*/*")):
        if stored.read_bytes().startswith(b"<svg"):
            stored.unlink()
            stored.symlink_to(outside / "secret.txt")
    (repo / "link.txt").symlink_to(outside / "secret.txt")
    return {"planted": planted, "linked": ids["one"]}


@contextmanager
def _trap(sprung: list[str]) -> Iterator[int]:
    """Listens where addresses that clients name lead to; whoever comes is written down."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError):
                    connection, peer = listener.accept()
                    sprung.append(str(peer))
                    connection.close()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()
