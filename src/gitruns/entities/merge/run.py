"""Merges the states of one run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from gitruns.entities.canonical import encode_value
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment, read_only
from gitruns.entities.merge.fields import FILE_PREFIX, Stamped, merge_fields, merge_files, merge_stamps
from gitruns.entities.merge.history import fold_parts, merge_histories
from gitruns.entities.merge.info import is_info_stamp, merge_infos
from gitruns.entities.merge.listing import ARTIFACT_PREFIX, merge_listings
from gitruns.entities.merge.state import RunState, check_mergeable
from gitruns.entities.run import Run
from gitruns.entities.stamp import Stamp

PARAM_PREFIX = "params/"
TAG_PREFIX = "tags/"
ENVIRONMENT_STAMP = "environment"

_OWN_RULE = (PARAM_PREFIX, TAG_PREFIX, ARTIFACT_PREFIX, FILE_PREFIX)


def merge_runs(states: Sequence[RunState]) -> RunState:
    """Returns the one state of a run that all these states, one at least, make together.

    Raises `InvalidInputError` for states of several runs (kind `different-ids`) or one in a newer format (kind
    `format-too-new`). The result's run has no commit.
    """
    runs = [state.run for state in states]
    check_mergeable("run", (run.info.id for run in runs), runs)
    info, info_stamps = merge_infos([(run.info, run.stamps) for run in runs])
    params = merge_fields((Stamped(run.params, run.stamps) for run in runs), prefix=PARAM_PREFIX)
    tags = merge_fields((Stamped(run.tags, run.stamps) for run in runs), prefix=TAG_PREFIX)
    files = merge_files(Stamped(run.unknown, run.stamps) for run in runs)
    environment = _merged_environment(runs)
    parts, points, summaries = merge_histories(states)
    listing = merge_listings(states)
    stamps = {
        **_other_stamps(runs),
        **info_stamps,
        **params.stamps,
        **tags.stamps,
        **files.stamps,
        **environment.stamps,
        **listing.stamps,
    }
    merged = Run(
        info=info,
        params=read_only(params.values),
        tags=read_only(tags.values),
        metrics=read_only(fold_parts(summaries.values())),
        parts=parts,
        artifacts=listing.artifacts,
        manifest=listing.manifests[0] if listing.manifests else None,
        more_manifests=listing.manifests[1:],
        inputs=_united_inputs(runs),
        environment=environment.values.get(ENVIRONMENT_STAMP),
        stamps=read_only({name: stamps[name] for name in sorted(stamps)}),
        unknown=read_only(files.values),
    )
    return RunState(run=merged, points=points, summaries=summaries, texts=listing.texts)


def _other_stamps(runs: Iterable[Run]) -> dict[str, Stamp]:
    """Returns the greatest stamps of fields that this version does not know."""
    greatest = merge_stamps((run.stamps for run in runs), besides=_OWN_RULE)
    return {name: stamp for name, stamp in greatest.items() if name != ENVIRONMENT_STAMP and not is_info_stamp(name)}


def _merged_environment(runs: Iterable[Run]) -> Stamped[Environment]:
    """Returns the environment as one field: packages of one machine and the hardware of another were no machine."""
    fields = (
        Stamped(
            {} if run.environment is None else {ENVIRONMENT_STAMP: run.environment},
            {name: stamp for name, stamp in run.stamps.items() if name == ENVIRONMENT_STAMP},
        )
        for run in runs
    )
    return merge_fields(fields, canonical=_environment_text)


def _environment_text(environment: Environment) -> str:
    groups = {"package": environment.packages, "hardware": environment.hardware, "variable": environment.variables}
    flat = {f"{group}/{key}": value for group, values in groups.items() for key, value in values.items()}
    return encode_value({"python": environment.python, "platform": environment.platform, **flat})


def _united_inputs(runs: Iterable[Run]) -> tuple[DatasetInput, ...]:
    """Returns the datasets of all states; of one name, digest and context the greater canonical bytes."""
    found: dict[tuple[str, str, bool, str], DatasetInput] = {}
    for run in runs:
        for one in run.inputs:
            key = (one.name, one.digest, one.context is not None, one.context or "")
            if key not in found or (found[key] != one and _input_text(found[key]) < _input_text(one)):
                found[key] = one
    return tuple(found[key] for key in sorted(found))


def _input_text(one: DatasetInput) -> str:
    values = {**asdict(one), "tags": dict(one.tags) or None}
    return encode_value({key: value for key, value in values.items() if value is not None})
