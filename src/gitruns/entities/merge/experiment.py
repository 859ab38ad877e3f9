"""Merges the states of one experiment."""

from __future__ import annotations

from collections.abc import Sequence

from gitruns.entities.environment import read_only
from gitruns.entities.experiment import Experiment
from gitruns.entities.merge.fields import FILE_PREFIX, Stamped, merge_fields, merge_files, merge_stamps
from gitruns.entities.merge.state import check_mergeable
from gitruns.entities.run import Lifecycle

_PREFIX = "experiment/"
_TAG_PREFIX = "tags/"


def merge_experiments(states: Sequence[Experiment]) -> Experiment:
    """Returns the one state of an experiment that all these states, one at least, make together.

    Name, lifecycle and tags by stamp; created when the first was, updated when the last was. Raises as `merge_runs`.
    """
    check_mergeable("experiment", (one.id for one in states), states)
    fields = merge_fields(
        (Stamped({"lifecycle": one.lifecycle.value, "name": one.name}, one.stamps) for one in states), prefix=_PREFIX
    )
    tags = merge_fields((Stamped(one.tags, one.stamps) for one in states), prefix=_TAG_PREFIX)
    files = merge_files(Stamped(one.unknown, one.stamps) for one in states)
    others = merge_stamps((one.stamps for one in states), besides=(_PREFIX, _TAG_PREFIX, FILE_PREFIX))
    stamps = {**others, **fields.stamps, **tags.stamps, **files.stamps}
    return Experiment(
        id=states[0].id,
        name=fields.values["name"],
        lifecycle=Lifecycle(fields.values["lifecycle"]),
        creation_time_ms=min(one.creation_time_ms for one in states),
        last_update_time_ms=max(one.last_update_time_ms for one in states),
        tags=read_only(tags.values),
        stamps=read_only({name: stamps[name] for name in sorted(stamps)}),
        unknown=read_only(files.values),
    )
