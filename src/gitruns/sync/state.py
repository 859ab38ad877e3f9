"""What a clone remembers of a remote beyond its mirror: for saying what changed there, never for what runs are.

A small JSON file a remote, replaced whole. It may be deleted: then what the mirror holds is all that is known.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId

if TYPE_CHECKING:
    from gitruns.repo import Repo
    from gitruns.sync.remotes import Remote

FOLDER = "sync"


@dataclass(slots=True, kw_only=True)
class State:
    """`known` are the remote's refs when it was last seen. `lost` are refs that it had and has no more, `rewritten`
    those whose new value does not follow from the old one: both wait for a person. `quarantined` and `waiting` are refs
    that were not taken, each with commit, kind and reason. `probed` says that the remote is known to take refs of runs.
    `busy_s` is how long to keep out of the way of others who move the same refs, as found at `busy_at_ms`.
    """

    url: str = ""
    probed: bool = False
    busy_s: float = 0.0
    busy_at_ms: int = 0
    known: dict[str, ObjectId] = field(default_factory=dict)
    lost: dict[str, ObjectId] = field(default_factory=dict)
    rewritten: dict[str, ObjectId] = field(default_factory=dict)
    quarantined: dict[str, list[str]] = field(default_factory=dict)
    waiting: dict[str, list[str]] = field(default_factory=dict)


def read_state(repo: Repo, remote: Remote) -> State:
    """Returns what is remembered of a remote; nothing of one that has another address now."""
    try:
        found = json.loads(_path(repo, remote).read_bytes())
        names = {one.name for one in fields(State)}
        state = State(**{name: value for name, value in found.items() if name in names})
    except (OSError, ValueError, TypeError, AttributeError):
        state = State(known=_mirrored(repo, remote))
    if state.url not in ("", remote.url):
        state = State()
    state.url = remote.url
    return state


def write_state(repo: Repo, remote: Remote, state: State) -> None:
    """Puts the state in its place, whole or not at all; where nothing may be written it is done without."""
    path = _path(repo, remote)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(asdict(state)), encoding="utf-8")
        temporary.replace(path)


def _path(repo: Repo, remote: Remote) -> Path:
    name = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_") else f"={ord(letter):x}"
        for letter in remote.mirror
    )
    return repo.folder / FOLDER / f"{name}.json"


def _mirrored(repo: Repo, remote: Remote) -> dict[str, ObjectId]:
    return {remote.origin_of(ref): oid for ref, oid in repo.store.backend.list_refs(remote.prefix).items()}
