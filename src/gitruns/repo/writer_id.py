"""Which clone this is: a random id made once a clone, and made anew in a copy of it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Collection, Mapping
from pathlib import Path

from gitruns.entities.ids import WriterId, new_writer_id
from gitruns.entities.stamp import FAR_AHEAD_MS, Stamp, edit_stamp

_FILE = "writer"


def clone_writer_id(folder: Path) -> WriterId:
    """Returns the writer id of the clone whose private folder this is, making it on first use.

    The file says where it was made; a clone that was copied finds another place there and takes a new id, because
    two writers of one id would make equal stamps for different changes. In a folder that cannot be written the id
    holds for this process only.
    """
    place = _place(folder)
    path = folder / _FILE
    known = _read(path)
    if known is not None and known.get("place") == place:
        return WriterId(str(known["id"]))
    return _create(path, place)


def stamp_edit(
    folder: Path, writer: WriterId, stamps: Mapping[str, Stamp], fields: Collection[str], now_ms: int
) -> Stamp:
    """Returns the stamp of an edit of some fields of a state, by the clone whose private folder this is.

    A clone that finds stamps of its own far ahead of its clock, which has been set back since, begins anew from the
    clock with a new id: what it stamped then and what it stamps when that time comes must not be taken for one.
    The state at hand shows that well enough, because only stamps of one field of one state are ever compared.
    """
    if any(stamp.writer == writer and stamp.time_ms > now_ms + FAR_AHEAD_MS for stamp in stamps.values()):
        writer = _renewed(folder, writer)
    return edit_stamp(stamps, fields, now_ms, writer)


def _renewed(folder: Path, old: WriterId) -> WriterId:
    """Returns the clone's new id; one that another call has made already, when `old` is not in force any more."""
    known = _read(folder / _FILE)
    if known is not None and known["id"] != old:
        return clone_writer_id(folder)
    return _create(folder / _FILE, _place(folder))


def _place(folder: Path) -> str:
    try:
        inode = folder.stat().st_ino
    except OSError:
        inode = 0
    return f"{socket.gethostname()}:{os.path.realpath(folder)}:{inode}"


def _read(path: Path) -> dict[str, object] | None:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return known if isinstance(known, dict) and isinstance(known.get("id"), str) else None


def _create(path: Path, place: str) -> WriterId:
    writer = new_writer_id()
    temporary = path.with_name(f"{_FILE}.{writer}")
    try:
        temporary.write_text(json.dumps({"id": writer, "place": place}) + "\n", encoding="utf-8")
        if path.exists():
            temporary.replace(path)  # a copied clone: the old id stays with the original
            return writer
        os.link(temporary, path)  # of two processes that come first together, one wins
    except FileExistsError:
        known = _read(path)
        return WriterId(str(known["id"])) if known else writer
    except OSError:
        return writer
    finally:
        temporary.unlink(missing_ok=True)
    return writer
