"""Server-sent events: what happens is heard, once, in order, also by who was away for a moment."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gitruns.server.routes.own import events
from gitruns.server.routes.own.event_hub import KEPT_EVENTS, EventHub
from gitruns.server.routes.own.events import EventsRequest, EventStream
from server.own_world import BASE, World, run_script
from server.serving import isolated_environ

LOG = """
import sys, time, gitruns
with gitruns.start_run(run_name="heard") as run:
    gitruns.log_metric("loss", 1.0, step=0)
    time.sleep(2.5)
    gitruns.log_metric("loss", 0.5, step=1)
    time.sleep(2.5)
print(run.info.run_id)
"""


@contextmanager
def listening(world: World, **headers: str) -> Iterator[socket.socket]:
    """A connection on which events come."""
    lines = [f"GET {BASE}/events HTTP/1.1", f"Host: 127.0.0.1:{world.server.port}"]
    lines += [f"{name}: {text}" for name, text in headers.items()]
    with world.server.connect() as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        yield connection


def heard(connection: socket.socket, until: str, within_s: float = 20) -> list[dict[str, Any]]:
    """Returns the events that come, up to one of that name."""
    return _heard_from(connection, b"", until, within_s)


def _heard_from(connection: socket.socket, data: bytes, until: str, within_s: float) -> list[dict[str, Any]]:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = parsed(data.decode(errors="replace"))
        if any(event["event"] == until for event in found):
            return found
        connection.settimeout(max(deadline - time.monotonic(), 0.01))
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    raise AssertionError(f"no event '{until}' in {data!r}")


def parsed(text: str) -> list[dict[str, Any]]:
    """Returns the whole events of a stream."""
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n")]
        event = {name: rest for name, _, rest in lines if name in ("id", "event", "data")}
        if len(event) == 3:
            try:
                found.append({**event, "data": json.loads(event["data"])})
            except ValueError:  # a piece of it is still under way
                continue
    return found


def test_a_run_is_heard_from_its_start_to_its_end(world: World) -> None:
    with listening(world) as connection:
        assert heard(connection, "hello")[0]["data"] == {}
        run_id = run_script(world.repo, isolated_environ(world.repo.parent), LOG)
        world.post("/experiments", {"name": "made while somebody listened"})
        found = heard(connection, "experiments")
    runs = [run for event in found if event["event"] == "runs" for run in event["data"]["runs"]]
    mine = [(run["status"], run["live"]) for run in runs if run["run_id"] == run_id]
    assert mine[0] == ("RUNNING", True) and mine[-1] == ("FINISHED", False)
    points = [point for event in found if event["event"] == "points" for point in event["data"]["points"]]
    assert [(point["metric"], point["count"], point["last"]) for point in points if point["run_id"] == run_id] == [
        ("loss", 1, 1.0),
        ("loss", 2, 0.5),
    ]
    numbers = [int(event["id"].rpartition("-")[2]) for event in found]
    assert numbers == sorted(set(numbers))


def test_who_was_away_misses_nothing(world: World) -> None:
    with listening(world) as connection:
        last = heard(connection, "hello")[-1]["id"]
    world.patch("/runs/{run0}", {"name": "renamed while nobody listened"})
    with listening(world, **{"Last-Event-ID": last}) as connection:
        event = heard(connection, "runs")[-1]
        assert event["data"]["runs"][0]["name"] == "renamed while nobody listened"
    with listening(world, **{"Last-Event-ID": event["id"]}) as connection:
        assert [one["event"] for one in heard(connection, "hello")] == ["hello"]
    world.patch("/runs/{run0}", {"name": "run 0"})


def test_who_was_away_for_too_long_is_told_to_load_everything_again(world: World) -> None:
    for unknown in ("0-0", "nonsense", "x" * 500, "-1"):
        with listening(world, **{"Last-Event-ID": unknown}) as connection:
            assert heard(connection, "reset")[0]["event"] == "reset"


def test_the_head_of_a_stream(world: World) -> None:
    reply = world.get("/events?seconds=0")
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert world.get("/events?seconds=never").status == 400


def test_no_more_listen_than_there_is_room_for(world: World) -> None:
    opened = [world.server.connect() for _ in range(events.MOST_LISTENERS)]
    try:
        for connection in opened:
            connection.sendall(f"GET {BASE}/events HTTP/1.1\r\nHost: 127.0.0.1:{world.server.port}\r\n\r\n".encode())
        for connection in opened:
            heard(connection, "hello")
        reply = world.get("/events")
        assert (reply.status, reply.json["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
    finally:
        for connection in opened:
            connection.close()
    time.sleep(0.5)
    assert world.get("/events?seconds=0").status == 200


# Without a network


def talked(hub: EventHub, request: EventsRequest, only: frozenset[str] | None = None) -> str:
    """Returns all that one stream says."""
    said: list[bytes] = []

    async def send(message: Any) -> None:
        said.append(message.get("body", b""))

    async def receive() -> Any:
        await asyncio.sleep(3600)

    async def listen() -> None:
        await EventStream(hub, request, only)({"headers": [], "method": "GET"}, receive, send)

    asyncio.run(listen())
    return b"".join(said).decode()


def test_hearts_beat_when_nothing_happens(monkeypatch: Any) -> None:
    monkeypatch.setattr(events, "HEART_BEAT_S", 0.05)
    text = talked(EventHub(list, every_s=0.01), EventsRequest(seconds=0.3))
    assert text.count(": still here") >= 3


def test_a_look_that_fails_is_told_once_and_its_end_too() -> None:
    looks = iter(range(10_000))

    def look() -> list[tuple[str, Any]]:
        if next(looks) < 10:
            raise OSError("the disk is gone")
        return []

    text = talked(EventHub(look, every_s=0.01), EventsRequest(seconds=1))
    assert next(looks) > 12
    assert text.count("event: reset") == 2


def test_who_asks_for_the_head_gets_the_head(world: World) -> None:
    reply = world.server.call("HEAD", f"{BASE}/events")
    assert (reply.status, reply.body) == (200, b"")


def test_a_hub_that_ends_ends_its_streams() -> None:
    hub = EventHub(list, every_s=0.01)

    async def main() -> float:
        began = time.monotonic()
        asyncio.get_running_loop().call_later(0.1, hub.end)

        async def send(message: Any) -> None:
            return None

        async def receive() -> Any:
            await asyncio.sleep(3600)

        await EventStream(hub, EventsRequest(), None)({"headers": [], "method": "GET"}, receive, send)
        return time.monotonic() - began

    assert asyncio.run(main()) < 2
    assert hub.listeners == 0


def test_what_is_kept_is_bounded() -> None:
    count = iter(range(10 * KEPT_EVENTS))
    hub = EventHub(lambda: [("runs", next(count)) for _ in range(KEPT_EVENTS)], every_s=0.01)
    talked(hub, EventsRequest(seconds=0.1))
    assert hub.last > KEPT_EVENTS
    assert hub.after(0) is None
    assert hub.place_of(hub.id_of(0)) is None
    kept = hub.after(hub.last - KEPT_EVENTS)
    assert kept is not None and len(kept) == KEPT_EVENTS


def test_a_server_with_listeners_stops_at_once(world: World) -> None:
    # The last test of the file: it ends the server.
    with listening(world) as connection:
        heard(connection, "hello")
        began = time.monotonic()
        world.server.stop()
        assert time.monotonic() - began < 8
