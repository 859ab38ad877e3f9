"""Which remote runs are shared through: `runs.remote`, else `origin`, else the only one; or what was named."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.gitstore import refs
from gitruns.gitstore.transport_errors import without_credentials

if TYPE_CHECKING:
    from gitruns.repo import Repo


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A remote as git is told of it (`address`: a name or a URL), and where what it had is mirrored.

    `tracking` are the prefixes of the refs that say what of the code was last seen there. `runs_only` says that it is
    not where the code goes, so the code that runs need goes there with them.
    """

    address: str
    url: str
    mirror: str
    tracking: tuple[str, ...]
    runs_only: bool = False

    @property
    def shown(self) -> str:
        """The remote as one would type it, without a password."""
        return without_credentials(self.address)

    @property
    def prefix(self) -> str:
        """Where its refs below `refs/runs/` are mirrored."""
        return f"{refs.MIRRORS}{self.mirror}/"

    def mirrored(self, ref: str) -> str:
        """Returns where a ref of the remote is mirrored."""
        return self.prefix + ref.removeprefix(refs.RUNS)

    def origin_of(self, mirrored: str) -> str:
        """Returns which ref of the remote is mirrored there."""
        return refs.RUNS + mirrored.removeprefix(self.prefix)


_ALSO_PUBLISHED = ("refs/remotes/", "refs/pull/", "refs/pipelines/", "refs/merge-requests/")
"""Where CI systems put what they have fetched from the only remote that they know."""


def choose_remote(repo: Repo, named: str | None = None) -> Remote:
    """Returns the remote that was named, or the one that runs are shared through.

    Raises `NotFoundError` (kind `no-remote`, `remote-not-found`), saying what to type.
    """
    names = remote_names(repo)
    wanted = named or repo.store.config("runs.remote") or _default(names)
    if wanted is None:
        raise _no_remote(names)
    if wanted in names:
        return _of_name(repo, wanted, names)
    if not looks_like_address(wanted):
        raise NotFoundError(
            f"there is no remote '{wanted}'",
            kind="remote-not-found",
            hint=f"remotes here: {', '.join(names)}" if names else f"git remote add {wanted} URL",
        )
    return _of_address(repo, wanted, names)


def remote_names(repo: Repo) -> list[str]:
    """Returns the names of the remotes that are configured."""
    return repo.store.git.run("remote").decode(errors="surrogateescape").splitlines()


def looks_like_address(text: str) -> bool:
    """Returns whether a text is a URL or a path, not a name."""
    return not text.startswith("-") and ("/" in text or ":" in text or text in (".", ".."))


def _default(names: list[str]) -> str | None:
    if "origin" in names:
        return "origin"
    return names[0] if len(names) == 1 else None


def _no_remote(names: list[str]) -> NotFoundError:
    if names:
        return NotFoundError(
            f"cannot choose among the remotes {', '.join(names)}",
            kind="no-remote",
            hint=f"name one, or choose for good: git config runs.remote {names[0]}",
        )
    return NotFoundError(
        "there is no remote to share runs through",
        kind="no-remote",
        hint="git remote add origin URL; a bare repository on a disk will do: git init --bare /path/runs.git",
    )


def _of_name(repo: Repo, name: str, names: list[str]) -> Remote:
    if ".." in name or name.startswith("-"):
        raise InvalidInputError(f"'{name}' is no name for a remote", kind="bad-remote-name")
    specs = repo.store.git.run("config", "-z", "--get-all", f"remote.{name}.fetch", ok=(0, 1))
    targets = [spec.partition(":")[2] for spec in specs.decode(errors="surrogateescape").split("\0")]
    tracking = {target.removesuffix("*") for target in targets if target.startswith("refs/")}
    tracking = {one for one in tracking if not one.startswith((refs.MIRRORS, refs.RUNS)) and one != "refs/"}
    runs_only = name == repo.store.config("runs.remote") and name != _default(names)
    if len(names) == 1:
        tracking |= set(_ALSO_PUBLISHED)
    elif runs_only:
        tracking.add("refs/remotes/")
    return Remote(
        address=name,
        url=repo.store.config(f"remote.{name}.url") or name,
        mirror=name,
        tracking=tuple(sorted(tracking)),
        runs_only=runs_only,
    )


def _of_address(repo: Repo, url: str, names: list[str]) -> Remote:
    for name in names:
        if repo.store.config(f"remote.{name}.url") == url:
            return _of_name(repo, name, names)
    runs_only = url == repo.store.config("runs.remote")
    return Remote(
        address=url,
        url=url,
        mirror="url-" + hashlib.sha256(url.encode(errors="surrogateescape")).hexdigest()[:16],
        tracking=("refs/remotes/",) if runs_only or not names else (),
        runs_only=runs_only,
    )
