"""Changes of runs by people: name, note, tags, out of sight and back. Each request is one commit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct, field

from gitruns.entities import names
from gitruns.entities.run import MODEL_TAGS, NOTE_TAG, Lifecycle
from gitruns.errors import InvalidInputError
from gitruns.server.calls import Context, Role
from gitruns.server.routes.own.experiments import Name, TagChanges
from gitruns.server.routes.own.kinds import RunId, RunRequest
from gitruns.server.routes.own.route import Route
from gitruns.server.routes.own.run_answers import RunAnswer
from gitruns.server.routes.own.runs import get_run
from gitruns.server.routes.own.scope import of_run, run_named

_FACTS = {"mlflow.runName": "name", "mlflow.parentRunId": "parent_run_id"}
"""Tags that MLflow's clients write and that are facts of a run here."""


class ChangeRun(Struct):
    """What to change of a run; what is left out stays as it is. An empty `note` takes the note away."""

    run_id: RunId
    name: Name | None = None
    note: Annotated[str, Meta(max_length=names.MAX_TAG_LENGTH)] | None = None
    lifecycle: Lifecycle | None = None
    tags: TagChanges = field(default_factory=dict)


def change_run(context: Context, request: ChangeRun) -> RunAnswer:
    """Makes all changes together, or none."""
    repo = context.hub.repo
    run = run_named(context, request.run_id)
    tags = dict(request.tags)
    _refuse_reserved(tags)
    if request.note is not None:
        tags[NOTE_TAG] = request.note or None
    with repo.edit(run.info.id) as edit:
        if request.name is not None and request.name != run.info.name:
            edit.rename(request.name)
        if request.lifecycle is not None and request.lifecycle is not run.info.lifecycle:
            edit.set_lifecycle(Lifecycle(request.lifecycle))
        for key, text in tags.items():
            if text is not None:
                edit.set_tag(key, text)
            elif key in run.tags:
                edit.delete_tag(key)
    return get_run(context, RunRequest(request.run_id))


def _refuse_reserved(tags: Iterable[str]) -> None:
    for key in tags:
        if key.startswith(MODEL_TAGS) or key in _FACTS:
            raise InvalidInputError(
                f"tag '{key}' is not set by hand",
                kind="reserved-tag",
                hint="the name of a run is the field 'name'" if _FACTS.get(key) == "name" else None,
            )


ROUTES = (
    Route(
        method="PATCH",
        path="/runs/{run_id}",
        name="ChangeRun",
        summary="Rename, tag, note, delete or restore a run",
        about="All of it is one commit, with the caller as its author.",
        role=Role.WRITER,
        request=ChangeRun,
        answer=RunAnswer,
        act=change_run,
        experiments=of_run,
    ),
)
