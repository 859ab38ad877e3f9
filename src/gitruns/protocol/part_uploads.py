"""Large artifacts that come in parts: each is put at an address of its own, in any order, and all are joined.

    <common>/gitruns/uploads/<sha256 of the id>/about    what it is to be: the address, how many parts
    <common>/gitruns/uploads/<sha256 of the id>/<n>      a part, whole

The id is a secret that whoever began the upload was told: with it a part can be put without a token, as it can at the
stores of clouds. Any worker of a server can take any part. What nobody has written to for a day is swept away.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from gitruns.protocol import artifacts
from gitruns.protocol.artifact_paths import target_of
from gitruns.protocol.errors import ProtocolError, refused
from gitruns.protocol.hub import Hub

MOST_PARTS = 10_000
LEFT_S = 24 * 3600
_ABOUT = "about"


def begin(hub: Hub, address: str, count: int) -> str:
    """Begins an upload of so many parts and returns its id; refuses what is no address of a file."""
    target = target_of(address)
    if target.record is None or not target.path:
        raise _unsupported()
    artifacts.record_of(hub, target)
    if not 1 <= count <= MOST_PARTS:
        raise refused(f"Invalid value {count} for parameter 'num_parts' supplied. It must be 1 to {MOST_PARTS}.")
    _sweep(hub)
    upload_id = secrets.token_urlsafe(32)
    folder = _folder(hub, upload_id)
    folder.mkdir(parents=True, mode=0o700)
    _write_about(folder, {"address": address, "count": count})
    return upload_id


def _write_about(folder: Path, about: Mapping[str, object]) -> None:
    half = folder / f"{_ABOUT}.{secrets.token_hex(8)}"
    half.write_text(json.dumps(about))
    half.replace(folder / _ABOUT)


def put_part(hub: Hub, upload_id: str, number: int, pieces: Iterable[bytes]) -> str:
    """Keeps a part, the same one again replaces it; returns its SHA-256."""
    folder = _opened(hub, upload_id, number)
    hashed = hashlib.sha256()
    half = folder / f"{number}.{secrets.token_hex(8)}"
    try:
        with half.open("xb") as file:
            for piece in pieces:
                hashed.update(piece)
                file.write(piece)
        half.replace(folder / str(number))
    except FileNotFoundError:  # aborted meanwhile
        raise _no_upload() from None
    finally:
        half.unlink(missing_ok=True)
    os.utime(folder)
    return hashed.hexdigest()


def _opened(hub: Hub, upload_id: str, number: int) -> Path:
    about = _about(hub, upload_id)
    if "done" in about:
        raise _no_upload()
    count = about["count"]
    if not 1 <= number <= int(str(count)):
        raise refused(f"Invalid part number {number}: the upload has {count} parts")
    return _folder(hub, upload_id)


def complete(
    hub: Hub, upload_id: str, address: str, parts: Iterable[tuple[int, str]], *, limit: int | None = None
) -> None:
    """Joins the parts, given with what each was answered, and adds the artifact to its run; the same again is fine."""
    about = _about(hub, upload_id)
    listed = sorted(parts)
    if about["address"] != address:
        raise _no_upload()
    if [number for number, _ in listed] != list(range(1, int(str(about["count"])) + 1)):
        raise refused("Invalid parts: each part of the upload must be listed once")
    if _is_done(about, listed):
        return
    folder = _folder(hub, upload_id)
    try:
        artifacts.put(hub, target_of(address), artifacts.no_larger_than(limit, _joined(folder, listed)))
    except ProtocolError:
        if _is_done(_about(hub, upload_id), listed):
            return
        raise
    _write_about(folder, {**about, "done": listed})
    for number, _ in listed:
        (folder / str(number)).unlink(missing_ok=True)


def _is_done(about: Mapping[str, object], parts: list[tuple[int, str]]) -> bool:
    """Returns whether the same has been asked before: a client that waits too long for the answer asks again."""
    return about.get("done") == [list(part) for part in parts]


def _joined(folder: Path, parts: Iterable[tuple[int, str]]) -> Iterator[bytes]:
    for number, tag in parts:
        hashed = hashlib.sha256()
        try:
            with (folder / str(number)).open("rb") as file:
                for piece in artifacts.in_pieces(file):
                    hashed.update(piece)
                    yield piece
        except FileNotFoundError:
            raise refused(f"Invalid parts: part {number} was not uploaded") from None
        if tag.strip('"') not in ("", hashed.hexdigest()):
            raise refused(f"Invalid parts: part {number} is not the one that was uploaded")


def abort(hub: Hub, upload_id: str, address: str) -> None:
    """Gives an upload up; one that is not there any more is fine."""
    try:
        about = _about(hub, upload_id)
    except ProtocolError:
        return
    if about["address"] == address:
        shutil.rmtree(_folder(hub, upload_id), ignore_errors=True)


def _about(hub: Hub, upload_id: str) -> Mapping[str, object]:
    try:
        found = json.loads((_folder(hub, upload_id) / _ABOUT).read_text())
    except (FileNotFoundError, ValueError):
        raise _no_upload() from None
    return found if isinstance(found, dict) else {}


def _folder(hub: Hub, upload_id: str) -> Path:
    return _root(hub) / hashlib.sha256(upload_id.encode()).hexdigest()


def _root(hub: Hub) -> Path:
    return hub.repo.folder / "uploads"


def _sweep(hub: Hub) -> None:
    with suppress(FileNotFoundError):
        for folder in _root(hub).iterdir():
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > LEFT_S:
                    shutil.rmtree(folder, ignore_errors=True)


def _no_upload() -> ProtocolError:
    return refused("there is no such upload, or it is over", "RESOURCE_DOES_NOT_EXIST")


def _unsupported() -> ProtocolError:
    return refused("Multipart upload is not supported for the current artifact repository", "NOT_IMPLEMENTED")
