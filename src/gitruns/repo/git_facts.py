"""What git itself knows and a face wants to show or use: settings, the user's editor, the subject of a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId
from gitruns.errors import CorruptDataError, NotFoundError

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo


def git_setting(repo: Repo, key: str) -> str | None:
    """Returns what git's configuration says of a key, None when nothing."""
    return repo.store.config(key)


def editor(repo: Repo) -> str:
    """Returns the editor that git would open, as one would type it."""
    return repo.store.git.run("var", "GIT_EDITOR").decode().strip()


def commit_subject(repo: Repo, commit: ObjectId) -> str | None:
    """Returns the first line of a commit's message; None when the commit is not here."""
    try:
        kind, data = repo.store.backend.read_object(commit)
    except (NotFoundError, CorruptDataError):
        return None
    if kind != "commit":
        return None
    message = data.partition(b"\n\n")[2].decode("utf-8", "replace")
    return message.partition("\n")[0].strip() or None
