"""Tokens that an OpenID provider has signed: a provider of our own, over real HTTP, with real keys."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from gitruns.errors import InvalidInputError
from gitruns.server.auth.oidc import OidcChecker, check_issuer
from gitruns.server.calls import Role
from gitruns.server.settings import OidcSettings
from server.serving import bearer, serving

AUDIENCE = "runs"
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})


class Provider:
    """Answers what an OpenID provider answers, and counts how often it is asked for its keys."""

    def __init__(self) -> None:
        provider = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                body = provider.pages.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Answers)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.asked: list[str] = []
        self.pages: dict[str, Any] = {
            "/.well-known/openid-configuration": {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"},
            "/keys": KeySet([RSA, EC]).as_dict(private=False),
        }

    def sign(self, key: Any = RSA, algorithm: str = "RS256", **claims: Any) -> str:
        """Returns a token; a claim that is None is left out."""
        now = int(time.time())
        full = {"iss": self.issuer, "aud": AUDIENCE, "sub": "ada", "exp": now + 300, "iat": now, **claims}
        kept = {name: value for name, value in full.items() if value is not None}
        return jwt.encode({"alg": algorithm, "kid": key.kid}, kept, key, algorithms=[algorithm])


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def _checker(provider: Provider) -> OidcChecker:
    return OidcChecker(OidcSettings(issuer=provider.issuer, audience=AUDIENCE))


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256")])
def test_a_signed_token_counts(provider: Provider, key: Any, algorithm: str) -> None:
    signed = provider.sign(
        key, algorithm, email="ada@example.org", name="Ada L", gitruns_role=["x", "reader", "writer"]
    )
    person = _checker(provider).find(signed)
    assert person is not None
    assert (person.name, person.email, person.role) == ("Ada L", "ada@example.org", Role.WRITER)


def test_who_has_no_address_and_no_role_is_named_by_subject_and_provider(provider: Provider) -> None:
    for claims in ({}, {"email": "ada@example.org", "email_verified": False}):
        person = _checker(provider).find(provider.sign(**claims))
        assert person is not None
        assert (person.name, person.email, person.role) == ("ada", "ada@127.0.0.1", Role.READER)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example.org"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": 9_999_999_999},
        {"sub": None},
        {"gitruns_role": "none of ours"},
        {"gitruns_role": []},
        {"gitruns_role": {"a": "admin"}},
    ],
)
def test_a_token_that_is_not_for_us_does_not_count(provider: Provider, claims: dict[str, Any]) -> None:
    assert _checker(provider).find(provider.sign(**claims)) is None


def test_a_signature_that_is_not_the_providers_does_not_count(provider: Provider) -> None:
    checker = _checker(provider)
    other = RSAKey.generate_key(2048, {"kid": "rsa"})
    assert checker.find(provider.sign(other)) is None
    public = json.dumps(RSA.as_dict(private=False)).encode()
    assert checker.find(provider.sign(OctKey.import_key(public.ljust(64), {"kid": "rsa"}), "HS256")) is None
    head, claims, signature = provider.sign().split(".")
    for signed in (
        f"{head}.{claims}.",
        f"eyJhbGciOiJub25lIn0.{claims}.",
        f"{head}.{claims}.{signature[:-4]}AAAA",
        "a.b.c",
    ):
        assert checker.find(signed) is None


def test_keys_are_fetched_when_they_are_needed_and_not_for_every_request(provider: Provider) -> None:
    checker = _checker(provider)
    for count in range(20):
        assert checker.find(provider.sign(sub=f"ada{count}")) is not None
        assert checker.find("a.b.c") is None
    assert provider.asked.count("/keys") == 1


def test_a_provider_that_answers_nonsense_lets_nobody_in(provider: Provider) -> None:
    for page in (None, [], {}, {"issuer": "https://elsewhere.example.org", "jwks_uri": f"{provider.issuer}/keys"}):
        provider.pages["/.well-known/openid-configuration"] = page
        assert _checker(provider).find(provider.sign()) is None
    about = {"issuer": provider.issuer, "jwks_uri": "file:///etc/passwd"}
    provider.pages["/.well-known/openid-configuration"] = about
    assert _checker(provider).find(provider.sign()) is None


@pytest.mark.parametrize("issuer", ["", "login.example.org", "http://login.example.org", "file:///etc/passwd"])
def test_keys_come_only_over_https(issuer: str) -> None:
    with pytest.raises(InvalidInputError):
        check_issuer(issuer)


def test_a_server_takes_signed_tokens(provider: Provider, git_repo: Path, tmp_path: Path) -> None:
    options = ["--oidc-issuer", provider.issuer, "--oidc-audience", AUDIENCE]
    with serving(git_repo, tmp_path / "log", *options) as server:
        signed = provider.sign(gitruns_role="writer")
        made = server.post("/api/2.0/mlflow/experiments/create", {"name": "ada's"}, bearer(signed))
        assert made.status == 200
        assert server.post("/api/2.0/mlflow/experiments/create", {"name": "b"}, bearer(provider.sign())).status == 403
        assert (
            server.post("/api/2.0/mlflow/experiments/create", {"name": "b"}, bearer(provider.sign(exp=1))).status == 401
        )
        assert server.post("/api/2.0/mlflow/experiments/create", {"name": "b"}).status == 401
