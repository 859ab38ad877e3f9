"""What an error of SQLite asks for."""

from __future__ import annotations

import sqlite3
from enum import Enum, auto


class Cure(Enum):
    """What helps."""

    REPLACE = auto()
    """The file is damaged or not ours: another takes its place."""
    MEMORY = auto()
    """The file cannot be written, or somebody holds it too long: the index is kept in memory."""
    SIMPLER = auto()
    """The query is too large for SQLite."""
    NONE = auto()
    """A bug of ours."""


# By message, since Python before 3.11 does not hand on SQLite's code.
_CURES = {
    Cure.REPLACE: "malformed|not a database|encrypted|no such table|no such column|unsupported file format",
    Cure.MEMORY: "readonly|read-only|unable to open|disk i/o|is full|locked|authorization|permission",
    Cure.SIMPLER: "too many|too complex|too deep|too big|parser stack|too large|at most",
}


def cure_of(error: sqlite3.Error) -> Cure:
    """Returns what helps against an error of SQLite."""
    message = str(error).lower()
    for cure, words in _CURES.items():
        if any(word in message for word in words.split("|")):
            return cure
    return Cure.NONE
