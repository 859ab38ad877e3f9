"""Searching a repository: the index answers, git and the parts help where a query asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId, RunId
from gitruns.entities.run import Lifecycle, Run
from gitruns.entities.values import Scalar
from gitruns.index import Index, KnownKey, Progress, Search, TablePage
from gitruns.query import Dialect
from gitruns.repo.indexing import RepoPoints, open_index
from gitruns.repo.revisions import RepoRevisions

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo


@dataclass(frozen=True, slots=True)
class FoundRuns:
    """One page of runs, in order; `next_token` asks for the page behind it and is empty on the last one.

    The runs are as the index holds them: facts, params, tags, summaries of metrics; neither parts, artifacts, inputs,
    environment nor stamps.
    """

    runs: tuple[Run, ...]
    next_token: str = ""


@dataclass(frozen=True, slots=True)
class FoundExperiments:
    """One page of experiments, in order; `next_token` is empty on the last one."""

    experiments: tuple[Experiment, ...]
    next_token: str = ""


class Searchable:
    """What a repository answers from its index, which is brought up to date first.

    `on_index_progress` is told how many runs were read, and how many there are, while that takes long.
    """

    on_index_progress: Progress | None = None
    _environ: Mapping[str, str]

    @property
    def _repo(self) -> Repo:
        return cast("Repo", self)  # the only class of this mixin

    @cached_property
    def index(self) -> Index:
        """The index, opened when it is first needed."""
        return open_index(self._repo, self._environ, lambda done, known: tell(self.on_index_progress, done, known))

    def search(
        self,
        filter: str = "",  # noqa: A002  the field's word, and MLflow's
        *,
        order_by: Sequence[str] = (),
        experiment_ids: Sequence[ExperimentId] | None = None,
        lifecycle: Lifecycle | None = Lifecycle.ACTIVE,
        kind: str | None = None,
        max_results: int | None = None,
        page_token: str = "",
        dialect: Dialect = Dialect.NATIVE,
        now: datetime | None = None,
    ) -> Search:
        """Returns a search of this repository, which the methods below make; see `index.Search` for what it means."""
        search = Search(
            filter=filter,
            order_by=tuple(order_by),
            experiment_ids=experiment_ids,
            lifecycle=lifecycle,
            kind=kind,
            max_results=max_results,
            page_token=page_token,
            dialect=dialect,
            revisions=RepoRevisions(self._repo),
            points=RepoPoints(self._repo),
        )
        return search if now is None else replace(search, now=now)

    def search_runs(self, filter: str = "", **how: Any) -> FoundRuns:  # noqa: A002
        """Returns one page of the runs that match, in order; `how` as for `search`.

        Raises `InvalidInputError`: kinds `bad-query` (with its column), `bad-page-token`, `regexp-not-available`.
        """
        listed, token = self.index.list_runs(self.search(filter, **how))
        return FoundRuns(tuple(one.run for one in listed), token)

    def search_run_ids(self, filter: str = "", **how: Any) -> tuple[list[RunId], str]:  # noqa: A002
        """Returns the ids of one page of runs, and the token of the next; raises as `search_runs` does."""
        page = self.index.search_runs(self.search(filter, **how))
        return list(page.run_ids), page.next_token

    def count_runs(self, filter: str = "", **how: Any) -> int:  # noqa: A002
        """Returns how many runs match; raises as `search_runs` does."""
        return self.index.count_runs(self.search(filter, **how))

    def table(
        self,
        filter: str,  # noqa: A002
        fields: Sequence[str],
        **how: Any,
    ) -> tuple[list[RunId], dict[str, list[Scalar]]]:
        """Returns the ids of the runs that match, and a column of values for each field, None where a run has none.

        Fields are `metrics.KEY`, `params.KEY`, `tags.KEY`, `min(KEY)` and the like, and attributes (`start_time`).
        """
        return self.index.table(self.search(filter, **how), fields)

    def table_page(self, filter: str, fields: Sequence[str], **how: Any) -> TablePage:  # noqa: A002
        """Returns the same with the token of the next page."""
        return self.index.table_page(self.search(filter, **how), fields)

    def search_experiments(self, filter: str = "", **how: Any) -> FoundExperiments:  # noqa: A002
        """Returns one page of the experiments that match, those created last first unless `order_by` says otherwise."""
        page = self.index.search_experiments(self.search(filter, **how))
        found = (self._repo.get_experiment(experiment_id) for experiment_id in page.experiment_ids)
        return FoundExperiments(tuple(found), page.next_token)

    def known_keys(self) -> list[KnownKey]:
        """Returns the keys of params, tags and metrics that runs have, those of most runs first."""
        return self.index.known_keys()


def tell(progress: Progress | None, done: int, known: int) -> None:
    """Passes progress on to whoever wants to know."""
    if progress is not None:
        progress(done, known)
