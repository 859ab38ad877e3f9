"""Server-sent events: a page, or a script, hears of new runs and points without asking again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gitruns.errors import GitRunsError
from gitruns.server.calls import Answer, Call, Context, Fields, Role
from gitruns.server.routes.own.event_hub import Event, EventHub
from gitruns.server.routes.own.failures import failure
from gitruns.server.routes.own.happenings import Happenings, PointsEvent, RunsEvent
from gitruns.server.routes.own.per_repo import PerRepo
from gitruns.server.routes.own.route import Route
from gitruns.server.routes.own.scope import of_all_one_may_see

HEART_BEAT_S = 15.0
MOST_LISTENERS = 64
_RETRY_MS = 3000

_hubs = PerRepo(lambda repo: EventHub(Happenings(repo).look))

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class EventsRequest(Struct):
    """`last_event_id` is for who cannot send the header `Last-Event-ID`. `seconds` ends the stream after so long."""

    last_event_id: Annotated[str, Meta(max_length=100)] = ""
    seconds: Annotated[float, Meta(ge=0, le=86_400)] = 3600.0


class EventStream:
    """One listener's stream, as an answer: an ASGI application that sends until the client goes or the time is over."""

    def __init__(self, hub: EventHub, request: EventsRequest, only: frozenset[str] | None) -> None:
        self._hub = hub
        self._request = request
        self._only = only

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Sends the stream."""
        if self._hub.listeners >= MOST_LISTENERS:
            await _send_busy(send)
            return
        headers = dict(scope["headers"])
        since = headers.get(b"last-event-id", b"").decode("latin-1") or self._request.last_event_id
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        self._hub.enter()
        gone = asyncio.ensure_future(_until_gone(receive))
        talking = asyncio.ensure_future(self._talk(since, send))
        try:
            await asyncio.wait({gone, talking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave()
            gone.cancel()
            talking.cancel()
            await asyncio.gather(gone, talking, return_exceptions=True)

    async def _talk(self, since: str, send: Send) -> None:
        place = self._hub.place_of(since) if since else self._hub.last
        first = "hello" if place is not None else "reset"
        place = self._hub.last if place is None else place
        await _send(send, f"retry: {_RETRY_MS}\n" + _text(self._hub.id_of(place), first, {}))
        until = time.monotonic() + self._request.seconds
        while not self._hub.ended and (left := until - time.monotonic()) > 0:
            events = self._hub.after(place)
            if events is None:
                place = self._hub.last
                await _send(send, _text(self._hub.id_of(place), "reset", {}))
            elif events:
                place = events[-1].number
                await _send(send, "".join(map(self._said, events)))
            else:
                before = self._hub.last
                await self._hub.wait(min(HEART_BEAT_S, left))
                if self._hub.last == before and left > HEART_BEAT_S and not self._hub.ended:
                    await _send(send, ": still here\n\n")
        await send({"type": "http.response.body", "body": b""})

    def _said(self, event: Event) -> str:
        data = event.data if self._only is None else _for_some(event.data, self._only)
        return "" if data is None else _text(self._hub.id_of(event.number), event.name, data)


def _for_some(data: Any, only: frozenset[str]) -> Any:
    """Returns what may be told to somebody who is limited to some experiments, None for nothing."""
    if isinstance(data, RunsEvent):
        seen = [run for run in data.runs if run.experiment_id in only]
        return RunsEvent(seen, [], data.more) if seen or data.more else None
    if isinstance(data, PointsEvent):
        points = [point for point in data.points if point.experiment_id in only]
        return PointsEvent(points, data.more) if points else None
    return data


def _text(event_id: str, name: str, data: Any) -> str:
    return f"id: {event_id}\nevent: {name}\ndata: {msgspec.json.encode(data).decode()}\n\n"


async def _send(send: Send, text: str) -> None:
    if text:
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_busy(send: Send) -> None:
    body = msgspec.json.encode({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "too many listen to events already"})
    head = [(b"content-type", b"application/json"), (b"retry-after", b"30")]
    await send({"type": "http.response.start", "status": 429, "headers": head})
    await send({"type": "http.response.body", "body": body})


_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy must not gather what is to be heard at once
]


def _listen(context: Context, fields: Fields) -> Any:
    try:
        request = EVENTS.read(fields)
    except GitRunsError as error:
        return failure(error, error.hint)
    return EventStream(_hubs.of(context.hub.repo), request, context.only)


EVENTS = Route(
    method="GET",
    path="/events",
    name="Events",
    summary="Hear of what happens",
    about="Server-sent events: `runs`, `points`, `experiments`, `models`; after `reset` load everything again.",
    role=Role.READER,
    request=EventsRequest,
    answer=None,
    act=lambda context, request: Answer(),
    experiments=of_all_one_may_see,
)


def event_call() -> Call:
    """Returns the route as the server takes it: its answer is a stream, and no JSON."""
    made = EVENTS.call()
    return Call(
        method=made.method,
        path=made.path,
        message=made.message,
        action=_listen,
        fields=made.fields,
        role=made.role,
        experiment_of=made.experiment_of,
        below=made.below,
    )
