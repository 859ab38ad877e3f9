"""Tokens as a server checks them: read again when their file has changed."""

from __future__ import annotations

import hmac
import threading
import time
from pathlib import Path

from gitruns.errors import GitRunsError
from gitruns.server.auth.people import Person
from gitruns.server.auth.token_file import PREFIX, Token, read_tokens, secret_hash

_LOOK_EVERY_S = 0.5
_Mark = tuple[int, int, int]


class TokenChecker:
    """Knows the tokens of one file. When it cannot be read any more, nobody is let in by it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tokens: dict[str, Token] = {}
        self._mark: _Mark | None = None
        self._looked_s = float("-inf")
        self._lock = threading.Lock()

    def find(self, secret: str) -> Person | None:
        """Returns whom a secret stands for; None for what is no token of ours, is revoked, or is over."""
        prefix, _, rest = secret.partition("_")
        if prefix != PREFIX:
            return None
        token_id = rest.partition("_")[0]
        self._refresh()
        if token_id not in self._tokens:
            self._refresh(now=True)  # whoever has just made a token may use it
        token = self._tokens.get(token_id)
        if token is None or not hmac.compare_digest(token.sha256, secret_hash(secret)):
            return None
        return None if token.expired(time.time_ns() // 1_000_000) else token.person

    def _refresh(self, *, now: bool = False) -> None:
        time_s = time.monotonic()
        if not now and time_s - self._looked_s < _LOOK_EVERY_S:
            return
        with self._lock:
            self._looked_s = time_s
            mark = self._file_mark()
            if mark == self._mark:
                return
            try:
                self._tokens = {token.id: token for token in read_tokens(self._path)}
            except (GitRunsError, OSError):
                self._tokens = {}
            self._mark = mark

    def _file_mark(self) -> _Mark | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size
