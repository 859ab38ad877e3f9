"""What only a tracker inside git can be asked: ranges, ancestors, equal code, touched paths, a state of the past."""

from __future__ import annotations

from gitruns.query import moments
from gitruns.query.ast import AncestorOf, AsOf, GitTerm, InRange, Length, Moment, SameCode, Text, Touched
from gitruns.query.fields import RUNS
from gitruns.query.operands import Operands
from gitruns.query.tokens import Token

_TESTS = frozenset("is in not like ilike between regexp and or".split())
_REVISIONS = "a revision, as in: main, v1.2, HEAD~3"


class GitTerms(Operands):
    """The part of the parser that reads git terms."""

    def git_term(self) -> GitTerm | None:
        """Parses a git term where one begins, else returns None and takes nothing."""
        token = self.lexer.peek()
        word = token.keyword if self.subject is RUNS else ""
        if word == "in":
            return self._range(self.lexer.take())
        if word == "ancestor" and self.lexer.following_word() == "of":
            self._take(2)
            return AncestorOf(self._word(_REVISIONS).text, token.start)
        if word == "same" and self.lexer.following_word() == "code":
            return self._same_code(token)
        if word == "as" and self.lexer.following_word() == "of":
            return self._as_of(token)
        if word == "touched" and not self._is_field(token):
            self._take(1)
            return Touched(self._word("a path, as in: touched src/model.py").text, token.start)
        return None

    def _take(self, count: int) -> None:
        for _ in range(count):
            self.lexer.take()

    def _is_field(self, token: Token) -> bool:
        """Returns whether `touched` is the name of somebody's metric, as what follows tells."""
        after = self.lexer.following()
        return after in ("", *"=<>!+*)@") or self.lexer.following_word() in _TESTS

    def _word(self, wanted: str) -> Token:
        word = self.lexer.raw_word()
        if word is None or not word.text:
            raise self.unexpected(self.lexer.take(), wanted)
        return word

    def _range(self, token: Token) -> InRange:
        word = self._word("a range of commits, as in: in main..feature")
        if ".." not in word.text:
            raise self.lexer.error(
                "a range has two dots", word.start, f"{word.text}..HEAD, or: ancestor of {word.text}"
            )
        return InRange(word.text, token.start)

    def _same_code(self, token: Token) -> SameCode:
        self._take(2)
        if self.lexer.peek().keyword != "as":
            raise self.unexpected(self.lexer.take(), "AS and a run: same code as bold-otter")
        self._take(1)
        return SameCode(self._word("a run, as in: same code as bold-otter").text, token.start)

    def _as_of(self, token: Token) -> AsOf:
        self._take(2)
        word = self._word("a date or a revision, as in: as of 2024-05-01")
        return AsOf(self._when(word), token.start)

    def _when(self, word: Token) -> Moment | Length | Text:
        moment = moments.canonical_moment(word.text)
        if moment is not None:
            return Moment(moment, word.start)
        ago = moments.ago_in(word.text) or _length_ago(word)
        if ago is not None:
            return Length(-ago[0], ago[1], word.start)
        return Text(word.text, word.start)


def _length_ago(word: Token) -> tuple[int, str] | None:
    """Returns amount and unit of `-7d`."""
    digits = word.text[1:].rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = moments.unit_of(word.text[1 + len(digits) :])
    if word.text[:1] != "-" or unit is None or not digits.isascii() or not digits.isdigit() or len(digits) > 9:
        return None
    return int(digits), unit
