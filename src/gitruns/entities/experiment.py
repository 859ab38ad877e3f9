"""An experiment: a named group of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from gitruns.entities.ids import ExperimentId, ObjectId
from gitruns.entities.run import Lifecycle
from gitruns.entities.stamp import Stamp

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Name, tags and lifecycle of one experiment. Times are milliseconds UTC."""

    id: ExperimentId
    name: str
    creation_time_ms: int
    last_update_time_ms: int
    lifecycle: Lifecycle = Lifecycle.ACTIVE
    tags: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    stamps: Mapping[str, Stamp] = field(default_factory=lambda: _NOTHING)
    commit: ObjectId | None = None
    format_version: int = 1
    unknown: Mapping[str, bytes] = field(default_factory=lambda: _NOTHING)
