"""Has anything changed? Asked of the file system, by `stat` alone."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from gitruns.index.source import UNSETTLED

RACY_NS = 2_000_000_000
"""A file may change again within the same tick of a coarse clock, and keep its time. Source: git's racy index."""


def mark_of(paths: Iterable[Path], now_ns: int) -> str:
    """Returns a text that changes whenever one of these files or folders does, or comes or goes.

    A folder changes when an entry of its own is added, removed or renamed onto. Unsettled (an empty text) when one of
    them changed less than two seconds ago, or in the future: another change might not show. `now_ns` is the clock that
    the file system's times are of.
    """
    digest = blake2b(digest_size=16)
    for path in paths:
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            digest.update(b"-")
            continue
        if found.st_mtime_ns > now_ns - RACY_NS:
            return UNSETTLED
        digest.update(f"{found.st_mtime_ns}:{found.st_size}:{found.st_ino}:{found.st_dev};".encode())
    return digest.hexdigest()
