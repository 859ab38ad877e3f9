"""A hostile client at every route: no fault of the server, nothing read or written outside, headers on each answer.

The table of routes is walked, so a new route is attacked without anybody thinking of it. The requests are drawn by
dice that always fall alike; with the mark `slow` there are twenty times as many.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitruns.server.calls import AnyCall
from gitruns.server.routes import all_calls
from server.hostile_requests import FAMILIES, Attack, Attacks
from server.hostile_world import Hostile, hostile_world, snapshot
from server.serving import Reply


def deletes(call: AnyCall) -> bool:
    """Whether a call takes something away for good, as far as the other calls see."""
    return call.method == "DELETE" or "delete" in call.path


def named(call: AnyCall) -> str:
    """How a route is called in the test's id."""
    return f"{call.method} {call.path}"


CALLS = sorted(all_calls(), key=deletes)
"""What deletes comes last, so that the others still find what they ask for."""

FEW, MANY = 3, 60
LEAST_REQUESTS = 500

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    with hostile_world() as world:
        yield world


class Client:
    """Keeps a connection as long as the server does."""

    def __init__(self, world: Hostile) -> None:
        self._world = world
        self._connection: socket.socket | None = None

    def send(self, attack: Attack) -> Reply | None:
        """Returns the answer, None where the server has closed the connection without one."""
        for _ in range(2):
            fresh = self._connection is None
            connection = self._connection or self._world.server.connect()
            self._connection = connection
            try:
                connection.sendall(self._as_bytes(attack))
                return self._reply(connection, attack.method)
            except (OSError, http.client.HTTPException):
                self.close()
                if fresh:
                    return None
        return None

    def _as_bytes(self, attack: Attack) -> bytes:
        headers = {"Host": f"127.0.0.1:{self._world.server.port}", **attack.headers}
        if attack.body is not None or attack.method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = str(len(attack.body or b""))
        lines = [f"{attack.method} {attack.target} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + (attack.body or b"")

    def _reply(self, connection: socket.socket, method: str) -> Reply:
        answer = http.client.HTTPResponse(connection, method=method)
        answer.begin()
        if answer.status == 100:
            answer.begin()
        reply = Reply(answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read())
        if answer.will_close:
            self.close()
        return reply

    def close(self) -> None:
        """Begins anew with the next request."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


@pytest.fixture(scope="module")
def client(hostile: Hostile) -> Iterator[Client]:
    made = Client(hostile)
    yield made
    made.close()


def attack_with(world: Hostile, client: Client, call: AnyCall, family: str, count: int) -> None:
    """Sends requests of a kind to a route, and looks at each answer."""
    dice = random.Random(f"{call.method} {call.path} {family}")
    for attack in Attacks(call, world.facts).family(family, count, dice):
        reply = client.send(attack)
        world.asked += 1
        assert world.server.process.poll() is None, world.server.said()[-2000:]
        assert reply is not None, f"no answer to {attack}"
        said = world.server.said()[-3000:] if reply.status > 499 else ""
        check(world, attack, reply, f"{attack}\n{reply.status} {reply.body[:500]!r}\n{said}")


def check(world: Hostile, attack: Attack, reply: Reply, why: str) -> None:
    """No answer may say what it must not, or lack what it must have."""
    assert reply.status < 500 or reply.status == 501, why
    assert {name: reply.headers.get(name) for name in ALWAYS} == ALWAYS, why
    assert "content-security-policy" in reply.headers, why
    assert world.canary.encode() not in reply.body, why
    assert b"root:x:0" not in reply.body and b"Traceback" not in reply.body, why
    if str(world.outside) not in str(attack):
        assert str(world.repo.parent).encode() not in reply.body, why
    kind = reply.headers.get("content-type", "")
    assert not kind.startswith(("text/html", "image/svg")) or "attachment" in reply.headers["content-disposition"], why
    assert "set-cookie" not in reply.headers, why
    if attack.foreign:
        assert reply.status in (400, 403), why


def test_the_requests_that_nothing_is_wrong_with(hostile: Hostile, client: Client) -> None:
    """Else the others would go wrong for another reason than the one that is tried.

    Some calls need more than one request to go well, or something that is not here.
    """
    refused = []
    for call in CALLS:
        attack = Attacks(call, hostile.facts).plain()
        reply = client.send(attack)
        assert reply is not None
        check(hostile, attack, reply, f"{attack}\n{reply.status} {reply.body!r}")
        if reply.status >= 300 and not deletes(call):
            refused.append(f"{attack}\n    {reply.status} {reply.body[:200]!r}")
    assert len(refused) <= len(CALLS) // 10, "\n".join(refused)


@pytest.mark.parametrize("call", CALLS, ids=named)
def test_a_route_bears_it(hostile: Hostile, client: Client, call: AnyCall) -> None:
    for family in FAMILIES:
        attack_with(hostile, client, call, family, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("call", CALLS, ids=named)
def test_a_route_bears_much_of_it(hostile: Hostile, client: Client, call: AnyCall, family: str) -> None:
    attack_with(hostile, client, call, family, MANY)


def test_afterwards_nothing_outside_has_changed(hostile: Hostile, client: Client) -> None:
    if hostile.asked < LEAST_REQUESTS:
        for call in CALLS[:40]:
            for family in FAMILIES:
                attack_with(hostile, client, call, family, FEW)
    assert hostile.asked >= LEAST_REQUESTS
    assert snapshot(hostile.outside) == hostile.before
    assert {path.name for path in hostile.outside.parent.iterdir()} == {"inside", "outside", "log"}
    assert {path.name for path in hostile.repo.parent.iterdir()} == {"project", "home"}
    assert hostile.sprung == []
    said = hostile.server.said()
    assert "Traceback" not in said, said[-3000:]
    assert hostile.server.get("/health").body == b"OK"


def test_the_repository_is_whole_afterwards(hostile: Hostile, tmp_path: Path) -> None:
    table = hostile.server.post("/api/gitruns/v1/runs/table", {"filter": "name = 'one' or name = 'two'"})
    assert table.status in (200, 400)
    run = hostile.server.get(f"/api/gitruns/v1/runs/{hostile.ids['two']}").json
    assert run["metrics"]["loss"]["count"] == 5
    with contextlib.suppress(FileNotFoundError):
        assert not any("made" in path.name for path in hostile.repo.iterdir())
