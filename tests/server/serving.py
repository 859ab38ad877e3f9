"""A real server in a process of its own, and a client that says exactly what it is told to say."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitruns.server.auth.token_file import create_token, default_token_file
from gitruns.server.calls import Role

PROGRAM = Path(sys.executable).parent / "git-runs"
_ADDRESS = re.compile(r" at (?:http://(?P<host>[^\s/]+):(?P<port>\d+)|unix:(?P<file>\S+))")


@dataclass
class Reply:
    """An answer: status, headers by lower-case name, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """MLflow's name of what went wrong."""
        assert self.headers["content-type"] == "application/json", self.body
        error = self.json
        assert set(error) == {"error_code", "message"}
        assert "Traceback" not in error["message"]
        return str(error["error_code"])


@dataclass
class Served:
    """A server that is running."""

    process: subprocess.Popen[bytes]
    log: Path
    host: str = ""
    port: int = 0
    file: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def said(self) -> str:
        """All that the server has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def connect(self) -> socket.socket:
        """Returns a bare connection."""
        if self.file:
            made = socket.socket(socket.AF_UNIX)
            made.settimeout(30)
            made.connect(self.file)
            return made
        return socket.create_connection((self.host, self.port), timeout=30)

    def call(
        self,
        method: str,
        path: str,
        body: bytes | Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Makes one request; a mapping is sent as JSON. The path goes out as it is written."""
        sent = {"Host": f"{self.host}:{self.port}" if self.host else "localhost", **self.headers, **(headers or {})}
        if isinstance(body, Mapping):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        if body is not None or method in ("POST", "PUT", "PATCH"):
            sent.setdefault("Content-Length", str(len(body or b"")))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {text}" for name, text in sent.items()), "Connection: close"]
        with self.connect() as connection:
            connection.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))
            return read_reply(connection, method)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        return self.call("GET", path, headers=headers)

    def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
        return self.call("POST", path, body, headers)

    def stop(self) -> int:
        """Tells it to end, and returns how it did."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def read_reply(connection: socket.socket, method: str = "GET") -> Reply:
    """Reads one answer from a bare connection."""
    answer = http.client.HTTPResponse(connection, method=method)
    answer.begin()
    headers = {name.lower(): text for name, text in answer.getheaders()}
    return Reply(answer.status, headers, answer.read())


def isolated_environ(home: Path) -> dict[str, str]:
    """Returns the environment of a server that lives longer than one test: as the tests' own, with this home."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("GIT_", "GITRUNS_", "MLFLOW_"))}
    return {
        **kept,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "Ada Lovelace",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada Lovelace",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
    }


def make_repo(folder: Path, environ: Mapping[str, str]) -> Path:
    """Returns a new repository with one commit."""
    for words in (["init", "--quiet", str(folder)], ["-C", str(folder), "commit", "--quiet", "--allow-empty", "-m1"]):
        subprocess.run(["git", *words], env=dict(environ), check=True, capture_output=True)
    return folder


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def new_token(
    repo: Path,
    role: str,
    *,
    person: str = "Ada L <ada@example.org>",
    experiments: tuple[str, ...] | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """Returns the secret of a new token for a repository's server, made without a program of its own."""
    name, _, email = person.rstrip(">").partition(" <")
    path = default_token_file(repo / ".git", os.environ if environ is None else environ)
    now_ms = time.time_ns() // 1_000_000
    _, secret = create_token(
        path, Role[role.upper()], name=name, email=email, experiments=experiments, now_ms=now_ms, expires_ms=None
    )
    return secret


def make_token(repo: Path, *options: str, environ: Mapping[str, str] | None = None) -> str:
    """Returns the secret of a token that `git runs server token create` has made."""
    command = [PROGRAM, "server", "token", "create", *options]
    env = dict(os.environ if environ is None else environ)
    return subprocess.run(command, cwd=repo, env=env, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def serving(
    repo: Path,
    log: Path,
    *options: str,
    environ: Mapping[str, str] | None = None,
    program: Sequence[str | Path] = (PROGRAM,),
    user: str | None = None,
) -> Iterator[Served]:
    """Runs `git runs server` on a free port until the block ends, as another user if one is named."""
    port = () if "--unix-socket" in options or "--port" in options else ("--port", "0")
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*program, "server", *port, *options],
            cwd=repo,
            user=user,
            env=dict(os.environ if environ is None else environ),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    served = Served(process, log)
    try:
        _wait_until_up(served)
        yield served
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(served: Served) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert served.process.poll() is None, served.said()
        found = _ADDRESS.search(served.said())
        if found:
            served.host, served.port = found["host"] or "", int(found["port"] or 0)
            served.file = found["file"] or ""
            try:
                served.get("/health")
                return
            except (OSError, http.client.HTTPException):
                pass
        time.sleep(0.05)
    raise AssertionError(f"no server after a minute: {served.said()}")
