"""A connection of ours: uvicorn's, but a client that is slow with the head of a request does not keep it.

uvicorn waits as long as a client likes for the first byte, for the end of the headers, and for the rest of a body that
nobody wants any more; and it takes headers without end. Here each of these has its limit.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gitruns.server.answers import error_body, with_defaults
from gitruns.server.stopping import end_all

HEAD_TIMEOUT_S = 15.0
LINGER_S = 10.0
MAX_HEAD_BYTES = 1 << 16
MAX_HEADERS = 100


_UPGRADE = re.compile(rb"\r\nupgrade[ \t]*:[^\r\n]*", re.IGNORECASE)


def _without_upgrade(data: bytes) -> bytes:
    """Takes the wish for another protocol out of a head: it may be ignored, and the parser would ignore the body.

    Java's own client has it in each first request. Source: RFC 9110, 7.8.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"", head) + end + rest


class Connection(HttpToolsProtocol):
    """Closes itself when the head of a request takes too long, and answers one that is too large."""

    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _raw_bytes = 0
    _head_open = False

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self._wait(HEAD_TIMEOUT_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the waiting."""
        self._wait(None)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server stops: what is being answered is answered, but for what would never end."""
        end_all()
        super().shutdown()

    def _wait(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Takes what has come; what belongs to a head that is too large already goes no further."""
        if self.transport.is_closing():
            return
        cycle: Any = self.cycle  # None before the first request, whatever its type says
        between = cycle is None or cycle.response_complete
        if (self._head_open or between) and b"pgrade" in data:
            data = _without_upgrade(data)
        if self._head_open:  # the parser keeps what it has of one header to itself until that is whole
            self._raw_bytes += len(data)
            if self._raw_bytes > 2 * MAX_HEAD_BYTES:
                self._refuse_head()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins: its head has so long."""
        super().on_message_begin()
        self._head_bytes = self._raw_bytes = 0
        self._head_open = True
        self._wait(HEAD_TIMEOUT_S)

    def on_url(self, url: bytes) -> None:
        """Takes a piece of the address."""
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header."""
        self._head_bytes += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there: what follows has the limits of its route."""
        self._head_open = False
        self._wait(None)
        if self._head_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._refuse_head()
            return
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """An answer is out: the rest of a body that was refused may come for a moment, but no longer."""
        super().on_response_complete()
        if self.cycle.more_body:
            self._wait(LINGER_S)

    def _refuse_head(self) -> None:
        body = error_body("BAD_REQUEST", f"the head of the request is larger than {MAX_HEAD_BYTES:,} bytes")
        self._send_and_close(431, body)

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP."""
        self._send_and_close(400, error_body("BAD_REQUEST", msg.lower().rstrip(".")))

    def _send_and_close(self, status: int, body: bytes) -> None:
        headers = with_defaults(
            [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
        )
        lines = [b"%s: %s\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))
        self.transport.close()
