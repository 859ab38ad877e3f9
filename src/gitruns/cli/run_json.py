"""Runs and experiments as records: what `--json` prints and `--format` names.

The keys are documented in docs/json.md and only grow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from gitruns.cli.times import iso
from gitruns.entities.artifact import Artifact, Manifest
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment
from gitruns.entities.experiment import Experiment
from gitruns.entities.run import Run
from gitruns.entities.source import Source
from gitruns.entities.values import MetricSummary, Scalar


class LogEntry(Protocol):
    """One commit in the history of a run, as `repo` gives it."""

    @property
    def commit(self) -> str:
        """Its id."""

    @property
    def time_ms(self) -> int:
        """When it was made."""

    @property
    def author(self) -> str:
        """Who made it."""

    @property
    def subject(self) -> str:
        """The first line of its message."""


RUN_KEYS = frozenset(
    """
    id short name status lifecycle live experiment_id experiment start_time_ms end_time_ms duration_ms started ended
    user host entry_point command exit_code error parent_run_id note params metrics tags source commit dropped writer
    format_version
    """.split()
)
DETAIL_KEYS = frozenset("artifact_count artifact_bytes artifacts inputs environment".split())
"""What takes reading the run itself; the others are in the index."""

EXPERIMENT_KEYS = frozenset(
    "id name lifecycle tags runs creation_time_ms last_update_time_ms created last_updated commit".split()
)

ARTIFACT_KEYS = frozenset("path is_dir size_bytes sha256 in_git".split())
LOG_KEYS = frozenset("commit time_ms time author subject".split())


def run_record(run: Run, experiment_name: str | None, now_ms: int) -> dict[str, Any]:
    """Returns what a list shows of a run. A run that goes on lasts until now."""
    info = run.info
    end_ms = info.end_time_ms
    until_ms = end_ms if end_ms is not None else now_ms if run.live else None
    return {
        "id": info.id,
        "short": info.id[:8],
        "name": info.name,
        "status": info.status.value,
        "lifecycle": info.lifecycle.value,
        "live": run.live,
        "experiment_id": info.experiment_id,
        "experiment": experiment_name,
        "start_time_ms": info.start_time_ms,
        "end_time_ms": end_ms,
        "duration_ms": None if until_ms is None else max(until_ms - info.start_time_ms, 0),
        "started": iso(info.start_time_ms),
        "ended": None if end_ms is None else iso(end_ms),
        "user": info.user,
        "host": info.host,
        "entry_point": info.entry_point,
        "command": list(info.command),
        "exit_code": info.exit_code,
        "error": info.error,
        "parent_run_id": info.parent_run_id,
        "note": run.note or None,
        "params": {key: as_json_value(value) for key, value in run.params.items()},
        "metrics": {key: _summary(summary) for key, summary in run.metrics.items()},
        "tags": dict(run.tags),
        "source": _source(info.source),
        "commit": run.commit,
        "dropped": info.dropped,
        "writer": info.writer,
        "format_version": run.format_version,
    }


def run_details(run: Run, artifacts: Iterable[Artifact]) -> dict[str, Any]:
    """Returns what is shown of one run beyond what a list shows of it; `artifacts` are all that it has."""
    return {
        "artifact_count": _artifact_count(run),
        "artifact_bytes": None if run.manifest else sum(artifact.size_bytes for artifact in run.artifacts),
        "artifacts": [artifact_record(artifact) for artifact in artifacts],
        "inputs": [_input(data) for data in run.inputs],
        "environment": None if run.environment is None else _environment(run.environment),
    }


def artifact_record(artifact: Artifact) -> dict[str, Any]:
    """Returns one artifact: its path, its address, its size."""
    return {
        "path": artifact.path,
        "is_dir": False,
        "size_bytes": artifact.size_bytes,
        "sha256": artifact.digest,
        "in_git": artifact.in_git,
    }


def folder_record(path: str) -> dict[str, Any]:
    """Returns a folder of artifacts: it has neither size nor address."""
    return {"path": path, "is_dir": True, "size_bytes": None, "sha256": None, "in_git": False}


def log_record(entry: LogEntry) -> dict[str, Any]:
    """Returns one commit of a run."""
    return {
        "commit": entry.commit,
        "time_ms": entry.time_ms,
        "time": iso(entry.time_ms),
        "author": entry.author,
        "subject": entry.subject,
    }


def experiment_record(experiment: Experiment, run_count: int) -> dict[str, Any]:
    """Returns an experiment and how many active runs it has."""
    return {
        "id": experiment.id,
        "name": experiment.name,
        "lifecycle": experiment.lifecycle.value,
        "tags": dict(experiment.tags),
        "runs": run_count,
        "creation_time_ms": experiment.creation_time_ms,
        "last_update_time_ms": experiment.last_update_time_ms,
        "created": iso(experiment.creation_time_ms),
        "last_updated": iso(experiment.last_update_time_ms),
        "commit": experiment.commit,
    }


def as_json(value: float) -> float | str:
    """Returns a float as JSON can hold it: `nan`, `inf` and `-inf` are text there."""
    return value if math.isfinite(value) else repr(value)


def as_json_value(value: Scalar) -> Scalar:
    """Returns any value as JSON can hold it."""
    return as_json(value) if isinstance(value, float) else value


def _artifact_count(run: Run) -> int:
    """Returns how many artifacts the lists of a run name together, one that stands in several counted in each."""
    lists = () if run.manifest is None else (run.manifest, *run.more_manifests)
    return len(run.artifacts) + sum(one.count for one in lists if isinstance(one, Manifest))


def _summary(summary: MetricSummary) -> dict[str, Any]:
    return {
        "last": as_json(summary.last),
        "first": as_json(summary.first),
        "min": as_json(summary.min),
        "max": as_json(summary.max),
        "mean": as_json(summary.mean),
        "count": summary.count,
        "nan": summary.nan,
        "step": summary.step,
        "time_ms": summary.time_ms,
    }


def _source(source: Source) -> dict[str, Any]:
    return {
        "commit": source.commit,
        "base": source.base,
        "branch": source.branch,
        "dirty": source.dirty,
        "incomplete": source.incomplete,
        "left_out": [{"path": left.path, "reason": left.reason, "size_bytes": left.size} for left in source.left_out],
        "code_tree": source.code_tree,
        "snapshot_tree": source.snapshot_tree,
        "remote_url": source.remote_url,
    }


def _input(data: DatasetInput) -> dict[str, Any]:
    return {
        "name": data.name,
        "digest": data.digest,
        "context": data.context,
        "source": data.source,
        "source_type": data.source_type,
        "schema": data.schema,
        "profile": data.profile,
        "tags": dict(data.tags),
    }


def _environment(environment: Environment) -> dict[str, Any]:
    groups: dict[str, Mapping[str, str]] = {
        "packages": environment.packages,
        "hardware": environment.hardware,
        "variables": environment.variables,
    }
    return {
        "python": environment.python,
        "platform": environment.platform,
        **{name: dict(values) for name, values in groups.items()},
    }
