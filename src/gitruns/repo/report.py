"""What logging says when something goes wrong: once each, and never as an exception."""

from __future__ import annotations

import warnings

from gitruns.entities.ids import RunId
from gitruns.errors import GitRunsError, GitRunsWarning


class Reporter:
    """Warns of the troubles of one run; the same kind of trouble is said once."""

    def __init__(self, run_id: RunId) -> None:
        self._run_id = run_id
        self._said: set[str] = set()

    def __call__(self, error: BaseException) -> None:
        """Says what went wrong, with its hint, unless that was said before."""
        kind = error.kind if isinstance(error, GitRunsError) else type(error).__name__
        if kind in self._said:
            return
        self._said.add(kind)
        text = f"gitruns: run '{self._run_id[:8]}': {str(error) or type(error).__name__}"
        if isinstance(error, GitRunsError) and error.hint:
            text += f" (hint: {error.hint})"
        warnings.warn(text, GitRunsWarning, stacklevel=3)
