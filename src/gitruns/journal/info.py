"""The parts of an opening record as JSON, and back: run, source, environment, identity, process.

A journal may come from elsewhere (`git runs collect`), so what is read is checked piece by piece.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitruns.entities.environment import Environment, read_only
from gitruns.entities.ids import ExperimentId, ObjectId, RunId, WriterId, is_object_id, is_run_id
from gitruns.entities.run import Identity, Lifecycle, RunInfo, RunStatus
from gitruns.entities.source import LeftOut, Source
from gitruns.journal.liveness import ProcessMark


class ShapeError(ValueError):
    """A record's checksum is right and its content is not what its kind promises."""


def mapping(given: object) -> dict[str, Any]:
    """Returns the JSON object, or raises `ShapeError`."""
    if not isinstance(given, dict):
        raise ShapeError("not a mapping")
    return given


def items(given: object) -> list[Any]:
    """Returns the JSON array, or raises `ShapeError`."""
    if not isinstance(given, list):
        raise ShapeError("not a list")
    return given


def text(given: object) -> str:
    """Returns the JSON text, or raises `ShapeError`."""
    if not isinstance(given, str):
        raise ShapeError("not text")
    return given


def integer(given: object) -> int:
    """Returns the JSON integer, or raises `ShapeError`."""
    if not isinstance(given, int) or isinstance(given, bool):
        raise ShapeError("not an integer")
    return given


def optional_text(given: object) -> str | None:
    """Returns JSON text or None."""
    return None if given is None else text(given)


def optional_integer(given: object) -> int | None:
    """Returns a JSON integer or None."""
    return None if given is None else integer(given)


def optional_object_id(given: object) -> ObjectId | None:
    """Returns a git object id or None."""
    if given is None:
        return None
    if not is_object_id(text(given)):
        raise ShapeError("not an object id")
    return ObjectId(text(given))


def run_id(given: object) -> RunId:
    """Returns a run id."""
    if not is_run_id(text(given)):
        raise ShapeError("not a run id")
    return RunId(text(given))


def text_mapping(given: object) -> Mapping[str, str]:
    """Returns a mapping of text to text."""
    return read_only({key: text(value) for key, value in mapping(given).items()})


_INFO_TEXT = ("user", "host", "entry_point", "error")


def info_to_json(info: RunInfo) -> dict[str, Any]:
    """Returns the JSON object of a run's info; what is None is left out."""
    found = {
        "id": info.id,
        "name": info.name,
        "experiment_id": info.experiment_id,
        "writer": info.writer,
        "status": info.status.value,
        "start_time_ms": info.start_time_ms,
        "end_time_ms": info.end_time_ms,
        "user": info.user,
        "host": info.host,
        "entry_point": info.entry_point,
        "command": list(info.command),
        "source": source_to_json(info.source),
        "parent_run_id": info.parent_run_id,
        "exit_code": info.exit_code,
        "error": info.error,
        "lifecycle": info.lifecycle.value,
        "dropped": info.dropped,
        "kind": info.kind,
    }
    return {key: value for key, value in found.items() if value is not None}


def info_from_json(given: Mapping[str, Any]) -> RunInfo:
    """Returns a run's info; raises `ShapeError`."""
    parent = given.get("parent_run_id")
    return RunInfo(
        id=run_id(given.get("id")),
        name=text(given.get("name")),
        experiment_id=ExperimentId(text(given.get("experiment_id"))),
        writer=WriterId(text(given.get("writer"))),
        status=status_from_json(given.get("status")),
        start_time_ms=integer(given.get("start_time_ms")),
        end_time_ms=optional_integer(given.get("end_time_ms")),
        user=optional_text(given.get("user")),
        host=optional_text(given.get("host")),
        entry_point=optional_text(given.get("entry_point")),
        command=tuple(text(word) for word in items(given.get("command", []))),
        source=source_from_json(given.get("source", {})),
        parent_run_id=None if parent is None else run_id(parent),
        exit_code=optional_integer(given.get("exit_code")),
        error=optional_text(given.get("error")),
        lifecycle=lifecycle_from_json(given.get("lifecycle")),
        dropped=integer(given.get("dropped", 0)),
        kind=optional_text(given.get("kind")),
    )


