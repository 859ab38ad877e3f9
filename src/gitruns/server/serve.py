"""Runs a server until it is told to end: uvicorn round the application, in one process or in several."""

from __future__ import annotations

import inspect
import signal
import socket
import tempfile
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.errors import GitRunsError, InvalidInputError
from gitruns.server.settings import ServerSettings

if TYPE_CHECKING:
    from uvicorn import Config, Server

_PACKAGES = ("httptools", "msgspec", "opentelemetry.proto", "starlette", "uvicorn")
KEEP_ALIVE_S = 75
GRACE_S = 20
_MAX_CONNECTIONS = 4096


def check_extra() -> None:
    """Raises `InvalidInputError` (kind `extra-missing`) when what a server needs is not installed."""
    try:
        for package in _PACKAGES:
            import_module(package)
    except ImportError as error:
        raise InvalidInputError(
            f"a server needs the package '{error.name}'",
            kind="extra-missing",
            hint="pip install 'gitruns[server]'",
        ) from error


def serve(settings: ServerSettings, sock: socket.socket) -> None:
    """Serves on a socket until SIGINT or SIGTERM: requests that have begun are answered, runs that are open stay so."""
    import uvicorn

    before = signal.signal(signal.SIGTERM, _end)
    shared = tempfile.TemporaryDirectory(prefix="gitruns-server-") if settings.workers > 1 else None
    try:
        config = _config(replace(settings, numbers=Path(shared.name)) if shared is not None else settings)
        server = uvicorn.Server(config)
        if settings.workers > 1:
            _serve_in_several(config, server, sock)
        else:
            server.run([sock])
    except KeyboardInterrupt:  # uvicorn has ended in order, and says so again
        pass
    except SystemExit as error:
        raise GitRunsError("the server did not start: what is above says why", kind="server-failed") from error
    finally:
        signal.signal(signal.SIGTERM, before)
        if shared is not None:
            shared.cleanup()
        if settings.unix_socket is not None:
            settings.unix_socket.unlink(missing_ok=True)


def _end(*_: object) -> None:
    raise KeyboardInterrupt


def _serve_in_several(config: Config, server: Server, sock: socket.socket) -> None:
    from uvicorn.supervisors import Multiprocess

    more = {"target": server.run} if "target" in inspect.signature(Multiprocess).parameters else {}
    Multiprocess(config, sockets=[sock], **more).run()


def _config(settings: ServerSettings) -> Config:
    import uvicorn

    from gitruns.server.connection import Connection
    from gitruns.server.worker import make_app

    return uvicorn.Config(
        partial(make_app, settings),
        factory=True,
        workers=settings.workers,
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
