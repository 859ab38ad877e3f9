"""The frame as an ASGI application: a request is let in, its route found, its fields checked, its call made, answered.

Written on ASGI itself: a framework's routing and middleware would cost more than most calls take.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from gitruns.errors import GitRunsError
from gitruns.protocol.errors import ProtocolError, as_protocol_error, refused, status_of
from gitruns.protocol.hub import Hub
from gitruns.repo.acting import acting_as
from gitruns.server.access_log import AccessLog, access_line
from gitruns.server.admission import Admission, Caller
from gitruns.server.answers import Send, as_bytes
from gitruns.server.auth.doors import Doors
from gitruns.server.bodies import ClientGoneError, Receive, Refusal, before, check_content_type, parse_object, read_body
from gitruns.server.calls import AnyCall, Call, Context, Result, Role, StreamCall
from gitruns.server.numbers import Numbers
from gitruns.server.outlet import Outlet, deliver
from gitruns.server.paths import Route, RouteTable
from gitruns.server.requests import Request
from gitruns.server.settings import ServerSettings
from gitruns.server.uploads import receive_upload

_logger = logging.getLogger("gitruns.server")

_END_TIMEOUT_S = 10.0
CLIENT_GONE = 499
"""What the access log says of a client that went away; nobody hears it."""


class App:
    """One worker's server. `begin` opens the repository when the worker starts, and so in the worker's own process."""

    def __init__(
        self,
        settings: ServerSettings,
        calls: Iterable[AnyCall],
        doors: Doors,
        begin: Callable[[], Hub],
        *,
        numbers: Numbers,
        access_log: AccessLog | None = None,
    ) -> None:
        self._settings = settings
        self._table = RouteTable(calls, settings.base_path)
        self._admission = Admission(settings, doors)
        self._begin = begin
        self._numbers = numbers
        self._access_log = access_log
        self._hub: Hub | None = None
        self._working = 0
        self._calls = ThreadPoolExecutor(settings.threads, thread_name_prefix="gitruns-call")
        self._streams = ThreadPoolExecutor(settings.streams, thread_name_prefix="gitruns-stream")

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answers a request, or the server's word that it starts and ends."""
        if scope["type"] == "http":
            await self._answer_and_record(Request(scope), receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    # Beginning and end

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self._hub = self._begin()
        except GitRunsError as error:
            await send({"type": "lifespan.startup.failed", "message": error.message})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._end_threads()
        self._hub.logs.close()  # runs stay open for whoever logs to them next
        if self._access_log is not None:
            self._access_log.flush()
        await send({"type": "lifespan.shutdown.complete"})

    async def _end_threads(self) -> None:
        """Waits for what is being done, which may need this event loop, but not for what does not come to an end."""
        loop = asyncio.get_running_loop()
        for pool in (self._calls, self._streams):
            ended = loop.run_in_executor(None, partial(pool.shutdown, cancel_futures=True))
            with contextlib.suppress(TimeoutError):
                await before(loop.time() + _END_TIMEOUT_S, ended)

    # One request

    async def _answer_and_record(self, request: Request, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        outlet = Outlet(send)
        self._numbers.in_flight += 1
        try:
            await self._answer_whatever_comes(request, receive, outlet)
        finally:
            self._numbers.in_flight -= 1
            seconds = time.perf_counter() - started
            self._numbers.answered(outlet.message, outlet.status, seconds)
            if self._access_log is not None:
                self._log(request, outlet, seconds)

    def _log(self, request: Request, outlet: Outlet, seconds: float) -> None:
        log = self._access_log
        line = access_line(
            request.peer,
            outlet.who,
            request.method,
            request.raw_path,
            outlet.status,
            outlet.size,
            seconds,
            outlet.message,
        )
        if log is not None and log.add(line):
            asyncio.get_running_loop().call_later(0.25, log.flush)

    async def _answer_whatever_comes(self, request: Request, receive: Receive, outlet: Outlet) -> None:
        try:
            await self._answer(request, receive, outlet)
        except ClientGoneError:
            outlet.status = CLIENT_GONE
        except asyncio.CancelledError:  # the server has waited long enough for this, and stops
            if not outlet.started:
                await outlet.refuse(503, "TEMPORARILY_UNAVAILABLE", "the server stops: try again")
        except Refusal as refusal:
            await outlet.refuse(refusal.status, refusal.code, refusal.message, refusal.headers)
        except ProtocolError as error:
            await self._refuse(outlet, error, error)
        except GitRunsError as error:
            await self._refuse(outlet, as_protocol_error(error), error)
        except Exception as error:
            await self._refuse(outlet, ProtocolError("", "INTERNAL_ERROR"), error)

    async def _refuse(self, outlet: Outlet, said: ProtocolError, error: Exception) -> None:
        message = said.message
        if said.code in ("INTERNAL_ERROR", "DATA_LOSS") and not isinstance(error, ProtocolError):
            name = secrets.token_hex(6)
            _logger.error("error %s in %s", name, outlet.message or "a request", exc_info=error)
            message = f"this is a fault of the server; its log says more under {name}"
        await outlet.refuse(status_of(said.code), said.code, message)

    async def _answer(self, request: Request, receive: Receive, outlet: Outlet) -> None:
        caller = await self._admission.caller(request)
        outlet.who = caller.person.email if caller.person is not None else ""
        route, values = self._find(request, caller)
        call = route.call
        outlet.message = call.message
        self._admission.check_role(caller, call)
        context = self._context(request, caller)
        if isinstance(call, StreamCall):
            await self._stream(call, route, values, context, request, receive, outlet)
            return
        fields = await self._fields(call, route, values, request, receive)
        result = await self._call(call, context, fields)
        if isinstance(result, dict):
            await outlet.json(as_bytes(result))
        else:
            await deliver(result, request, receive, outlet, self._streams)

    def _find(self, request: Request, caller: Caller) -> tuple[Route, tuple[str, ...]]:
        found = self._table.find(request.raw_path)
        if found is None:
            self._admission.check_known(caller)
            raise refused(f"there is no '{request.method} {request.scope['path'][:200]}' here", "ENDPOINT_NOT_FOUND")
        methods, values = found
        route = methods.get(request.method) or (methods.get("GET") if request.method == "HEAD" else None)
        if route is None:
            self._admission.check_known(caller)
            allowed = ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))
            message = f"{request.method} is not for this address, but {allowed}"
            raise Refusal(405, "ENDPOINT_NOT_FOUND", message, headers=((b"allow", allowed.encode()),))
        return route, values

    def _context(self, request: Request, caller: Caller) -> Context:
        if self._hub is None:
            raise refused("this server is still starting", "TEMPORARILY_UNAVAILABLE")
        base_url = f"{request.scheme}://{caller.host}{self._settings.base_path}"
        return Context(self._hub, caller.person, base_url, self._settings, caller.only)

    async def _fields(
        self, call: Call, route: Route, values: tuple[str, ...], request: Request, receive: Receive
    ) -> dict[str, Any]:
        body = await read_body(receive, request.headers, call.limit_bytes) if request.has_body else b""
        if request.changes:
            check_content_type(request.method, request.headers, body)
        in_query = not body and request.method != "POST"
        if in_query or (not request.changes and request.scope["query_string"]):
            return route.checker.check_query([*zip(route.names, values, strict=True), *request.query()])
        given = parse_object(body)
        given.update(zip(route.names, values, strict=True))
        return route.checker.check(given)

    async def _call(self, call: Call, context: Context, fields: dict[str, Any]) -> Result:
        if call.quick is not None and context.only is None:
            with acting_as(context.person.identity if context.person else None):
                found = call.quick(context, fields)
            if found is not None:
                return found
        return await self._in_thread(self._calls, _make_call, call, context, fields)

    async def _stream(
        self,
        call: StreamCall,
        route: Route,
        values: tuple[str, ...],
        context: Context,
        request: Request,
        receive: Receive,
        outlet: Outlet,
    ) -> None:
        fields = route.checker.check_query([*zip(route.names, values, strict=True), *request.query()])
        if request.changes:
            result = await receive_upload(
                call,
                request,
                receive,
                lambda upload: self._in_thread(self._streams, _make_stream_call, call, context, fields, upload),
            )
        else:
            result = await self._in_thread(self._streams, _make_stream_call, call, context, fields, None)
        await deliver(result, request, receive, outlet, self._streams)

    async def _in_thread(self, pool: ThreadPoolExecutor, function: Callable[..., Result], *args: Any) -> Result:
        if self._working >= self._settings.max_requests:
            again = ((b"retry-after", b"1"),)
            raise Refusal(503, "TEMPORARILY_UNAVAILABLE", "the server has too much to do: try again", headers=again)
        self._working += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, function, *args)
        finally:
            self._working -= 1


def _make_call(call: Call, context: Context, fields: dict[str, Any]) -> Result:
    _check_experiments(call, context, fields)
    with acting_as(context.person.identity if context.person else None):
        return call.action(context, fields)


def _make_stream_call(call: StreamCall, context: Context, fields: dict[str, Any], upload: Any) -> Result:
    _check_experiments(call, context, fields)
    with acting_as(context.person.identity if context.person else None):
        return call.action(context, fields, upload)


def _check_experiments(call: AnyCall, context: Context, fields: dict[str, Any]) -> None:
    """Raises `ProtocolError` when somebody touches experiments that they are not let into."""
    if context.only is None or call.role is Role.ANYONE:
        return
    touched = frozenset(call.experiment_of(context, fields)) if call.experiment_of is not None else frozenset()
    if not touched or not touched <= context.only:
        raise refused("you are limited to other experiments than this", "PERMISSION_DENIED")
