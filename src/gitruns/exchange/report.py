"""What an import did, or would do, and what it could not carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gitruns.entities.ids import RunId
from gitruns.exchange.foreign import Damage

Progress = Callable[[int, int], None]
"""Told how many runs are done, and of how many."""


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What became of each thing of the source.

    `runs` and `logged_models` are new here, `known` were here before; of these `updated` had not ended
    then, and have gone on. `experiments`, `models` and `versions` count what
    is new. `points`, `artifacts` and `artifact_bytes` are those of the new runs. `linked` runs are children of the
    commit that they name. `problems` are what could not be carried, one by one, `left_out` kinds of things that never
    are. `renumbered` are versions whose number was taken: `name vN` → the number that they have here.
    """

    dry_run: bool = False
    runs: list[RunId] = field(default_factory=list)
    logged_models: list[RunId] = field(default_factory=list)
    updated: list[RunId] = field(default_factory=list)
    known: int = 0
    linked: int = 0
    experiments: int = 0
    models: int = 0
    versions: int = 0
    points: int = 0
    artifacts: int = 0
    artifact_bytes: int = 0
    problems: list[Damage] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    renumbered: dict[str, int] = field(default_factory=dict)

    def cannot(self, what: str, why: object) -> None:
        """Takes note of something that could not be carried."""
        self.problems.append(Damage(what, str(why)))
