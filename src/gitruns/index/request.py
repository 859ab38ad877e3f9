"""What is searched for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from gitruns.entities.ids import ExperimentId, RunId
from gitruns.entities.run import Lifecycle
from gitruns.entities.values import Scalar
from gitruns.errors import InvalidInputError
from gitruns.index.source import Points, Revisions
from gitruns.query.dialects import Dialect

MAX_RESULTS = 50_000
"""The largest page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search, of runs or of experiments; everything but the query itself has a default.

    `experiment_ids` None: in all experiments. `lifecycle` None: also what is deleted. `kind` None: runs, else records
    of that kind (`RunInfo.kind`). `max_results` None: all there is (else at most 50,000). `page_token` is `next_token`
    of the page before. `now` is the time that `-7d` counts from; its zone is that of dates without one. `revisions`
    and `points` are asked for git terms and for values at steps; `artifact_uri` is what stands before and after a
    run's id in the address of its artifacts.
    """

    filter: str = ""
    order_by: Sequence[str] = ()
    experiment_ids: Sequence[ExperimentId] | None = None
    lifecycle: Lifecycle | None = Lifecycle.ACTIVE
    kind: str | None = None
    max_results: int | None = None
    page_token: str = ""
    dialect: Dialect = Dialect.NATIVE
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    revisions: Revisions | None = None
    points: Points | None = None
    artifact_uri: tuple[str, str] = ("", "/artifacts")

    def __post_init__(self) -> None:
        limit = self.max_results
        if limit is not None and (type(limit) is not int or not 1 <= limit <= MAX_RESULTS):
            raise InvalidInputError(
                f"max_results must be a whole number from 1 to {MAX_RESULTS}, not {str(limit)[:40]}",
                kind="bad-max-results",
            )
        if self.now.tzinfo is None:
            raise ValueError("now must be aware of its zone")

    def identity(self) -> str:
        """Returns all that makes this search what it is, the page aside."""
        experiments = None if self.experiment_ids is None else sorted(set(self.experiment_ids))
        return repr((self.filter, list(self.order_by), experiments, str(self.lifecycle), str(self.dialect), self.kind))


@dataclass(frozen=True, slots=True)
class RunPage:
    """Ids of runs in order; `next_token` is empty on the last page, also when that is full."""

    run_ids: tuple[RunId, ...]
    next_token: str = ""


@dataclass(frozen=True, slots=True)
class TablePage:
    """Runs as columns: a value of each for every run, in the order of `run_ids`, None where a run has none.

    `next_token` is empty on the last page.
    """

    run_ids: tuple[RunId, ...]
    columns: Mapping[str, list[Scalar]]
    next_token: str = ""


@dataclass(frozen=True, slots=True)
class ExperimentPage:
    """Ids of experiments in order; `next_token` is empty on the last page."""

    experiment_ids: tuple[ExperimentId, ...]
    next_token: str = ""
