"""When a value counts as a number."""

from __future__ import annotations

import math
import re

# Digits only: what `float()` takes beyond them (`1_000`, ` 1 `, other scripts' digits) was not meant as a number.
_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_NON_FINITE = {
    "nan": math.nan,
    "inf": math.inf,
    "+inf": math.inf,
    "-inf": -math.inf,
    "infinity": math.inf,
    "-infinity": -math.inf,
}
_LONGEST = 6000  # as long as a param may be
_UNGUARDED_DIGITS = 640  # Python's guard on `int(text)` cannot be set lower


def number_in(text: str) -> int | float | None:
    """Returns the number that a text reads as, exactly for an integer, or None when it reads as none."""
    if not text or len(text) > _LONGEST or text[-1] not in "0123456789.nNfFyY":
        return None
    if _INTEGER.match(text):
        return _integer(text)
    if _DECIMAL.match(text):
        return float(text)
    return _NON_FINITE.get(text.lower())


def _integer(text: str) -> int:
    if len(text) <= _UNGUARDED_DIGITS:
        return int(text)
    from decimal import Decimal  # not guarded, and not worth its import for the rest of us

    return int(Decimal(text))
