"""The ways in, tried one after the other: what a request brings to say who it is, or nothing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from gitruns.server.auth.people import Person
from gitruns.server.auth.proxy import TrustedProxy
from gitruns.server.auth.tokens import TokenChecker
from gitruns.server.bodies import Refusal
from gitruns.server.requests import Request

CHALLENGE = ((b"www-authenticate", b'Basic realm="gitruns", charset="UTF-8"'),)
MAX_CREDENTIAL = 1 << 14

Check = Callable[[str], "Person | None"]


def unauthenticated(message: str) -> Refusal:
    """Returns the refusal of somebody whom we do not know."""
    return Refusal(401, "UNAUTHENTICATED", message, headers=CHALLENGE)


class Doors:
    """Says who made a request. `oidc` checks what looks like a token that a provider has signed, and may be slow."""

    def __init__(
        self, tokens: TokenChecker | None = None, proxy: TrustedProxy | None = None, oidc: Check | None = None
    ) -> None:
        self._tokens = tokens
        self._proxy = proxy
        self._oidc = oidc

    def at_once(self, request: Request) -> Person | str | None:
        """Returns who it is; None when the request says nothing; or a signed token, which `later` has to look at.

        Raises `Refusal` for a token that is not good, even where nobody needs one: it would be taken for accepted.
        """
        given = request.text(b"authorization")
        if given:
            return self._by_authorization(given)
        return self._proxy.person(request) if self._proxy is not None else None

    def _by_authorization(self, given: str) -> Person | str:
        credential = _credential(given)
        found = self._tokens.find(credential) if self._tokens is not None else None
        if found is not None:
            return found
        if self._oidc is not None and credential.count(".") == 2:
            return credential
        raise unauthenticated("this token is not known here, or is over")

    def later(self, signed: str) -> Person:
        """Returns whom a signed token stands for; asks the provider for its keys when they are not known yet."""
        found = self._oidc(signed) if self._oidc is not None else None
        if found is None:
            raise unauthenticated("this token is not signed by the provider that we trust, or is over")
        return found


def _credential(given: str) -> str:
    """Returns the token that is the Bearer token, or the password of a user."""
    scheme, _, text = given.partition(" ")
    if len(text) <= MAX_CREDENTIAL and scheme.lower() == "bearer":
        return text.strip()
    if len(text) <= MAX_CREDENTIAL and scheme.lower() == "basic":
        try:
            _, colon, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            colon = ""
        if colon:
            return password
    raise unauthenticated("send a token: as Bearer token, or as the password of any user")
