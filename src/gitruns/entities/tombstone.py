"""What is left of a run that was deleted for good."""

from __future__ import annotations

from dataclasses import dataclass

from gitruns.entities.ids import RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """Which run was purged, when (milliseconds UTC), by whom and why, where that was said."""

    run_id: RunId
    time_ms: int
    user: str | None = None
    reason: str | None = None
