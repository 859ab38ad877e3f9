"""What a route is: a record of its path, its fields, the role it needs, and the function that does it.

Paths are written as MLflow writes them and served below `/api` and `/ajax-api` (see `below`):

    Call("POST", "/2.0/mlflow/runs/create", "CreateRun", create_run, {"experiment_id": Field("string")})
    Call("GET", "/2.0/mlflow/logged-models/{model_id}", "GetLoggedModel", get_model, role=Role.READER)
    StreamCall("PUT", "/2.0/mlflow-artifacts/artifacts/{artifact_path:path}", "UploadArtifact", upload)

`{name}` is one part of a path, `{name:path}` all the rest of it. What is in braces comes with the other fields, decoded
once. A function gets only fields that it has declared, of the kinds that it has declared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, BinaryIO, Union

if TYPE_CHECKING:
    from starlette.responses import Response

    from gitruns.protocol.hub import Hub
    from gitruns.server.auth.people import Person
    from gitruns.server.settings import ServerSettings

Fields = Mapping[str, Any]


class Role(IntEnum):
    """What somebody may do; each may do what those before it may. `ANYONE` needs no token at all."""

    ANYONE = 0
    READER = 1
    WRITER = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a request.

    `kind` is `string`, `int`, `float`, `bool`, `list`, `strings` (a list of strings), `object` or `any`. What arrives
    is of that kind or is refused in MLflow's words; numbers may be written as text. A `required` field is there and is
    not the empty string; any other may be missing, and null is missing. In a query a list is its name repeated.
    """

    kind: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What a call is made with.

    `person` is who calls, None where no token is needed; what is written to git names them as author without the
    function doing anything. `only` are the ids of the experiments that they are limited to, None for all: a call that
    finds things by a query narrows it to these. `base_url` is how the client reached us, without a slash at its end.
    """

    hub: Hub
    person: Person | None
    base_url: str
    settings: ServerSettings
    only: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """The body of a request as it comes in. `length` is what the client says, None when it says nothing.

    `stream` is read once, from the beginning, within the call; it raises what the frame understands, and the call does
    not catch, when the client is too slow, goes away, or sends more than it may or less than it said. `headers` are in
    lower case; a `content-encoding` is the call's to look at.
    """

    stream: BinaryIO
    length: int | None
    content_type: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Download:
    """A file as an answer: ranges, `If-None-Match` and HEAD are answered from it.

    `open` is called in a worker thread at most once, and what it returns is closed; if it can seek, a range costs no
    more than its bytes. `digest` (SHA-256, hex) becomes the entity tag. The client is told to save it and not to show
    it, as what is in an artifact is anybody's; `inline` is for text that a page of ours fetches.
    """

    open: Callable[[], BinaryIO]
    size: int
    name: str
    content_type: str = "application/octet-stream"
    digest: str | None = None
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no JSON object of status 200: its bytes as they are sent, or pieces of them as they come."""

    body: bytes | Iterator[bytes] = b""
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Result = Union[Mapping[str, Any], Answer, Download, "Response"]
"""A mapping is the JSON body of a 200. NaN and infinities are not JSON: give them as text, as MLflow does. What needs
more than this (server-sent events) returns a response of Starlette's."""

API = ("/api", "/ajax-api")
AJAX_ONLY = ("/ajax-api",)
AT_ROOT = ("",)
"""Below what a route is served: MLflow's API at both, what only its pages ask for at the second, `/health` at none."""

ExperimentsOf = Callable[[Context, Fields], Collection[str]]


@dataclass(frozen=True, slots=True)
class Call:
    """A request with a JSON body or a query, answered with JSON.

    `action` runs in a worker thread. `quick` is tried first, within the event loop: it takes microseconds and touches
    no disk but a journal that is open, or returns None to leave it to `action`. `experiment_of` says which experiments
    a call touches, for those limited to some: without it, or where it names none, they are refused.
    """

    method: str
    path: str
    message: str
    action: Callable[[Context, Fields], Result]
    fields: Mapping[str, Field] = field(default_factory=dict)
    role: Role = Role.WRITER
    quick: Callable[[Context, Fields], Result | None] | None = None
    experiment_of: ExperimentsOf | None = None
    limit_bytes: int = 1 << 20
    below: tuple[str, ...] = API


@dataclass(frozen=True, slots=True)
class StreamCall:
    """A request whose body is bytes of any length, or whose answer is; fields come from path and query.

    `action` runs in a worker thread of its own kind, so that slow clients keep nobody else waiting. `upload` is None
    for a method without a body.
    """

    method: str
    path: str
    message: str
    action: Callable[[Context, Fields, Upload | None], Result]
    fields: Mapping[str, Field] = field(default_factory=dict)
    role: Role = Role.WRITER
    experiment_of: ExperimentsOf | None = None
    limit_bytes: int | None = None
    below: tuple[str, ...] = API


AnyCall = Call | StreamCall
