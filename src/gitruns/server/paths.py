"""Which route a request means: its path is taken apart before it is decoded, once, so that %2F is never a slash."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from gitruns.errors import InternalError
from gitruns.protocol.errors import refused
from gitruns.server.calls import AnyCall, StreamCall
from gitruns.server.fields import Checker

_NAMED = re.compile(r"\{(?P<name>[\w.]+)(?P<rest>:path)?\}\Z")


@dataclass(frozen=True, slots=True)
class Route:
    """A call at one place. `names` are what the braces of its path name, in order."""

    call: AnyCall
    path: str
    names: tuple[str, ...]
    checker: Checker
    streams: bool


Methods = Mapping[str, Route]


@dataclass(slots=True)
class _Node:
    """One part of a path: what may follow it by name, whatever else may, and what takes all the rest."""

    parts: dict[str, _Node] = field(default_factory=dict)
    any_part: _Node | None = None
    here: dict[str, Route] = field(default_factory=dict)
    rest: dict[str, Route] = field(default_factory=dict)


class RouteTable:
    """All routes, by path. Paths without braces are found by one look-up."""

    def __init__(self, calls: Iterable[AnyCall], base_path: str = "") -> None:
        self._fixed: dict[bytes, dict[str, Route]] = {}
        self._root = _Node()
        self.routes: list[Route] = []
        for call in calls:
            checker = Checker(call.fields)
            for prefix in call.below:
                self._add(base_path + prefix + call.path, call, checker)

    def _add(self, path: str, call: AnyCall, checker: Checker) -> None:
        parts = path.split("/")[1:]
        names = tuple(match["name"] for match in map(_NAMED.match, parts) if match)
        route = Route(call, path, names, checker, isinstance(call, StreamCall))
        methods = self._place(parts) if names else self._fixed.setdefault(path.encode(), {})
        if call.method in methods:
            raise InternalError(f"two routes are '{call.method} {path}'")
        methods[call.method] = route
        self.routes.append(route)

    def _place(self, parts: list[str]) -> dict[str, Route]:
        node = self._root
        for part in parts:
            match = _NAMED.match(part)
            if match is None:
                node = node.parts.setdefault(part, _Node())
            elif match["rest"]:
                return node.rest
            else:
                node.any_part = node.any_part or _Node()
                node = node.any_part
        return node.here

    def find(self, raw_path: bytes) -> tuple[Methods, tuple[str, ...]] | None:
        """Returns the routes at a path, by method, and what stands in the place of the braces; None without any.

        Raises `ProtocolError` for what is no UTF-8 or has a NUL in it.
        """
        fixed = self._fixed.get(raw_path)
        if fixed is not None:
            return fixed, ()
        if not raw_path.startswith(b"/"):
            return None
        parts = [_decoded(part) for part in raw_path[1:].split(b"/")]
        return _find(self._root, parts, 0)


def _find(node: _Node, parts: list[str], place: int) -> tuple[Methods, tuple[str, ...]] | None:
    if place == len(parts):
        return (node.here, ()) if node.here else None
    part = parts[place]
    if part in node.parts:
        found = _find(node.parts[part], parts, place + 1)
        if found is not None:
            return found
    if node.any_part is not None and part:
        found = _find(node.any_part, parts, place + 1)
        if found is not None:
            return found[0], (part, *found[1])
    rest = "/".join(parts[place:])
    return (node.rest, (rest,)) if node.rest and rest else None


def _decoded(part: bytes) -> str:
    try:
        text = unquote_to_bytes(part).decode() if b"%" in part else part.decode()
    except UnicodeDecodeError:
        raise refused("Invalid path: it is not UTF-8", "BAD_REQUEST") from None
    if "\0" in text:
        raise refused("Invalid path: it has a NUL character", "BAD_REQUEST")
    return text
