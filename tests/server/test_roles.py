"""Who may call what: the whole table of routes, walked over real HTTP as nobody, reader, writer and as one limited."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gitruns.server.calls import AnyCall, Call, Role
from gitruns.server.numbers import Numbers
from gitruns.server.routes import all_calls
from gitruns.server.routes.service import metrics_call
from server.serving import Served, bearer, isolated_environ, make_repo, new_token, serving

CALLS: tuple[AnyCall, ...] = (*all_calls(), metrics_call(Numbers()))
PLACES = [(call, prefix) for call in CALLS for prefix in call.below]
OPEN = {"Welcome", "Health", "Version", "GetServerInfo", "UploadPart"}
"""What needs no token: what clients ask before they log in, and parts of an upload, whose address is the secret."""


NARROWED = {
    *("SearchExperiments", "SearchEvaluationDatasets", "ListScorers"),
    *("ListExperiments", "RunTable", "KnownKeys", "Status", "Events"),
    *("CheckQuery", "OpenApi"),  # these say nothing of what is stored
}
"""What somebody who is limited may ask without naming an experiment: the answer is of theirs alone."""


class Walked(NamedTuple):
    """A server that lets nobody in without a token, and tokens for it."""

    server: Served
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    folder = tmp_path_factory.mktemp("walked")
    environ = isolated_environ(folder)
    repo = make_repo(folder / "project", environ)
    with serving(repo, folder / "first", environ=environ) as server:
        theirs = server.post("/api/2.0/mlflow/experiments/create", {"name": "theirs"}).json["experiment_id"]
    tokens = {
        "reader": new_token(repo, "reader", environ=environ),
        "writer": new_token(repo, "writer", environ=environ),
        "limited": new_token(repo, "admin", experiments=(theirs,), environ=environ),
    }
    with serving(repo, folder / "log", "--require-token", environ=environ) as server:
        yield Walked(server, tokens)


def _path(call: AnyCall, prefix: str) -> str:
    path = prefix + re.sub(r"\{[^}]*:path\}", "a/b", call.path)
    return re.sub(r"\{(model_id|[^}]*)\}", lambda match: "m-" + "0" * 32 if match[1] == "model_id" else "0" * 32, path)


def _status(server: Served, call: AnyCall, prefix: str, token: str | None) -> int:
    """Returns the status of a call without fields; of an answer that never ends, only the head is read."""
    headers = {"Content-Type": "application/json", **(bearer(token) if token else {})}
    lines = [f"{call.method} {_path(call, prefix)} HTTP/1.1", f"Host: {server.host}:{server.port}"]
    lines += [f"{name}: {text}" for name, text in headers.items()]
    body = b"" if call.method in ("GET", "HEAD") else b"{}"
    with server.connect() as connection:
        connection.sendall("\r\n".join([*lines, f"Content-Length: {len(body)}"]).encode() + b"\r\n\r\n" + body)
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(65536)
            assert piece, f"{call.message}: {head!r}"
            head += piece
    assert b"nosniff" in head and b"content-security-policy" in head
    return int(head.split()[1])


def test_there_are_routes_of_every_role() -> None:
    assert {call.role for call in CALLS} >= {Role.ANYONE, Role.READER, Role.WRITER}
    assert {call.message for call in CALLS if call.role is Role.ANYONE} <= OPEN
    assert len({(call.method, prefix + call.path) for call, prefix in PLACES}) == len(PLACES)


def test_what_only_looks_is_for_readers() -> None:
    """A GET that needed a writer would be a slip; a PUT, PATCH or DELETE that a reader may do would be worse."""
    for call in CALLS:
        if call.method == "GET":
            assert call.role <= Role.READER, call.message
        elif call.method in ("PUT", "PATCH", "DELETE") and call.message not in OPEN:
            assert call.role >= Role.WRITER, call.message


def test_nobody_is_let_in(walked: Walked) -> None:
    for call, prefix in PLACES:
        status = _status(walked.server, call, prefix, None)
        assert (status != 401) if call.role is Role.ANYONE else (status == 401), f"{call.method} {prefix}{call.path}"
    assert walked.server.get("/no/such/route").status == 401
    assert walked.server.call("DELETE", "/health").status == 401
    reply = walked.server.get("/metrics")
    assert reply.headers["www-authenticate"].startswith("Basic ")
    assert reply.code == "UNAUTHENTICATED"


@pytest.mark.parametrize("name", ["reader", "writer"])
def test_each_role_is_let_in_as_far_as_it_goes(walked: Walked, name: str) -> None:
    given = Role[name.upper()]
    for call, prefix in PLACES:
        status = _status(walked.server, call, prefix, walked.tokens[name])
        where = f"{call.method} {prefix}{call.path}: {status}"
        assert status != 401 or call.role is Role.ANYONE, where
        assert (status == 403) == (call.role > given), where
        assert status < 500 or status == 501, where


def test_who_is_limited_reaches_nothing_else(walked: Walked) -> None:
    """Nothing is done for a call that names no experiment, or one that is not there, or not theirs."""
    for call, prefix in PLACES:
        if call.role is Role.ANYONE:
            continue
        status = _status(walked.server, call, prefix, walked.tokens["limited"])
        expected = (
            (403,) if call.experiment_of is None else (200,) if call.message in NARROWED else (400, 403, 404, 422)
        )
        assert status in expected, f"{call.method} {prefix}{call.path}: {status}"


def test_a_call_without_a_word_on_experiments_is_refused_before_its_body(walked: Walked) -> None:
    silent = [call for call in CALLS if call.experiment_of is None and call.role is not Role.ANYONE]
    assert any(isinstance(call, Call) for call in silent)
    for call in silent:
        assert _status(walked.server, call, call.below[0], walked.tokens["limited"]) == 403


def test_who_is_limited_works_in_their_own(walked: Walked) -> None:
    server, token = walked.server, bearer(walked.tokens["limited"])
    everybody = bearer(walked.tokens["writer"])
    found = server.get("/api/2.0/mlflow/experiments/get-by-name?experiment_name=theirs", everybody).json
    theirs = found["experiment"]["experiment_id"]
    run = server.post("/api/2.0/mlflow/runs/create", {"experiment_id": theirs}, token).json["run"]["info"]["run_id"]
    point = {"key": "loss", "value": 1.0, "timestamp": 1, "step": 0}
    assert server.post("/api/2.0/mlflow/runs/log-metric", {"run_id": run, **point}, token).status == 200
    assert server.get(f"/api/2.0/mlflow/runs/get?run_id={run}", token).status == 200
    assert server.get("/api/2.0/mlflow/experiments/get?experiment_id=0", token).code == "PERMISSION_DENIED"
    others = server.post("/api/2.0/mlflow/runs/create", {"experiment_id": "0"}, everybody).json["run"]["info"]["run_id"]
    reply = server.post("/api/2.0/mlflow/runs/log-metric", {"run_id": others, **point}, token)
    assert (reply.status, reply.code) == (403, "PERMISSION_DENIED")
    assert server.post("/api/2.0/mlflow/runs/create", {"experiment_id": "0"}, token).status == 403


def test_answers_for_who_is_limited_name_nothing_else(walked: Walked) -> None:
    server, everybody = walked.server, bearer(walked.tokens["writer"])
    other = server.post("/api/2.0/mlflow/experiments/create", {"name": "hidden-name"}, everybody).json["experiment_id"]
    run = server.post("/api/2.0/mlflow/runs/create", {"experiment_id": other, "run_name": "hidden-run"}, everybody).json
    run_id = run["run"]["info"]["run_id"]
    batch = {"run_id": run_id, "params": [{"key": "hidden-key", "value": "hidden-value"}]}
    assert server.post("/api/2.0/mlflow/runs/log-batch", batch, everybody).status == 200
    limited = bearer(walked.tokens["limited"])
    for call in CALLS:
        if call.message in NARROWED - {"Events"}:
            path, body = _path(call, call.below[0]), None if call.method == "GET" else {"query": "", "max_results": 100}
            mine, everything = (server.call(call.method, path, body, headers).body for headers in (limited, everybody))
            assert b"hidden" not in mine, call.message
            assert run_id.encode() not in mine, call.message
            if call.message in ("SearchExperiments", "ListExperiments"):
                assert b"hidden-name" in everything


def test_a_program_of_the_walk_is_no_path(tmp_path: Path) -> None:
    assert all("{" not in _path(call, prefix) for call, prefix in PLACES)
