"""The server is about to stop: said to answers that would go on for as long as their clients like."""

from __future__ import annotations

from typing import Protocol
from weakref import WeakSet


class Endless(Protocol):
    """What has no end of its own."""

    def end(self) -> None:
        """Comes to its end soon; from any thread, any number of times."""


_endless: WeakSet[Endless] = WeakSet()


def end_when_stopping(one: Endless) -> None:
    """Has something ended when the server stops; it is not kept alive for that."""
    _endless.add(one)


def end_all() -> None:
    """Ends everything."""
    for one in list(_endless):
        one.end()
