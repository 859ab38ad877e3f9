"""The code that a run ran: a commit that holds it exactly, and what could not be held."""

from __future__ import annotations

from dataclasses import dataclass

from gitruns.entities.ids import ObjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file that was there when the run started and is not in the snapshot.

    `path` is relative to the repository with `/` between parts; one that ends in `/` is a folder of which many files
    were left out for this reason, `size` is their sum. `reason` is a stable word: `too-large`, `total-size`,
    `too-many`, `binary`, `secret`, `deny-list`, `unreadable`, `special`, `submodule-changes`, `nested-repository`
    (one that git may not read), `filtered` (a filter takes something away on the way in), `filter-failed`.
    """

    path: str
    reason: str
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The exact code of a run.

    `commit` is the run's git parent: HEAD of a clean tree, else the snapshot commit; None where the source is not in
    this repository or was not captured. `base` is the commit that HEAD named. `code_tree` is the tree of tracked
    files only, `snapshot_tree` the tree that `commit` holds. `remote_url` carries no credentials.
    """

    commit: ObjectId | None = None
    base: ObjectId | None = None
    branch: str | None = None
    code_tree: ObjectId | None = None
    snapshot_tree: ObjectId | None = None
    dirty: bool = False
    left_out: tuple[LeftOut, ...] = ()
    remote_url: str | None = None
    autocrlf: str | None = None
    eol: str | None = None

    @property
    def incomplete(self) -> bool:
        """Whether something that was there is not in the snapshot."""
        return bool(self.left_out)
