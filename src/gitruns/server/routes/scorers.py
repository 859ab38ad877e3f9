"""MLflow's calls for scorers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gitruns.entities.status import Lifecycle
from gitruns.protocol import scorers
from gitruns.protocol.errors import refused
from gitruns.protocol.experiments import experiment_ids_of
from gitruns.protocol.scorers import Scorer
from gitruns.server.calls import Call, Context, Field, Fields, Role

Body = Mapping[str, Any]


def register(context: Context, fields: Fields) -> Body:
    """Adds a version of a scorer."""
    made = scorers.register_scorer(context.hub, fields["experiment_id"], fields["name"], fields["serialized_scorer"])
    return {
        "version": made.version,
        "scorer_id": made.id,
        "experiment_id": made.experiment_id,
        "name": made.name,
        "serialized_scorer": made.text,
        "creation_time": made.created_ms,
    }


def list_latest(context: Context, fields: Fields) -> Body:
    """Answers with the latest version of each scorer, of one experiment, of some, or of all that are active."""
    one, some = fields.get("experiment_id"), fields.get("experiment_ids")
    if one and some is not None:
        raise refused(
            "Cannot specify both 'experiment_id' and 'experiment_ids'. Use 'experiment_ids' to scope the query to "
            "multiple experiments, or 'experiment_id' to scope it to a single experiment."
        )
    if one:
        return _listed(scorers.list_scorers(context.hub, one))
    active = [str(found.id) for found in context.hub.repo.list_experiments(lifecycle=Lifecycle.ACTIVE)]
    wanted = active if some is None else [one for one in map(str, experiment_ids_of(some)) if one in active]
    if context.only is not None:
        wanted = [one for one in wanted if one in context.only]
    return _listed(scorers.list_scorers_of(context.hub, wanted))


def list_versions(context: Context, fields: Fields) -> Body:
    """Answers with all versions of a scorer."""
    return _listed(scorers.list_scorer_versions(context.hub, fields["experiment_id"], fields["name"]))


def _listed(found: list[Scorer]) -> Body:
    return {"scorers": [_json(one) for one in found]} if found else {}


def get(context: Context, fields: Fields) -> Body:
    """Answers with a version of a scorer."""
    found = scorers.get_scorer(context.hub, fields["experiment_id"], fields["name"], fields.get("version"))
    return {"scorer": _json(found)}


def delete(context: Context, fields: Fields) -> Body:
    """Deletes a version of a scorer, or the scorer."""
    scorers.delete_scorer(context.hub, fields["experiment_id"], fields["name"], fields.get("version"))
    return {}


def _json(one: Scorer) -> Body:
    # MLflow's message has 32 bits for the id of an experiment, and clients refuse what does not fit.
    number = int(one.experiment_id)
    return {
        **({"experiment_id": number} if number < 1 << 31 else {}),
        "scorer_name": one.name,
        "scorer_version": one.version,
        "serialized_scorer": one.text,
        "creation_time": one.created_ms,
        "scorer_id": one.id,
    }


def _of(context: Context, fields: Fields) -> Collection[str]:
    return (fields["experiment_id"],)


def _of_some(context: Context, fields: Fields) -> Collection[str]:
    """What is not named is narrowed to what the caller may see."""
    named = [fields["experiment_id"]] if fields.get("experiment_id") else fields.get("experiment_ids")
    return named or context.only or ()


_PATH = "/3.0/mlflow/scorers"
_NEEDED = Field("string", required=True)
_NAME = {"experiment_id": _NEEDED, "name": _NEEDED}
_VERSION = {**_NAME, "version": Field("int")}
_WHERE = {"experiment_id": Field("string"), "experiment_ids": Field("strings")}

CALLS = (
    Call(
        "POST",
        f"{_PATH}/register",
        "RegisterScorer",
        register,
        {**_NAME, "serialized_scorer": _NEEDED},
        experiment_of=_of,
    ),
    Call("GET", f"{_PATH}/list", "ListScorers", list_latest, _WHERE, Role.READER, experiment_of=_of_some),
    Call("GET", f"{_PATH}/versions", "ListScorerVersions", list_versions, _NAME, Role.READER, experiment_of=_of),
    Call("GET", f"{_PATH}/get", "GetScorer", get, _VERSION, Role.READER, experiment_of=_of),
    Call("DELETE", f"{_PATH}/delete", "DeleteScorer", delete, _VERSION, experiment_of=_of),
)
