"""Where the answer to one request goes out, whatever a call has returned; it knows what was answered, for the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import Any

from gitruns.errors import InternalError
from gitruns.server.answers import Headers, Send, as_bytes, error_body, send_json, with_defaults
from gitruns.server.bodies import ClientGoneError, Receive, before
from gitruns.server.calls import Answer, Download, Result
from gitruns.server.downloads import download_head, has_already, pieces_of
from gitruns.server.requests import Request

SEND_TIMEOUT_S = 60.0
"""How long a client may leave what we send unread before it is given up."""


class Outlet:
    """Sends one answer. `message` is the name of the call, `who` the address of its caller."""

    __slots__ = ("_send", "message", "size", "started", "status", "who")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.message = ""
        self.who = ""
        self.status = 500
        self.size = 0
        self.started = False

    async def json(self, body: bytes, status: int = 200, more: Headers = ()) -> None:
        """Sends a JSON body."""
        self.status, self.size, self.started = status, len(body), True
        await send_json(self._send, status, body, more)

    async def refuse(self, status: int, code: str, message: str, more: Headers = ()) -> None:
        """Sends an error; when an answer has begun already, breaks it off, so that nobody takes it for whole."""
        if self.started:
            raise InternalError(f"an answer broke off: {message}")
        await self.json(error_body(code, message), status, more)

    async def start(self, status: int, headers: Headers) -> None:
        """Sends the head of an answer; our own headers go with it."""
        self.status, self.started = status, True
        await self._send({"type": "http.response.start", "status": status, "headers": with_defaults(headers)})

    async def body(self, piece: bytes, *, more: bool) -> None:
        """Sends a piece of the body; raises `ClientGoneError` when nobody takes it."""
        self.size += len(piece)
        deadline = asyncio.get_running_loop().time() + SEND_TIMEOUT_S
        message = {"type": "http.response.body", "body": piece, "more_body": more}
        try:
            await before(deadline, self._send(message))
        except TimeoutError:
            raise ClientGoneError from None

    async def pass_on(self, message: Mapping[str, Any]) -> None:
        """Sends what a response of Starlette's says."""
        if message["type"] == "http.response.start":
            await self.start(message["status"], tuple(message.get("headers", ())))
        elif message["type"] == "http.response.body":
            await self.body(message.get("body", b""), more=bool(message.get("more_body")))


async def deliver(result: Result, request: Request, receive: Receive, outlet: Outlet, pool: Executor) -> None:
    """Sends what a call has returned."""
    if isinstance(result, Download):
        await _deliver_file(result, request, outlet, pool)
    elif isinstance(result, Answer):
        await _deliver_answer(result, request, outlet, pool)
    elif isinstance(result, Mapping):
        await outlet.json(as_bytes(result))
    else:
        respond: Callable[..., Awaitable[None]] = result
        await respond(request.scope, receive, outlet.pass_on)


async def _deliver_answer(answer: Answer, request: Request, outlet: Outlet, pool: Executor) -> None:
    headers = tuple((name.lower().encode("ascii"), text.encode("latin-1")) for name, text in answer.headers.items())
    if answer.status == 200 and has_already(request, answer.headers.get("etag", "")):
        await outlet.start(304, headers)
        await outlet.body(b"", more=False)
        return
    headers = ((b"content-type", answer.content_type.encode("ascii")), *headers)
    if isinstance(answer.body, bytes):
        await outlet.start(answer.status, (*headers, (b"content-length", str(len(answer.body)).encode())))
        await outlet.body(answer.body, more=False)
        return
    loop = asyncio.get_running_loop()
    await outlet.start(answer.status, headers)
    pieces = answer.body
    while (piece := await loop.run_in_executor(pool, next, pieces, None)) is not None:
        await outlet.body(piece, more=True)
    await outlet.body(b"", more=False)


async def _deliver_file(file: Download, request: Request, outlet: Outlet, pool: Executor) -> None:
    head = download_head(file, request)
    if not head.length or request.method == "HEAD":
        await outlet.start(head.status, head.headers)
        await outlet.body(b"", more=False)
        return
    loop = asyncio.get_running_loop()
    pieces = pieces_of(file, head.first, head.length)
    try:
        piece = await loop.run_in_executor(pool, next, pieces, b"")
        await outlet.start(head.status, head.headers)  # only now: what cannot be opened is an error that is said
        while piece:
            await outlet.body(piece, more=True)
            piece = await loop.run_in_executor(pool, next, pieces, b"")
        await outlet.body(b"", more=False)
    finally:
        await loop.run_in_executor(pool, pieces.close)
