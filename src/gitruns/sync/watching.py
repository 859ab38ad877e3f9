"""Brings the checkpoints of runs that are running on other machines into the mirror; `repo.elsewhere` looks at them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId, is_run_id
from gitruns.gitstore import refs
from gitruns.gitstore.transport import Transport
from gitruns.sync.moves import LocalMove, move_refs
from gitruns.sync.remotes import Remote, choose_remote

if TYPE_CHECKING:
    from gitruns.gitstore import GitStore
    from gitruns.repo import Repo

_TIMEOUT_S = 60.0


def fetch_checkpoints(repo: Repo, named: str | None = None) -> Remote:
    """Makes the mirror hold the checkpoints that a remote has now, and no others; returns the remote."""
    remote = choose_remote(repo, named)
    deadline = time.monotonic() + _TIMEOUT_S
    transport = Transport(repo.store.git, repo.store.config, remote.address, interactive=False, deadline=deadline)
    mirror_checkpoints(repo.store, remote, transport, transport.list_refs(refs.LIVE + "*"))
    return remote


def mirror_checkpoints(store: GitStore, remote: Remote, transport: Transport, listed: Mapping[str, ObjectId]) -> None:
    """Makes the mirror hold the checkpoints among the refs of a remote, as they were listed just now."""
    there = {ref: oid for ref, oid in listed.items() if is_run_id(ref.removeprefix(refs.LIVE))}
    here = store.backend.list_refs(remote.mirrored(refs.LIVE))
    new = [ref for ref, oid in there.items() if here.get(remote.mirrored(ref)) != oid]
    transport.fetch([f"+{ref}:{remote.mirrored(ref)}" for ref in new])
    gone = {name: oid for name, oid in here.items() if remote.origin_of(name) not in there}
    move_refs(store, [LocalMove(name, None, oid) for name, oid in gone.items()])
