"""What a page begins with: which repository this is, and what is going on in it."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from gitruns.entities.run import Lifecycle
from gitruns.server.calls import Context, Role
from gitruns.server.routes.own.kinds import Nothing
from gitruns.server.routes.own.route import Route
from gitruns.server.routes.own.runs import RunName
from gitruns.server.routes.own.scope import narrowed, of_all_one_may_see

_MOST_LIVE = 1000


class StatusAnswer(Struct):
    """`branch` and `head` are what is checked out. `live` are the runs that somebody is logging into, newest first.

    `unreadable` counts runs whose stored state is damaged. `role` is the caller's: `admin` where nobody needs a token.
    """

    repository: str
    branch: str | None
    head: str | None
    runs: int
    deleted_runs: int
    live: list[RunName]
    unreadable: int
    read_only: bool
    role: str
    experiments: list[str] | None


def status(context: Context, request: Nothing) -> StatusAnswer:
    """Returns what there is, as the caller may see it."""
    repo = context.hub.repo
    head = repo.store.head()
    seen = narrowed(context, None)
    live = repo.search_runs("live = true", max_results=_MOST_LIVE, experiment_ids=seen).runs
    person = context.person
    return StatusAnswer(
        repository=_name(repo.store.paths.work_tree or repo.store.paths.git_dir),
        branch=head.branch,
        head=head.commit,
        runs=repo.count_runs(experiment_ids=seen),
        deleted_runs=repo.count_runs(lifecycle=Lifecycle.DELETED, experiment_ids=seen),
        live=[RunName(run.info.id, run.info.name, run.info.status.value) for run in live],
        unreadable=len(repo.index.unreadable()),
        read_only=context.settings.read_only,
        role=Role.ADMIN.name.lower() if person is None else person.role.name.lower(),
        experiments=None if context.only is None else sorted(context.only),
    )


def _name(place: Path) -> str:
    """Returns the name of a repository's folder; where that lies is nobody's business."""
    return place.name.removesuffix(".git") or place.parent.name


ROUTES = (
    Route(
        method="GET",
        path="/status",
        name="Status",
        summary="What repository this is, and what is going on",
        about="Counts, what is live, and what the caller may do.",
        role=Role.READER,
        request=Nothing,
        answer=StatusAnswer,
        act=status,
        experiments=of_all_one_may_see,
    ),
)
