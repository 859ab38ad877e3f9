"""A hostile client below HTTP: bytes that are no request, and slowness; and what it can plant: links, pages."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator

import pytest

from server.hostile_world import Hostile, hostile_world, snapshot
from server.serving import Reply, read_reply

CREATE = "/api/2.0/mlflow/experiments/create"
GET_RUN = "/api/2.0/mlflow/runs/get"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"
TABLE = "/api/gitruns/v1/runs/table"


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    with hostile_world() as world:
        yield world


@pytest.fixture(autouse=True)
def nothing_outside_has_changed(hostile: Hostile) -> Iterator[None]:
    yield
    assert snapshot(hostile.outside) == hostile.before
    assert hostile.server.process.poll() is None
    assert "Traceback" not in hostile.server.said()


def talk(world: Hostile, data: bytes, *, wait_s: float = 5) -> bytes:
    """Sends bytes and returns all that comes until the server closes, or says nothing more for a moment."""
    said = b""
    with world.server.connect() as connection:
        connection.settimeout(wait_s)
        try:
            connection.sendall(data)
            while piece := connection.recv(65536):
                said += piece
                connection.settimeout(0.25)
        except OSError:  # it was closed, or nothing more comes
            pass
    return said


def head(world: Hostile, *lines: str, method: str = "POST", path: str = CREATE) -> bytes:
    """Returns the head of a request."""
    always = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{world.server.port}"]
    return "\r\n".join([*always, *lines]).encode("latin-1") + b"\r\n\r\n"


def statuses(said: bytes) -> list[int]:
    """Returns the statuses of the answers in some bytes."""
    return [int(piece[:3]) for piece in said.split(b"HTTP/1.1 ")[1:]]


JSON = "Content-Type: application/json"

BAD_LENGTHS = (
    "-1",
    "+5",
    "0x10",
    "1e3",
    "5, 5",
    "5 5",
    "٥",
    "",
    "99999999999999999999999999",
    "9223372036854775808",
    "18446744073709551616",
    "1048577",
    "5;x",
    "five",
)


@pytest.mark.parametrize("length", BAD_LENGTHS)
def test_absurd_lengths(hostile: Hostile, length: str) -> None:
    sent = head(hostile, JSON, "Content-Length: @").replace(b"@", length.encode()) + b'{"name": "a"}'
    said = talk(hostile, sent, wait_s=1)
    assert statuses(said)[:1] in ([400], [413], [411]), said[:300]


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 2", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked, gzip",),
        ("Transfer-Encoding : chunked",),
        (" Transfer-Encoding: chunked",),
        ("Host: evil.example",),
        ("Content-Type: text/plain",),
        ("X\x00Y: 1",),
        ("no colon at all",),
        (": empty",),
        ("A" * 70_000 + ": 1",),
        ("A: " + "b" * 140_000,),
        *[tuple(f"H{number}: x" for number in range(1000))],
    ],
)
def test_heads_that_two_readers_could_take_for_two_things(hostile: Hostile, lines: tuple[str, ...]) -> None:
    said = talk(hostile, head(hostile, JSON, *lines) + b"0\r\n\r\n", wait_s=1)
    found = statuses(said)
    assert len(found) <= 1 or set(found[1:]) <= {400}, said[:500]
    assert not found or 400 <= found[0] < 500, said[:500]


CHUNKS = (
    b"zz\r\n{}\r\n0\r\n\r\n",
    b"-2\r\n{}\r\n0\r\n\r\n",
    b"0x2\r\n{}\r\n0\r\n\r\n",
    b"2\r\n{}0\r\n\r\n",
    b"2 \r\n{}\r\n0\r\n\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
    b"7FFFFFFFFFFFFFFF\r\n{}",
    b"2;" + b"a" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
    b"2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 2000 + b"\r\n",
    b"1\r\n{\r\n" * 1000,
    b"\r\n\r\n",
    b"2\n{}\n0\n\n",
)


@pytest.mark.parametrize("chunks", CHUNKS)
def test_chunks_that_are_none(hostile: Hostile, chunks: bytes) -> None:
    said = talk(hostile, head(hostile, JSON, "Transfer-Encoding: chunked") + chunks, wait_s=0.7)
    assert all(400 <= status < 500 for status in statuses(said)), said[:300]
    assert hostile.server.get("/health").status == 200


def test_a_body_in_a_thousand_chunks_is_a_body(hostile: Hostile) -> None:
    body = b'{"name": "in pieces ' + str(time.time_ns()).encode() + b'"}'
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    said = talk(hostile, head(hostile, JSON, "Transfer-Encoding: chunked", "Connection: close") + pieces)
    assert statuses(said) == [200]


def test_chunks_have_the_limit_that_lengths_have(hostile: Hostile) -> None:
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    said = talk(hostile, head(hostile, JSON, "Transfer-Encoding: chunked") + piece * 40)
    assert statuses(said)[:1] == [413]


def test_pipelined_requests_are_answered_in_order(hostile: Hostile) -> None:
    run = hostile.ids["one"]
    one = head(hostile, method="GET", path=f"{GET_RUN}?run_id={run}")
    two = head(hostile, method="GET", path="/nothing")
    last = head(hostile, "Connection: close", method="GET", path="/health")
    assert statuses(talk(hostile, one + two + one + last)) == [200, 404, 200, 200]


def test_what_follows_a_refused_body_is_no_request(hostile: Hostile) -> None:
    """A body that is refused before it is read must not be taken for the next request."""
    smuggled = head(hostile, method="GET", path=f"{GET_RUN}?run_id={hostile.ids['one']}")
    data = head(hostile, "Content-Type: text/plain", f"Content-Length: {len(smuggled)}") + smuggled
    assert statuses(talk(hostile, data, wait_s=0.7)) == [400]


def test_no_http_at_all(hostile: Hostile) -> None:
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
        b"SSH-2.0-OpenSSH_9.0\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00" * 5000,
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET //evil.example/%2e%2e HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ):
        said = talk(hostile, data, wait_s=1)
        assert all(400 <= status < 500 for status in statuses(said)), (data[:60], said[:300])
        assert hostile.canary.encode() not in said


def test_slow_clients_keep_nobody_waiting(hostile: Hostile) -> None:
    slow: list[socket.socket] = []
    try:
        for number in range(150):
            connection = hostile.server.connect()
            slow.append(connection)
            if number % 3 == 0:
                connection.sendall(b"GET /health HT")
            elif number % 3 == 1:
                connection.sendall(head(hostile, JSON, "Content-Length: 1000") + b'{"name": ')
            else:
                connection.sendall(head(hostile, "Content-Length: 100000", method="PUT", path=f"{PROXY}/x") + b"a")
        began = time.monotonic()
        for _ in range(5):
            assert hostile.server.get("/health").status == 200
            assert hostile.server.post(TABLE, {}).status == 200
        assert time.monotonic() - began < 10
        for connection in slow[:6]:
            connection.sendall(b"x")
    finally:
        for connection in slow:
            connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("beginning", [b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: a\r\nX-A: b\r\n"])
def test_who_is_too_slow_with_a_head_is_cut_off(hostile: Hostile, beginning: bytes) -> None:
    with hostile.server.connect() as connection:
        connection.settimeout(40)
        began = time.monotonic()
        connection.sendall(beginning)
        try:
            said = connection.recv(1000)
        except ConnectionError:
            said = b""
        assert time.monotonic() - began < 30
        assert not said or statuses(said)[0] in (400, 408)


@pytest.mark.slow
def test_who_is_too_slow_with_a_body_is_cut_off(hostile: Hostile) -> None:
    with hostile.server.connect() as connection:
        connection.sendall(head(hostile, JSON, "Content-Length: 1000") + b"{")
        connection.settimeout(1)
        began = time.monotonic()
        while time.monotonic() - began < 60:
            try:
                said = connection.recv(1000)
                break
            except TimeoutError:
                connection.sendall(b" ")  # a byte now and then
        assert statuses(said) == [408]
        assert time.monotonic() - began < 45


# What it can plant


def put(world: Hostile, path: str, data: bytes, **headers: str) -> Reply:
    return world.server.call("PUT", f"{PROXY}/{world.ids['two']}/artifacts/{path}", data, headers)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("page.html", b"<script>alert(document.cookie)</script>"),
        ("page.xhtml", b"<html xmlns='http://www.w3.org/1999/xhtml'><script>alert(1)</script></html>"),
        ("picture.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("sheet.xml", b"<?xml-stylesheet href='javascript:alert(1)'?><a/>"),
        ("paper.pdf", b"%PDF-1.7"),
        ("code.js", b"alert(1)"),
        ("no-ending", b"<script>alert(1)</script>"),
        ("%0d%0aSet-Cookie%3a%20a%3db.txt", b"x"),
        ("%22;filename%3devil.exe", b"x"),
        ("%e2%80%aegnp.exe", b"x"),
    ],
)
def test_no_artifact_is_a_page_of_ours(hostile: Hostile, name: str, data: bytes) -> None:
    assert put(hostile, f"planted/{name}", data, **{"Content-Type": "text/html"}).status in (200, 400)
    run = hostile.ids["two"]
    for path in (f"{PROXY}/{run}/artifacts/planted/{name}", f"/get-artifact?run_id={run}&path=planted/{name}"):
        reply = hostile.server.get(path)
        assert reply.status in (200, 400, 404), path
        if reply.status == 200:
            assert reply.body == data
            assert reply.headers["content-disposition"].startswith("attachment")
            assert "\n" not in reply.headers["content-disposition"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in reply.headers["content-security-policy"]
        assert "set-cookie" not in reply.headers


def test_links_in_the_cache_lead_nowhere(hostile: Hostile) -> None:
    run = hostile.ids["one"]
    for path in (f"{PROXY}/{run}/artifacts/picture.svg", f"/get-artifact?run_id={run}&path=picture.svg"):
        reply = _reply_or_break(hostile, path)
        assert reply is None or hostile.canary.encode() not in reply.body, path


def _reply_or_break(world: Hostile, path: str) -> Reply | None:
    """An answer that cannot be whole breaks off, so that nobody takes it for whole."""
    try:
        return world.server.get(path)
    except http.client.IncompleteRead as error:
        return Reply(200, {}, error.partial)
    except http.client.HTTPException:
        return None


def test_a_journal_that_is_a_link_leads_nowhere(hostile: Hostile) -> None:
    run = hostile.ids["planted"]
    body = {"run_id": run, "key": "k", "value": 1.0, "timestamp": 1, "step": 1}
    assert hostile.server.post("/api/2.0/mlflow/runs/log-metric", body).status in (400, 404)
    assert hostile.server.get(f"{GET_RUN}?run_id={run}").status in (400, 404)
    assert hostile.server.get(f"/api/gitruns/v1/runs/{run}").status in (400, 404)
    assert put(hostile, f"../../{run}/x", b"x").status in (400, 404)


def test_a_run_whose_tree_holds_a_link_is_not_followed(hostile: Hostile) -> None:
    assert hostile.server.get("/get-artifact?run_id=" + hostile.ids["one"] + "&path=link.txt").status == 404


def test_ranges_that_are_none(hostile: Hostile) -> None:
    path = f"{PROXY}/{hostile.ids['two']}/artifacts/notes/a.txt"
    for asked in ("bytes=5-2", "bytes=-", "bytes=a-b", "bytes=0-0,2-3", "bytes=999999999999999999999-", "lines=1-2"):
        reply = hostile.server.get(path, {"Range": asked})
        assert reply.status in (200, 206, 416), asked
        assert len(reply.body) <= 5


def test_an_upload_that_breaks_off_is_no_artifact(hostile: Hostile) -> None:
    path = f"{PROXY}/{hostile.ids['two']}/artifacts/broken.bin"
    with hostile.server.connect() as connection:
        connection.sendall(head(hostile, "Content-Length: 100000", method="PUT", path=path) + b"x" * 5000)
    time.sleep(0.5)
    assert hostile.server.get(path).status == 404


def test_an_answer_that_nobody_reads(hostile: Hostile) -> None:
    assert put(hostile, "large.bin", b"x" * 5_000_000).status == 200
    path = f"{PROXY}/{hostile.ids['two']}/artifacts/large.bin"
    unread = [hostile.server.connect() for _ in range(20)]
    for connection in unread:
        connection.sendall(head(hostile, method="GET", path=path))
    began = time.monotonic()
    assert hostile.server.get("/health").status == 200
    assert hostile.server.post(TABLE, {}).status == 200
    assert time.monotonic() - began < 5
    for connection in unread:
        connection.close()


def test_a_client_that_goes_in_the_middle_of_an_answer(hostile: Hostile) -> None:
    for _ in range(20):
        with hostile.server.connect() as connection:
            connection.sendall(head(hostile, method="GET", path="/api/gitruns/v1/openapi.json"))
            connection.recv(10)
    with hostile.server.connect() as connection:
        connection.sendall(head(hostile, method="GET", path="/health"))
        assert read_reply(connection).status == 200


@pytest.mark.parametrize("name", ["Upgrade", "upgrade", "UPGRADE "])
def test_who_wants_another_protocol_is_answered_in_this_one(hostile: Hostile, name: str) -> None:
    """Java's client asks for HTTP/2 so; what follows the head is the body all the same."""
    body = b'{"run_id": "' + hostile.ids["one"].encode() + b'", "key": "Upgrade: h2c", "value": "\\r\\nUpgrade: x"}'
    lines = ("Connection: Upgrade, HTTP2-Settings", f"{name.strip()}: h2c", "HTTP2-Settings: AAEAAEAA", JSON)
    request = head(hostile, *lines, f"Content-Length: {len(body)}", path="/api/2.0/mlflow/runs/set-tag")
    with hostile.server.connect() as connection:
        connection.sendall(request)
        time.sleep(0.05)
        connection.sendall(body)
        reply = read_reply(connection)
        assert (reply.status, reply.body) == (200, b"{}")
        connection.sendall(request + body)
        assert read_reply(connection).status == 200
    tags = hostile.server.get(f"/api/gitruns/v1/runs/{hostile.ids['one']}").json["tags"]
    assert tags["Upgrade: h2c"] == "\r\nUpgrade: x"
