"""The life of a journal's folder: what is there, what of it is sealed, and its removal.

A seal is noted in the file `sealed`: the commit, and up to which offset of each file its records are in that commit.
So a writer that comes later, or was taken for dead too early, loses nothing: what it writes is not covered.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from gitruns.entities.ids import ObjectId, RunId, is_object_id, is_run_id
from gitruns.errors import ConflictError
from gitruns.journal.info import ShapeError
from gitruns.journal.lines import first_and_last
from gitruns.journal.locks import lock_is_held
from gitruns.journal.place import NEW_SUFFIX, SUFFIX
from gitruns.journal.record import LAST_KINDS, MAX_LINE_BYTES, Opening, decode_opening

SEALED_FILE = "sealed"

UNSEEN = (FileNotFoundError, NotADirectoryError, PermissionError)
"""What keeps a file from being seen: it is gone, or it is another user's who shares the repository and not this."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What was sealed: the commit, and how much of each file (by name) is in it; and the seal before, if any."""

    commit: ObjectId
    covers: Mapping[str, int]
    before: Seal | None = None


def list_live(root: Path) -> list[RunId]:
    """Returns the runs that have a journal below `root`, sealed ones too, in order of their ids."""
    return [RunId(folder.name) for folder in _run_folders(root) if log_files(folder)]


def _run_folders(root: Path) -> list[Path]:
    try:
        with os.scandir(root) as entries:
            return sorted(root / entry.name for entry in entries if is_run_id(entry.name))
    except UNSEEN:
        return []


def log_files(run_dir: Path) -> list[Path]:
    """Returns the writers' files of a run, by name; none when there is no such folder."""
    return _files(run_dir, SUFFIX)


def _files(run_dir: Path, suffix: str) -> list[Path]:
    try:
        with os.scandir(run_dir) as entries:
            return sorted(
                run_dir / entry.name
                for entry in entries
                if entry.name.endswith(suffix) and entry.is_file(follow_symlinks=False)
            )
    except UNSEEN:
        return []


def read_seal(run_dir: Path) -> Seal | None:
    """Returns what was sealed, None when nothing was or the mark is damaged: a seal can be repeated."""
    try:
        given = orjson.loads((run_dir / SEALED_FILE).read_bytes())
    except (*UNSEEN, orjson.JSONDecodeError):
        return None
    seal = _parsed(given)
    return seal and replace(seal, before=_parsed(given.get("before")))


def _parsed(given: object) -> Seal | None:
    if not isinstance(given, dict) or not is_object_id(str(given.get("commit"))):
        return None
    covers = given.get("covers")
    if not isinstance(covers, dict) or not all(type(size) is int and size >= 0 for size in covers.values()):
        return None
    return Seal(ObjectId(given["commit"]), covers)


def sealed_commit(run_dir: Path) -> ObjectId | None:
    """Returns the commit that the journal was last sealed into, None when it never was."""
    seal = read_seal(run_dir)
    return None if seal is None else seal.commit


def mark_sealed(run_dir: Path, commit: ObjectId, *, covers: Mapping[str, int] | None = None) -> None:
    """Notes, atomically, that the journal's records are in `commit`: those up to `LiveRun.covers`, or all when None.

    The files stay until `remove`, so that a commit that is lost before it is on disk can be made again.
    """
    old = read_seal(run_dir)
    if covers is None:
        covers = {path.name: path.stat().st_size for path in log_files(run_dir)}
    _write_seal(run_dir, Seal(commit, {**(old.covers if old else {}), **covers}, old))


def unmark_sealed(run_dir: Path) -> None:
    """Takes the mark back, because the commit was lost before it was on disk: its records are to be sealed again.

    What an earlier seal has in its own commit stays sealed; call it again if that was lost too.
    """
    seal = read_seal(run_dir)
    if seal is None or seal.before is None:
        (run_dir / SEALED_FILE).unlink(missing_ok=True)
    else:
        _write_seal(run_dir, seal.before)


def _write_seal(run_dir: Path, seal: Seal) -> None:
    temporary = run_dir / f"{SEALED_FILE}.{os.getpid()}{NEW_SUFFIX}"
    temporary.write_bytes(orjson.dumps(_shown(seal)) + b"\n")
    temporary.replace(run_dir / SEALED_FILE)


def _shown(seal: Seal) -> dict[str, object]:
    mark: dict[str, object] = {"commit": seal.commit, "covers": dict(seal.covers)}
    return mark if seal.before is None else {**mark, "before": _shown(replace(seal.before, before=None))}


def remove(run_dir: Path) -> None:
    """Removes what is sealed of the journal, once commit and ref are on disk.

    Files of writers that live, and files with records that the seal does not cover, stay. Raises `ConflictError`
    kind `journal-not-sealed` when there is no mark of a seal.
    """
    seal = read_seal(run_dir)
    if seal is None:
        if not run_dir.is_dir():
            return
        raise ConflictError(f"cannot remove journal '{run_dir.name}': it is not sealed", kind="journal-not-sealed")
    for path in log_files(run_dir):
        with suppress(FileNotFoundError):
            if path.name in seal.covers and not lock_is_held(path) and not _has_more(path, seal.covers[path.name]):
                # Emptied first: a writer elsewhere that was only slow then finds in its own, nameless file nothing
                # but what it wrote since, and brings that back (`place.rescue_file`).
                os.truncate(path, 0)
                path.unlink()
    if not log_files(run_dir):
        (run_dir / SEALED_FILE).unlink(missing_ok=True)
        _remove_empty(run_dir)


def _has_more(path: Path, offset: int) -> bool:
    """Whether a whole line stands behind the offset; what a dead writer did not finish is none."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.readline(MAX_LINE_BYTES).endswith(b"\n")


def sweep(root: Path) -> None:
    """Removes the folders that a process left which was killed before its first record had a name.

    A process that is just about to name it makes the folder again.
    """
    for folder in _run_folders(root):
        if not log_files(folder):
            with suppress(OSError):
                _remove_empty(folder)


def _remove_empty(run_dir: Path) -> None:
    """Removes a folder in which nothing is left but attempts to make a file."""
    for path in _files(run_dir, NEW_SUFFIX):
        if not lock_is_held(path):
            path.unlink(missing_ok=True)
    with suppress(OSError):
        run_dir.rmdir()


def unclosed_openings(run_dir: Path) -> list[tuple[Path, Opening]]:
    """Returns the files whose last record is neither an end nor a close, sealed or not, with their openings.

    Reads the first and the last line of each only.
    """
    found = []
    for path in log_files(run_dir):
        with suppress(*UNSEEN, ShapeError):
            first, last = first_and_last(path)
            if first is not None and (last is None or last[0] not in LAST_KINDS):
                found.append((path, decode_opening(first)))
    return found
