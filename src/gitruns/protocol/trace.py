"""What a trace is: when and where somebody's request was answered, what came of it, and what people said of it.

Kept as a record of kind `trace`; each tag, each piece of metadata and each link is a field, so that clones that change
different ones change nothing of each other's. Its spans and assessments are records of their own.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitruns.protocol.errors import missing, refused
from gitruns.protocol.record_fields import group_of, value_here

if TYPE_CHECKING:
    from gitruns.protocol.assessment import Assessment
    from gitruns.protocol.hub import Hub
    from gitruns.repo.records import Record

KIND = "trace"

ARTIFACTS_TAG = "mlflow.artifactLocation"
NAME_TAG = "mlflow.traceName"
SPANS_TAG = "mlflow.trace.spansLocation"
IN_STORE = "TRACKING_STORE"
FINISHED_KEY = "mlflow.trace.infoFinalized"
RUN_KEY = "mlflow.sourceRun"
SESSION_KEY = "mlflow.trace.session"
USER_KEY = "mlflow.trace.user"
SIZES_KEY = "mlflow.trace.sizeStats"
SPANS_FILE = "traces.json"

STATES = ("OK", "ERROR", "IN_PROGRESS", "STATE_UNSPECIFIED")
OPEN_STATES = ("IN_PROGRESS", "STATE_UNSPECIFIED")

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,119}\Z")
_MAX_KEY = 250
_MAX_SESSION = 250
_MAX_NAME = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceInfo:
    """The facts of a trace.

    `state` is one of `STATES`. Previews are the beginnings of what went in and came out. `runs` are linked to it, and
    `prompts` are the versions, `name/version`, that it used.
    """

    id: str
    experiment_id: str
    time_ms: int
    duration_ms: int | None = None
    state: str = "STATE_UNSPECIFIED"
    client_request_id: str | None = None
    request_preview: str | None = None
    response_preview: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    assessments: tuple[Assessment, ...] = ()
    runs: frozenset[str] = frozenset()
    prompts: frozenset[str] = frozenset()


_LOCKS = tuple(threading.Lock() for _ in range(64))


@contextmanager
def changing(trace_ids: Iterable[str]) -> Iterator[None]:
    """Keeps other threads from telling of these traces: what follows from what is known must not be told over it.

    A program tells of a trace and of its spans at once. Processes that do are far apart, or one and the same again.
    """
    with ExitStack() as stack:
        for place in sorted({zlib.crc32(trace_id.encode()) % len(_LOCKS) for trace_id in trace_ids}):
            stack.enter_context(_LOCKS[place])
        yield


def location_of(hub: Hub, trace_id: str) -> str:
    """Returns the address of a trace's artifacts: made when it is asked for, never stored."""
    return f"{hub.uri}/traces/{trace_id}/artifacts"


def check_trace_id(trace_id: Any) -> str:
    """Returns the id of a trace if it can be one: it becomes part of addresses."""
    if not isinstance(trace_id, str) or _ID.match(trace_id) is None:
        raise refused(f"Invalid trace ID '{str(trace_id)[:80]}'. It may hold letters, digits and _ . : - only.")
    return trace_id


def check_texts(what: str, given: Mapping[Any, Any]) -> dict[str, str]:
    """Returns tags or metadata as texts, or refuses a key that is too long or odd."""
    for key in given:
        if not isinstance(key, str) or not key or len(key) > _MAX_KEY:
            raise refused(f"Invalid {what} key '{str(key)[:80]}': it must have 1 to {_MAX_KEY} characters.")
    return {key: value if isinstance(value, str) else str(value) for key, value in given.items()}


def check_name(name: str | None) -> None:
    """Refuses a name of a trace that is too long."""
    if name is not None and len(name) > _MAX_NAME:
        raise refused(f"'Trace name' exceeds the maximum length of {_MAX_NAME} characters")


def check_session(session: str | None) -> None:
    """Refuses an id of a session that is too long."""
    if session is not None and len(session) > _MAX_SESSION:
        raise refused(f"'Session ID' exceeds the maximum length of {_MAX_SESSION} characters")


def is_there(record: Record | None) -> bool:
    """Returns whether a record is a whole trace: a link or a tag may arrive before it, or outlive it."""
    return record is not None and isinstance(record.fields.get("experiment_id"), str)


def find_record(hub: Hub, trace_id: str) -> Record | None:
    """Returns the record of a trace, or None."""
    record = hub.repo.records.get(KIND, trace_id)
    return record if is_there(record) else None


def need_record(hub: Hub, trace_id: str) -> Record:
    """Returns the record of a trace; raises `ProtocolError`."""
    record = find_record(hub, trace_id)
    if record is None:
        raise missing(f"Trace with ID '{trace_id}' not found.")
    return record


def read_info(hub: Hub, record: Record, assessments: tuple[Assessment, ...] = ()) -> TraceInfo:
    """Returns the facts that a record holds."""
    records = hub.repo.records

    def text(name: str) -> str | None:
        found = value_here(records, record, name)
        return found if isinstance(found, str) else None

    return TraceInfo(
        id=record.id,
        experiment_id=str(record.fields["experiment_id"]),
        time_ms=time_of(record),
        duration_ms=_integer(record.fields.get("duration_ms")),
        state=state if (state := text("state")) in STATES else "STATE_UNSPECIFIED",
        client_request_id=text("client_request_id"),
        request_preview=text("request_preview"),
        response_preview=text("response_preview"),
        metadata=_texts(hub, record, "metadata/"),
        tags={**_texts(hub, record, "tags/"), ARTIFACTS_TAG: location_of(hub, record.id)},
        assessments=assessments,
        runs=frozenset(group_of(record, "runs/")),
        prompts=frozenset(group_of(record, "prompts/")),
    )


def _texts(hub: Hub, record: Record, prefix: str) -> dict[str, str]:
    found = {key: str(value) for key, value in group_of(record, prefix).items()}
    for name in record.fields.get("blobs") or ():
        if name.startswith(prefix):
            text = value_here(hub.repo.records, record, name)
            found |= {} if text is None else {name[len(prefix) :]: str(text)}
    return found


def time_of(record: Record) -> int:
    """Returns when a trace began, whatever a record says."""
    return _integer(record.fields.get("time_ms")) or 0


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
