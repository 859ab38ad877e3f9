"""What we are writing to: a terminal or not, how wide, with colour or not."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

ReadConfig = Callable[[str], "str | None"]

_SGR = {
    "id": "33",
    "heading": "1",
    "head": "2",
    "RUNNING": "1;36",
    "SCHEDULED": "36",
    "FINISHED": "32",
    "FAILED": "31",
    "KILLED": "35",
    "key": "36",
    "metric": "1",
    "curve": "34",
    "faint": "2",
    "mark": "33",
    "error": "1;31",
    "hint": "33",
    "added": "32",
    "removed": "31",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Facts about standard output. `width` is in columns; `unicode` says that more than ASCII can be shown."""

    is_tty: bool = False
    width: int = 80
    colour: bool = False
    unicode: bool = True

    def paint(self, text: str, style: str | None) -> str:
        """Returns the text in a style's colours, or as it is where there are none."""
        if not self.colour or style is None or not text or style not in _SGR:
            return text
        return f"\033[{_SGR[style]}m{text}\033[m"


def find_terminal(environ: Mapping[str, str], read_config: ReadConfig, colour: str | None = None) -> Terminal:
    """Returns the facts about standard output; `colour` is what `--color` said, if anything."""
    # A pager that git has started before us (`git -p runs list`) is a terminal in all but name.
    is_tty = sys.stdout.isatty() or in_pager(environ)
    wanted = colour or ("never" if environ.get("NO_COLOR") else _configured_colour(read_config))
    able = is_tty and environ.get("TERM", "dumb") != "dumb"
    able = able and not (in_pager(environ) and read_config("color.pager") == "false")
    return Terminal(
        is_tty=is_tty,
        width=_width(environ),
        colour=wanted == "always" or (wanted == "auto" and able),
        unicode=can_unicode(sys.stdout.encoding),
    )


def in_pager(environ: Mapping[str, str]) -> bool:
    """Returns whether git has sent our output through a pager already."""
    return environ.get("GIT_PAGER_IN_USE") in ("1", "true")


def _configured_colour(read_config: ReadConfig) -> str:
    word = (read_config("color.runs") or read_config("color.ui") or "auto").lower()
    return {"always": "always", "never": "never", "false": "never", "no": "never", "off": "never"}.get(word, "auto")


def _width(environ: Mapping[str, str]) -> int:
    columns = environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80 if sys.__stdout__ else 80
    except (OSError, ValueError):
        return shutil.get_terminal_size((80, 24)).columns


def can_unicode(encoding: str | None) -> bool:
    """Returns whether an encoding can hold all of unicode."""
    return (encoding or "").lower().replace("-", "").replace("_", "") in (
        "utf8",
        "utf16",
        "utf32",
        "utf8sig",
        "cp65001",
    )
