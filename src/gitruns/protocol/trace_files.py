"""Files beside a trace: a record each, that names its path and what it holds.

What is small and text is in the record itself, as a file of its own for each of thousands would be too much.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.entities.names import check_artifact_path
from gitruns.protocol.record_fields import BLOBS, LARGE_BYTES, erased
from gitruns.protocol.trace import check_trace_id

if TYPE_CHECKING:
    from gitruns.protocol.hub import Hub
    from gitruns.repo.records import Record

KIND = "trace-artifact"
_BYTES, _TEXT = "bytes", "text"


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
    text = _small_text(data)
    blobs = None if text is not None else {_BYTES: {"sha256": hub.repo.records.attach(data), "size": len(data)}}
    fields = {"trace_id": trace_id, "path": path, BLOBS: blobs, _TEXT: text, "size": len(data), "deleted": None}
    hub.repo.records.put(KIND, _id(trace_id, path), fields)


def _small_text(data: bytes) -> str | None:
    try:
        return data.decode() if len(data) <= LARGE_BYTES else None
    except UnicodeDecodeError:
        return None


def find(hub: Hub, trace_id: str, path: str) -> bytes | None:
    """Returns what a file holds, None when there is none."""
    record = hub.repo.records.get(KIND, _id(trace_id, path))
    if record is None:
        return None
    text, blob = record.fields.get(_TEXT), (record.fields.get(BLOBS) or {}).get(_BYTES)
    if isinstance(text, str):
        return text.encode()
    return None if blob is None else hub.repo.records.read_blob(blob["sha256"])


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
    size = record.fields.get("size")
    return size if isinstance(size, int) else 0


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
