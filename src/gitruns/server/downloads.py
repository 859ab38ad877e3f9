"""A file as an answer: which part of it was asked for, and what the headers say of it. Source: RFC 9110, 13 and 14."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Generator
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote

from gitruns.errors import CorruptDataError
from gitruns.server.answers import Headers
from gitruns.server.calls import Download
from gitruns.server.requests import Request

PIECE_BYTES = 1 << 18
_RANGE = re.compile(r"bytes=(?P<first>[0-9]{0,18})-(?P<last>[0-9]{0,18})\Z")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&+.^_`|~-]+\Z")


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer, and which bytes of the file follow it."""

    status: int
    headers: Headers
    first: int = 0
    length: int = 0


def download_head(file: Download, request: Request) -> Head:
    """Returns what a request gets of a file: all, one range, nothing that it has already, or a refusal of its range."""
    tag = f'"{file.digest}"' if file.digest else ""
    common = _headers(file, tag)
    if has_already(request, tag):
        return Head(304, common)
    asked = _asked_range(file, request, tag)
    if asked is None:
        return Head(200, (*common, _length(file.size)), 0, file.size)
    first, last = asked
    if first > last or first >= file.size:
        return Head(416, (*common, (b"content-range", b"bytes */%d" % file.size), _length(0)))
    last = min(last, file.size - 1)
    where = (b"content-range", b"bytes %d-%d/%d" % (first, last, file.size))
    return Head(206, (*common, where, _length(last - first + 1)), first, last - first + 1)


def _length(size: int) -> tuple[bytes, bytes]:
    return b"content-length", str(size).encode()


def has_already(request: Request, tag: str) -> bool:
    """Returns whether the client says that it has what bears this entity tag; nobody has what bears none."""
    return bool(tag) and request.method in ("GET", "HEAD") and _names(request.text(b"if-none-match"), tag)


def _names(header: str, tag: str) -> bool:
    return any(part.strip().removeprefix("W/") in (tag, "*") for part in header.split(",")) if header else False


def _asked_range(file: Download, request: Request, tag: str) -> tuple[int, int] | None:
    """Returns first and last byte, None for the whole file: so is what we do not understand, or has changed since."""
    match = _RANGE.match(request.text(b"range"))
    if match is None or request.method != "GET":
        return None
    same = request.text(b"if-range")
    if same and same != tag:
        return None
    if match["first"]:
        return int(match["first"]), int(match["last"] or file.size)
    if match["last"]:
        return max(file.size - int(match["last"]), 0), (file.size if int(match["last"]) else -1)
    return None


def _headers(file: Download, tag: str) -> Headers:
    headers = [
        (b"content-type", _clean(file.content_type).encode("ascii", "replace")),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", b"private, no-cache" if tag else b"no-store"),
        (b"content-disposition", disposition(file.name, inline=file.inline).encode("ascii")),
    ]
    return (*headers, (b"etag", tag.encode("ascii"))) if tag else tuple(headers)


def _clean(text: str) -> str:
    return text if text.isprintable() else "application/octet-stream"


def disposition(name: str, *, inline: bool = False) -> str:
    """Returns the header that says under which name a file is saved. Source: RFC 6266 and 8187."""
    kind = "inline" if inline else "attachment"
    if _TOKEN.match(name):
        return f"{kind}; filename={name}"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    plain = "".join(sign for sign in plain if sign.isprintable() and sign not in '"\\').strip() or "download"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='!#$&+-.^_`|~')}"


def pieces_of(file: Download, first: int, length: int) -> Generator[bytes, None, None]:
    """Yields the bytes of a range; raises `CorruptDataError` when the file has fewer than it said."""
    with file.open() as stream:
        _skip(stream, first)
        left = length
        while left:
            piece = stream.read(min(left, PIECE_BYTES))
            if not piece:
                raise CorruptDataError(f"'{file.name}' is shorter than it should be", kind="short-file")
            left -= len(piece)
            yield piece


def _skip(stream: BinaryIO, count: int) -> None:
    if stream.seekable():
        stream.seek(count)
        return
    while count:
        piece = stream.read(min(count, PIECE_BYTES))
        if not piece:
            return
        count -= len(piece)
