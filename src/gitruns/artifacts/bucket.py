"""What a store is made of: bytes by key, in a folder or far away.

Keys are ours (`o/…`, `p/…`, `i/…`, `r/…`, `gc/…`), never names from outside. What has its key is whole: nobody sees
half of it. Source of the keys: docs/format.md, "The store".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gitruns.errors import InvalidInputError

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*)*\Z")

OnBytes = Callable[[int], None]
"""Told how many more bytes were moved. It may raise, to stop the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a store says of a key. `modified_s` is the store's own clock, in seconds UTC."""

    key: str
    size_bytes: int
    modified_s: float


class Bucket(Protocol):
    """A place that keeps bytes by key.

    A key that is not there is a `FileNotFoundError`; all else that fails is a `GitRunsError`, after as many tries as
    make sense. Safe for any number of threads and processes.
    """

    shown: str
    """The address, as people may see it."""
    kind: str
    """The protocol."""
    jobs: int
    """How many transfers at a time suit it."""

    def stat(self, key: str) -> Entry | None:
        """Returns size and time of a key, None when it is not there."""
        ...

    def read(self, key: str, start: int, end: int) -> bytes:
        """Returns the bytes from `start` up to but not including `end`; fewer only where there are no more."""
        ...

    def write(self, key: str, data: bytes, *, create: bool = False) -> None:
        """Puts some bytes, whole or not at all; checked and durable on return.

        With `create` raises `FileExistsError` when the key is there, where the store can tell.
        """
        ...

    def write_file(self, key: str, path: Path, size: int, on_bytes: OnBytes) -> None:
        """Puts the bytes of a file of ours that does not change, as `write` does, in bounded memory."""
        ...

    def holds(self, key: str, path: Path, size: int) -> bool:
        """Returns whether a key has the bytes of a file, as far as the store can tell without reading them."""
        ...

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yields what is below a prefix that ends in `/`, ascending by key."""
        ...

    def remove(self, keys: Iterable[str]) -> None:
        """Removes keys; those that are not there are no error."""
        ...

    def leftovers(self, older_than_s: float) -> Iterator[str]:
        """Yields what unfinished writes have left that nobody has gone on with for so long; for `remove_leftover`."""
        ...

    def remove_leftover(self, name: str) -> None:
        """Removes one of them."""
        ...


def check_key(key: str) -> str:
    """Returns the key, or raises `InvalidInputError` for one that is not of our form."""
    if not _KEY.match(key):
        raise InvalidInputError(f"'{key!s:.80}' is not a key of a store", kind="bad-store-key")
    return key
