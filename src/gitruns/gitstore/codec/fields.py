"""Typed reading of a mapping from a file: what is not of the expected type is refused by place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

from gitruns.entities.canonical import corrupt
from gitruns.entities.ids import ObjectId, is_digest, is_object_id
from gitruns.errors import CorruptDataError
from gitruns.gitstore.yaml_text import line_of, read_mapping

T = TypeVar("T")

MAX_INTEGER = 2**63


class Fields:
    """One mapping, and where it stands: the file's path and, for messages, its line or the way to find it."""

    def __init__(self, values: Mapping[str, Any], path: str, *, data: bytes = b"", line: int | None = None) -> None:
        self.values = values
        self.path = path
        self._data = data
        self._line = line

    @classmethod
    def read(cls, data: bytes, path: str) -> Fields:
        """Returns the mapping that a file holds."""
        return cls(read_mapping(data, path), path, data=data)

    def wrong(self, key: str, why: str) -> CorruptDataError:
        """Returns the error for what stands at a key."""
        return corrupt(self.path, self.line(key), f"'{key[:60]}' {why}")

    def line(self, key: str) -> int | None:
        """Returns the line (1-based) where a key stands."""
        return self._line if self._line is not None else line_of(self._data, key)

    def nested(self, key: str, kind: type[T], what: str) -> T:
        """Returns the list or mapping at a key."""
        value = self.values.get(key)
        if not isinstance(value, kind):
            raise self.wrong(key, f"is not {what}")
        return value

    def below(self, key: str) -> Fields:
        """Returns the mapping at a key, with its own place."""
        return Fields(self.nested(key, dict, "a mapping"), self.path, line=self.line(key))

    def check_known(self, known: Collection[str], prefixes: Iterable[str] = ()) -> None:
        """Raises for a key that the format does not have: written back, it would be lost."""
        for key in self.values:
            if key not in known and not key.startswith(tuple(prefixes)):
                raise self.wrong(key, "is no key of this file")

    def text(self, key: str) -> str | None:
        """Returns the text at a key, None when it is absent."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, "is not text")
        return value

    def integer(self, key: str) -> int | None:
        """Returns the 64-bit integer at a key, None when it is absent."""
        value = self.values.get(key)
        if value is None:
            return None
        if type(value) is not int or not -MAX_INTEGER <= value < MAX_INTEGER:
            raise self.wrong(key, "is not an integer of 64 bits")
        return value

    def size(self, key: str) -> int:
        """Returns the count or length at a key, which must be there."""
        value = self.required(key, self.integer)
        if value < 0:
            raise self.wrong(key, "is negative")
        return value

    def number(self, key: str) -> float:
        """Returns the number at a key, which must be there, as float64."""
        value = self.values.get(key)
        if type(value) is float:
            return value
        if type(value) is not int:
            raise self.wrong(key, "is not a number")
        try:
            return float(value)
        except OverflowError:
            raise self.wrong(key, "is beyond float64") from None

    def flag(self, key: str) -> bool:
        """Returns the truth value at a key, False when it is absent."""
        value = self.values.get(key, False)
        if type(value) is not bool:
            raise self.wrong(key, "is neither true nor false")
        return value

    def required(self, key: str, read: Callable[[str], T | None]) -> T:
        """Returns what `read` finds at a key; raises when that is nothing."""
        value = read(key)
        if value is None:
            raise self.wrong(key, "is missing")
        return value

    def matching(self, key: str, is_legal: Callable[[str], bool], what: str) -> str | None:
        """Returns the text at a key when it has the form that `is_legal` knows, None when it is absent."""
        value = self.text(key)
        if value is not None and not is_legal(value):
            raise self.wrong(key, f"is not {what}")
        return value

    def object_id(self, key: str) -> ObjectId | None:
        """Returns the git object id at a key, None when it is absent."""
        value = self.matching(key, is_object_id, "an object id")
        return None if value is None else ObjectId(value)

    def digest(self, key: str) -> str:
        """Returns the SHA-256 at a key, which must be there."""
        value = self.matching(key, is_digest, "a SHA-256 digest")
        return self.required(key, lambda _: value)


def texts(fields: Fields) -> dict[str, str]:
    """Returns a mapping of text to text."""
    for key, value in fields.values.items():
        if not isinstance(value, str):
            raise fields.wrong(key, "is not text")
    return dict(fields.values)
