"""The closed sets of words that say where something stands."""

from __future__ import annotations

from enum import Enum


class RunStatus(str, Enum):
    """Where a run stands in its life; the words are MLflow's."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    def __str__(self) -> str:
        return self.value

    @property
    def ended(self) -> bool:
        """Whether this status ends a run."""
        return self in (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED)


class Lifecycle(str, Enum):
    """Whether something is shown (`active`) or taken away reversibly (`deleted`)."""

    ACTIVE = "active"
    DELETED = "deleted"

    def __str__(self) -> str:
        return self.value
