"""The whole state of a run as the files of its tree, and back: what merges read and write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gitruns.entities.canonical import corrupt
from gitruns.entities.environment import read_only
from gitruns.entities.ids import Digest, ObjectId
from gitruns.entities.merge import RunState
from gitruns.entities.run import Part, Run
from gitruns.entities.values import MetricSummary
from gitruns.gitstore.codec.metrics import METRICS_FOLDER, encode_summaries, part_of, part_summaries
from gitruns.gitstore.codec.run import ARTIFACTS_FOLDER, decode_run, encode_run, is_metadata
from gitruns.gitstore.codec.version import FORMAT_VERSION


def decode_run_state(files: Mapping[str, bytes], commit: ObjectId | None = None) -> RunState:
    """Returns the state that all files of a tree describe; raises `CorruptDataError` naming what is wrong where."""
    run = decode_run(
        {path: data for path, data in files.items() if is_metadata(path)},
        commit,
        sizes={path: len(data) for path, data in files.items()},
    )
    points = {part.digest: files.get(f"{METRICS_FOLDER}{part.digest}.tsv", b"") for part in run.parts}
    texts = {path[len(ARTIFACTS_FOLDER) :]: data for path, data in files.items() if path.startswith(ARTIFACTS_FOLDER)}
    return RunState(
        run=replace(run, unknown=read_only({**run.unknown, **_odd_files(files, run.parts)})),
        points=points,
        summaries=_summaries(run, files),
        texts=texts,
    )


def _odd_files(files: Mapping[str, bytes], parts: tuple[Part, ...]) -> dict[str, bytes]:
    """Returns the files below `metrics/` that are of no part: they have no rule either."""
    known = {f"{METRICS_FOLDER}{part.digest}{end}" for part in parts for end in (".tsv", ".yaml")}
    return {path: data for path, data in files.items() if path.startswith(METRICS_FOLDER) and path not in known}


def _summaries(run: Run, files: Mapping[str, bytes]) -> dict[Digest, Mapping[str, MetricSummary]]:
    if run.format_version > FORMAT_VERSION:
        return {}
    wanted = {part.digest for part in run.parts}
    found: dict[Digest, Mapping[str, MetricSummary]] = {
        digest: summaries for digest, summaries in part_summaries(_small(files)).items() if digest in wanted
    }
    if len(wanted) == 1 and not found:
        return dict.fromkeys(wanted, run.metrics)
    for digest in sorted(wanted - found.keys()):
        raise corrupt(f"{METRICS_FOLDER}{digest}.yaml", None, "it is missing, so the history cannot be merged")
    if not wanted and run.metrics:
        raise corrupt("metrics.yaml", None, "it sums up points, and there are none")
    return found


def _small(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {path: data for path, data in files.items() if part_of(path, ".yaml") is not None}


def encode_run_state(state: RunState) -> dict[str, bytes]:
    """Returns the files of the tree of a state, by path."""
    files = {f"{METRICS_FOLDER}{digest}.tsv": data for digest, data in state.points.items()}
    if len(state.run.parts) > 1:
        for digest, summaries in state.summaries.items():
            files[f"{METRICS_FOLDER}{digest}.yaml"] = encode_summaries(summaries)
    files |= {ARTIFACTS_FOLDER + path: data for path, data in state.texts.items()}
    return encode_run(state.run, files=files)
