"""Artifacts of a trace: files beside it, as the pictures that it was asked about, or the spans of older programs.

Each is a record that names its path and where its bytes are; what is small is in the artifact store too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.entities.names import check_artifact_path
from gitruns.protocol.errors import missing
from gitruns.protocol.record_fields import BLOBS, erased
from gitruns.protocol.trace import check_trace_id

if TYPE_CHECKING:
    from gitruns.protocol.hub import Hub
    from gitruns.repo.records import Record

KIND = "trace-artifact"
_BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A file or folder beside a trace; `size` is None for a folder."""

    path: str
    size: int | None

    @property
    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.size is None


def put(hub: Hub, trace_id: str, path: str, data: bytes) -> None:
    """Keeps a file; the same path again replaces it."""
    check_trace_id(trace_id)
    path = check_artifact_path(path)
    blob = {"sha256": hub.repo.records.attach(data), "size": len(data)}
    fields = {"trace_id": trace_id, "path": path, BLOBS: {_BYTES: blob}, "deleted": None}
    hub.repo.records.put(KIND, _id(trace_id, path), fields)


def find(hub: Hub, trace_id: str, path: str) -> bytes | None:
    """Returns what a file holds, None when there is none."""
    record = hub.repo.records.get(KIND, _id(trace_id, path))
    blob = None if record is None else (record.fields.get(BLOBS) or {}).get(_BYTES)
    return None if blob is None else hub.repo.records.read_blob(blob["sha256"])


def read(hub: Hub, trace_id: str, path: str) -> bytes:
    """Returns what a file holds; raises `ProtocolError`."""
    found = find(hub, trace_id, path)
    if found is None:
        raise missing(f"No such artifact: '{path}'")
    return found


def list_files(hub: Hub, trace_id: str, path: str = "") -> list[TraceFile]:
    """Returns files and folders directly below a path, by path; nothing for a file."""
    start = f"{path.strip('/')}/" if path.strip("/") else ""
    found: dict[str, TraceFile] = {}
    for record in hub.repo.records.select(KIND, {"trace_id": trace_id}):
        whole = str(record.fields.get("path", ""))
        if not whole.startswith(start):
            continue
        first, inside, _ = whole[len(start) :].partition("/")
        found[first] = TraceFile(start + first, None if inside else _size(record))
    return sorted(found.values(), key=lambda one: one.path)


def _size(record: Record) -> int:
    return int((record.fields.get(BLOBS) or {}).get(_BYTES, {}).get("size", 0))


def delete(hub: Hub, trace_id: str, path: str = "") -> None:
    """Takes a file, or all below a folder, away."""
    start = path.strip("/")
    gone = [
        (KIND, record.id, erased(record))
        for record in hub.repo.records.select(KIND, {"trace_id": trace_id})
        if not start or record.fields.get("path") == start or str(record.fields.get("path")).startswith(f"{start}/")
    ]
    hub.repo.records.put_many(gone)


def _id(trace_id: str, path: str) -> str:
    return f"{trace_id}/{hashlib.sha256(path.encode()).hexdigest()[:32]}"
