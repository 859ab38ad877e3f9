"""Who calls: what a token, an identity provider or a proxy has told us of them."""

from __future__ import annotations

from dataclasses import dataclass

from gitruns.entities.run import Identity
from gitruns.server.calls import Role


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may call, and how far. `experiments` are the ids that they are limited to, None for all."""

    name: str
    email: str
    role: Role
    experiments: frozenset[str] | None = None

    @property
    def identity(self) -> Identity:
        """Whom git names as author of what they write."""
        return Identity(name=self.name, email=self.email)
