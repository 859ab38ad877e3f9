"""Which commits a review is of: `BASE...HEAD` as git reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId
from gitruns.errors import GitRunsError, NotFoundError
from gitruns.repo.git_facts import commit_subject

if TYPE_CHECKING:
    from gitruns.repo import Repo

_DEFAULT_BASES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit: its id, its tree, the first line of its message."""

    id: ObjectId
    tree: ObjectId
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What is reviewed: `base` is the merge base, or with two dots the commit that was named.

    `text` is the range as a person would type it, `why_base` says how the base was found. `head_branch` is the branch
    that was named, as runs record it.
    """

    base: Commit
    head: Commit
    text: str
    why_base: str
    head_branch: str | None = None


def read_range(repo: Repo, text: str | None) -> Range:
    """Returns the commits that a range names; without one, HEAD against the branch that it would be merged into.

    Raises `NotFoundError` (kinds `commit-not-found`, `no-merge-base`).
    """
    base_name, dots, head_name = _split(repo, text)
    head, named = repo.resolve_commit(head_name), repo.resolve_commit(base_name)
    shown = f"{base_name}{dots}{head_name}"
    if dots == "..":
        found, why = named, f"{base_name} itself"
    else:
        found, why = merge_base(repo, named, head), f"the merge base of {base_name} and {head_name}"
        if found == head:
            found, why = _before(repo, head), f"the commit before {head_name}, which {base_name} has already"
    return Range(
        base=read_commit(repo, found),
        head=read_commit(repo, head),
        text=shown,
        why_base=why,
        head_branch=_branch(repo, head_name),
    )


def _split(repo: Repo, text: str | None) -> tuple[str, str, str]:
    if text is None:
        return _default_base(repo), "...", "HEAD"
    for dots in ("...", ".."):
        base, found, head = text.partition(dots)
        if found:
            return base or "HEAD", dots, head or "HEAD"
    return text, "...", "HEAD"


def _default_base(repo: Repo) -> str:
    for name in _DEFAULT_BASES:
        try:
            repo.resolve_commit(name)
        except GitRunsError:
            continue
        return name
    raise NotFoundError(
        "there is no branch to review against: no origin/HEAD, main or master",
        kind="commit-not-found",
        hint="name one: git runs review BASE...HEAD",
    )


def merge_base(repo: Repo, one: ObjectId, other: ObjectId) -> ObjectId:
    """Returns the best common ancestor of two commits; raises `NotFoundError` (kind `no-merge-base`)."""
    found = repo.store.git.run("merge-base", "--end-of-options", one, other, ok=(0, 1)).decode().strip()
    if found:
        return ObjectId(found)
    shallow = repo.store.paths.shallow
    why = "history is cut off here (a shallow clone)" if shallow else "they share no history"
    raise NotFoundError(
        f"'{one[:8]}' and '{other[:8]}' have no merge base: {why}",
        kind="no-merge-base",
        hint="git fetch --unshallow --filter=blob:none" if shallow else "compare them as they are: BASE..HEAD",
    )


def _before(repo: Repo, commit: ObjectId) -> ObjectId:
    try:
        return repo.resolve_commit(f"{commit}~1")
    except GitRunsError:
        return commit


def read_commit(repo: Repo, commit: ObjectId) -> Commit:
    """Returns a commit that is here."""
    tree = repo.store.git.run("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}").decode().strip()
    return Commit(id=commit, tree=ObjectId(tree), subject=commit_subject(repo, commit) or "")


def _branch(repo: Repo, name: str) -> str | None:
    if name == "HEAD":
        return repo.store.head().branch
    # Looked up among the names there are: a name from outside is not joined to a path.
    if f"refs/heads/{name}" in repo.store.backend.list_refs("refs/heads/"):
        return name
    known = f"refs/remotes/{name}" in repo.store.backend.list_refs("refs/remotes/")
    return name.partition("/")[2] if known and "/" in name else None
