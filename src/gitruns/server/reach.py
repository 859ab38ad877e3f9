"""Who can reach a server: alone this machine, or others, who have to say who they are."""

from __future__ import annotations

from gitruns.errors import InvalidInputError
from gitruns.server.addresses import is_loopback
from gitruns.server.auth.token_file import read_tokens
from gitruns.server.hosts import LOOPBACK
from gitruns.server.settings import ServerSettings


def only_this_machine(settings: ServerSettings) -> bool:
    """Returns whether nobody else reaches us, and so nobody needs a token.

    A name that is not this machine's own, or a proxy, means that others do.
    """
    if settings.proxy is not None or settings.oidc is not None or not set(settings.allowed_hosts) <= LOOPBACK:
        return False
    return settings.unix_socket is not None or is_loopback(settings.host)


def check_reach(settings: ServerSettings) -> None:
    """Raises `InvalidInputError` (kind `token-needed`) when others would reach a server that lets nobody in."""
    if settings.open_to_all or settings.proxy is not None or settings.oidc is not None:
        return
    if settings.token_file is not None and read_tokens(settings.token_file):
        return
    raise InvalidInputError(
        f"cannot serve on '{settings.host}' to others: no token was made yet",
        kind="token-needed",
        hint="git runs server token create --role writer",
    )
