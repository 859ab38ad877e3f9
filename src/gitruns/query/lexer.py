"""Text to tokens, on demand: each character is looked at a bounded number of times.

The parser asks for tokens one by one, and for a raw word (`origin/main~3`, `src/model.py`) where the grammar has one.

Strings are MLflow's: what stands between the quotes, unchanged; a doubled quote and one after a backslash do not end
it and stay as they are. `e'…'` and `e"…"` are ours, with the escapes of Python, for what no pair of quotes can hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from gitruns.errors import InvalidInputError
from gitruns.query import moments
from gitruns.query.pointing import bad_query, quoted
from gitruns.query.tokens import Token, TokenKind

MAX_LENGTH = 64 * 1024
MAX_TOKENS = 2000
MAX_DIGITS = 400

_DIGITS = frozenset("0123456789")
_SYMBOLS = frozenset("=<>!+-*/(),@")
_TWO = frozenset(("!=", "<=", ">=", "==", "<>"))
_QUOTES = ("'", '"')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", "'": "'", '"': '"', "`": "`"}
_HEX_ESCAPES = {"x": 2, "u": 4, "U": 8}


def _run(pattern: str) -> Callable[[str, int], re.Match[str]]:
    """Returns the matcher of a run of characters: it always matches, and has nothing to backtrack into."""
    return re.compile(pattern).match  # type: ignore[return-value]  # no None: each pattern matches the empty text


_SPACE_RUN = _run(r"\s*")
_DIGIT_RUN = _run(r"[0-9]*")
_WORD_RUN = _run(r"\w*")
_DOTTED_RUN = _run(r"\w*(?:\.\w+)*")
_JOINED_RUN = _run(r"\w*(?:(?:\.|[-/](?!\d))\w+)*")
_MOMENT_RUN = _run(r"[\w+:.-]*")
_RAW_RUN = _run(r"""[^\s(),'"`]*""")
_ESCAPED_RUNS = {"'": _run(r"[^'\\]*"), '"': _run(r'[^"\\]*')}


def is_word(character: str) -> bool:
    """Returns whether the character can stand in a name without quotes."""
    return character == "_" or character.isalnum()


class Lexer:
    """Reads one query. `peek` shows the next token, `take` goes past it.

    `prefixes` are the words that a dot sets apart from a key (`params.lr`). With `joined`, a name goes on over `-` and
    `/` when a letter follows at once, so that `val-loss` and `train/loss` are names and `a - b` is not.
    """

    def __init__(self, text: str, prefixes: Collection[str], *, joined: bool) -> None:
        self.text = text
        self._prefixes = prefixes
        self._joined = joined
        self._length = len(text)
        self._place = 0
        self._taken = 0
        self._next: Token | None = None
        if self._length > MAX_LENGTH:
            raise self.error(f"the query is longer than {MAX_LENGTH} characters", MAX_LENGTH)
        self._refuse_surrogates()

    def error(self, message: str, start: int, hint: str | None = None) -> InvalidInputError:
        """Returns the error that points at a place of this query."""
        return bad_query(message, self.text, min(start, self._length), hint=hint)

    def _refuse_surrogates(self) -> None:
        try:
            self.text.encode()
        except UnicodeEncodeError as error:
            raise self.error("a lone surrogate is no character", error.start) from None

    def peek(self) -> Token:
        """Returns the next token without going past it."""
        if self._next is None:
            self._next = self._read()
        return self._next

    def take(self) -> Token:
        """Returns the next token and goes past it."""
        token = self.peek()
        self._next = None
        if token.kind is not TokenKind.END:
            self._count(token.start)
        return token

    def at(self, character: str) -> bool:
        """Returns whether that character is what comes next."""
        start = self._after_spaces(self._place if self._next is None else self._next.start)
        return self.text[start : start + 1] == character

    def following(self) -> str:
        """Returns the first character after the next token and any spaces, empty at the end."""
        place = self._after_spaces(self.peek().end)
        return self.text[place : place + 1]

    def following_word(self) -> str:
        """Returns the word of letters after the next token and any spaces, in lower case."""
        start = self._after_spaces(self.peek().end)
        return self.text[start : _WORD_RUN(self.text, start).end()].lower()

    def skip(self, symbol: str) -> bool:
        """Goes past that symbol when it comes next, and returns whether it did; not counted as a word."""
        if not self.at(symbol):
            return False
        self._place = self._after_spaces(self._place if self._next is None else self._next.start) + 1
        self._next = None
        return True

    def raw_word(self) -> Token | None:
        """Returns what stands up to the next space, comma, quote or parenthesis, or a quoted text, and goes past it.

        None when nothing stands there. The token before must have been taken and the next one not been asked for
        unless it is one: a raw word need not be made of tokens (`3f2a~1`).
        """
        start = self._after_spaces(self._place if self._next is None else self._next.start)
        if self.text[start : start + 1] in _QUOTES or self.text[start : start + 2] in ("e'", 'e"'):
            return self.take()
        end = _RAW_RUN(self.text, start).end()
        if end == start:
            return None
        self._next = Token(TokenKind.TEXT, self.text[start:end], start, end)
        self._place = end
        return self.take()

    # Reading

    def _after_spaces(self, place: int) -> int:
        return _SPACE_RUN(self.text, place).end()

    def _count(self, start: int) -> None:
        """Counts one more piece of work, so that a query takes bounded time."""
        self._taken += 1
        if self._taken > MAX_TOKENS:
            raise self.error(f"the query has more than {MAX_TOKENS} words", start)

    def _read(self) -> Token:
        start = self._after_spaces(self._place)
        token = self._token_at(start) if start < self._length else Token(TokenKind.END, "", start, start)
        self._place = token.end
        return token

    def _token_at(self, start: int) -> Token:
        character = self.text[start]
        if character == "e" and self.text[start + 1 : start + 2] in _QUOTES:
            return self._escaped(start)
        if character in _DIGITS or (character == "." and self.text[start + 1 : start + 2] in _DIGITS):
            return self._number(start)
        if character == "`" or is_word(character):
            return self._name(start)
        if character == "'" or character == '"':
            text, end = self._quoted(start)
            return Token(TokenKind.TEXT if character == "'" else TokenKind.QUOTED, text, start, end)
        if character in _SYMBOLS:
            symbol = self.text[start : start + 2]
            symbol = symbol if symbol in _TWO else character
            return Token(TokenKind.SYMBOL, symbol, start, start + len(symbol))
        raise self.error(f"unexpected character {quoted(character)}", start, _hint_for(character))

    def _quoted(self, start: int) -> tuple[str, int]:
        """Returns what the quotes at `start` hold and where they end."""
        quote = self.text[start]
        place, fallback = start + 1, -1
        while True:
            end = self.text.find(quote, place)
            if end < 0:
                break
            self._count(start)
            # What looks like an escape still ends the text when nothing else does: 'C:\data\'.
            if quote != "`" and end > start + 1 and self.text[end - 1] == "\\":
                place, fallback = end + 1, end
            elif self.text[end + 1 : end + 2] == quote:
                place = end + 2
            else:
                return self.text[start + 1 : end], end + 1
        if fallback < 0:
            raise self.error(f"the text that begins here has no end {quote}", start, f"close it with {quote}")
        return self.text[start + 1 : fallback], fallback + 1

    def _escaped(self, start: int) -> Token:
        quote = self.text[start + 1]
        pieces: list[str] = []
        place = start + 2
        while True:
            self._count(start)
            end = _ESCAPED_RUNS[quote](self.text, place).end()
            pieces.append(self.text[place:end])
            if end >= self._length:
                raise self.error(f"the text that begins here has no end {quote}", start, f"close it with {quote}")
            if self.text[end] == quote:
                kind = TokenKind.TEXT if quote == "'" else TokenKind.QUOTED
                return Token(kind, "".join(pieces), start, end + 1)
            piece, place = self._escape(end)
            pieces.append(piece)

    def _escape(self, start: int) -> tuple[str, int]:
        letter = self.text[start + 1 : start + 2]
        if letter in _ESCAPES:
            return _ESCAPES[letter], start + 2
        digits = self.text[start + 2 : start + 2 + _HEX_ESCAPES.get(letter, 0)]
        if letter in _HEX_ESCAPES and len(digits) == _HEX_ESCAPES[letter] and digits.isascii() and digits.isalnum():
            try:
                character = chr(int(digits, 16))
                character.encode()
            except (ValueError, OverflowError):
                pass
            else:
                return character, start + 2 + len(digits)
        raise self.error("no such escape", start, "escapes: \\\\ \\' \\n \\t \\r \\0 \\xHH \\uHHHH \\UHHHHHHHH")

    def _number(self, start: int) -> Token:
        text, end = self.text, start
        if text[start + 4 : start + 8 : 3] == "--" and text[start : start + 4].isdigit():
            return self._moment(start)
        end = self._digits(end)
        if text[end : end + 1] == ".":
            end = self._digits(end + 1)
        if text[end : end + 1] in ("e", "E"):
            sign = text[end + 1 : end + 2] in ("+", "-")
            if text[end + 1 + sign : end + 2 + sign] in _DIGITS and text[end + 1 + sign :]:
                end = self._digits(end + 1 + sign)
        number_end = end
        end = _WORD_RUN(text, end).end()
        if end - start > MAX_DIGITS:
            raise self.error(f"a number of more than {MAX_DIGITS} digits", start, "compare it as text, in quotes")
        if number_end == end:
            return Token(TokenKind.NUMBER, text[start:end], start, end)
        unit = moments.unit_of(text[number_end:end])
        if unit is None:
            raise self.error(
                f"{quoted(text[start:end])} is no number",
                start,
                "lengths of time: 30s 90m 2h 7d 2w; a name that begins with a digit goes in backticks",
            )
        return Token(TokenKind.LENGTH, text[start:number_end], start, end, prefix=unit)

    def _digits(self, place: int) -> int:
        return _DIGIT_RUN(self.text, place).end()

    def _moment(self, start: int) -> Token:
        end = _MOMENT_RUN(self.text, start).end()
        found = moments.canonical_moment(self.text[start:end])
        if found is None:
            raise self.error(
                f"{quoted(self.text[start:end])} is no date", start, "dates: 2024-05-01, 2024-05-01T12:30, -7d, today"
            )
        return Token(TokenKind.MOMENT, found, start, end)

    def _name(self, start: int) -> Token:
        text = self.text
        quoted_name = text[start] == "`"
        if quoted_name:
            word, end = self._quoted(start)
        else:
            end = _WORD_RUN(text, start).end()
            word = text[start:end]
        if text[end : end + 1] == ".":
            keyed = self._keyed(word, start, end + 1)
            if keyed is not None:
                return keyed
        if quoted_name:
            return Token(TokenKind.NAME, word, start, end)
        end = self._name_end(start)
        word = text[start:end]
        return Token(TokenKind.NAME, word, start, end, "", word.lower())

    def _keyed(self, prefix: str, start: int, place: int) -> Token | None:
        """Returns the name whose key stands at `place`, after a prefix and its dot, or None when none does."""
        text = self.text
        after = text[place : place + 1]
        if after and after in "'\"`":
            key, end = self._quoted(place)
            return Token(TokenKind.NAME, key, start, end, prefix)
        if after == "e" and text[place + 1 : place + 2] in _QUOTES:
            escaped = self._escaped(place)
            return Token(TokenKind.NAME, escaped.text, start, escaped.end, prefix)
        if prefix in self._prefixes and after and is_word(after):
            end = self._name_end(place)
            return Token(TokenKind.NAME, text[place:end], start, end, prefix)
        return None

    def _name_end(self, place: int) -> int:
        run = _JOINED_RUN if self._joined else _DOTTED_RUN
        return run(self.text, place).end()


def _hint_for(character: str) -> str | None:
    if character in ";&|":
        return "join conditions with AND and OR"
    if character in "“”‘’":
        return "text goes in straight quotes: 'text'"
    if character == ".":
        return None
    return "a name with other characters than letters, digits and _ goes in backticks"
