"""Which clone this is: a random id made once a clone, and made anew in a copy of it."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from gitruns.entities.ids import WriterId, new_writer_id

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
