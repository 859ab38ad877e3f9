"""Git configuration in force, read once by `git` itself: includes, work trees, environment count as they do there."""

from __future__ import annotations

from gitruns.gitstore.permissions import SharedMode, parse_shared_mode
from gitruns.gitstore.program import GitProgram


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
        if self._values is None:
            self._values = _parse(self._git.run("config", "--list", "-z"))
        return self._values.get(_folded(key))

    def shared_mode(self) -> SharedMode:
        """Returns how the modes of new files are widened."""
        if self._shared is None:
            self._shared = parse_shared_mode(self.get("core.sharedRepository"))
        return self._shared


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
