"""What git says of revisions: commits, ranges, authors, paths. Every name is a value behind `--end-of-options`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId
from gitruns.errors import GitRunsError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo


class RepoRevisions:
    """Answers the git terms of queries (see `index.Revisions`) by asking the git program."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._git = repo.store.git

    def commit(self, revision: str) -> ObjectId:
        """Returns the commit that a revision names."""
        return self._repo.resolve_commit(revision)

    def commits_in(self, span: str) -> Collection[ObjectId]:
        """Returns the commits of a range; raises `NotFoundError` (kind `range-not-found`)."""
        return self._listed(span, f"there is no range '{span}'", "range-not-found")

    def ancestors_of(self, revision: str) -> Collection[ObjectId]:
        """Returns the commit that a revision names and all before it."""
        return self._listed(self.commit(revision), f"there is no commit '{revision}'", "commit-not-found")

    def _listed(self, revisions: str, message: str, kind: str) -> set[ObjectId]:
        try:
            found = self._git.run("rev-list", "--end-of-options", revisions, "--")
        except GitRunsError as error:
            raise NotFoundError(message, kind=kind, hint="see branches and git tags: git branch -a; git tag") from error
        return _ids(found)

    def touching(self, path: str) -> Collection[ObjectId]:
        """Returns the commits that changed a path, seen from the root of the work tree; snapshots of sources too.

        All commits that sources of runs grew from are looked at, whether or not a branch still has them.
        """
        if not path or "\0" in path or "\n" in path:
            raise InvalidInputError(f"'{path[:80]}' is no path", kind="bad-path")
        lines = [*self._sources(), "--", f":(top){path}"]
        given = "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")
        return _ids(self._git.run("rev-list", "--full-history", "--ignore-missing", "--stdin", input=given))

    def _sources(self) -> set[ObjectId]:
        """Returns the distinct source commits of all runs that are in this repository."""
        known = self._repo.index.source_commits()
        return {commit for commit in known if self._repo.store.has_commit(commit)}

    def authors(self, commits: Collection[ObjectId]) -> Mapping[ObjectId, str]:
        """Returns who wrote each commit, as `Ada Lovelace <ada@example.org>`; one that is not here is left out."""
        here = [commit for commit in commits if self._repo.store.has_commit(commit)]
        if not here:
            return {}
        listed = self._log(here, "%H %an <%ae>")
        return {ObjectId(line[: len(here[0])]): line[len(here[0]) + 1 :] for line in listed}

    def trees_of(self, run: str) -> Collection[ObjectId]:
        """Returns the trees that stand for the code of a run: of the tracked files, and of the snapshot."""
        source = self._repo.get_run(self._repo.resolve_run(run)).info.source
        return {tree for tree in (source.code_tree, source.snapshot_tree) if tree is not None}

    def time_ms(self, revision: str) -> int:
        """Returns when the commit that a revision names was made, milliseconds UTC."""
        for line in self._log([self.commit(revision)], "%ct"):
            return int(line) * 1000
        raise NotFoundError(
            f"there is no commit '{revision}'",
            kind="commit-not-found",
            hint="see what there is: git log --oneline --all",
        )

    def _log(self, commits: Iterable[str], form: str) -> list[str]:
        given = "".join(f"{commit}\n" for commit in commits).encode()
        found = self._git.run(
            "log", "--no-walk=unsorted", f"--format={form}", "--no-show-signature", "--stdin", input=given
        )
        return found.decode(errors="replace").splitlines()


def _ids(listed: bytes) -> set[ObjectId]:
    return {ObjectId(line) for line in listed.decode().split()}
