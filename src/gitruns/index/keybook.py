"""The numbers that keys bear in the index."""

from __future__ import annotations

import sqlite3
from collections import Counter


class KeyBook:
    """Numbers of keys for one transaction that writes; numbers given are never given again."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[tuple[int, str], int] = {}
        self.uses: Counter[int] = Counter()
        """How many more runs use a key than when the transaction began."""

    def number(self, kind: int, name: str) -> int:
        """Returns the number of a key, a new one when it has none yet."""
        number = self._numbers.get((kind, name))
        if number is None:
            number = self._numbers[kind, name] = self._find(kind, name)
        return number

    def _find(self, kind: int, name: str) -> int:
        row = self._connection.execute("SELECT key FROM keys WHERE kind = ? AND name = ?", (kind, name)).fetchone()
        if row is not None:
            return int(row[0])
        made = self._connection.execute("INSERT INTO keys (kind, name) VALUES (?, ?)", (kind, name))
        return int(made.lastrowid or 0)

    def write_uses(self) -> None:
        """Writes how often each key is used."""
        changes = [(change, key) for key, change in self.uses.items() if change]
        self._connection.executemany("UPDATE keys SET uses = uses + ? WHERE key = ?", changes)
        self.uses.clear()


def find_key(connection: sqlite3.Connection, kind: int, name: str) -> tuple[int, int] | None:
    """Returns number and uses of a key that some run has, or None."""
    row = connection.execute(
        "SELECT key, uses FROM keys WHERE kind = ? AND name = ? AND uses > 0", (kind, name)
    ).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))
