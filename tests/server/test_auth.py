"""Who comes in: tokens, people whom a proxy names, tokens that a provider has signed; and whom git names as author."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import run_git
from gitruns.errors import AccessDeniedError, CorruptDataError, NotFoundError
from gitruns.server.auth.token_file import create_token, read_tokens, revoke_token
from gitruns.server.auth.tokens import TokenChecker
from gitruns.server.calls import Role
from server.serving import PROGRAM, Served, bearer, new_token, serving

EXPERIMENT = "/api/2.0/mlflow/experiments/get?experiment_id=0"
CREATE_RUN = "/api/2.0/mlflow/runs/create"


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def _run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *words], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def tokens_needed(git_repo: Path, tmp_path: Path) -> Iterator[Served]:
    new_token(git_repo, "admin")
    with serving(git_repo, tmp_path / "log", "--require-token") as server:
        yield server


# Tokens


def test_a_token_as_mlflows_clients_send_it(tokens_needed: Served, git_repo: Path) -> None:
    secret = new_token(git_repo, "reader")
    time.sleep(0.6)
    for headers in (bearer(secret), _basic("ada", secret), _basic("", secret)):
        assert tokens_needed.get(EXPERIMENT, headers).status == 200
    wrong = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    for headers in (bearer(wrong), bearer("gitruns__"), bearer(""), _basic(secret, ""), {"Authorization": secret}, {}):
        reply = tokens_needed.get(EXPERIMENT, headers)
        assert (reply.status, reply.code) == (401, "UNAUTHENTICATED"), headers
        assert secret not in reply.json["message"]
    assert secret not in tokens_needed.said()


def test_a_token_that_is_revoked_or_over_is_refused(tokens_needed: Served, git_repo: Path) -> None:
    made = json.loads(_run("server", "token", "create", "--role", "reader", "--json", cwd=git_repo).stdout)
    time.sleep(0.6)
    assert tokens_needed.get(EXPERIMENT, bearer(made["secret"])).status == 200
    assert _run("server", "token", "revoke", made["id"], cwd=git_repo).returncode == 0
    time.sleep(0.6)
    assert tokens_needed.get(EXPERIMENT, bearer(made["secret"])).status == 401
    assert made["id"] not in _run("server", "token", "list", cwd=git_repo).stdout


def test_a_wrong_token_is_refused_where_none_is_needed(server: Served) -> None:
    assert server.get(EXPERIMENT).status == 200
    assert server.get(EXPERIMENT, bearer("gitruns_00000000_wrong")).status == 401


def test_what_a_proxy_on_this_machine_brings_needs_a_token(server: Served) -> None:
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        assert server.get(EXPERIMENT, {name: "203.0.113.7"}).status == 401


def test_the_file_of_tokens_holds_no_secret_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tokens.json"
    token, secret = _create(path)
    assert secret.encode() not in path.read_bytes()
    assert secret.rpartition("_")[2].encode() not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert TokenChecker(path).find(secret) == token.person
    path.chmod(0o644)
    with pytest.raises(AccessDeniedError) as refused:
        read_tokens(path)
    assert refused.value.kind == "token-file-open"
    assert TokenChecker(path).find(secret) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"format": "gitruns tokens 1", "tokens": [{}]}', b"\xff"])
def test_a_damaged_file_of_tokens_lets_nobody_in(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokens.json"
    _, secret = _create(path)
    path.write_bytes(content)
    with pytest.raises(CorruptDataError):
        read_tokens(path)
    assert TokenChecker(path).find(secret) is None


def test_tokens_end_and_are_found_by_the_beginning_of_their_id(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    _, over = _create(path, expires_ms=time.time_ns() // 1_000_000 - 1)
    token, good = _create(path, expires_ms=time.time_ns() // 1_000_000 + 60_000)
    checker = TokenChecker(path)
    assert checker.find(over) is None
    assert checker.find(good) == token.person
    with pytest.raises(NotFoundError):
        revoke_token(path, "")
    assert revoke_token(path, token.id[:7]) == token
    assert len(read_tokens(path)) == 1


def _create(path: Path, expires_ms: int | None = None) -> Any:
    return create_token(
        path, Role.READER, name="Ada", email="ada@example.org", experiments=None, now_ms=1, expires_ms=expires_ms
    )


def test_tokens_of_one_repository_open_no_other(git_repo: Path, tmp_path: Path) -> None:
    secret = new_token(git_repo, "admin")
    other = tmp_path / "other"
    run_git(tmp_path, "init", "--quiet", str(other))
    with serving(
        other, tmp_path / "log", "--require-token", "--proxy-header", "X-User", "--trusted-proxy", "unix"
    ) as it:
        assert it.get(EXPERIMENT, bearer(secret)).status == 401


# Others


def test_others_are_served_only_when_somebody_has_a_token(git_repo: Path) -> None:
    for options in (
        ["--host", "0.0.0.0"],  # noqa: S104  nobody is served
        ["--host", "::"],
        ["--require-token"],
        ["--allowed-host", "runs.example.org"],
    ):
        result = _run("server", "--check", "--port", "0", *options, cwd=git_repo)
        assert result.returncode == 2, options
        assert "no token was made yet" in result.stderr
        assert "git runs server token create" in result.stderr
    new_token(git_repo, "reader")
    result = _run("server", "--check", "--port", "0", "--host", "0.0.0.0", cwd=git_repo)  # noqa: S104  nobody is served
    assert result.returncode == 0
    assert "for who has a token" in result.stderr


# Authors


def test_git_names_who_wrote_as_author(tokens_needed: Served, git_repo: Path) -> None:
    bob = bearer(new_token(git_repo, "writer", person="Bob B <bob@example.org>"))
    eve = bearer(new_token(git_repo, "writer", person="Eve E <eve@example.org>"))
    time.sleep(0.6)
    run = tokens_needed.post(CREATE_RUN, {"experiment_id": "0"}, bob).json["run"]["info"]["run_id"]
    done = {"run_id": run, "status": "FINISHED", "end_time": 1_800_000_000_000}
    assert tokens_needed.post("/api/2.0/mlflow/runs/update", done, bob).status == 200
    made = tokens_needed.post("/api/2.0/mlflow/experiments/create", {"name": "eve's"}, eve).json["experiment_id"]
    edit = {"run_id": run, "key": "looked", "value": "at"}
    assert tokens_needed.post("/api/2.0/mlflow/runs/set-tag", edit, eve).status == 200
    tokens_needed.stop()
    _run("recover", cwd=git_repo)
    refs = run_git(git_repo, "for-each-ref", "--format=%(refname) %(authorname) <%(authoremail:trim)>").splitlines()
    authors = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in refs}
    chain = run_git(git_repo, "log", "--format=%an", next(ref for ref in authors if run in ref)).splitlines()
    assert chain[:3] == ["Eve E", "Bob B", "Bob B"]
    assert next(author for ref, author in authors.items() if ref.endswith(made)) == "Eve E <eve@example.org>"


# A proxy that says who calls


def test_the_word_of_a_trusted_proxy_counts_and_no_others(git_repo: Path, tmp_path: Path) -> None:
    options = ["--proxy-header", "X-Forwarded-User", "--proxy-role", "reader"]
    with serving(git_repo, tmp_path / "one", *options, "--trusted-proxy", "127.0.0.0/8") as server:
        assert server.get(EXPERIMENT, {"X-Forwarded-User": "ada@example.org"}).status == 200
        assert server.post(CREATE_RUN, {"experiment_id": "0"}, {"X-Forwarded-User": "ada"}).status == 403
        assert server.get(EXPERIMENT).status == 401
        assert server.get(EXPERIMENT, {"X-Forwarded-User": "  "}).status == 401
        with server.connect() as connection:
            twice = "X-Forwarded-User: ada\r\nX-Forwarded-User: eve\r\n"
            connection.sendall(f"GET {EXPERIMENT} HTTP/1.1\r\nHost: localhost\r\n{twice}\r\n".encode())
            assert connection.recv(100).split()[1] == b"401"
    with serving(git_repo, tmp_path / "two", *options, "--trusted-proxy", "10.0.0.1") as server:
        assert server.get(EXPERIMENT, {"X-Forwarded-User": "ada"}).status == 401


@pytest.mark.parametrize(
    "options",
    [
        ["--proxy-header", "X-User"],
        ["--trusted-proxy", "10.0.0.1"],
        ["--proxy-header", "X User", "--trusted-proxy", "10.0.0.1"],
        ["--proxy-header", "X-User", "--trusted-proxy", "everybody"],
        ["--oidc-issuer", "https://login.example.org"],
        ["--oidc-issuer", "http://login.example.org", "--oidc-audience", "runs"],
        ["--base-path", "/a/../b"],
        ["--host", "no such host"],
    ],
)
def test_settings_that_cannot_be_right(git_repo: Path, options: list[str]) -> None:
    result = _run("server", "--check", "--port", "0", *options, cwd=git_repo)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken(server: Served, git_repo: Path) -> None:
    result = _run("server", "--check", "--port", str(server.port), cwd=git_repo)
    assert result.returncode == 11
    assert "another program listens there" in result.stderr
    assert f"--port {server.port + 1}" in result.stderr


def test_the_extra_that_is_missing_is_named(git_repo: Path, tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ImportError('no uvicorn', name='uvicorn')\n")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = subprocess.run(
        [PROGRAM, "server", "--json"], cwd=git_repo, env=environ, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    result = subprocess.run(
        [PROGRAM, "server", "--check"], cwd=git_repo, env=environ, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "pip install 'gitruns[server]'" in result.stderr
