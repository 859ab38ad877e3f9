"""Which names this server answers to, and which pages may write to it.

A page of another site can have its own name lead to 127.0.0.1, and so have a browser talk to us: the name that the
browser then says in `Host` is not one of ours. And a browser says in `Origin` on behalf of which page it writes.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from functools import lru_cache

from gitruns.server.addresses import same_address
from gitruns.server.bodies import Refusal
from gitruns.server.requests import Request

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST = re.compile(rb"(?P<name>\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?\Z")


class Hosts:
    """Checks `Host` and `Origin`. `allowed` are names beside those of this machine."""

    def __init__(self, allowed: Collection[str], *, loopback_only: bool) -> None:
        names = {name.lower() for name in allowed} | LOOPBACK
        if not loopback_only:
            names |= {socket.gethostname().lower()}
        self._names = frozenset(names)
        self._is_ours = lru_cache(maxsize=1024)(self._look)

    def check(self, request: Request) -> str:
        """Returns the name and port that the client calls us by; raises `Refusal`."""
        given = request.headers.get(b"host", b"")
        server = request.scope.get("server")
        if not self._is_ours(given, server[0] if server else None):
            shown = given.decode("ascii", "replace")[:100]
            raise Refusal(
                403,
                "PERMISSION_DENIED",
                f"this server is not called '{shown}': start it with --allowed-host NAME if it is",
            )
        host = given.decode("ascii")
        if request.changes:
            self._check_origin(request, host)
        return host

    def _look(self, given: bytes, local: str | None) -> bool:
        match = _HOST.match(given)
        if match is None:
            return False
        name = match["name"].decode("ascii").lower()
        # A name can be led to any address, but an address is no name: it is ours if the client is connected to it.
        return name in self._names or (local is not None and same_address(name, local))

    def _check_origin(self, request: Request, host: str) -> None:
        origin = request.headers.get(b"origin")
        site = request.headers.get(b"sec-fetch-site", b"same-origin")
        if origin is not None:
            scheme, _, place = origin.decode("latin-1").partition("://")
            same = scheme in ("http", "https") and place.lower() == host.lower()
        else:
            same = site in (b"same-origin", b"none")
        if not same or site == b"cross-site":
            raise Refusal(403, "PERMISSION_DENIED", "a page of another site may not write here")
