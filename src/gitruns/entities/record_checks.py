"""What a record may hold: kinds, ids, names of fields, and values that JSON has, all of bounded size and depth."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gitruns.errors import InvalidInputError

MAX_DEPTH = 64
MAX_NAME_LENGTH = 500
MAX_ID_LENGTH = 256

_KIND = re.compile(r"[a-z][a-z0-9-]{0,39}\Z")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_LEAST, _GREATEST = -(2**63), 2**63 - 1


def check_record_name(kind: object, record_id: object) -> None:
    """Raises `InvalidInputError` unless a record can be of this kind and id."""
    if not isinstance(kind, str) or _KIND.match(kind) is None:
        raise InvalidInputError(f"'{str(kind)[:40]}' is no kind of record", kind="bad-record-kind")
    if not isinstance(record_id, str) or not 0 < len(record_id) <= MAX_ID_LENGTH or not _is_plain(record_id):
        raise InvalidInputError(
            f"'{str(record_id)[:40]}' is no id of a record: 1 to {MAX_ID_LENGTH} printable characters",
            kind="bad-record-id",
        )


def check_fields(fields: object) -> None:
    """Raises `InvalidInputError` unless these are fields that a record can have."""
    if not isinstance(fields, Mapping):
        raise InvalidInputError("the fields of a record are a mapping", kind="wrong-type")
    for name, value in fields.items():
        if type(name) is not str or not 0 < len(name) <= MAX_NAME_LENGTH or not _is_text(name):
            raise InvalidInputError(
                f"'{str(name)[:40]}' is no name of a field: text of 1 to {MAX_NAME_LENGTH} characters",
                kind="bad-field-name",
            )
        if type(value) is not str or not value.isascii():
            _check_value(name, value, 0)


def _check_value(name: str, value: object, depth: int) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        if not _is_text(value):
            raise _unstorable(name, "text with a lone surrogate")
    elif isinstance(value, int):
        if not _LEAST <= value <= _GREATEST:
            raise _unstorable(name, "an integer beyond 64 bits")
    elif isinstance(value, float):
        if value - value != 0:
            raise _unstorable(name, f"'{value}', which JSON does not know")
    elif depth == MAX_DEPTH:
        raise _unstorable(name, f"more than {MAX_DEPTH} levels")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not _is_text(key):
                raise _unstorable(name, "a key that is no text")
            _check_value(name, item, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_value(name, item, depth + 1)
    else:
        raise _unstorable(name, f"a '{type(value).__name__}'")


def _unstorable(name: str, what: str) -> InvalidInputError:
    return InvalidInputError(f"field '{name[:80]}' of a record cannot hold {what}", kind="unstorable-value", field=name)


def _is_plain(text: str) -> bool:
    return _CONTROL.search(text) is None and _is_text(text)


def _is_text(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
