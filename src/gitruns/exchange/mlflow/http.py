"""Asks an MLflow server by plain HTTP: JSON in and out, credentials as MLflow's client sends them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from gitruns.errors import AccessDeniedError, CorruptDataError, NotFoundError, RemoteError
from gitruns.exchange.extras import import_extra
from gitruns.exchange.fitting import without_credentials

MAX_ANSWER_BYTES = 256 * 1024 * 1024
_CHUNK = 1 << 20
_TRUE = frozenset({"true", "1"})
_TIMEOUT_S = 120.0


class MlflowHttp:
    """A server at one address. An answer that says nothing useful raises; what may come right is tried again."""

    def __init__(self, address: str, environ: Mapping[str, str]) -> None:
        self._urllib3 = import_extra("urllib3", "http", "reading from a server")
        parts = urlsplit(address)
        self._base = without_credentials(address).rstrip("/")
        self.shown = self._base
        user = environ.get("MLFLOW_TRACKING_USERNAME") or parts.username
        password = environ.get("MLFLOW_TRACKING_PASSWORD") or parts.password
        token = environ.get("MLFLOW_TRACKING_TOKEN")
        self._headers: dict[str, str] = {"User-Agent": "gitruns"}
        if user and password:
            self._headers |= self._urllib3.make_headers(basic_auth=f"{user}:{password}")
        elif token:
            self._headers["Authorization"] = f"Bearer {token}"
        retries = self._urllib3.Retry(
            total=5,
            connect=2,
            redirect=0,
            backoff_factor=0.3,
            status_forcelist=(429, 502, 503, 504),
            allowed_methods=None,
        )
        self._pool = self._urllib3.PoolManager(retries=retries, timeout=_TIMEOUT_S, **_certificates(environ))

    def get(self, path: str, fields: Mapping[str, Any], *, missing_ok: bool = False) -> dict[str, Any]:
        """Returns what a GET answers; empty for one that the server does not know, where that is fine."""
        return self._json("GET", path, missing_ok, fields=_listed(fields))

    def post(self, path: str, body: Mapping[str, Any], *, missing_ok: bool = False) -> dict[str, Any]:
        """Returns what a POST answers; empty for one that the server does not know, where that is fine."""
        return self._json("POST", path, missing_ok, json=dict(body))

    def stream(self, path: str, fields: Mapping[str, Any]) -> Iterator[bytes]:
        """Yields the bytes that a GET answers."""
        response = self._ask("GET", path, preload_content=False, fields=_listed(fields))
        try:
            if response.status != 200:
                raise self._error(response.status, path, response.read(2000))
            yield from response.stream(_CHUNK)
        except self._urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error
        finally:
            response.release_conn()

    def _json(self, method: str, path: str, missing_ok: bool, **how: Any) -> dict[str, Any]:
        response = self._ask(method, path, preload_content=False, **how)
        try:
            data = response.read(MAX_ANSWER_BYTES + 1)
        except self._urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error
        finally:
            response.release_conn()
        if response.status in (404, 405) and missing_ok:
            return {}
        if response.status != 200:
            raise self._error(response.status, path, data[:2000])
        try:
            answer = json.loads(data) if len(data) <= MAX_ANSWER_BYTES else None
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise CorruptDataError(f"'{self.shown}{path}' did not answer as MLflow does", kind="bad-source")
        return answer

    def _ask(self, method: str, path: str, **how: Any) -> Any:
        try:
            return self._pool.request(method, self._base + path, headers=self._headers, **how)
        except self._urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> RemoteError:
        reason = getattr(error, "reason", None) or error
        told = without_credentials(str(reason)).rpartition(": ")[2][:200]
        return RemoteError(f"cannot reach '{self.shown}': {told}", kind="source-unreachable", retryable=True)

    def _error(self, status: int, path: str, data: bytes) -> Exception:
        try:
            told = str(json.loads(data).get("message", ""))[:200]
        except (ValueError, AttributeError):
            told = ""
        message = f"'{self.shown}{path}' answered {status}" + (f": {told}" if told else "")
        if status in (401, 403):
            return AccessDeniedError(
                message,
                kind="source-refused",
                hint="set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
            )
        if status == 404:
            return NotFoundError(message, kind="source-not-found")
        return RemoteError(message, kind="source-unreachable", retryable=status >= 500)

    def close(self) -> None:
        """Ends the connections."""
        self._pool.clear()


def _listed(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key, str(value)) for key, value in fields.items() if value is not None]


def _certificates(environ: Mapping[str, str]) -> dict[str, Any]:
    """Returns how the server's certificate is checked, by MLflow's variables."""
    if environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in _TRUE:
        return {"cert_reqs": "CERT_NONE"}
    path = environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    client = environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH")
    found: dict[str, Any] = {"ca_certs": path} if path and os.path.exists(path) else {}  # noqa: PTH110  text, as given
    return found | ({"cert_file": client} if client else {})


def path_part(text: str) -> str:
    """Returns a text as one part of a path of an address."""
    return quote(text, safe="")
