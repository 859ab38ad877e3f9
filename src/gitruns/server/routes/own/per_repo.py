"""What routes keep from one request to the next, of each repository."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from gitruns.repo import Repo

T = TypeVar("T")
_MOST = 4


class PerRepo(Generic[T]):
    """Makes something for a repository when it is first asked for. A server has one repository, tests have some."""

    def __init__(self, make: Callable[[Repo], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: OrderedDict[Repo, T] = OrderedDict()

    def of(self, repo: Repo) -> T:
        """Returns what was made for a repository."""
        with self._lock:
            if repo not in self._made:
                self._made[repo] = self._make(repo)
                while len(self._made) > _MOST:
                    self._made.popitem(last=False)
            return self._made[repo]
