"""A real S3-compatible server as a process of its own, and a proxy in front of it that does what networks do."""

from __future__ import annotations

import http.client
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class S3Server:
    """Moto's server; buckets are made by plain requests."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def make_bucket(self, name: str) -> str:
        """Makes a bucket and returns the address of a store in it."""
        assert self._request("PUT", f"/{name}") == 200
        return f"s3://{name}?endpoint_url={self.url}"

    def unfinished_uploads(self, name: str) -> int:
        """How many uploads in parts were begun and are neither finished nor dropped."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", f"/{name}?uploads", headers=_signed())
        body = connection.getresponse().read()
        return body.count(b"<UploadId>")

    def put(self, name: str, key: str, data: bytes) -> None:
        """Puts an object behind the back of whoever tests."""
        assert self._request("PUT", f"/{name}/{key}", data) == 200

    def _request(self, method: str, path: str, data: bytes = b"") -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request(method, path, body=data, headers=_signed())
        response = connection.getresponse()
        response.read()
        return response.status


def _signed() -> dict[str, str]:
    credential = "Credential=testing/20200101/us-east-1/s3/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"}


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Starts a server and ends it."""
    port = free_port()
    environ = {**os.environ, **CREDENTIALS, "PYTHONWARNINGS": "ignore"}
    with (folder / "s3.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env=environ,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            _wait(port, process)
            yield S3Server(port)
        finally:
            process.terminate()
            process.wait(10)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "the server has ended"
        time.sleep(0.1)
    raise TimeoutError


FAULTS = ("500", "503", "reset", "lost answer", "truncated", "wrong answer", "wrong request", "slow")


class FaultyProxy:
    """Passes requests on to a server, and does to a share of them what networks do."""

    def __init__(self, target: S3Server, seed: int = 0) -> None:
        self._target = target
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.share = 0.0
        self.faults: tuple[str, ...] = FAULTS
        self.requests = 0
        self.done: Counter[str] = Counter()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy.answer(self)

            do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815  http.server looks for these

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def through(self, address: str) -> str:
        """The same store, but through here."""
        return address.replace(self._target.url, self.url)

    def _choose(self) -> str | None:
        with self._lock:
            self.requests += 1
            if self._random.random() >= self.share:
                return None
            fault = self._random.choice(self.faults)
            self.done[fault] += 1
            return fault

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answers one request."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        fault = self._choose()
        if fault in ("500", "503"):
            self._send(handler, int(fault), [("Content-Type", "application/xml")], b"<Error><Code>X</Code></Error>")
            return
        if fault == "reset":
            _reset(handler)
            return
        if fault == "slow":
            time.sleep(0.3)
        if fault == "wrong request" and body and handler.command == "PUT":
            body = _turned(body)
        status, headers, answer = self._pass_on(handler, body)
        if fault == "lost answer":
            _reset(handler)
        elif fault == "truncated" and len(answer) > 1:
            self._send(handler, status, headers, answer, send=len(answer) // 2)
            _reset(handler)
        elif fault == "wrong answer" and handler.command == "GET" and answer and "?" not in handler.path:
            self._send(handler, status, headers, _turned(answer))
        else:
            self._send(handler, status, headers, answer)

    def _pass_on(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._target.port, timeout=60)
        connection.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
        for name, value in handler.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        answer = response.read()
        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in _OWN]
        if handler.command == "HEAD":
            headers.append(("Content-Length", response.getheader("Content-Length") or "0"))
        connection.close()
        return response.status, headers, answer

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        headers: list[tuple[str, str]],
        answer: bytes,
        send: int | None = None,
    ) -> None:
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        if handler.command != "HEAD":
            handler.send_header("Content-Length", str(len(answer)))
        elif not any(name == "Content-Length" for name, _ in headers):
            handler.send_header("Content-Length", "0")
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(answer[:send])


_OWN = {"content-length", "transfer-encoding", "connection", "server", "date"}


def _turned(data: bytes) -> bytes:
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :]


def _reset(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    try:
        handler.wfile.flush()
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
