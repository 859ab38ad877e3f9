"""Differences as records: what `--json` prints, and the rows of `--csv`. The keys are documented in docs/json.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from gitruns.compare.artifacts import ArtifactDiff
from gitruns.compare.baseline import Baseline
from gitruns.compare.changes import Change
from gitruns.compare.code import CodeDiff
from gitruns.compare.environment import EnvironmentDiff
from gitruns.compare.metrics import MetricDiff, last_of
from gitruns.compare.run_diff import RunDiff
from gitruns.compare.table import Comparison
from gitruns.entities.artifact import Artifact
from gitruns.entities.run import Run
from gitruns.entities.values import MetricSummary, Scalar, param_text

DIFF_KEYS = frozenset(
    "before after baseline params metrics code environment datasets artifacts facts tags note unreadable".split()
)


def number_or_text(value: float | None) -> float | str | None:
    """Returns a float as JSON can hold it: `nan`, `inf` and `-inf` are text there."""
    return value if value is None or math.isfinite(value) else repr(float(value))


def scalar(value: Scalar) -> Scalar:
    """Returns a param's value as JSON can hold it."""
    return number_or_text(value) if isinstance(value, float) else value


def side_record(run: Run) -> dict[str, Any]:
    """Returns who a run is: enough to find it."""
    source = run.info.source
    return {
        "id": run.info.id,
        "name": run.info.name,
        "status": run.info.status.value,
        "commit": source.commit,
        "base": source.base,
        "dirty": source.dirty,
    }


def diff_record(diff: RunDiff, baseline: Baseline | None = None) -> dict[str, Any]:
    """Returns all that differs between two runs."""
    return {
        "before": side_record(diff.before),
        "after": side_record(diff.after),
        "baseline": None if baseline is None else baseline_record(baseline),
        "params": [change_record(change) for change in diff.params],
        "metrics": [metric_record(metric) for metric in diff.metrics],
        "code": code_record(diff.code),
        "environment": environment_record(diff.environment),
        "datasets": [change_record(change) for change in diff.datasets],
        "artifacts": [artifact_record(artifact) for artifact in diff.artifacts],
        "facts": [change_record(change) for change in diff.facts],
        "tags": [change_record(change) for change in diff.tags],
        "note": None if diff.note is None else change_record(diff.note),
        "unreadable": list(diff.unreadable),
    }


def baseline_record(baseline: Baseline) -> dict[str, Any]:
    """Returns why a run was compared with."""
    return {"why": baseline.why, "commit": baseline.commit, "distance": baseline.distance}


def change_record(change: Change[Any]) -> dict[str, Any]:
    """Returns one key that differs."""
    return {"key": change.key, "change": change.kind, "before": scalar(change.before), "after": scalar(change.after)}


def metric_record(metric: MetricDiff) -> dict[str, Any]:
    """Returns one metric."""
    return {
        "key": metric.key,
        "direction": metric.direction.value,
        "verdict": metric.verdict,
        "before": _summary(metric.before, metric.best_before),
        "after": _summary(metric.after, metric.best_after),
        "delta": number_or_text(metric.delta),
        "percent": number_or_text(metric.percent),
        "best_delta": number_or_text(metric.best_delta),
    }


def _summary(summary: MetricSummary | None, best: float | None) -> dict[str, Any] | None:
    if summary is None:
        return None
    return {"last": number_or_text(summary.last), "best": number_or_text(best), "step": summary.step}


def code_record(code: CodeDiff) -> dict[str, Any]:
    """Returns the files that differ."""
    return {
        "before": code.before,
        "after": code.after,
        "unavailable": code.unavailable,
        "added": code.added,
        "removed": code.removed,
        "files": [
            {"path": file.path, "old_path": file.old_path, "added": file.added, "removed": file.removed}
            for file in code.files
        ],
        "patch": code.patch or None,
    }


def environment_record(environment: EnvironmentDiff) -> dict[str, Any]:
    """Returns what differs in the environment, by group."""
    names = ("base", "packages", "hardware", "variables")
    groups = zip(names, environment.groups(), strict=True)
    return {
        "unknown": environment.unknown,
        **{name: [change_record(change) for change in group] for name, group in groups},
    }


def artifact_record(artifact: ArtifactDiff) -> dict[str, Any]:
    """Returns one artifact that differs."""
    return {
        "path": artifact.path,
        "change": artifact.change.kind,
        "before": _file(artifact.change.before),
        "after": _file(artifact.change.after),
        "summary": artifact.summary,
        "diff": artifact.diff or None,
    }


def _file(artifact: Artifact | None) -> dict[str, Any] | None:
    return None if artifact is None else {"sha256": artifact.digest, "size_bytes": artifact.size_bytes}


def comparison_record(found: Comparison) -> dict[str, Any]:
    """Returns runs side by side: who they are, and a row a field."""
    return {
        "runs": [side_record(run) for run in found.runs],
        "rows": [
            {
                "group": row.group,
                "key": row.key,
                "varies": row.varies,
                "direction": row.direction.value,
                "best": sorted(row.best),
                "values": [scalar(value) for value in row.values],
            }
            for row in found.rows
        ],
    }


# Rows

CSV_HEAD = ("section", "key", "change", "before", "after", "delta", "percent")


def diff_rows(diff: RunDiff) -> list[list[str]]:
    """Returns a row for everything that differs, numbers with all their digits; the first row names the columns."""
    rows = [list(CSV_HEAD)]
    for metric in diff.metrics:
        if metric.differs:
            numbers = (last_of(metric.before), last_of(metric.after), metric.delta, metric.percent)
            rows.append(["metrics", metric.key, metric.verdict, *map(_text, numbers)])
    rows += _change_rows("params", diff.params)
    for file in diff.code.files:
        lines = (
            f"-{file.removed}" if file.removed is not None else "",
            f"+{file.added}" if file.added is not None else "",
        )
        rows.append(["code", file.path, "changed", *lines, "", ""])
    for name, group in zip(
        ("environment", "packages", "hardware", "variables"), diff.environment.groups(), strict=True
    ):
        rows += _change_rows(name, group)
    rows += _change_rows("datasets", diff.datasets)
    for artifact in diff.artifacts:
        digests = [side.digest if side else "" for side in (artifact.change.before, artifact.change.after)]
        rows.append(["artifacts", artifact.path, artifact.change.kind, *digests, "", ""])
    rows += _change_rows("facts", diff.facts)
    rows += _change_rows("tags", diff.tags)
    return rows + _change_rows("note", [diff.note] if diff.note else [])


def _change_rows(section: str, found: Sequence[Change[Any]] | Iterable[Change[Any]]) -> list[list[str]]:
    return [
        [
            section,
            change.key,
            change.kind,
            "" if change.added else param_text(change.before),
            "" if change.removed else param_text(change.after),
            "",
            "",
        ]
        for change in found
    ]


def _text(value: float | None) -> str:
    return "" if value is None else repr(float(value))
