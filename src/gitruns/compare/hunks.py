"""Changed places in code, and how much each can matter: a comment changes no result."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_COMMENT = re.compile(r"\s*(?:#|//|--|;|%|\*|/\*|\"\"\"|''')|\s*\Z")
_HEAD = re.compile(r"@@ -\d+(?:,\d+)? \+(?P<line>\d+)(?:,\d+)? @@(?P<where>.*)")
_NEW_PATH = "+++ b/"
_OLD_PATH = "--- a/"

CODE_ENDINGS = tuple(
    ".py .pyx .ipynb .c .cc .cpp .cu .h .hpp .rs .go .java .jl .r .R .scala .sh .yaml .yml .json .toml .ini .cfg"
    " .sql".split()
)
_DULL_NAMES = (
    "readme",
    "license",
    "changelog",
    "contributing",
    "authors",
    ".gitignore",
    ".gitattributes",
    "gitruns.yaml",
)
_DULL_FOLDERS = frozenset({"docs", "doc", "tests", "test", ".github", ".gitlab"})
_SLIGHT = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One changed place: the file, the line where it begins now, what git says it is in, and its lines."""

    path: str
    line: int
    where: str
    lines: tuple[str, ...]

    @property
    def weight(self) -> float:
        """How much it can matter: next to nothing for comments and empty lines, a little more for longer ones."""
        old, new = (
            Counter(line[1:].rstrip() for line in self.lines if line[:1] == sign and not _COMMENT.match(line[1:]))
            for sign in "-+"
        )
        effective = (
            sum(((old - new) + (new - old)).values()) if old != new else 0
        )  # blanks at the end of a line are nothing
        return 1.0 + min(effective, 10) / 20 if effective else _SLIGHT


def file_weight(path: str, entry_point: str | None = None) -> float:
    """Returns how likely a file's change is a cause, by what the file is: code more, documentation hardly."""
    parts = path.lower().split("/")
    if parts[-1].startswith(_DULL_NAMES) or not _DULL_FOLDERS.isdisjoint(parts[:-1]) or parts[-1].endswith(".md"):
        return _SLIGHT
    if path == entry_point:
        return 1.2
    return 1.0 if path.endswith(CODE_ENDINGS) else 0.4


def parse_hunks(patch: str) -> list[Hunk]:
    """Returns the hunks of git's unified diff, in their order."""
    hunks: list[Hunk] = []
    path, line, where = "", 0, ""
    lines: list[str] = []
    open_hunk = False

    def close() -> None:
        if open_hunk:
            hunks.append(Hunk(path=path, line=line, where=where, lines=tuple(lines)))

    for text in patch.removesuffix("\n").split("\n"):
        if text.startswith("diff --git "):
            close()
            open_hunk, path = False, ""
        elif (head := _HEAD.fullmatch(text)) is not None:
            close()
            open_hunk, line, where, lines = True, int(head["line"]), head["where"].strip(), []
        elif open_hunk:
            lines.append(text)
        elif text.startswith(_NEW_PATH):
            path = text.removeprefix(_NEW_PATH)
        elif text.startswith(_OLD_PATH) and not path:
            path = text.removeprefix(_OLD_PATH)
    close()
    return hunks
