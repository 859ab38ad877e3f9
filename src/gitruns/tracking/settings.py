"""What the environment says: read once at the edge, passed down as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitruns.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The `GITRUNS_*` variables.

    `repo` is where runs are kept when that is not the repository around the working directory. `journal` is a folder
    to log into without git. `source` is the commit that runs, where it cannot be found out. `lenient` turns the
    caller's mistakes into warnings. `experiment` and `run_id` say what the next run belongs to, or is. `live` is how
    often checkpoints of a running run are pushed, as it was written.
    """

    repo: Path | None = None
    journal: Path | None = None
    source: str | None = None
    lenient: bool = False
    experiment: str | None = None
    run_id: str | None = None
    live: str | None = None


def settings_from(environ: Mapping[str, str]) -> Settings:
    """Returns the settings of an environment; raises `InvalidInputError` for a value that means nothing."""
    on_error = environ.get("GITRUNS_ON_ERROR", "raise")
    if on_error not in ("raise", "warn"):
        raise InvalidInputError(f"GITRUNS_ON_ERROR is '{on_error}', not 'raise' or 'warn'", kind="bad-setting")
    return Settings(
        repo=_path(environ.get("GITRUNS_REPO")),
        journal=_path(environ.get("GITRUNS_JOURNAL")),
        source=environ.get("GITRUNS_SOURCE") or None,
        lenient=on_error == "warn",
        experiment=environ.get("GITRUNS_EXPERIMENT") or None,
        run_id=environ.get("GITRUNS_RUN_ID") or None,
        live=environ.get("GITRUNS_LIVE") or None,
    )


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None
