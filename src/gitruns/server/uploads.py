"""The body of an upload as a stream that a worker thread reads while it still comes in."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from typing import Any

from gitruns.server.bodies import (
    BODY_TIMEOUT_S,
    ClientGoneError,
    Receive,
    Refusal,
    declared_length,
    next_piece,
    too_large,
)
from gitruns.server.calls import Result, StreamCall, Upload
from gitruns.server.requests import Request

AT_ONCE_BYTES = 1 << 20
MIN_BYTES_PER_S = 1 << 12
"""Who sends more slowly than this is given up: they hold a thread."""


class Incoming(io.RawIOBase):
    """A body whose beginning is here. Every further read waits for the event loop to bring the next piece."""

    def __init__(self, beginning: bytes, receive: Receive, length: int | None, limit: int | None) -> None:
        super().__init__()
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._length = length
        self._limit = limit
        self._started_s = time.monotonic()
        self._piece = memoryview(beginning)
        self._more = True
        self._coming: Future[Any] | None = None
        self.taken = len(beginning)

    def readable(self) -> bool:
        """Returns that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads some bytes; raises `Refusal` or `ClientGoneError` when they do not come as they should."""
        while not self._piece and self._more:
            self._fetch()
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def _fetch(self) -> None:
        self._coming = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        try:
            message = self._coming.result()
        except CancelledError:
            raise ClientGoneError from None
        self._piece = memoryview(message.get("body", b""))
        self._more = bool(message.get("more_body"))
        self.taken += len(self._piece)
        if self._limit is not None and self.taken > self._limit:
            raise too_large(self._limit)
        if not self._more and self._length is not None and self.taken != self._length:
            raise ClientGoneError
        slowest_s = BODY_TIMEOUT_S + self.taken / MIN_BYTES_PER_S
        if self._more and time.monotonic() - self._started_s > slowest_s:
            raise Refusal(408, "BAD_REQUEST", "the body of the request comes too slowly")

    def abandon(self) -> None:
        """Has the thread that reads end: nobody waits for what it does any more. To be called by the event loop."""
        if self._coming is not None:
            self._coming.cancel()

    async def _next(self) -> Any:
        return await next_piece(self._receive, self._loop.time() + BODY_TIMEOUT_S)


async def _beginning(receive: Receive, limit: int | None) -> tuple[bytes, bool]:
    """Returns the first part of a body, and whether more follows."""
    deadline = asyncio.get_running_loop().time() + BODY_TIMEOUT_S
    pieces: list[bytes] = []
    size, more = 0, True
    while more and size < AT_ONCE_BYTES:
        message = await next_piece(receive, deadline)
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        more = bool(message.get("more_body"))
        if limit is not None and size > limit:
            raise too_large(limit)
    return b"".join(pieces), more


async def receive_upload(
    call: StreamCall, request: Request, receive: Receive, run: Callable[[Upload], Awaitable[Result]]
) -> Result:
    """Makes a call with the body of a request: the beginning is read first, so that no thread waits for little."""
    length = declared_length(request.headers)
    if length is not None and call.limit_bytes is not None and length > call.limit_bytes:
        raise too_large(call.limit_bytes)
    names = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in request.headers.items()
        if name != b"authorization"
    }
    kind = request.text(b"content-type")
    beginning, more = await _beginning(receive, call.limit_bytes) if request.has_body else (b"", False)
    if not more:
        return await run(Upload(io.BytesIO(beginning), len(beginning), kind, names))
    incoming = Incoming(beginning, receive, length, call.limit_bytes)
    try:
        return await run(Upload(io.BufferedReader(incoming, 1 << 16), length, kind, names))
    except asyncio.CancelledError:
        incoming.abandon()
        raise
