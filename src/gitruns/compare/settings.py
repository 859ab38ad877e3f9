"""What `gitruns.yaml` says of metrics and of reviews: the sections `metrics:` and `review:`.

They are read from the work tree, or from a commit where a review is of another one. Nothing in them can run anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitruns.compare.directions import Directions
from gitruns.errors import GitRunsError, InvalidInputError
from gitruns.gitstore.yaml_text import MAX_HAND_WRITTEN_BYTES, read_config
from gitruns.repo.config import CONFIG_FILE

if TYPE_CHECKING:
    from gitruns.entities.ids import ObjectId
    from gitruns.repo import Repo


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The two sections: `directions` of metrics, and `review` as it is written."""

    directions: Directions = field(default_factory=Directions)
    review: Mapping[str, Any] = field(default_factory=dict)


def read_settings(repo: Repo, commit: ObjectId | None = None) -> Settings:
    """Returns the settings of the work tree, or of a commit; the defaults where there is no such file.

    Raises `InvalidInputError` (kind `bad-setting`) or `CorruptDataError` (kind `bad-yaml`).
    """
    data = _of_commit(repo, commit) if commit is not None else _of_work_tree(repo.store.paths.work_tree)
    if data is None:
        return Settings()
    return parse_settings(data, CONFIG_FILE if commit is None else f"{commit[:8]}:{CONFIG_FILE}")


def parse_settings(data: bytes, place: str) -> Settings:
    """Returns the settings in the bytes of a `gitruns.yaml`; raises as `read_settings` does."""
    found = read_config(data, place)
    return Settings(directions=Directions(_section(found, "metrics", place)), review=_section(found, "review", place))


def _section(found: Mapping[str, Any], name: str, place: str) -> Mapping[str, Any]:
    section = found.get(name)
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise InvalidInputError(f"'{name}' in {place} must be a mapping, not {section!r}", kind="bad-setting")
    return {str(key): value for key, value in section.items()}


def _of_work_tree(work_tree: Path | None) -> bytes | None:
    if work_tree is None:
        return None
    try:
        return (work_tree / CONFIG_FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _of_commit(repo: Repo, commit: ObjectId) -> bytes | None:
    name = f"{commit}:{CONFIG_FILE}"
    git = repo.store.git
    try:
        if int(git.run("cat-file", "-s", name)) > MAX_HAND_WRITTEN_BYTES:
            raise InvalidInputError(f"'{name}' is too large to be a file of settings", kind="bad-setting")
        return git.run("cat-file", "blob", name)
    except InvalidInputError:
        raise
    except GitRunsError:  # there is no such file in that commit
        return None