def status_from_json(given: object) -> RunStatus:
    """Returns a run's status."""
    try:
        return RunStatus(text(given))
    except ValueError:
        raise ShapeError("not a status") from None


def lifecycle_from_json(given: object) -> Lifecycle:
    """Returns a run's lifecycle."""
    try:
        return Lifecycle(text(given))
    except ValueError:
        raise ShapeError("not a lifecycle") from None


def source_to_json(source: Source) -> dict[str, Any]:
    """Returns the JSON object of a run's source; what is None is left out."""
    found = {
        "commit": source.commit,
        "base": source.base,
        "branch": source.branch,
        "code_tree": source.code_tree,
        "snapshot_tree": source.snapshot_tree,
        "dirty": source.dirty,
        "left_out": [[item.path, item.reason, item.size] for item in source.left_out],
        "remote_url": source.remote_url,
        "autocrlf": source.autocrlf,
        "eol": source.eol,
    }
    return {key: value for key, value in found.items() if value is not None}


def source_from_json(value: object) -> Source:
    """Returns a run's source; raises `ShapeError`."""
    given = mapping(value)
    left_out = [items(item) for item in items(given.get("left_out", []))]
    if any(len(item) != 3 for item in left_out):
        raise ShapeError("not a list of files")
    return Source(
        commit=optional_object_id(given.get("commit")),
        base=optional_object_id(given.get("base")),
        branch=optional_text(given.get("branch")),
        code_tree=optional_object_id(given.get("code_tree")),
        snapshot_tree=optional_object_id(given.get("snapshot_tree")),
        dirty=given.get("dirty") is True,
        left_out=tuple(
            LeftOut(path=text(path), reason=text(reason), size=optional_integer(size))
            for path, reason, size in left_out
        ),
        remote_url=optional_text(given.get("remote_url")),
        autocrlf=optional_text(given.get("autocrlf")),
        eol=optional_text(given.get("eol")),
    )


def environment_to_json(environment: Environment | None) -> dict[str, Any] | None:
    """Returns the JSON object of an environment, None for none."""
    if environment is None:
        return None
    return {
        "python": environment.python,
        "platform": environment.platform,
        "packages": dict(environment.packages),
        "hardware": dict(environment.hardware),
        "variables": dict(environment.variables),
    }


def environment_from_json(value: object) -> Environment:
    """Returns an environment; raises `ShapeError`."""
    given = mapping(value)
    return Environment(
        python=text(given.get("python")),
        platform=text(given.get("platform")),
        packages=text_mapping(given.get("packages", {})),
        hardware=text_mapping(given.get("hardware", {})),
        variables=text_mapping(given.get("variables", {})),
    )


def identity_to_json(identity: Identity) -> list[Any]:
    """Returns name, address and offset from UTC in minutes."""
    return [identity.name, identity.email, identity.utc_offset_minutes]


def identity_from_json(given: object) -> Identity:
    """Returns an identity; raises `ShapeError`."""
    if not isinstance(given, list) or len(given) != 3:
        raise ShapeError("not an identity")
    return Identity(name=text(given[0]), email=text(given[1]), utc_offset_minutes=integer(given[2]))


def mark_to_json(mark: ProcessMark) -> dict[str, Any]:
    """Returns the JSON object of a process mark."""
    return {
        "host": mark.host,
        "boot_id": mark.boot_id,
        "pid": mark.pid,
        "pid_start": mark.pid_start,
        "pid_namespace": mark.pid_namespace,
    }


def mark_from_json(given: Mapping[str, Any]) -> ProcessMark:
    """Returns a process mark; raises `ShapeError`."""
    return ProcessMark(
        host=text(given.get("host")),
        boot_id=optional_text(given.get("boot_id")),
        pid=integer(given.get("pid")),
        pid_start=optional_integer(given.get("pid_start")),
        pid_namespace=optional_text(given.get("pid_namespace")),
    )
