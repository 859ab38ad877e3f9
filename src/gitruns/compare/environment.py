"""How the environments of two runs differ: interpreter, platform, packages, hardware, variables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gitruns.compare.changes import Change, changes
from gitruns.entities.environment import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentDiff:
    """What differs. `unknown` says that one of the runs has no environment recorded, so nothing can be said."""

    base: tuple[Change[str], ...] = ()
    packages: tuple[Change[str], ...] = ()
    hardware: tuple[Change[str], ...] = ()
    variables: tuple[Change[str], ...] = ()
    unknown: bool = False

    def __bool__(self) -> bool:
        return any(self.groups())

    def groups(self) -> Iterator[tuple[Change[str], ...]]:
        """Yields the changes, group by group; `base` is python and platform."""
        yield from (self.base, self.packages, self.hardware, self.variables)


def diff_environments(before: Environment | None, after: Environment | None) -> EnvironmentDiff:
    """Returns what differs between two environments."""
    if before is None or after is None:
        return EnvironmentDiff(unknown=before is not after)
    base = changes(
        {"python": before.python, "platform": before.platform}, {"python": after.python, "platform": after.platform}
    )
    return EnvironmentDiff(
        base=base,
        packages=changes(before.packages, after.packages),
        hardware=changes(before.hardware, after.hardware),
        variables=changes(before.variables, after.variables),
    )
