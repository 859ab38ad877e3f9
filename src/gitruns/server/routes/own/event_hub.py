"""What happens in a repository, told to all who listen: one look a second for all of them, none while nobody listens.

The last thousand events are kept, so that who comes back after a short while misses nothing; whoever asks for older
ones is told to load everything again. Events are of one process: of another's id the same holds.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from gitruns.server.stopping import end_when_stopping

_logger = logging.getLogger("gitruns.server")

KEPT_EVENTS = 1000
LOOK_EVERY_S = 1.0


class Event(NamedTuple):
    """One event: its place in the order, its name, and what it says."""

    number: int
    name: str
    data: Any


class EventHub:
    """Asks `look` for what happened, in a thread, and hands it out; all else is for one event loop."""

    def __init__(self, look: Callable[[], Iterable[tuple[str, Any]]], *, every_s: float = LOOK_EVERY_S) -> None:
        self._look = look
        self._every_s = every_s
        self._epoch = secrets.token_hex(4)
        self._events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._last = 0
        self._listeners = 0
        self._watching: asyncio.Task[None] | None = None
        self._bell: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failing = False
        self.ended = False
        end_when_stopping(self)

    @property
    def listeners(self) -> int:
        """How many listen."""
        return self._listeners

    def enter(self) -> None:
        """Counts somebody who listens, and begins to look."""
        self._listeners += 1
        if self._watching is None or self._watching.done():
            self._loop = asyncio.get_running_loop()
            self._bell = asyncio.Event()
            self._watching = self._loop.create_task(self._watch())

    def leave(self) -> None:
        """Forgets somebody who listened."""
        self._listeners -= 1

    def end(self) -> None:
        """Ends all streams."""
        self.ended = True
        if self._loop is not None and self._bell is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._bell.set)

    def id_of(self, number: int) -> str:
        """Returns the id of an event as clients get it."""
        return f"{self._epoch}-{number}"

    def place_of(self, event_id: str) -> int | None:
        """Returns the number that an id of ours has, None where what came after it is not known any more."""
        epoch, _, digits = event_id.partition("-")
        if epoch != self._epoch or not digits.isdigit() or len(digits) > 12:
            return None
        number = int(digits)
        oldest = self._events[0].number if self._events else self._last + 1
        return number if oldest - 1 <= number <= self._last else None

    @property
    def last(self) -> int:
        """The number of the newest event."""
        return self._last

    def after(self, number: int) -> list[Event] | None:
        """Returns the events after one, None where some of them are not known any more."""
        if number == self._last:
            return []
        if not self._events or self._events[0].number > number + 1:
            return None
        return [event for event in self._events if event.number > number]

    async def wait(self, timeout_s: float) -> None:
        """Waits until something happened, or for so long."""
        bell = self._bell
        if bell is None or self.ended:
            return
        waiting = asyncio.ensure_future(bell.wait())
        try:
            await asyncio.wait({waiting}, timeout=timeout_s)
        finally:
            waiting.cancel()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while self._listeners and not self.ended:
            happened = await loop.run_in_executor(None, self._look_quietly)
            for name, data in happened:
                self._last += 1
                self._events.append(Event(self._last, name, data))
            if happened:
                self._ring()
            await asyncio.sleep(self._every_s)

    def _ring(self) -> None:
        """Wakes all who wait now; who comes later waits for the next time."""
        if self._bell is not None:
            self._bell.set()
        self._bell = asyncio.Event()

    def _look_quietly(self) -> list[tuple[str, Any]]:
        """A look that fails is told once: whoever listens can load everything again, and hear what is wrong."""
        try:
            happened = list(self._look())
        except Exception:
            if self._failing:
                return []
            self._failing = True
            _logger.exception("cannot see what happens in the repository")
            return [("reset", {})]
        # What happened while nobody could look is not known.
        happened += [("reset", {})] if self._failing else []
        self._failing = False
        return happened
