"""The texts that a store keeps beside its objects: a header, lines, and an end that says whether all came as written.

The last line is `end <SHA-256 of all before it>`. Without it a network that loses or turns a byte would make an object
unknown, or a named one garbage. Source: docs/format.md, "The store".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from gitruns.artifacts.bucket import Bucket, Entry
from gitruns.errors import CorruptDataError

_STEP = 8 << 20
_READS = 4


def encode_text(header: str, lines: Iterable[str]) -> bytes:
    """Returns the text as it is stored; header and lines without line ends."""
    body = "".join(f"{line}\n" for line in (header, *lines)).encode("ascii")
    return body + f"end {hashlib.sha256(body).hexdigest()}\n".encode()


def decode_text(data: bytes, header: str, key: str) -> list[str]:
    """Returns the lines between header and end; raises `CorruptDataError`, kind `bad-store-text`."""
    body, newline, end = data[:-1].rpartition(b"\n")
    body += newline
    if end != f"end {hashlib.sha256(body).hexdigest()}".encode() or data[-1:] != b"\n":
        raise _bad(key, "its end is not that of what stands before it")
    first, *lines = body.decode("ascii", "replace").splitlines()
    if first != header:
        raise _bad(key, f"'{first!s:.40}' is not '{header}'; it may be of a newer gitruns")
    return lines


def read_text(bucket: Bucket, entry: Entry, header: str, limit: int) -> bytes:
    """Returns the text at a key, checked, and asked for again while it comes wrong. Its size is looked at first."""
    if entry.size_bytes > limit:
        raise _bad(entry.key, f"it has {entry.size_bytes} bytes")
    for attempt in range(_READS):
        data = b"".join(
            bucket.read(entry.key, start, min(start + _STEP, entry.size_bytes))
            for start in range(0, entry.size_bytes, _STEP)
        )
        try:
            decode_text(data, header, entry.key)
        except CorruptDataError:
            if attempt + 1 == _READS:
                raise
        else:
            return data
    raise AssertionError  # the last reading returns or raises


def _bad(key: str, why: str) -> CorruptDataError:
    return CorruptDataError(
        f"cannot use '{key}' of the store: {why}",
        kind="bad-store-text",
        hint="git runs store verify says what is broken",
        key=key,
    )
