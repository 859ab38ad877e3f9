"""Which experiments a request touches: for those who are limited to some."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gitruns.entities.ids import RunId
from gitruns.protocol import runs
from gitruns.protocol.errors import ProtocolError
from gitruns.protocol.logged_model import model_named
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


def of_logged(context: Context, fields: Fields) -> Collection[str]:
    """Returns the experiments of the run that points are logged to, and of the models that they were measured on."""
    found = set(of_run(context, fields))
    named = (
        item[key]
        for item in fields.get("metrics") or (fields,)
        if isinstance(item, Mapping)
        for key in ("model_id", "modelId")
        if isinstance(item.get(key), str)
    )
    for model_id in set(named):
        if found:
            found.update(experiment_of_model(context, model_id))
    return found


def of_model(context: Context, fields: Fields) -> Collection[str]:
    """Returns the experiment of the logged model that a request names."""
    return experiment_of_model(context, fields["model_id"])


def experiment_of_model(context: Context, model_id: str) -> Collection[str]:
    """Returns the experiment of a logged model, none where there is no such model."""
    try:
        return (str(model_named(context.hub, model_id).info.experiment_id),)
    except ProtocolError:
        return ()


def of_searched(context: Context, fields: Fields) -> Collection[str]:
    """Returns the experiments that a search looks into."""
    return tuple(fields.get("experiment_ids") or ())
