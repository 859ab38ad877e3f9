"""Git configuration in force, read once by `git` itself: includes, work trees, environment count as they do there."""

from __future__ import annotations

from gitruns.gitstore.permissions import SharedMode, parse_shared_mode
from gitruns.gitstore.program import GitProgram

_TRUE = frozenset(("true", "yes", "on", "1"))


class GitConfig:
    """The configuration of one repository, as it stood at the first question."""

    def __init__(self, git: GitProgram) -> None:
        self._git = git
        self._values: dict[str, str] | None = None
        self._shared: SharedMode | None = None

    def get(self, key: str) -> str | None:
        """Returns the last value of a key (`section.name`, `section.sub.name`), None when it is not set.

        A key without a value is git's short form of `true`.
        """
        return self._all().get(_folded(key))

    def promisor(self) -> str | None:
        """Returns the remote that has what a partial clone left out, None where the clone is whole."""
        old_form = self.get("extensions.partialClone")
        for key, value in self._all().items():
            if key.startswith("remote.") and key.endswith(".promisor") and value.lower() in _TRUE:
                return key.removeprefix("remote.").removesuffix(".promisor")
        return old_form

    def shared_mode(self) -> SharedMode:
        """Returns how the modes of new files are widened."""
        if self._shared is None:
            self._shared = parse_shared_mode(self.get("core.sharedRepository"))
        return self._shared

    def _all(self) -> dict[str, str]:
        if self._values is None:
            self._values = _parse(self._git.run("config", "--list", "-z"))
        return self._values


def _folded(key: str) -> str:
    """Returns the key with section and name in lower case, as git compares them; the part between keeps its case."""
    section, _, rest = key.partition(".")
    sub, dot, name = rest.rpartition(".")
    return f"{section.lower()}.{sub}{dot}{name.lower()}"


def _parse(listed: bytes) -> dict[str, str]:
    values = {}
    for item in listed.decode(errors="surrogateescape").split("\0"):
        key, newline, value = item.partition("\n")
        if key:
            values[key] = value if newline else "true"
    return values
