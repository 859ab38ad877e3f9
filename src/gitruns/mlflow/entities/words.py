"""MLflow's closed sets of words and numbers."""

from __future__ import annotations

from typing import ClassVar

from gitruns.mlflow.exceptions import refused


class _Words:
    """Numbers with names, as MLflow's classes of constants have them."""

    _NAMES: ClassVar[dict[int, str]] = {}

    @classmethod
    def to_string(cls, number: int) -> str:
        """Returns the name of a number."""
        if number not in cls._NAMES:
            raise refused(f"{number} is none of {cls._NAMES}")
        return cls._NAMES[number]

    @classmethod
    def from_string(cls, name: str) -> int:
        """Returns the number of a name."""
        for number, known in cls._NAMES.items():
            if known.upper() == str(name).upper():
                return number
        raise refused(f"'{name}' is none of {', '.join(cls._NAMES.values())}")


class RunStatus(_Words):
    """What a run is doing."""

    RUNNING, SCHEDULED, FINISHED, FAILED, KILLED = range(1, 6)
    _NAMES: ClassVar[dict[int, str]] = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}

    @staticmethod
    def is_terminated(status: int) -> bool:
        """Returns whether a run of that status has ended."""
        return status in (3, 4, 5)

    @staticmethod
    def all_status() -> list[int]:
        """Returns all of them."""
        return [1, 2, 3, 4, 5]


class ViewType(_Words):
    """Which runs or experiments are looked at, by whether they were deleted."""

    ACTIVE_ONLY, DELETED_ONLY, ALL = range(1, 4)
    _NAMES: ClassVar[dict[int, str]] = {1: "active_only", 2: "deleted_only", 3: "all"}


class LifecycleStage:
    """Whether a run or an experiment was deleted."""

    ACTIVE = "active"
    DELETED = "deleted"


class SourceType(_Words):
    """What started a run."""

    NOTEBOOK, JOB, PROJECT, LOCAL, UNKNOWN, RECIPE = 1, 2, 3, 4, 1000, 5
    _NAMES: ClassVar[dict[int, str]] = {1: "NOTEBOOK", 2: "JOB", 3: "PROJECT", 4: "LOCAL", 5: "RECIPE", 1000: "UNKNOWN"}
