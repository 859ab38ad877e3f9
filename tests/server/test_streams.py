"""Bodies and answers of any length: they stream, in ranges too, and a slow client keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitruns.errors import CorruptDataError
from gitruns.server.calls import Download
from gitruns.server.downloads import disposition, download_head, pieces_of
from gitruns.server.requests import Request
from server.serving import Served, read_reply

SIZE = 6 * (1 << 20) + 17
CREATE = "/api/2.0/mlflow/runs/create"


@pytest.fixture(scope="module")
def stored(shared_server: Served) -> Iterator[tuple[str, bytes]]:
    """The address of an artifact that was uploaded whole, and its bytes."""
    data = os.urandom(1 << 16) * (SIZE >> 16) + bytes(SIZE & 0xFFFF)
    run = shared_server.post(CREATE, {"experiment_id": "0"}).json["run"]["info"]["run_id"]
    path = f"/api/2.0/mlflow-artifacts/artifacts/{run}/artifacts/m%C3%B6del/weights%20a.bin"
    assert shared_server.call("PUT", path, data).status == 200
    yield path, data


def test_what_went_up_comes_down(shared_server: Served, stored: tuple[str, bytes]) -> None:
    path, data = stored
    reply = shared_server.get(path)
    assert reply.status == 200
    assert reply.body == data
    assert reply.headers["content-disposition"].startswith("attachment; ")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in reply.headers["content-security-policy"]
    head = shared_server.call("HEAD", path)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(data)))


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=1000000-1999999", 1_000_000, 1_999_999),
        ("bytes=6000000-", 6_000_000, SIZE - 1),
        ("bytes=-5", SIZE - 5, SIZE - 1),
        ("bytes=5-999999999999", 5, SIZE - 1),
        ("bytes=-99999999999", 0, SIZE - 1),
    ],
)
def test_a_range(shared_server: Served, stored: tuple[str, bytes], asked: str, first: int, last: int) -> None:
    path, data = stored
    reply = shared_server.get(path, {"Range": asked})
    assert reply.status == 206
    assert reply.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert reply.body == data[first : last + 1]


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=5-4", "bytes=-0", f"bytes={SIZE}-"])
def test_a_range_that_there_is_not(shared_server: Served, stored: tuple[str, bytes], asked: str) -> None:
    reply = shared_server.get(stored[0], {"Range": asked})
    assert (reply.status, reply.body, reply.headers["content-range"]) == (416, b"", f"bytes */{SIZE}")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "bytes=-", "bytes=--1", "nonsense"])
def test_a_range_that_is_not_understood_is_passed_over(
    shared_server: Served, stored: tuple[str, bytes], asked: str
) -> None:
    assert shared_server.call("GET", stored[0], headers={"Range": asked}).status == 200


def test_what_a_client_has_already_is_not_sent_again(shared_server: Served, stored: tuple[str, bytes]) -> None:
    path, data = stored
    tag = shared_server.call("HEAD", path).headers["etag"]
    assert tag == f'"{hashlib.sha256(data).hexdigest()}"'
    assert shared_server.get(path, {"If-None-Match": f'"other", {tag}'}).status == 304
    assert shared_server.get(path, {"Range": "bytes=0-1", "If-Range": tag}).status == 206
    assert shared_server.get(path, {"Range": "bytes=0-1", "If-Range": '"other"'}).status == 200


def test_an_upload_that_breaks_off_leaves_nothing(shared_server: Served) -> None:
    run = shared_server.post(CREATE, {"experiment_id": "0"}).json["run"]["info"]["run_id"]
    path = f"/api/2.0/mlflow-artifacts/artifacts/{run}/artifacts/half.bin"
    with shared_server.connect() as connection:
        head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {4 << 20}\r\n\r\n"
        connection.sendall(head.encode() + bytes(2 << 20))
    time.sleep(0.5)
    assert shared_server.get(path).status == 404
    assert shared_server.get(f"/api/2.0/mlflow/artifacts/list?run_id={run}").json.get("files", []) == []


def test_an_upload_without_a_length(shared_server: Served) -> None:
    run = shared_server.post(CREATE, {"experiment_id": "0"}).json["run"]["info"]["run_id"]
    path = f"/api/2.0/mlflow-artifacts/artifacts/{run}/artifacts/pieces.bin"
    with shared_server.connect() as connection:
        connection.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for number in range(40):
            connection.sendall(b"10000\r\n" + bytes([number]) * 0x10000 + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert read_reply(connection).status == 200
    assert shared_server.get(path).body == b"".join(bytes([number]) * 0x10000 for number in range(40))


def test_slow_clients_keep_nobody_waiting(shared_server: Served) -> None:
    """Forty uploads and forty requests that have stopped in the middle: more than there are threads of either kind."""
    run = shared_server.post(CREATE, {"experiment_id": "0"}).json["run"]["info"]["run_id"]
    open_ones = []
    for number in range(40):
        upload = shared_server.connect()
        path = f"/api/2.0/mlflow-artifacts/artifacts/{run}/artifacts/slow{number}"
        upload.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {4 << 20}\r\n\r\nbegin".encode())
        request = shared_server.connect()
        request.sendall(f"POST {CREATE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode())
        request.sendall(b"Content-Length: 100\r\n\r\n{")
        head = shared_server.connect()
        head.sendall(b"GET /health HTTP/1.1\r\nHos")
        open_ones += [upload, request, head]
    try:
        started = time.monotonic()
        point = {"run_id": run, "key": "loss", "value": 1.0, "timestamp": 1, "step": 1}
        for _ in range(20):
            assert shared_server.post("/api/2.0/mlflow/runs/log-metric", point).status == 200
            assert shared_server.get(f"/api/2.0/mlflow/runs/get?run_id={run}").status == 200
        path = f"/api/2.0/mlflow-artifacts/artifacts/{run}/artifacts/quick"
        assert shared_server.call("PUT", path, b"quick").status == 200
        assert shared_server.get(path).body == b"quick"
        assert time.monotonic() - started < 15
    finally:
        for connection in open_ones:
            connection.close()


@pytest.mark.slow
def test_an_upload_that_has_stopped_does_not_keep_the_server(server: Served) -> None:
    run = server.post(CREATE, {"experiment_id": "0"}).json["run"]["info"]["run_id"]
    path = f"/api/2.0/mlflow-artifacts/artifacts/{run}/artifacts/slow"
    with server.connect() as connection:
        connection.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {4 << 20}\r\n\r\n".encode())
        connection.sendall(bytes(2 << 20))
        time.sleep(0.5)
        server.process.terminate()
        assert server.process.wait(timeout=40) == 0
    assert "Traceback" not in server.said()


@pytest.mark.slow
def test_slow_clients_are_given_up(shared_server: Served) -> None:
    with shared_server.connect() as head, shared_server.connect() as body, shared_server.connect() as silent:
        head.sendall(b"GET /health HTTP/1.1\r\nHos")
        body.sendall(f"POST {CREATE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode())
        body.sendall(b"Content-Length: 100\r\n\r\n{")
        for connection in (head, body, silent):
            connection.settimeout(60)
        assert head.recv(1) == b""
        assert silent.recv(1) == b""
        assert read_reply(body).status == 408


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.txt", "attachment; filename=a.txt"),
        ("two words.txt", "attachment; filename=\"two words.txt\"; filename*=UTF-8''two%20words.txt"),
        ("größe.png", "attachment; filename=\"groe.png\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.png"),
        ("日本", "attachment; filename=\"download\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC"),
        ('a"\r\nX: y', "attachment; filename=\"aX: y\"; filename*=UTF-8''a%22%0D%0AX%3A%20y"),
    ],
)
def test_names_of_files(name: str, header: str) -> None:
    assert disposition(name) == header


class _Unseekable(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError


def test_a_range_of_what_cannot_seek() -> None:
    file = Download(lambda: _Unseekable(b"0123456789"), 10, "a")
    assert b"".join(pieces_of(file, 3, 4)) == b"3456"


def test_a_file_that_is_shorter_than_it_says_is_no_answer() -> None:
    file = Download(lambda: io.BytesIO(b"012"), 10, "a")
    with pytest.raises(CorruptDataError):
        list(pieces_of(file, 0, 10))


def test_an_empty_file(shared_server: Served, tmp_path: Path) -> None:
    run = shared_server.post(CREATE, {"experiment_id": "0"}).json["run"]["info"]["run_id"]
    path = f"/api/2.0/mlflow-artifacts/artifacts/{run}/artifacts/empty"
    assert shared_server.call("PUT", path, b"").status == 200
    assert (shared_server.get(path).status, shared_server.get(path).body) == (200, b"")
    asked = {"type": "http", "method": "GET", "raw_path": b"/", "headers": [(b"range", b"bytes=0-")], "client": None}
    assert download_head(Download(io.BytesIO, 0, "a"), Request(asked)).status == 416


def test_waiting_ends_at_its_deadline_and_not_before() -> None:
    from gitruns.server.bodies import before

    async def wait(seconds: float, limit: float) -> str:
        async def answer() -> str:
            await asyncio.sleep(seconds)
            return "there"

        return await before(asyncio.get_running_loop().time() + limit, answer())

    assert asyncio.run(wait(0, 5)) == "there"
    with pytest.raises(TimeoutError):
        asyncio.run(wait(5, 0.05))

    async def from_outside() -> None:
        task = asyncio.create_task(wait(5, 5))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(from_outside())
