"""How an answer goes out: its bytes, and the headers that every answer has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import orjson

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

NO_PAGE = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
"""Nothing that we answer is a page, whatever a browser makes of it; pages of ours bring a policy of their own."""

ALWAYS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
UNLESS_GIVEN: Mapping[bytes, bytes] = {b"content-security-policy": NO_PAGE, b"cache-control": b"no-store"}
"""What a route may say otherwise."""

JSON_TYPE = (b"content-type", b"application/json")
_JSON_HEADERS: Headers = (JSON_TYPE, *ALWAYS, *UNLESS_GIVEN.items())


def as_bytes(value: Mapping[str, Any]) -> bytes:
    """Returns a JSON object as it is sent."""
    return orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATACLASS)


def with_defaults(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Returns the headers of an answer, and those that every answer has; these cannot be given otherwise."""
    fixed = {name for name, _ in ALWAYS}
    own = [(name.lower(), value) for name, value in headers if name.lower() not in fixed]
    given = {name for name, _ in own}
    return [*own, *ALWAYS, *((name, value) for name, value in UNLESS_GIVEN.items() if name not in given)]


def error_body(code: str, message: str) -> bytes:
    """Returns an error as MLflow's clients read it."""
    return as_bytes({"error_code": code, "message": message})


async def send_json(send: Send, status: int, body: bytes, more: Headers = ()) -> None:
    """Sends JSON that is bytes already."""
    headers = [*_JSON_HEADERS, *more, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
