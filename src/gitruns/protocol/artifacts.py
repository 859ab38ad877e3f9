"""Artifacts as MLflow's server proxies them: what there is, bytes that come, and bytes that go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from gitruns.entities.artifact import Artifact
from gitruns.entities.ids import ExperimentId, RunId
from gitruns.entities.run import Run
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.protocol import trace_artifacts
from gitruns.protocol.artifact_paths import Target, check_folder, target_of
from gitruns.protocol.errors import ProtocolError, missing, refused
from gitruns.protocol.hub import Hub
from gitruns.protocol.logged_model import model_named
from gitruns.protocol.runs import find_run
from gitruns.protocol.trace import find_record

OTHERS_CLOSE_S = 5.0
"""How long another process, one of the same server say, may keep a run open that has ended."""

TRACE_FILE_BYTES = 64 << 20
"""The largest file beside a trace: it goes through memory."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of a listing; `path` is from the root of what was listed, `size` is None for a folder."""

    path: str
    size: int | None

    @property
    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.size is None


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is there: its path, its length, its SHA-256 where that is known, and how it is opened."""

    path: str
    size: int
    digest: str | None
    open: Callable[[], BinaryIO]


def record_of(hub: Hub, target: Target) -> Run:
    """Returns the record that a target names; refuses one that is not there."""
    return _record(hub, target.record or RunId(""))


def _record(hub: Hub, run_id: RunId) -> Run:
    try:
        return hub.repo.get_run(run_id)
    except NotFoundError as error:
        raise missing(f"Run with id={run_id} not found") from error


def experiment_of(hub: Hub, address: str) -> ExperimentId | None:
    """Returns the experiment of what a proxied address names, None when that is not there."""
    try:
        target = target_of(address)
        if target.record is not None:
            return _record(hub, target.record).info.experiment_id
        trace = find_record(hub, target.trace or "")
    except ProtocolError:
        return None
    return None if trace is None else ExperimentId(str(trace.fields.get("experiment_id", "")))


# What there is


def list_run(hub: Hub, run_id: str, path: str | None) -> list[Entry]:
    """Returns files and folders directly below a path of a run, by path; nothing for a file."""
    return _listed(hub, find_run(hub, run_id).info.id, check_folder(path))


def list_model(hub: Hub, model_id: str, path: str | None) -> list[Entry]:
    """Returns files and folders directly below a path of a logged model, by path; nothing for a file."""
    return _listed(hub, model_named(hub, model_id).info.id, check_folder(path))


def list_address(hub: Hub, address: str) -> list[Entry]:
    """Returns files and folders directly below a proxied address, each by its name alone."""
    try:
        target = target_of(address)
        record = None if target.trace is not None else record_of(hub, target).info.id
    except ProtocolError as error:
        if error.code == "RESOURCE_DOES_NOT_EXIST":
            return []
        raise
    if target.trace is not None:
        listed = [Entry(one.path, one.size) for one in trace_artifacts.list_files(hub, target.trace, target.path)]
    else:
        listed = _listed(hub, record or RunId(""), target.path)
    return [Entry(one.path.rpartition("/")[2], one.size) for one in listed]


def _listed(hub: Hub, record: RunId, folder: str) -> list[Entry]:
    return [Entry(one.path, one.size_bytes) for one in hub.repo.list_artifacts(record, folder)]


# Bytes that go


def find(hub: Hub, target: Target) -> Found:
    """Returns the file that a target names; refuses a folder, and what is not there."""
    if target.trace is not None:
        data = trace_artifacts.read(hub, target.trace, target.path)
        return Found(target.path, len(data), None, lambda: BytesIO(data))
    return find_in(hub, record_of(hub, target), target.path)


def find_in(hub: Hub, record: Run, path: str) -> Found:
    """Returns a file of a run or logged model."""
    artifacts = hub.repo.artifacts_of(record)
    found = next((one for one in artifacts if one.path == path), None)
    if found is None:
        if not path or any(one.path.startswith(f"{path}/") for one in artifacts):
            raise refused(f"Artifact path refers to a directory, not a file: '{path}'")
        raise missing(f"No such artifact: '{path}'")
    return Found(path, found.size_bytes, found.digest, lambda: _opened(hub, record, found))


def _opened(hub: Hub, record: Run, artifact: Artifact) -> BinaryIO:
    hub.repo.bring(record, [artifact])
    return hub.repo.cache.open(artifact.digest)


# Bytes that come


def put(hub: Hub, target: Target, pieces: Iterable[bytes]) -> Artifact | None:
    """Keeps a file; the same path again replaces it. On return it is in the journal and survives a kill.

    The bytes go to the cache as they come, never whole into memory. Where the last one is short (`pieces` raises) the
    run does not change.
    """
    if not target.path:
        raise refused("Invalid path: it names no file")
    if target.trace is not None:
        trace_artifacts.put(hub, target.trace, target.path, b"".join(no_larger_than(TRACE_FILE_BYTES, pieces)))
        return None
    run_id = target.record or RunId("")
    if hub.logs.find(run_id) is None:
        record_of(hub, target)
    digest, size = hub.repo.cache.put_stream(pieces)
    artifact = Artifact(path=target.path, digest=digest, size_bytes=size)
    hub.logs.write(run_id, lambda log: log.add_artifacts([artifact]))
    return artifact


def remove(hub: Hub, target: Target) -> None:
    """Takes a file, or all below a folder, away from the run; its bytes go when nothing names them any more."""
    if target.trace is not None:
        trace_artifacts.delete(hub, target.trace, target.path)
        return
    record = record_of(hub, target)
    wanted = target.path
    chosen = [
        one.path
        for one in hub.repo.artifacts_of(record)
        if not wanted or one.path == wanted or one.path.startswith(f"{wanted}/")
    ]
    if chosen:
        _take_away(hub, record, chosen)


def _take_away(hub: Hub, record: Run, paths: list[str]) -> None:
    """Takes artifacts away in a commit, once nobody has the run's journal open: of a run that ended that is soon."""
    deadline = time.monotonic() + (OTHERS_CLOSE_S if record.info.status.ended else 0)
    while True:
        hub.logs.let_go(record.info.id)
        try:
            with hub.repo.edit(record.info.id) as edit:
                edit.remove_artifacts(paths)
            return
        except InvalidInputError as error:
            if error.kind != "run-is-live" or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def in_pieces(stream: BinaryIO, size: int = 1 << 20) -> Iterator[bytes]:
    """Yields what a stream gives, a piece at a time."""
    while piece := stream.read(size):
        yield piece


def no_larger_than(limit: int | None, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yields pieces, and refuses the one with which they are more than `limit` bytes; None is no limit."""
    left = limit
    for piece in pieces:
        if left is not None:
            left -= len(piece)
            if left < 0:
                raise refused(f"Artifact size is too large. Max size is {limit} bytes.")
        yield piece
