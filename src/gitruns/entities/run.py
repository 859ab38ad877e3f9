"""A run: one execution of some code, with what went in and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from gitruns.entities.artifact import Artifact
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment
from gitruns.entities.ids import DEFAULT_EXPERIMENT_ID, Digest, ExperimentId, ObjectId, RunId, WriterId
from gitruns.entities.source import Source
from gitruns.entities.stamp import Stamp
from gitruns.entities.status import Lifecycle as Lifecycle
from gitruns.entities.status import RunStatus as RunStatus
from gitruns.entities.values import MetricSummary, Scalar

_NOTHING: Mapping[str, Any] = MappingProxyType({})

NOTE_TAG = "mlflow.note.content"
"""The tag that holds a run's note (its description), as MLflow has it."""

MODEL_KIND = "model"
"""The kind of a record that is a logged model."""

MODEL_TAGS = "gitruns.model."
"""How reserved tags begin that tie runs and logged models; no view of tags shows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """All of a run but its data. Times are milliseconds UTC.

    `writer` is the clone that owns the log data. `entry_point` is the script, notebook or module, relative to the
    repository; `command` the command line with secret-looking arguments masked. `error` is the exception that ended
    a FAILED run, one line. `dropped` counts log records that could not be kept (full disk). `kind` is what the record
    is if it is no run: `MODEL_KIND`. It is kept, merged, sent and archived as a run, and listed among runs nowhere.
    """

    id: RunId
    name: str
    experiment_id: ExperimentId = DEFAULT_EXPERIMENT_ID
    writer: WriterId
    status: RunStatus = RunStatus.RUNNING
    start_time_ms: int
    end_time_ms: int | None = None
    user: str | None = None
    host: str | None = None
    entry_point: str | None = None
    command: tuple[str, ...] = ()
    source: Source = field(default_factory=Source)
    parent_run_id: RunId | None = None
    exit_code: int | None = None
    error: str | None = None
    lifecycle: Lifecycle = Lifecycle.ACTIVE
    dropped: int = 0
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One immutable piece of a run's metric history: what one seal wrote.

    `digest` is the SHA-256 of its TSV bytes and `size_bytes` their length, never compressed. `stored_as` is the gzip
    object in the artifact store that holds the points when they are too many for the tree; the tree then has a
    downsampled curve in their place.
    """

    digest: Digest
    size_bytes: int
    stored_as: Artifact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The whole state of a run, all but the points of its metrics (and the bytes of its artifacts).

    `params`, `tags` and `metrics` are read-only mappings by key. `commit` is the tip it was read from, None for a run
    that is only in the journal. `unknown` holds files of the tree that this version does not know, path to bytes:
    they are carried along untouched. `manifest` is the object that lists the artifacts when they are too many for the
    tree; `artifacts` then has only those that the tree lists beside it. `more_manifests` are further such objects,
    which a merge has brought together. `format_version` is the tree's: one that is newer than ours is only shown.
    """

    info: RunInfo
    params: Mapping[str, Scalar] = field(default_factory=lambda: _NOTHING)
    tags: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    metrics: Mapping[str, MetricSummary] = field(default_factory=lambda: _NOTHING)
    parts: tuple[Part, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    manifest: Artifact | None = None
    more_manifests: tuple[Artifact, ...] = ()
    inputs: tuple[DatasetInput, ...] = ()
    environment: Environment | None = None
    stamps: Mapping[str, Stamp] = field(default_factory=lambda: _NOTHING)
    commit: ObjectId | None = None
    live: bool = False
    format_version: int = 1
    unknown: Mapping[str, bytes] = field(default_factory=lambda: _NOTHING)

    @property
    def shown_tags(self) -> Mapping[str, str]:
        """The tags without the reserved ones, which tie runs and logged models."""
        if not any(key.startswith(MODEL_TAGS) for key in self.tags):
            return self.tags
        return MappingProxyType({key: text for key, text in self.tags.items() if not key.startswith(MODEL_TAGS)})

    @property
    def note(self) -> str:
        """The run's note, empty when it has none."""
        return self.tags.get(NOTE_TAG, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom git shall name as author: name, address, and the offset of their clock from UTC."""

    name: str
    email: str
    utc_offset_minutes: int = 0
