"""What a repository's people have set: `gitruns.yaml` in the work tree, `runs.*` in git config, the environment.

The later of the three wins. `gitruns.yaml` is committed and shared, so nothing in it can name a credential or run
anything; git config is each clone's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from gitruns.errors import InvalidInputError
from gitruns.gitstore.yaml_text import read_config

CONFIG_FILE = "gitruns.yaml"
SNAPSHOT_MODES = ("all", "tracked", "off")
ARCHIVE_MODES = ("auto", "off")
REDACTABLE = ("host", "user", "command")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one repository.

    `snapshot` says what a dirty tree's snapshot holds: `all`, `tracked` files only, or `off`. `snapshot_paths`
    limits it to some folders of a monorepo. `redact` names facts that are not recorded. `experiment` is the
    experiment that runs go to when nothing else is said. `archive` says whether many finished runs are archived
    by themselves: `auto` or `off`. `queries` are saved queries by name: `git runs list @NAME`. `store` is the address
    of the store as the committed file names it, `repository` the id under which clones keep their objects there; the
    store in force is `Stores.setting`.
    """

    snapshot: str = "all"
    snapshot_paths: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    experiment: str | None = None
    archive: str = "auto"
    queries: Mapping[str, str] = field(default_factory=dict)
    store: str | None = None
    repository: str | None = None


def read_settings(
    work_tree: Path | None, git_config: Callable[[str], str | None], environ: Mapping[str, str]
) -> Config:
    """Returns the settings in force; raises `InvalidInputError` or `CorruptDataError` naming where a bad one stands."""
    config = _from_file(work_tree)
    config = _from_git(config, git_config)
    experiment = environ.get("GITRUNS_EXPERIMENT")
    return replace(config, experiment=experiment) if experiment else config


def _from_file(work_tree: Path | None) -> Config:
    if work_tree is None:
        return Config()
    path = work_tree / CONFIG_FILE
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Config()
    found = read_config(data, CONFIG_FILE)
    snapshot = found.get("snapshot")
    flat: dict[str, Any] = dict(found)
    if isinstance(snapshot, Mapping):
        flat |= {"snapshot": snapshot.get("mode", "all"), "snapshot_paths": snapshot.get("paths", ())}
    known = {one.name for one in fields(Config)}
    return _checked(Config(), {key: value for key, value in flat.items() if key in known}, CONFIG_FILE)


def _from_git(config: Config, git_config: Callable[[str], str | None]) -> Config:
    names = {
        "runs.snapshot": "snapshot",
        "runs.snapshotPaths": "snapshot_paths",
        "runs.redact": "redact",
        "runs.experiment": "experiment",
        "runs.archive": "archive",
    }
    found = {name: value for key, name in names.items() if (value := git_config(key)) is not None}
    return _checked(config, found, "git config runs.*")


def _checked(config: Config, found: Mapping[str, Any], place: str) -> Config:
    values: dict[str, Any] = {}
    for key, value in found.items():
        if key in ("snapshot_paths", "redact"):
            values[key] = _words(key, value, place)
        elif key == "queries":
            values[key] = _texts(key, value, place)
        elif key in ("snapshot", "archive") and value is False:  # a bare `off` is YAML 1.1 for false
            values[key] = "off"
        elif isinstance(value, str):
            values[key] = value
        else:
            raise InvalidInputError(f"'{key}' in {place} must be text, not {value!r}", kind="bad-setting")
    if values.get("snapshot", "all") not in SNAPSHOT_MODES:
        raise _not_one_of("snapshot", values["snapshot"], SNAPSHOT_MODES, place)
    if values.get("archive", "auto") not in ARCHIVE_MODES:
        raise _not_one_of("archive", values["archive"], ARCHIVE_MODES, place)
    for word in values.get("redact", ()):
        if word not in REDACTABLE:
            raise _not_one_of("redact", word, REDACTABLE, place)
    return replace(config, **values)


def _words(key: str, value: object, place: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    if isinstance(value, (list, tuple)) and all(isinstance(word, str) for word in value):
        return tuple(value)
    raise InvalidInputError(f"'{key}' in {place} must be a list of words, not {value!r}", kind="bad-setting")


def _texts(key: str, value: object, place: str) -> dict[str, str]:
    if isinstance(value, Mapping) and all(isinstance(one, str) for pair in value.items() for one in pair):
        return dict(value)
    raise InvalidInputError(
        f"'{key}' in {place} must be a mapping of names to texts, not {value!r}", kind="bad-setting"
    )


def _not_one_of(key: str, value: object, allowed: tuple[str, ...], place: str) -> InvalidInputError:
    return InvalidInputError(
        f"'{key}' in {place} is '{value}', not one of {', '.join(allowed)}", kind="bad-setting", allowed=allowed
    )
