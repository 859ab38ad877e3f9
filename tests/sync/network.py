"""A real git server over loopback, and a wire in front of it that is cut after so many bytes."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def git_daemon(base: Path) -> Iterator[int]:
    """Serves the repositories of a folder for reading and writing; gives the port."""
    port = free_port()
    server = subprocess.Popen(
        [
            *("git", "daemon", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}"),
            *(f"--base-path={base}", "--export-all", "--enable=receive-pack"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise TimeoutError(port)


class CutWire:
    """Passes connections on to a port, and resets each one once so many bytes have passed in all (None: never).

    `passed` is how many bytes went through since it was last set.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.cut_after: int | None = None
        self.passed = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> CutWire:
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.close()

    def reset(self, cut_after: int | None) -> None:
        """Counts from 0 again."""
        with self._lock:
            self.passed, self.cut_after = 0, cut_after

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                with self._lock:
                    room = len(data) if self.cut_after is None else max(self.cut_after - self.passed, 0)
                    self.passed += min(len(data), room)
                target.sendall(data[:room])
                if room < len(data):
                    for end in (source, target):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                        end.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it
                    return
            target.shutdown(socket.SHUT_WR)

    def _connect(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self._target)) as far:
            ways = [threading.Thread(target=self._pass, args=pair, daemon=True) for pair in ((near, far), (far, near))]
            for way in ways:
                way.start()
            for way in ways:
                way.join()
