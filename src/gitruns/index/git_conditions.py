"""Git terms as SQL: what git says of revisions comes as sets of commits, which the runs' sources are looked up in."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from datetime import datetime
from typing import TypeVar

from gitruns.entities.ids import ObjectId
from gitruns.errors import GitRunsError
from gitruns.index.functions import compile_regexp, ilike, like
from gitruns.index.layout import DETAILS
from gitruns.index.scope import Scope
from gitruns.index.source import Revisions
from gitruns.query.ast import AncestorOf, AsOf, GitTerm, InRange, Length, Match, Moment, SameCode, Text
from gitruns.query.moments import span_of, span_of_length
from gitruns.query.pointing import bad_query

T = TypeVar("T")


class GitConditions:
    """Compiles git terms into a scope; `text` is the query, for errors to point at."""

    def __init__(self, scope: Scope, revisions: Revisions | None, now: datetime, text: str) -> None:
        self._scope = scope
        self._given = revisions
        self._now = now
        self._text = text

    def term(self, tree: GitTerm) -> str:
        """Returns the SQL of a git term."""
        if isinstance(tree, AsOf):
            return f"r.start_time < {self._scope.bind(self._end_of(tree))}"
        git = self._revisions(tree.column)
        if isinstance(tree, InRange):
            span = tree.range
            return self._source_in(self.checked(tree.column, lambda: git.commits_in(span)))
        if isinstance(tree, AncestorOf):
            revision = tree.revision
            return self._source_in(self.checked(tree.column, lambda: git.ancestors_of(revision)))
        if isinstance(tree, SameCode):
            run = tree.run
            trees = self._set(self.checked(tree.column, lambda: git.trees_of(run)))
            return f"(d.code_tree IN {trees} OR d.snapshot_tree IN {trees})"
        path = tree.path
        return self._source_in(self.checked(tree.column, lambda: git.touching(path)))

    def commit(self, operator: str, revision: Text) -> str:
        """Returns the condition that a run's source is a commit: the snapshot, or the commit that it lies on."""
        git = self._revisions(revision.column)
        commit = self._scope.bind(self.checked(revision.column, lambda: git.commit(revision.value)))
        self._scope.need(DETAILS)
        is_it = f"coalesce(d.source_commit = {commit} OR d.source_base = {commit}, 0)"
        return is_it if operator == "=" else f"({self.has_source()} AND NOT {is_it})"

    def author(self, operator: str, test: Callable[[str], bool]) -> str:
        """Returns the condition that the author of a run's source commit passes a test, or (`!=`) does not."""
        wanted = operator == "="
        chosen = [commit for commit, author in self._authors().items() if test(author) is wanted]
        return f"coalesce(d.source_base, d.source_commit) IN {self._set(chosen)}"

    def has_source(self) -> str:
        """Returns the condition that a run's source commit is known."""
        self._scope.need(DETAILS)
        return "(d.source_commit IS NOT NULL OR d.source_base IS NOT NULL)"

    def has_author(self) -> str:
        """Returns the condition that the author of a run's source commit is known."""
        return f"coalesce(coalesce(d.source_base, d.source_commit) IN {self._set(list(self._authors()))}, 0)"

    def text_test(self, tree: Match) -> Callable[[str], bool]:
        """Returns the test that LIKE, ILIKE or REGEXP makes of a text."""
        if tree.operator == "REGEXP":
            return self.checked(tree.column, lambda: compile_regexp(tree.pattern))
        matches = like if tree.operator == "LIKE" else ilike
        return lambda text: bool(matches(tree.pattern, text))

    def checked(self, column: int, ask: Callable[[], T]) -> T:
        """Returns what was asked for; an error points at where the query asks."""
        try:
            return ask()
        except GitRunsError as error:
            if error.kind in ("bad-query", "regexp-not-available"):
                raise
            raise bad_query(error.message, self._text, column, hint=error.hint) from error

    def _revisions(self, column: int) -> Revisions:
        if self._given is None:
            raise bad_query("nothing here can tell what git knows", self._text, column)
        return self._given

    def _end_of(self, tree: AsOf) -> int:
        when = tree.when
        if isinstance(when, Moment):
            return span_of(when.text, self._now).end
        if isinstance(when, Length):
            return span_of_length(when.amount, when.unit, self._now).end
        git = self._revisions(when.column)
        revision = when.value
        return self.checked(when.column, lambda: git.time_ms(revision)) + 1

    def _authors(self) -> dict[ObjectId, str]:
        self._scope.need(DETAILS)
        rows = self._scope.connection.execute(
            "SELECT DISTINCT coalesce(source_base, source_commit) FROM details"
            " WHERE coalesce(source_base, source_commit) IS NOT NULL"
        )
        commits = [ObjectId(row[0]) for row in rows]
        return dict(self.checked(0, lambda: self._revisions(0).authors(commits)))

    def _source_in(self, commits: Collection[ObjectId]) -> str:
        self._scope.need(DETAILS)
        found = self._set(commits)
        return f"(d.source_commit IN {found} OR d.source_base IN {found})"

    def _set(self, values: Collection[str]) -> str:
        self._scope.need(DETAILS)
        listed = self._scope.bind(json.dumps(sorted(values)))
        return f"(SELECT value FROM json_each({listed}))"  # noqa: S608  the place of a bound value
