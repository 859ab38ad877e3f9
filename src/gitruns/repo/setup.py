"""What `git runs init` sets in a clone's git configuration, and how `deinit` takes exactly that back.

Its hooks are in `setup_hooks`.

Logging needs none of it. A setting that is in force already is left alone and not taken for ours. Each change is
recorded as the bytes that it put into the configuration file; when nothing has touched the file since, undoing gives
the very bytes that were there before, else each value is unset by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.errors import ConflictError, InvalidInputError
from gitruns.repo.setup_record import RECORD_FILE, Edit, digest_of, edit_between, read_record, rewind, write_record

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

RUNS_PATTERN = "refs/runs*"
ALIAS_VALUE = f"log --exclude={RUNS_PATTERN} --all"

AUTO_FETCH = "runs.autoFetch"
SNAPSHOTS = "runs.publishSnapshots"
SNAPSHOT_PURPOSES = {
    "tracked": "runs of code that was not committed are sent too, with the changes to files that git tracks",
    "all": "runs of code that was not committed are sent too, with all that their snapshots hold",
    "never": "runs of code that was not committed stay here",
}
_EXCLUSION = "log.excludeDecoration"

_NOT_SET = 1
_GONE = 5
"""What `git config` exits with when a key is not there to be read, or to be unset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One value that init adds, and what it is good for."""

    key: str
    value: str
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupPlan:
    """What init would add now, what it found in force, and what a person should know."""

    settings: tuple[Setting, ...]
    present: tuple[Setting, ...]
    notes: tuple[str, ...]


def plan_setup(
    repo: Repo, *, alias: str | None = None, auto_fetch: bool = False, snapshots: str | None = None
) -> SetupPlan:
    """Returns what init would do; `alias` names one for `git log --all` without runs.

    With `auto_fetch` the hooks behind git pull and git switch fetch runs too (`setup_hooks.FETCH_HOOKS`).
    `snapshots` decides whether runs of code that was not committed are sent: `tracked`, `all` or `never`.

    Raises `ConflictError` when that alias means something else already.
    """
    notes: list[str] = []
    wanted = [*_fetch_settings(repo, notes), *_log_settings(repo)]
    if auto_fetch:
        wanted.append(
            Setting(key=AUTO_FETCH, value="true", purpose="the hooks after git pull and git switch fetch runs")
        )
    if snapshots is not None:
        wanted.append(Setting(key=SNAPSHOTS, value=snapshots, purpose=SNAPSHOT_PURPOSES[snapshots]))
    if alias is not None:
        wanted.append(_alias_setting(repo, alias))
    present = [setting for setting in wanted if setting.value in _values(repo, setting.key)]
    return SetupPlan(
        settings=tuple(setting for setting in wanted if setting not in present),
        present=tuple(present),
        notes=tuple(notes),
    )


def snapshots_decided(repo: Repo) -> bool:
    """Returns whether it is set already if runs of code that was not committed are sent."""
    return bool(_values(repo, SNAPSHOTS))


def set_up(repo: Repo, settings: Sequence[Setting]) -> None:
    """Adds the settings to the clone's configuration file and records how.

    Each is recorded before it is set, and again with its bytes after, so an interrupted init can be undone as well.
    """
    file = _config_file(repo)
    record = read_record(_record_path(repo))
    for setting in settings:
        before = file.read_bytes()
        exact = not record.edits or digest_of(before) == record.left_as
        intended = Edit(key=setting.key, value=setting.value, offset=0, removed="", inserted="")
        write_record(_record_path(repo), replace(record, edits=[*record.edits, intended], left_as=""))
        repo.store.git.run("config", "--file", str(file), "--add", setting.key, setting.value)
        after = file.read_bytes()
        record.edits.append(edit_between(setting.key, setting.value, before, after))
        record.left_as = digest_of(after) if exact else ""
        write_record(_record_path(repo), record)


def recorded_settings(repo: Repo) -> list[tuple[str, str]]:
    """Returns key and value of what init has set in this clone, in order."""
    return [(edit.key, edit.value) for edit in read_record(_record_path(repo)).edits]


def undo_setup(repo: Repo) -> list[tuple[str, str]]:
    """Takes back what init has set, and returns the settings that were still there, the last one first."""
    record = read_record(_record_path(repo))
    if not record.edits:
        _record_path(repo).unlink(missing_ok=True)
        return []
    file = _config_file(repo)
    if digest_of(file.read_bytes()) == record.left_as:
        rewind(file, record)
        undone = [(edit.key, edit.value) for edit in reversed(record.edits)]
    else:
        undone = [(edit.key, edit.value) for edit in reversed(record.edits) if _unset(repo, file, edit)]
    _record_path(repo).unlink(missing_ok=True)
    return undone


# What is set


def _fetch_settings(repo: Repo, notes: list[str]) -> Iterator[Setting]:
    """A plain `git fetch` then brings what others pushed, into a mirror that is not merged before it was checked."""
    remote = _remote(repo)
    if remote is None:
        notes.append("no remote to fetch runs from yet: after 'git remote add', run init again")
    elif repo.store.paths.shallow:
        notes.append("this clone is shallow: a fetch of runs would bring the history of their source, so none is set")
    else:
        yield from _fetch_setting(repo, remote, notes)


def _fetch_setting(repo: Repo, remote: str, notes: list[str]) -> Iterator[Setting]:
    key = f"remote.{remote}.fetch"
    specs = _values(repo, key)
    mirror = Setting(
        key=key,
        value=f"+refs/runs/*:refs/runs-remotes/{remote}/*",
        purpose=f"git fetch brings the runs that others pushed to {remote}",
    )
    if mirror.value in specs:
        yield mirror
    elif not specs:
        # With a first refspec of ours git would fetch runs and nothing else.
        notes.append(f"'{remote}' has no fetch refspec: git fetches only what you name from it, so none is set")
    elif any(_covers_runs(spec) for spec in specs):
        notes.append(
            f"'{remote}' is fetched as a mirror of all refs: a fetch with --prune would delete runs that are only "
            f"here; keep them with: git config --add {key} '^refs/runs/*'"
        )
    else:
        yield mirror


def _covers_runs(spec: str) -> bool:
    """Returns whether a fetch refspec writes into `refs/runs/` itself."""
    source, _, target = spec.removeprefix("+").partition(":")
    return not source.startswith("^") and target.endswith("*") and "refs/runs/".startswith(target[:-1])


def _remote(repo: Repo) -> str | None:
    """The remote that runs are shared through: `runs.remote`, else `origin`, else the only one."""
    names = repo.store.git.run("remote").decode().splitlines()
    for name in (repo.store.config("runs.remote"), "origin"):
        if name in names:
            return name
    return names[0] if len(names) == 1 else None


def _log_settings(repo: Repo) -> Iterator[Setting]:
    """git since 2.39 decorates with branches, tags and remotes only, unless it is told what else to leave out.

    Then a first exclusion of ours would bring all other refs into `git log`; before, and beside other exclusions,
    it keeps the runs out. Source: git's builtin/log.c, set_default_decoration_filter.
    """
    exclusions = _values(repo, _EXCLUSION)
    everything = "all" in _values(repo, "log.initialDecorationSet")
    if not exclusions and not everything and _git_version(repo) >= (2, 39):
        return
    yield Setting(key=_EXCLUSION, value=RUNS_PATTERN, purpose="git log does not show the refs of runs beside commits")


def _git_version(repo: Repo) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)", repo.store.git.run("version").decode())
    return tuple(int(part) for part in found.groups()) if found else (0, 0)


def _alias_setting(repo: Repo, name: str) -> Setting:
    if not name or not all(letter.isascii() and (letter.isalnum() or letter == "-") for letter in name):
        raise InvalidInputError(f"'{name}' is no name for an alias: letters, digits and dashes are", kind="bad-alias")
    key = f"alias.{name}"
    others = [value for value in _values(repo, key) if value != ALIAS_VALUE]
    if others:
        raise ConflictError(
            f"alias '{name}' means '{others[0]}' already", kind="alias-taken", hint="choose another: --alias NAME"
        )
    return Setting(key=key, value=ALIAS_VALUE, purpose=f"git {name} shows all branches without the runs")


# The file


def _values(repo: Repo, key: str) -> list[str]:
    """Returns all values of a key that are in force, from whatever file."""
    listed = repo.store.git.run("config", "-z", "--get-all", key, ok=(0, _NOT_SET))
    values: list[str] = listed.decode(errors="surrogateescape").split("\0")[:-1]
    return values


def _config_file(repo: Repo) -> Path:
    return (repo.store.paths.common_dir / "config").resolve()


def _record_path(repo: Repo) -> Path:
    return repo.folder / RECORD_FILE


def _unset(repo: Repo, file: Path, edit: Edit) -> bool:
    """Takes one value away wherever it stands now; returns False when somebody has done so."""
    arguments = ("config", "--file", str(file), "--fixed-value")
    found = repo.store.git.run(*arguments, "--get-all", edit.key, edit.value, ok=(0, _NOT_SET))
    if not found:
        return False
    repo.store.git.run(*arguments, "--unset-all", edit.key, edit.value, ok=(0, _GONE))
    return True
