"""Records of a journal: one line each, `<crc32 of the JSON, 8 hex> <JSON array>` and a newline.

The array's first item says what it is; a reader leaves alone what it does not know. Times are milliseconds UTC.

    ["open", 1, {…}]                                   who writes, and the run as it began: the first line of a file
    ["m", key, step, time, value, key, step, …]        points of metrics, four items each; NaN and infinities as text
    ["params", time, {key: canonical text}]            first write wins
    ["tags", time, {key: text or null}]                last write wins, null takes the tag away
    ["artifacts", time, [[path, sha256, size, in git], …]]
    ["inputs", time, [{name, digest, source, …}, …]]
    ["fields", time, {field: value}]                   name, lifecycle, environment, source …: last write wins
    ["beat", time]                                     the writer is alive; a clock that no caller can set
    ["dropped", time, count]                           records lost so far to a full buffer
    ["end", time, status, end time, exit code, error, dropped]
    ["close", time, dropped]                           the writer is done, the run is not

Source: docs/format.md, "The journal".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast
from zlib import crc32

import orjson

from gitruns.entities.artifact import Artifact
from gitruns.entities.canonical import NotCanonicalError, encode_value, parse_list
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment
from gitruns.entities.ids import Digest, ObjectId, is_digest
from gitruns.entities.names import check_artifact_path
from gitruns.entities.run import Identity, RunInfo
from gitruns.entities.values import Point, Scalar
from gitruns.journal.info import (
    ShapeError,
    environment_from_json,
    environment_to_json,
    identity_from_json,
    identity_to_json,
    info_from_json,
    info_to_json,
    integer,
    items,
    mapping,
    mark_from_json,
    mark_to_json,
    optional_object_id,
    optional_text,
    text,
)
from gitruns.journal.liveness import ProcessMark

JOURNAL_FORMAT = 1

MAX_LINE_BYTES = 64 * 1024 * 1024
"""A longer line is no record: whoever reads a strange journal holds no more than this at a time."""

LAST_KINDS = ("end", "close")
"""Records after which a writer writes no more."""

Record: TypeAlias = list[Any]
"""A decoded line: its kind, then what the kind holds."""

OpeningKind: TypeAlias = Literal["start", "join", "resume"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The first record of a writer's file.

    `kind` is `start` for the process that began the run, `resume` for one that carries it on (`base` is the commit
    it builds on), `join` for any other that writes into it. `info` is the run as this writer saw it then;
    `experiment_name` goes with its experiment id, for a repository that has no such experiment yet. `on_behalf` is
    for a server, which writes for a program elsewhere: that the writer dies says nothing of the run. `locked` says
    that the file system gave a lock on the file.
    """

    kind: OpeningKind
    info: RunInfo
    identity: Identity
    environment: Environment | None = None
    base: ObjectId | None = None
    experiment_name: str | None = None
    time_ms: int
    process: ProcessMark
    on_behalf: bool = False
    locked: bool = field(default=True, compare=False)

    @property
    def owns(self) -> bool:
        """Whether this writer's end is the run's end."""
        return self.kind != "join"


def encode_record(record: Sequence[Any]) -> bytes:
    """Returns the line of a record, its newline included."""
    body = orjson.dumps(record)
    return b"%08x %b\n" % (crc32(body), body)


_GLUED = re.compile(rb"[0-9a-f]{8} \[")


def decode_record(line: bytes) -> Record | None:
    """Returns the record of a line (without newline), or None for one that is torn.

    A line that begins with a torn one and ends with a whole record, no newline between, still gives that record.
    """
    body = line[9:]
    if b"%08x" % crc32(body) != line[:8] or line[8:9] != b" ":
        for match in list(_GLUED.finditer(line, 1))[-4:]:
            record = decode_record(line[match.start() :])
            if record is not None:
                return record
        return None
    try:
        record = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(record, list) or not record or not isinstance(record[0], str):
        return None
    return record


def encode_points(points: Iterable[Point]) -> bytes:
    """Returns the line that holds the points, in their order."""
    record: Record = ["m"]
    for point in points:
        value = point.value
        plain = value - value == 0.0  # neither NaN nor infinite
        record += (point.metric, point.step, point.time_ms, value if plain else non_finite_text(value))
    return encode_record(record)


