"""Which experiments a request touches: for those who are limited to some."""

from __future__ import annotations

from collections.abc import Collection

from gitruns.entities.ids import RunId
from gitruns.protocol import runs
from gitruns.protocol.errors import ProtocolError
from gitruns.server.calls import Context, Fields


def of_run(context: Context, fields: Fields) -> Collection[str]:
    """Returns the experiment of the run that a request names."""
    return experiment_of_run(context, fields["run_id"])


def of_runs(context: Context, fields: Fields) -> Collection[str]:
    """Returns the experiments of the runs that a request names."""
    found: set[str] = set()
    for run_id in fields.get("run_ids") or fields.get("run_id") or ():
        experiments = experiment_of_run(context, run_id)
        if not experiments:
            return ()
        found.update(experiments)
    return found


def experiment_of_run(context: Context, run_id: str) -> Collection[str]:
    """Returns the experiment of a run, none where there is no such run."""
    log = context.hub.logs.find(RunId(run_id))
    if log is not None:
        return (str(log.info.experiment_id),)
    try:
        return (str(runs.find_run(context.hub, run_id).info.experiment_id),)
    except ProtocolError:
        return ()


def of_searched(context: Context, fields: Fields) -> Collection[str]:
    """Returns the experiments that a search looks into."""
    return tuple(fields.get("experiment_ids") or ())
