"""Did you mean …?"""

from __future__ import annotations

from collections.abc import Iterable

_MOST = 5000  # candidates looked at: an error message may not take long


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word that is most likely meant, or None when none is near.

    Near is one slip for every three characters, one at least and three at most, and none for a single character. A
    slip is a character added, left out, changed, or swapped with its neighbour; case does not count. A longer key whose
    last part it is (`loss`: `val/loss`) comes next.
    """
    wanted = word.lower()
    most = min(3, max(1, len(wanted) // 3)) if len(wanted) > 1 else 0
    best: tuple[int, int, str] | None = None
    part: str | None = None
    for _, candidate in zip(range(_MOST), known, strict=False):
        lowered = candidate.lower()
        if abs(len(lowered) - len(wanted)) <= most:
            slips = _slips(wanted, lowered, most)
            if slips <= most and (best is None or (slips, len(candidate), candidate) < best):
                best = (slips, len(candidate), candidate)
        if part is None and len(wanted) > 2 and lowered.endswith(("/" + wanted, "." + wanted, "_" + wanted)):
            part = candidate
    return best[2] if best is not None else part


def _slips(one: str, other: str, most: int) -> int:
    """Returns the distance of Damerau and Levenshtein (adjacent swaps), or `most + 1` when it is greater."""
    before_last: list[int] = []
    last = list(range(len(other) + 1))
    for row, character in enumerate(one, 1):
        line = [row]
        for column, against in enumerate(other, 1):
            cost = min(last[column] + 1, line[column - 1] + 1, last[column - 1] + (character != against))
            swapped = row > 1 and column > 1 and character == other[column - 2] and one[row - 2] == against
            if swapped:
                cost = min(cost, before_last[column - 2] + 1)
            line.append(cost)
        if min(line) > most:
            return most + 1
        before_last, last = last, line
    return last[-1]