def non_finite_text(value: float) -> str:
    """Returns `nan`, `inf` or `-inf`: JSON has no number for them."""
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def encode_opening(opening: Opening) -> bytes:
    """Returns the line of an opening record."""
    said: dict[str, Any] = {
        "kind": opening.kind,
        "time": opening.time_ms,
        "info": info_to_json(opening.info),
        "identity": identity_to_json(opening.identity),
        "environment": environment_to_json(opening.environment),
        "base": opening.base,
        "experiment_name": opening.experiment_name,
        "process": mark_to_json(opening.process),
        "locked": opening.locked,
    }
    if opening.on_behalf:
        said["on_behalf"] = True
    return encode_record(["open", JOURNAL_FORMAT, said])


def decode_opening(record: Record) -> Opening:
    """Returns what an opening record says; raises `ShapeError` when it is none, or one of a newer format."""
    if record[0] != "open" or len(record) < 3:
        raise ShapeError("the first record is no opening")
    if record[1] != JOURNAL_FORMAT:
        raise ShapeError(f"journal format {record[1]!r:.20} is not known")
    given = mapping(record[2])
    kind = given.get("kind")
    if kind not in ("start", "join", "resume"):
        raise ShapeError("unknown kind of opening")
    environment = given.get("environment")
    return Opening(
        kind=cast("OpeningKind", kind),
        info=info_from_json(mapping(given.get("info"))),
        identity=identity_from_json(given.get("identity")),
        environment=None if environment is None else environment_from_json(environment),
        base=optional_object_id(given.get("base")),
        experiment_name=optional_text(given.get("experiment_name")),
        time_ms=integer(given.get("time")),
        process=mark_from_json(mapping(given.get("process"))),
        on_behalf=given.get("on_behalf") is True,
        locked=given.get("locked") is not False,
    )


def encode_params(time_ms: int, params: Mapping[str, Scalar]) -> bytes:
    """Returns the line of some params; values as canonical text, so that integers of any size stay exact."""
    return encode_record(["params", time_ms, {key: encode_value(value) for key, value in params.items()}])


def decode_params(given: object) -> dict[str, Scalar]:
    """Returns the typed values of a params record."""
    params = mapping(given)
    if not params:
        return {}
    lines = "".join(f"- {text(value)}\n" for value in params.values())
    try:
        values = parse_list(lines.encode())
    except NotCanonicalError as error:
        raise ShapeError(str(error)) from None
    if len(values) != len(params) or any(isinstance(value, (list, dict)) for value in values):
        raise ShapeError("a param is no scalar")
    return dict(zip(params, values, strict=True))


def artifact_to_json(artifact: Artifact) -> list[Any]:
    """Returns the item of an artifacts record."""
    return [artifact.path, artifact.digest, artifact.size_bytes, artifact.in_git]


def artifact_from_json(given: object) -> Artifact:
    """Returns the artifact of an item of an artifacts record."""
    path, digest, size_bytes, in_git = items(given)[:4]
    if check_artifact_path(path) != path or not is_digest(text(digest)) or integer(size_bytes) < 0:
        raise ShapeError("not an artifact")
    return Artifact(path=path, digest=Digest(digest), size_bytes=size_bytes, in_git=in_git is True)


def input_to_json(given: DatasetInput) -> dict[str, Any]:
    """Returns the item of an inputs record."""
    return {
        "name": given.name,
        "digest": given.digest,
        "source": given.source,
        "source_type": given.source_type,
        "schema": given.schema,
        "profile": given.profile,
        "context": given.context,
        "tags": [list(tag) for tag in given.tags],
    }


def input_from_json(given: object) -> DatasetInput:
    """Returns the dataset of an item of an inputs record."""
    dataset = mapping(given)

    def optional(name: str) -> str | None:
        value = dataset.get(name)
        return None if value is None else text(value)

    return DatasetInput(
        name=text(dataset.get("name")),
        digest=text(dataset.get("digest")),
        source=text(dataset.get("source")),
        source_type=text(dataset.get("source_type")),
        schema=optional("schema"),
        profile=optional("profile"),
        context=optional("context"),
        tags=tuple((text(key), text(value)) for key, value in items(dataset.get("tags", []))),
    )
