"""People whom a proxy in front of us has checked: it says in a header who they are."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from gitruns.errors import InvalidInputError
from gitruns.server.addresses import Network, is_in
from gitruns.server.auth.people import Person
from gitruns.server.calls import Role
from gitruns.server.requests import Request

UNIX = "unix"
"""Stands for whoever can connect to our unix socket."""


class TrustedProxy:
    """Takes the word of some addresses, in one header. From elsewhere the header is as if it were not there."""

    def __init__(self, header: str, addresses: Collection[str], role: Role) -> None:
        self._header = header.lower().encode("ascii")
        self._networks = tuple(parse_network(text) for text in addresses if text != UNIX)
        self._unix = UNIX in addresses
        self._role = role

    def person(self, request: Request) -> Person | None:
        """Returns whom the proxy names; None when it names nobody, or it is not the proxy that asks."""
        if not self._trusts(request.peer):
            return None
        given = [value for name, value in request.scope["headers"] if name == self._header]
        try:
            name = given[0].decode("utf-8").strip() if len(given) == 1 else ""  # twice: one is the client's own
        except UnicodeDecodeError:
            return None
        if not name or not name.isprintable() or len(name) > 250:
            return None
        return Person(name.partition("@")[0] or name, name if "@" in name else f"{name}@localhost", self._role)

    def _trusts(self, peer: str) -> bool:
        if not peer:
            return self._unix
        return is_in(peer, self._networks)


def parse_network(text: str) -> Network:
    """Returns the addresses that a text names, one or a network; raises `InvalidInputError` (kind `bad-proxy`)."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise InvalidInputError(
            f"'{text}' is no address of a proxy", kind="bad-proxy", hint="as in 10.0.0.1, 10.0.0.0/24, or unix"
        ) from error
