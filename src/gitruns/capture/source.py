"""The exact code of a run, as a commit: HEAD of a clean tree, else a snapshot that is a child of it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.capture.exact import ExactFiles
from gitruns.capture.look import read_head_facts
from gitruns.capture.masking import strip_credentials
from gitruns.capture.reuse import was_dirty
from gitruns.capture.rules import SnapshotRules
from gitruns.capture.snapshot import take_snapshot
from gitruns.capture.workspace import Workspace
from gitruns.entities.ids import ObjectId
from gitruns.entities.source import Source
from gitruns.errors import CorruptDataError

if TYPE_CHECKING:
    from gitruns.gitstore import GitStore


def capture_source(
    store: GitStore,
    rules: SnapshotRules | None = None,
    *,
    written: Collection[Path] = (),
    environ: Mapping[str, str] | None = None,
) -> Source:
    """Returns the source of a run that starts now in the store's work tree.

    HEAD, index, work tree, refs and configuration are only read. New objects are on disk on return; no ref holds them
    yet. `written` are files and folders that runs wrote: they are nobody's source unless tracked. A bare repository
    gives a source without commit. `environ` None is the process's own environment.
    """
    rules = rules or SnapshotRules()
    head = store.head()
    environ = os.environ if environ is None else environ
    remote = _remote_url(store, head.branch, environ)
    if store.paths.work_tree is None:
        return Source(remote_url=remote)
    space = Workspace(store, store.paths.work_tree, environ)
    facts = read_head_facts(space, head.commit) if head.commit else None
    source = Source(
        commit=head.commit,
        base=head.commit,
        branch=head.branch,
        snapshot_tree=facts.tree if facts else None,
        remote_url=remote,
        autocrlf=store.config("core.autocrlf"),
        eol=store.config("core.eol"),
    )
    if rules.mode == "off":
        return source
    if facts is not None and _is_surely_clean(space, facts.commit):
        return replace(source, code_tree=facts.tree)
    kept, dirty = take_snapshot(space, facts, rules, written)
    return replace(
        source,
        commit=kept.commit,
        code_tree=kept.code_tree,
        snapshot_tree=kept.snapshot_tree,
        dirty=dirty or kept.commit != head.commit,
        left_out=kept.left_out,
    )


def _is_surely_clean(space: Workspace, head: ObjectId) -> bool:
    """Whether the work tree is HEAD, byte for byte, without asking git's program; False: somebody must look closer."""
    if was_dirty(space.last_file, head):
        return False  # a stat pass more would only tell the same again
    try:
        facts = space.index_facts()
    except CorruptDataError:  # a version that git may know and we do not
        return False
    if facts is None or facts.split or facts.has_submodules or facts.assumed or space.hidden_by_hand(facts.skipped):
        return False
    if space.store.backend.is_clean() is not True:
        return False
    conversions = space.conversions(facts.attribute_files)
    if not conversions:
        return True
    files = ExactFiles(space.folder / "exact", conversions)
    return files.knows_all(space.read_index(space.users_index), space.work_tree)


def _remote_url(store: GitStore, branch: str | None, environ: Mapping[str, str]) -> str | None:
    """The address that the branch is fetched from, else origin's; without credentials, the home folder as `~`."""
    names = [store.config(f"branch.{branch}.remote")] if branch else []
    for name in (*names, "origin"):
        url = store.config(f"remote.{name}.url") if name and name != "." else None
        if url:
            home = environ.get("HOME", "").rstrip("/")
            if home and url.startswith(home + "/"):
                return "~" + url[len(home) :]
            return strip_credentials(url)
    return None
