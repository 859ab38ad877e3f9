"""Where primary output goes: standard output or a pager, as text, as JSON, or by a template.

Answers go to stdout and all talk to stderr, so that a pipe gets answers only. JSON is one object a line, with `nan`,
`inf` and `-inf` as text, because JSON has no such numbers.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TextIO

from gitruns.cli.cells import printable
from gitruns.cli.pager import find_pager, paged
from gitruns.cli.template import Template
from gitruns.cli.terminal import ReadConfig, Terminal, can_unicode

_RAW_CONTROLS = re.compile("[\x7f-\x9f]")
_MANY_DIGITS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How records are to be written: `json`, a `template`, or neither for people; `zero` ends each with NUL."""

    json: bool = False
    template: Template | None = None
    zero: bool = False

    @property
    def for_people(self) -> bool:
        """Whether a person reads the output, so that a table or a page is wanted."""
        return not self.json and self.template is None


class Output:
    """Writes answers to stdout, through a pager where that is wanted, and talk to stderr."""

    def __init__(
        self,
        find_terminal: Callable[[], Terminal],
        environ: Mapping[str, str],
        read_config: ReadConfig,
        *,
        use_pager: bool = True,
    ) -> None:
        self._find_terminal = find_terminal
        self._environ = environ
        self._read_config = read_config
        self._use_pager = use_pager
        self._pager: TextIO | None = None

    @cached_property
    def terminal(self) -> Terminal:
        """What stdout is, found when something is shown to people: it takes a look into git's configuration."""
        return self._find_terminal()

    def write(self, text: str) -> None:
        """Writes text as it is."""
        stream = self._pager or sys.stdout
        encoding = stream.encoding or "utf-8"
        if not text.isascii() and not can_unicode(encoding):
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        stream.write(text)

    def raw(self, data: bytes) -> None:
        """Writes bytes as they are: what git has printed, in whatever encoding the files have."""
        stream = self._pager or sys.stdout
        stream.flush()
        stream.buffer.write(data)
        stream.buffer.flush()

    def line(self, text: str = "") -> None:
        """Writes one line."""
        self.write(text + "\n")

    def record(self, record: Mapping[str, Any], form: Form) -> None:
        """Writes one record as JSON or by the template."""
        if form.template is not None:
            text = form.template.render(record)
            shown = printable(text, keep="\n\t\0") if self.terminal.is_tty else text
        else:
            shown = json_text(record)
        self.write(shown + ("\0" if form.zero else "\n"))

    def talk(self, text: str) -> None:
        """Writes a line to stderr: what happened, not what was asked for."""
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        print(printable(text, keep="\n\t"), file=sys.stderr, flush=True)  # noqa: T201  this is the one place that talks

    def paint(self, text: str, style: str | None) -> str:
        """Returns the text in the colours of a style, where there are colours."""
        return self.terminal.paint(text, style)

    @contextlib.contextmanager
    def paging(self) -> Iterator[None]:
        """Sends what is written inside through the user's pager, when stdout is a terminal."""
        command = find_pager(self._environ, self._read_config) if self._use_pager and self.terminal.is_tty else None
        if command is None or self._pager is not None:
            yield
            return
        sys.stdout.flush()
        environ = {**self._environ, "GIT_PAGER_IN_USE": "true"}
        with paged(command, environ, sys.stdout.encoding or "utf-8") as stream:
            self._pager = stream
            try:
                yield
            finally:
                self._pager = None


def json_text(value: Any) -> str:
    """Returns a value as one line of JSON in which no character can act on a terminal."""
    ascii_only = not can_unicode(sys.stdout.encoding)
    text = _with_many_digits(lambda: json.dumps(value, ensure_ascii=ascii_only, allow_nan=False))
    return _RAW_CONTROLS.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _with_many_digits(encode: Callable[[], str]) -> str:
    """A param may be an integer of up to 6,000 digits, more than Python writes unasked."""
    try:
        return encode()
    except ValueError as error:
        if "digits" not in str(error) or not hasattr(sys, "set_int_max_str_digits"):
            raise
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(_MANY_DIGITS)
    try:
        return encode()
    finally:
        sys.set_int_max_str_digits(before)
