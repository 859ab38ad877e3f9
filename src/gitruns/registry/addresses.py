"""Addresses of artifacts: `runs:/ID/path`, `models:/name/3`, `models:/name@alias`, `models:/name/Production`.

`models:/m-<32 hex>` is a logged model, in MLflow's words: all artifacts of that record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.entities.ids import RunId
from gitruns.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from gitruns.registry.finding_part import FindingPart
    from gitruns.registry.registered import RegisteredVersion

RUNS_SCHEME = "runs:/"
MODELS_SCHEME = "models:/"

_LOGGED_MODEL = re.compile(r"models:/m-([0-9a-f]{32})(?:/(.*))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where artifacts are: a run and a path in it (empty: all), and the version that was named, if one was."""

    run_id: RunId
    path: str
    registered: RegisteredVersion | None = None


def is_address(text: str) -> bool:
    """Returns whether a text is an address that `find_place` reads."""
    return text.startswith((RUNS_SCHEME, MODELS_SCHEME))


def find_place(registry: FindingPart, address: str) -> Place:
    """Returns where the artifacts are that an address names; raises `NotFoundError` or `InvalidInputError`."""
    if address.startswith(RUNS_SCHEME):
        run, _, path = address.removeprefix(RUNS_SCHEME).lstrip("/").partition("/")
        return Place(run_id=registry.repo.resolve_run(run), path=path.strip("/"))
    if not address.startswith(MODELS_SCHEME):
        raise InvalidInputError(
            f"'{address}' is no address of artifacts",
            kind="bad-address",
            hint="as in runs:/3f2a/model, models:/digits/3 or models:/digits@champion",
        )
    logged = _LOGGED_MODEL.match(address)
    if logged is not None:
        return Place(run_id=registry.repo.resolve_run(logged[1]), path=(logged[2] or "").strip("/"))
    named, below = _split(address.removeprefix(MODELS_SCHEME).strip("/"), address)
    found = registry.find_version(named)
    version = found.version
    if version.run_id is None or version.path is None:
        raise NotFoundError(
            f"{version.label} of '{found.model.name}' has no artifacts here: its source is '{version.source}'",
            kind="no-artifacts",
        )
    path = "/".join(part for part in (version.path, below) if part)
    return Place(run_id=version.run_id, path=path, registered=found)


def _split(rest: str, address: str) -> tuple[str, str]:
    """Returns the part that names a version, and the path below it."""
    first, slash, more = rest.partition("/")
    if "@" in first:
        return first, more
    second, _, below = more.partition("/")
    if not slash or not second:
        raise InvalidInputError(
            f"'{address}' names no version",
            kind="bad-address",
            hint=f"by number {MODELS_SCHEME}{first}/3, by alias {MODELS_SCHEME}{first}@champion",
        )
    return f"{first}/{second}", below
