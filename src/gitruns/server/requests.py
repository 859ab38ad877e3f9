"""A request as the frame looks at it: what ASGI brings, its headers by name, and who made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from gitruns.protocol.errors import refused

MAX_TARGET_BYTES = 1 << 15
MAX_QUERY_FIELDS = 1000
CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_ONCE = (b"host", b"origin", b"authorization", b"content-type", b"content-length", b"transfer-encoding")


class Request:
    """One request. `peer` is the address of who is connected, empty on a unix socket."""

    __slots__ = ("headers", "method", "peer", "raw_path", "scope")

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.raw_path: bytes = scope["raw_path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        client = scope.get("client")
        self.peer: str = client[0] if client else ""

    @property
    def changes(self) -> bool:
        """Whether the method is one that changes something."""
        return self.method in CHANGES

    @property
    def scheme(self) -> str:
        """How the client reached us, or the proxy between: who lies about it gets addresses that do not work."""
        given = self.headers.get(b"x-forwarded-proto")
        return given.decode() if given in (b"http", b"https") else str(self.scope["scheme"])

    @property
    def has_body(self) -> bool:
        """Whether a body comes with it, or may come."""
        return b"transfer-encoding" in self.headers or self.headers.get(b"content-length", b"0") != b"0"

    def doubled_header(self) -> bytes | None:
        """Returns a header that is there twice and must not be, as two readers could take it for two things."""
        if len(self.headers) == len(self.scope["headers"]):
            return None
        names = [name for name, _ in self.scope["headers"]]
        return next((name for name in _ONCE if names.count(name) > 1), None)

    def text(self, name: bytes) -> str:
        """Returns a header as text, empty when it is not there."""
        return self.headers.get(name, b"").decode("latin-1").strip()

    def query(self) -> list[tuple[str, str]]:
        """Returns what stands in the query, decoded once; raises `ProtocolError`."""
        query: bytes = self.scope["query_string"]
        if not query:
            return []
        try:
            return parse_qsl(
                query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
            )
        except ValueError:
            message = f"Bad Request. The query is not UTF-8, or has more than {MAX_QUERY_FIELDS} fields."
            raise refused(message, "BAD_REQUEST") from None
