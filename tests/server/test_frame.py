"""The frame over real HTTP: what every route gets from it, whatever the route does."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from server.serving import Served, read_reply, serving

INFO = "/api/3.0/mlflow/server-info"
CREATE = "/api/2.0/mlflow/experiments/create"
ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


def test_what_clients_and_monitors_ask_first(shared_server: Served) -> None:
    assert shared_server.get("/health").body == b"OK"
    assert f"MLFLOW_TRACKING_URI=http://127.0.0.1:{shared_server.port}\n".encode() in shared_server.get("/").body
    assert tuple(map(int, shared_server.get("/version").body.split(b"."))) >= (3, 4)  # below it no span comes over OTLP
    for prefix in ("/api", "/ajax-api"):
        assert shared_server.get(f"{prefix}/3.0/mlflow/server-info").json["workspaces_enabled"] is False
    numbers = shared_server.get("/metrics").body.decode()
    assert 'gitruns_requests_total{message="GetServerInfo",status="200"' in numbers
    assert "gitruns_request_seconds_count" in numbers
    for line in numbers.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+\{(\w+="[^"]*",?)+\} [0-9.e+-]+', line), line


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/health", {}),
        ("GET", INFO, {}),
        ("GET", "/nothing", {}),
        ("DELETE", "/health", {}),
        ("GET", "/health", {"Host": "evil.example"}),
        ("POST", CREATE, {"Origin": "http://evil.example"}),
        ("POST", CREATE, {"Content-Type": "text/plain"}),
    ],
)
def test_every_answer_has_the_headers(shared_server: Served, method: str, path: str, headers: dict[str, str]) -> None:
    reply = shared_server.call(method, path, headers=headers)
    assert {name: reply.headers[name] for name in ALWAYS} == ALWAYS
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert "server" not in reply.headers


def test_what_is_not_there(shared_server: Served) -> None:
    reply = shared_server.get("/api/2.0/mlflow/nothing")
    assert (reply.status, reply.code) == (404, "ENDPOINT_NOT_FOUND")
    reply = shared_server.call("DELETE", "/health")
    assert (reply.status, reply.code, reply.headers["allow"]) == (405, "ENDPOINT_NOT_FOUND", "GET, HEAD")
    assert shared_server.call("OPTIONS", CREATE).status == 405
    assert shared_server.call("HEAD", "/health").body == b""


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.nip.io", ""])
def test_a_foreign_host_is_refused(shared_server: Served, host: str) -> None:
    reply = shared_server.get("/health", {"Host": host})
    assert (reply.status, reply.code) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:{port}", "127.0.0.1:1", "[::1]:{port}"])
def test_names_of_this_machine_are_ours(shared_server: Served, host: str) -> None:
    assert shared_server.get("/health", {"Host": host.format(port=shared_server.port)}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "ftp://127.0.0.1:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_another_site_writes_nothing(shared_server: Served, headers: dict[str, str]) -> None:
    sent = {name: text.format(port=shared_server.port) for name, text in headers.items()}
    reply = shared_server.post(CREATE, {"name": "mine"}, sent)
    assert (reply.status, reply.code) == (403, "PERMISSION_DENIED")


def test_a_page_of_ours_writes(shared_server: Served) -> None:
    own = {"Origin": shared_server.url, "Sec-Fetch-Site": "same-origin"}
    assert shared_server.post(CREATE, {"name": "mine"}, own).status == 200


def test_headers_that_are_there_twice(shared_server: Served) -> None:
    for name in ("Host", "Content-Type"):
        with shared_server.connect() as connection:
            lines = f"Host: localhost\r\n{name}: localhost\r\n{name}: other\r\nConnection: close\r\n\r\n"
            connection.sendall(f"GET /health HTTP/1.1\r\n{lines}".encode())
            assert read_reply(connection).status == 400


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"{}", None, "Bad Request. Content-Type header is missing."),
        (b"{}", "text/plain", "Bad Request. Content-Type must be one of ['application/json']."),
        (b"{}", "application/json", "Missing value for required parameter 'name'. See the API docs"),
        (b'{"name": 5}', "application/json", "Invalid value 5 for parameter 'name' supplied"),
        (b'{"name": ["a"]}', "application/json; charset=utf-8", "Invalid value [\"a\"] for parameter 'name' supplied"),
        (b"", "application/json", "Missing value for required parameter 'name'."),
        (b"[]", "application/json", "must be a JSON object"),
        (b"{", "application/json", "is not JSON"),
        (b'{"name": "\xff"}', "application/json", "is not JSON"),
        (b'{"name": "\\ud800"}', "application/json", "is not JSON"),
        (b'{"name": ' + b"[" * 60 + b"]" * 60 + b"}", "application/json", "nested deeper"),
        (b'{"name": ' + b"[" * 5000 + b"]" * 5000 + b"}", "application/json", "is not JSON"),
    ],
)
def test_bodies_that_are_refused(shared_server: Served, body: bytes, kind: str | None, says: str) -> None:
    reply = shared_server.call("POST", CREATE, body, {"Content-Type": kind} if kind else None)
    assert reply.status == 400
    assert reply.code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")
    assert says in reply.json["message"]


def test_json_within_json_and_names_in_camel_case_are_read(shared_server: Served) -> None:
    twice = json.dumps(json.dumps({"name": "old client"})).encode()
    made = shared_server.call("POST", CREATE, twice, {"Content-Type": "application/json"}).json["experiment_id"]
    found = shared_server.get(f"/api/2.0/mlflow/experiments/get?experimentId={made}").json
    assert found["experiment"]["name"] == "old client"
    both = shared_server.get(f"/api/2.0/mlflow/experiments/get?experimentId={made}&experiment_id={made}")
    assert both.status == 200


def test_a_body_that_is_too_large(shared_server: Served) -> None:
    body = b'{"name": "' + b"a" * (1 << 20) + b'"}'
    for headers in ({}, {"Content-Length": str(10**12)}):
        reply = shared_server.call("POST", CREATE, body, {"Content-Type": "application/json", **headers})
        assert (reply.status, reply.code) == (413, "BAD_REQUEST")
    with shared_server.connect() as connection:  # the same without saying how long it is
        head = f"POST {CREATE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        assert read_reply(connection).status == 413


def test_what_is_no_http_and_heads_that_are_too_large(shared_server: Served) -> None:
    long_header = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"
    endless = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 400_000
    many = b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 200 + b"\r\n"
    for sent, status in ((b"nonsense\r\n\r\n", 400), (long_header, 431), (endless, 431), (many, 431)):
        with shared_server.connect() as connection:
            connection.sendall(sent)
            reply = read_reply(connection)
            assert (reply.status, reply.code) == (status, "BAD_REQUEST")
    long_address = shared_server.get("/health?" + "a" * 40_000)
    assert (long_address.status, long_address.code) == (414, "BAD_REQUEST")


@pytest.mark.parametrize("path", ["/%ff", "/api/2.0/mlflow/logged-models/%ff", "/api/2.0/mlflow/logged-models/a%00b"])
def test_paths_that_are_no_text(shared_server: Served, path: str) -> None:
    assert shared_server.get(path).status in (400, 404)
    assert shared_server.get("/api/2.0/mlflow/experiments/get?experiment_id=%ff").status == 400


def test_the_log_has_a_line_for_each_request_and_no_secret(shared_server: Served) -> None:
    shared_server.get("/health?token=hunter2", {"Authorization": "Bearer hunter2", "Cookie": "hunter2"})
    shared_server.get("/health", {"X-Odd": "\x07"})
    deadline = time.monotonic() + 5
    while "Health" not in shared_server.said() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert '"GET /health" 401' in shared_server.said() or '"GET /health" 200' in shared_server.said()
    assert "hunter2" not in shared_server.said()


def test_a_base_path_and_a_read_only_server(git_repo: Path, tmp_path: Path) -> None:
    with serving(git_repo, tmp_path / "log", "--base-path", "/team/runs/", "--read-only") as server:
        assert server.get("/team/runs/health").status == 200
        assert server.get("/team/runs/api/3.0/mlflow/server-info").status == 200
        reply = server.post("/team/runs" + CREATE, {"name": "mine"})
        assert (reply.status, reply.code) == (403, "PERMISSION_DENIED")
        assert reply.json["message"] == "this server is read-only"


def test_a_unix_socket_is_its_owners_alone(git_repo: Path, tmp_path: Path) -> None:
    file = tmp_path / "s"
    with serving(git_repo, tmp_path / "log", "--unix-socket", str(file)) as server:
        assert file.stat().st_mode & 0o777 == 0o600
        assert server.get(INFO).status == 200
        server.stop()
        assert not file.exists()


def test_it_ends_in_order(server: Served) -> None:
    server.get("/health")
    assert server.stop() == 0
    assert "Traceback" not in server.said()
