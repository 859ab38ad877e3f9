"""People whom an OpenID provider vouches for: a token that it has signed, made out for us. Source: OpenID Connect Core.

Only signatures with a key pair count. A token is looked at once a minute; keys are fetched when they are not known, and
not more often than once a minute, so that nobody can have us ask the provider for every request.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from gitruns.errors import InvalidInputError
from gitruns.server.addresses import is_loopback
from gitruns.server.auth.people import Person
from gitruns.server.calls import Role

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

    from gitruns.server.settings import OidcSettings

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_S = 60
_KEEP_S = 60.0
_FETCH_EVERY_S = 60.0
_MAX_KEPT = 4096
_MAX_TEXT = 250
_MAX_ANSWER_BYTES = 1 << 20


def check_issuer(issuer: str) -> None:
    """Raises `InvalidInputError` for an address that is not safe to ask for keys, or without what checks them."""
    parts = urlsplit(issuer)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))):
        raise InvalidInputError(
            f"'{issuer}' is no address of a provider", kind="bad-issuer", hint="as in https://login.example.org"
        )
    try:
        import joserfc  # noqa: F401
    except ImportError as error:
        raise InvalidInputError(
            "signed tokens need the package 'joserfc'", kind="extra-missing", hint="pip install 'gitruns[oidc]'"
        ) from error


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follows nowhere: keys are taken from where the provider says that they are, and from nobody else."""


class OidcChecker:
    """Checks the tokens of one provider, for all threads."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._keys: KeySet | None = None
        self._fetched_s = float("-inf")
        self._known: OrderedDict[str, tuple[float, Person]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, signed: str) -> Person | None:
        """Returns whom a signed token stands for, None for one that does not count. May ask the provider for keys."""
        now = time.time()
        with self._lock:
            kept = self._known.get(signed)
        if kept is not None and now < kept[0]:
            return kept[1]
        claims = self._claims(signed)
        person = None if claims is None else self._person(claims)
        if claims is not None and person is not None:
            self._keep(signed, person, min(now + _KEEP_S, float(claims["exp"])))
        return person

    def _keep(self, signed: str, person: Person, until_s: float) -> None:
        with self._lock:
            self._known[signed] = (until_s, person)
            while len(self._known) > _MAX_KEPT:
                self._known.popitem(last=False)

    def _claims(self, signed: str) -> Mapping[str, Any] | None:
        from joserfc import jwt
        from joserfc.errors import JoseError

        keys = self._known_keys(fresh=False)
        for attempt in range(2):
            if keys is None:
                return None
            try:
                claims = jwt.decode(signed, keys, algorithms=list(ALGORITHMS)).claims
                self._check(claims)
                return claims
            except (JoseError, ValueError, TypeError, KeyError):
                fetched_s = self._fetched_s
                keys = self._known_keys(fresh=True) if attempt == 0 else None
                if fetched_s == self._fetched_s:  # the same keys again
                    return None
        return None

    def _check(self, claims: dict[str, Any]) -> None:
        from joserfc.jwt import JWTClaimsRegistry

        settings = self._settings
        JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.audience},
            sub={"essential": True},
            exp={"essential": True},
        ).validate(claims)

    def _person(self, claims: Mapping[str, Any]) -> Person | None:
        subject = str(claims["sub"])
        email = claims.get("email")
        if not isinstance(email, str) or claims.get("email_verified") is False:
            email = f"{subject}@{urlsplit(self._settings.issuer).hostname}"
        names = [claims[key] for key in ("name", "preferred_username") if isinstance(claims.get(key), str)]
        role = self._role(claims.get(self._settings.role_claim))
        name = names[0] if names else subject
        return None if role is None else Person(name[:_MAX_TEXT], email[:_MAX_TEXT], role)

    def _role(self, claim: object) -> Role | None:
        """Returns the highest role that a claim names, ours without a claim, None for a claim without a role."""
        if claim is None:
            return self._settings.role
        names = claim if isinstance(claim, list) else [claim]
        roles = [Role[name.upper()] for name in names if name in ("reader", "writer", "admin")]
        return max(roles, default=None)

    def _known_keys(self, *, fresh: bool) -> KeySet | None:
        with self._lock:
            old_enough = time.monotonic() - self._fetched_s >= _FETCH_EVERY_S
            if (self._keys is None or fresh) and old_enough:
                self._fetched_s = time.monotonic()
                self._keys = self._fetch_keys() or self._keys
            return self._keys

    def _fetch_keys(self) -> KeySet | None:
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        issuer = self._settings.issuer
        try:
            about = _get_json(issuer.rstrip("/") + "/.well-known/openid-configuration")
            if about["issuer"] != issuer:
                return None
            address = about["jwks_uri"]
            check_issuer(address)
            keys: KeySet = KeySet.import_key_set(_get_json(address))
            return keys
        except (OSError, ValueError, KeyError, TypeError, JoseError):
            return None


def _get_json(address: str) -> Any:
    request = Request(address, headers={"Accept": "application/json"})  # noqa: S310  check_issuer has seen it
    with build_opener(_NoRedirect).open(request, timeout=10) as answer:
        return json.loads(answer.read(_MAX_ANSWER_BYTES))
