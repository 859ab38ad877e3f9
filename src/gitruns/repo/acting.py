"""On whose behalf this thread writes: a server does so for the person who called it, and git names them as author."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from gitruns.entities.run import Identity

_acting: ContextVar[Identity | None] = ContextVar("gitruns_acting", default=None)


@contextmanager
def acting_as(identity: Identity | None) -> Iterator[None]:
    """Has what is written meanwhile, in this thread or task, named that author; None: whoever runs this process."""
    token = _acting.set(identity)
    try:
        yield
    finally:
        _acting.reset(token)


def acting_identity() -> Identity | None:
    """Returns on whose behalf we write, None for nobody else's."""
    return _acting.get()
