"""Whom git shall name as author of a run: what git would say, and login and host where git would ask."""

from __future__ import annotations

import os
import pwd
import socket
import time
from collections.abc import Callable, Mapping

from gitruns.entities.run import Identity
from gitruns.gitstore.objects import clean_name


def find_identity(
    environ: Mapping[str, str], config: Callable[[str], str | None], now_s: float | None = None
) -> Identity:
    """Returns the identity by git's rules: `GIT_AUTHOR_*`, then `author.*`, then `user.*`, then `EMAIL`.

    Without any, a run must still be logged: login and host stand in. `now_s` (seconds, default now) picks the offset.
    """
    login = _login(environ)
    name = environ.get("GIT_AUTHOR_NAME") or config("author.name") or config("user.name") or login
    email = (
        environ.get("GIT_AUTHOR_EMAIL")
        or config("author.email")
        or config("user.email")
        or environ.get("EMAIL")
        or f"{login}@{socket.gethostname()}"
    )
    return Identity(
        name=clean_name(name) or login,
        email=clean_name(email) or f"{login}@localhost",
        utc_offset_minutes=time.localtime(now_s).tm_gmtoff // 60,
    )


def _login(environ: Mapping[str, str]) -> str:
    try:
        login = pwd.getpwuid(os.getuid()).pw_name
    except (KeyError, ImportError):  # a container's user without a name
        login = environ.get("USER") or environ.get("LOGNAME") or "unknown"
    return clean_name(login) or "unknown"
