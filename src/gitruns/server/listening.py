"""The socket that a server listens on, made before anything else so that a port that is taken is said at once."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from gitruns.errors import AccessDeniedError, GitRunsError, InvalidInputError, LockedError
from gitruns.server.settings import ServerSettings

_BACKLOG = 2048


def listen(settings: ServerSettings) -> socket.socket:
    """Returns a socket that is bound; raises `LockedError` (kind `address-in-use`) when another program has it."""
    if settings.unix_socket is not None:
        return _on_file(settings.unix_socket)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host.strip("[]"), settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise InvalidInputError(
            f"cannot serve on '{settings.host}': it is no address of this machine", kind="bad-host"
        ) from error
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise _cannot(settings, error) from error
    made.set_inheritable(True)
    return made


def _cannot(settings: ServerSettings, error: OSError) -> GitRunsError:
    place = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return LockedError(
            f"cannot serve on '{place}': another program listens there",
            kind="address-in-use",
            hint=f"choose another port: git runs server --port {settings.port + 1}",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return InvalidInputError(f"cannot serve on '{place}': it is no address of this machine", kind="bad-host")
    return AccessDeniedError(f"cannot serve on '{place}': {(error.strerror or str(error)).lower()}")


def _on_file(path: Path) -> socket.socket:
    """Makes a socket that only its owner can connect to; one that a server left behind is taken away."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(path)
        before = os.umask(0o177)
        try:
            made.bind(str(path))
        finally:
            os.umask(before)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise AccessDeniedError(f"cannot serve on '{path}': {(error.strerror or str(error)).lower()}") from error
    made.set_inheritable(True)
    return made


def _clear(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise InvalidInputError(f"cannot serve on '{path}': it is there, and is no socket", kind="bad-socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise LockedError(f"cannot serve on '{path}': another server listens there", kind="address-in-use")
