"""The body of a request: read within limits of size and time, and taken for JSON only if it says that it is."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import orjson

from gitruns.protocol.errors import ProtocolError, refused

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

T = TypeVar("T")
MAX_DEPTH = 48
BODY_TIMEOUT_S = 30.0


class ClientGoneError(Exception):
    """The client went away before it had sent all: there is nobody to answer."""


class Refusal(Exception):  # noqa: N818  it is no fault of ours, and read as what it is where it is caught
    """A refusal with a status of HTTP's own, one that MLflow's codes do not stand for."""

    def __init__(self, status: int, code: str, message: str, *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


def too_large(limit: int) -> Refusal:
    """Returns the refusal of a body that is larger than its route takes."""
    return Refusal(413, "BAD_REQUEST", f"the body is larger than the {limit:,} bytes that this call takes")


def declared_length(headers: Mapping[bytes, bytes]) -> int | None:
    """Returns what a request says of the length of its body; nobody means a number of more than 18 digits."""
    text = headers.get(b"content-length", b"")
    return int(text[:19]) if text.isdigit() else None


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """Returns the whole body; raises `Refusal` when it is too large or slow, `ClientGoneError` when it breaks off."""
    declared = declared_length(headers)
    if declared is not None and declared > limit:
        raise too_large(limit)
    if declared == 0:
        return b""
    deadline = asyncio.get_running_loop().time() + BODY_TIMEOUT_S
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await next_piece(receive, deadline)
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit:
            raise too_large(limit)
        if not message.get("more_body"):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def next_piece(receive: Receive, deadline: float) -> Mapping[str, Any]:
    """Returns the next piece of a body; raises `Refusal` when it has not come by the deadline (time of the loop)."""
    try:
        message = await before(deadline, receive())
    except TimeoutError:
        close = ((b"connection", b"close"),)
        raise Refusal(408, "BAD_REQUEST", "the body of the request did not come in time", headers=close) from None
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message


async def before(deadline: float, waited_for: Awaitable[T]) -> T:
    """Returns what is waited for; raises `TimeoutError` when it has not come by the deadline (time of the loop).

    A timer that ends our own task costs a microsecond; `asyncio.wait_for` would make a task for every request.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  we are a coroutine
    late = False

    def give_up() -> None:
        nonlocal late
        late = True
        task.cancel()

    timer = asyncio.get_running_loop().call_at(deadline, give_up)
    try:
        return await waited_for
    except asyncio.CancelledError:
        if not late:
            raise
        if sys.version_info >= (3, 11):
            task.uncancel()
        raise TimeoutError from None
    finally:
        timer.cancel()


def check_content_type(method: str, headers: Mapping[bytes, bytes], body: bytes) -> None:
    """Raises `ProtocolError` unless a request that changes something says that it is JSON, as MLflow's server does.

    A page of another site can have a browser send anything but this content type without asking us first.
    """
    given = headers.get(b"content-type")
    if given is None:
        if method in ("POST", "PUT") or body:
            raise refused("Bad Request. Content-Type header is missing.")
        return
    if given.split(b";")[0].strip().lower() != b"application/json":
        raise refused("Bad Request. Content-Type must be one of ['application/json'].")


def parse_object(body: bytes) -> dict[str, Any]:
    """Returns the JSON object that a body is, an empty one for no body; raises `ProtocolError`.

    Old clients send their JSON as text within JSON, which is read a second time.
    """
    if not body or body.isspace():
        return {}
    value = _parsed(body)
    if isinstance(value, str):
        value = _parsed(value.encode("utf-8", "surrogatepass"))
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refused("Bad Request. The body must be a JSON object.")
    return value


def _parsed(body: bytes) -> Any:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        value = _parsed_slowly(body, error)
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _check_depth(value)
    return value


def _parsed_slowly(body: bytes, error: Exception) -> Any:
    """Python's own clients write NaN as a bare word; everything else that orjson refuses is refused."""
    if b"NaN" in body or b"Infinity" in body:
        try:
            return json.loads(body.decode())
        except (ValueError, RecursionError):
            pass
    raise _not_json(error) from None


def _not_json(error: Exception) -> ProtocolError:
    return refused(f"Bad Request. The body is not JSON: {str(error)[:200]}", "BAD_REQUEST")


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, (dict, list))]:
        depth += 1
        if depth > MAX_DEPTH:
            raise refused(f"Bad Request. The body is nested deeper than {MAX_DEPTH} levels.", "BAD_REQUEST")
        level = [item for holder in level for item in (holder.values() if isinstance(holder, dict) else holder)]
