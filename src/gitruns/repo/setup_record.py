"""Changes of a configuration file, recorded so that each can be taken back to the byte."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gitruns.errors import ConflictError, CorruptDataError
from gitruns.gitstore.lockfile import LockFile

RECORD_FILE = "setup.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change of the file: at `offset`, `removed` became `inserted` (both in base64)."""

    key: str
    value: str
    offset: int
    removed: str
    inserted: str


@dataclass(slots=True, kw_only=True)
class Record:
    """All that init has changed in this clone, in order.

    `left_as` is the digest of the file after the last change, empty once others have written to it in between.
    `made_folder` is the folder of hooks where init had to make one.
    """

    edits: list[Edit] = field(default_factory=list)
    left_as: str = ""
    made_folder: str = ""


def edit_between(key: str, value: str, before: bytes, after: bytes) -> Edit:
    """Returns the least change that makes `before` into `after`."""
    start = _same_bytes(before, after)
    end = _same_bytes(before[start:][::-1], after[start:][::-1])
    return Edit(
        key=key,
        value=value,
        offset=start,
        removed=base64.b64encode(before[start : len(before) - end]).decode(),
        inserted=base64.b64encode(after[start : len(after) - end]).decode(),
    )


def digest_of(data: bytes) -> str:
    """Returns what says whether a file is still as it was left."""
    return hashlib.sha256(data).hexdigest()


def _same_bytes(one: bytes, other: bytes) -> int:
    """Returns how many bytes the two have in common from their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))


def rewind(file: Path, record: Record) -> None:
    """Takes the changes back, the last one first, under git's own lock."""
    mode = file.stat().st_mode
    with LockFile(file, f"'{file}'", lambda folder: None) as lock:
        data = file.read_bytes()
        for edit in reversed(record.edits):
            inserted, removed = base64.b64decode(edit.inserted), base64.b64decode(edit.removed)
            end = edit.offset + len(inserted)
            if data[edit.offset : end] != inserted:
                raise ConflictError(f"cannot undo '{edit.key}': '{file}' has changed", kind="config-changed")
            data = data[: edit.offset] + removed + data[end:]
        lock.commit(data, prepare=lambda path: path.chmod(mode))


def read_record(path: Path) -> Record:
    """Returns what was recorded, nothing where there is no file; raises `CorruptDataError` for one that is damaged."""
    try:
        found = json.loads(path.read_bytes())
        return Record(
            edits=[Edit(**edit) for edit in found["edits"]],
            left_as=found["left_as"],
            made_folder=found.get("made_folder", ""),
        )
    except FileNotFoundError:
        return Record()
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptDataError(
            f"cannot read '{path}': {error}",
            kind="bad-setup-record",
            hint=f"undo it by hand: git config --local --edit; then rm '{path}'",
        ) from error


def write_record(path: Path, record: Record) -> None:
    """Puts the record on disk; what was there before stands until all of it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(asdict(record), file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
