"""`run.yaml`: all of a run but its data."""

from __future__ import annotations

from typing import Any

from gitruns.entities.canonical import encode_mapping
from gitruns.entities.ids import ExperimentId, RunId, WriterId, is_run_id
from gitruns.entities.run import Lifecycle, RunInfo, RunStatus
from gitruns.entities.source import LeftOut, Source
from gitruns.gitstore.codec.fields import Fields

RUN_FILE = "run.yaml"

_KEYS = frozenset(
    "command dropped end_time entry_point error exit_code experiment_id host id kind lifecycle name parent_run_id "
    "source_autocrlf source_base source_branch source_code_tree source_commit source_dirty source_eol source_left_out "
    "source_remote_url source_snapshot_tree start_time status user writer".split()
)
_STATUSES = {status.value: status for status in RunStatus}
_LIFECYCLES = {lifecycle.value: lifecycle for lifecycle in Lifecycle}


def encode_info(info: RunInfo) -> bytes:
    """Returns `run.yaml`; what is None or nothing is left out."""
    source = info.source
    entries: dict[str, Any] = {
        "command": list(info.command) or None,
        "dropped": info.dropped or None,
        "end_time": info.end_time_ms,
        "entry_point": info.entry_point,
        "error": info.error,
        "exit_code": info.exit_code,
        "experiment_id": info.experiment_id,
        "host": info.host,
        "id": info.id,
        "kind": info.kind,
        "lifecycle": info.lifecycle.value,
        "name": info.name,
        "parent_run_id": info.parent_run_id,
        "source_autocrlf": source.autocrlf,
        "source_base": source.base,
        "source_branch": source.branch,
        "source_code_tree": source.code_tree,
        "source_commit": source.commit,
        "source_dirty": source.dirty or None,
        "source_eol": source.eol,
        "source_left_out": [_left_out_entry(one) for one in source.left_out] or None,
        "source_remote_url": source.remote_url,
        "source_snapshot_tree": source.snapshot_tree,
        "start_time": info.start_time_ms,
        "status": info.status.value,
        "user": info.user,
        "writer": info.writer,
    }
    return encode_mapping({key: value for key, value in entries.items() if value is not None})


def _left_out_entry(one: LeftOut) -> dict[str, Any]:
    entry = {"path": one.path, "reason": one.reason}
    return entry if one.size is None else {**entry, "size": one.size}


def decode_info(data: bytes, *, strict: bool = True) -> RunInfo:
    """Returns what `run.yaml` says; raises `CorruptDataError` naming the line. Unknown keys pass when not `strict`."""
    fields = Fields.read(data, RUN_FILE)
    if strict:
        fields.check_known(_KEYS)
    parent = fields.matching("parent_run_id", is_run_id, "a run id")
    status = fields.matching("status", _STATUSES.__contains__, f"one of {', '.join(_STATUSES)}")
    lifecycle = fields.matching("lifecycle", _LIFECYCLES.__contains__, f"one of {', '.join(_LIFECYCLES)}")
    return RunInfo(
        id=RunId(fields.required("id", lambda key: fields.matching(key, is_run_id, "a run id"))),
        name=fields.required("name", fields.text),
        experiment_id=ExperimentId(
            fields.required("experiment_id", lambda key: fields.matching(key, _is_number, "an experiment id"))
        ),
        writer=WriterId(fields.required("writer", fields.text)),
        status=_STATUSES[fields.required("status", lambda _: status)],
        start_time_ms=fields.required("start_time", fields.integer),
        end_time_ms=fields.integer("end_time"),
        user=fields.text("user"),
        host=fields.text("host"),
        entry_point=fields.text("entry_point"),
        command=_command(fields),
        source=_source(fields),
        parent_run_id=None if parent is None else RunId(parent),
        exit_code=fields.integer("exit_code"),
        error=fields.text("error"),
        lifecycle=_LIFECYCLES[fields.required("lifecycle", lambda _: lifecycle)],
        dropped=fields.size("dropped") if "dropped" in fields.values else 0,
        kind=fields.text("kind"),
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19


def _command(fields: Fields) -> tuple[str, ...]:
    if "command" not in fields.values:
        return ()
    words = fields.nested("command", list, "a list of words")
    if not all(isinstance(word, str) for word in words):
        raise fields.wrong("command", "is not a list of words")
    return tuple(words)


def _source(fields: Fields) -> Source:
    return Source(
        commit=fields.object_id("source_commit"),
        base=fields.object_id("source_base"),
        branch=fields.text("source_branch"),
        code_tree=fields.object_id("source_code_tree"),
        snapshot_tree=fields.object_id("source_snapshot_tree"),
        dirty=fields.flag("source_dirty"),
        left_out=_left_out(fields),
        remote_url=fields.text("source_remote_url"),
        autocrlf=fields.text("source_autocrlf"),
        eol=fields.text("source_eol"),
    )


def _left_out(fields: Fields) -> tuple[LeftOut, ...]:
    key = "source_left_out"
    if key not in fields.values:
        return ()
    found = []
    for item in fields.nested(key, list, "a list of files"):
        one = Fields(item if isinstance(item, dict) else {}, fields.path, line=fields.line(key))
        found.append(
            LeftOut(
                path=one.required("path", one.text), reason=one.required("reason", one.text), size=one.integer("size")
            )
        )
    return tuple(found)
