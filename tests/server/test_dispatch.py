"""The application itself, without a socket: calls that fail, answers of every kind, paths and fields."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import StreamingResponse

from gitruns.errors import CorruptDataError, InternalError, LockedError, NotFoundError
from gitruns.protocol.errors import ProtocolError, refused
from gitruns.protocol.hub import Hub, serving_hub
from gitruns.server.access_log import access_line
from gitruns.server.app import App
from gitruns.server.auth.doors import Doors
from gitruns.server.bodies import MAX_DEPTH, parse_object
from gitruns.server.calls import AT_ROOT, Answer, AnyCall, Call, Context, Download, Field, Fields, Role, StreamCall
from gitruns.server.fields import Checker
from gitruns.server.numbers import Numbers
from gitruns.server.paths import RouteTable
from gitruns.server.settings import ServerSettings
from gitruns.tracking.session import Session

Sent = list[Mapping[str, Any]]


def ask(
    repo: Path, calls: list[AnyCall], path: str = "/x", method: str = "GET", body: bytes = b"", **settings: Any
) -> Sent:
    """Returns what an application sends for one request."""
    chosen = ServerSettings(repo=repo, **settings)
    sent: Sent = []

    def begin() -> Hub:
        return serving_hub(Session.open(repo), "mlflow-artifacts:")

    async def run() -> None:
        app = App(chosen, calls, Doors(), begin, numbers=Numbers())
        life: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        started = asyncio.Event()

        async def say(message: Mapping[str, Any]) -> None:
            started.set()

        life.put_nowait({"type": "lifespan.startup"})
        living = asyncio.create_task(app({"type": "lifespan"}, life.get, say))
        await started.wait()

        coming = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Mapping[str, Any]:
            if not coming:
                await asyncio.sleep(60)  # the client stays and says nothing more
            return coming.pop()

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        headers.append((b"content-length", str(len(body)).encode()))
        raw, _, query = path.partition("?")
        await app(
            {"type": "http", "method": method, "path": raw, "raw_path": raw.encode(), "query_string": query.encode()}
            | {"headers": headers, "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)},
            receive,
            send,
        )
        life.put_nowait({"type": "lifespan.shutdown"})
        await living

    asyncio.run(run())
    return sent


def body_of(sent: Sent) -> bytes:
    return b"".join(message.get("body", b"") for message in sent[1:])


def raising(error: Exception) -> Any:
    def action(*_: Any) -> Mapping[str, Any]:
        raise error

    return action


def get(action: Any, **more: Any) -> Call:
    return Call("GET", "/x", "Test", action, role=Role.READER, below=AT_ROOT, **more)


# Errors


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (refused("no"), 400, "INVALID_PARAMETER_VALUE"),
        (ProtocolError("no", "NOT_IMPLEMENTED"), 501, "NOT_IMPLEMENTED"),
        (NotFoundError("no"), 404, "RESOURCE_DOES_NOT_EXIST"),
        (LockedError("no"), 503, "TEMPORARILY_UNAVAILABLE"),
    ],
)
def test_what_a_call_raises_on_purpose_is_said(git_repo: Path, error: Exception, status: int, code: str) -> None:
    sent = ask(git_repo, [get(raising(error))])
    assert sent[0]["status"] == status
    assert json.loads(body_of(sent)) == {"error_code": code, "message": "no"}


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("/etc/secret"), InternalError("/etc/secret"), OSError("/etc/secret")]
)
@pytest.mark.parametrize("kind", ["action", "quick", "stream"])
def test_a_fault_is_told_to_the_log_alone(
    git_repo: Path, error: Exception, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    call: AnyCall = get(raising(error)) if kind == "action" else get(lambda *_: {}, quick=raising(error))
    if kind == "stream":
        call = StreamCall("GET", "/x", "Test", raising(error), role=Role.READER, below=AT_ROOT)
    with caplog.at_level(logging.ERROR, "gitruns.server"):
        logging.getLogger("gitruns.server").propagate = True
        sent = ask(git_repo, [call])
    answer = json.loads(body_of(sent))
    assert (sent[0]["status"], answer["error_code"]) == (500, "INTERNAL_ERROR")
    assert "secret" not in answer["message"]
    number = answer["message"].split()[-1]
    assert number in caplog.text and "/etc/secret" in caplog.text


def test_a_server_with_too_much_to_do_says_so(git_repo: Path) -> None:
    sent = ask(git_repo, [get(lambda *_: {"a": 1})], max_requests=0)
    assert (sent[0]["status"], dict(sent[0]["headers"])[b"retry-after"]) == (503, b"1")
    assert json.loads(body_of(sent))["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert ask(git_repo, [get(lambda *_: {}, quick=lambda *_: {"a": 1})], max_requests=0)[0]["status"] == 200


def test_damaged_data_is_a_fault_with_its_own_code(git_repo: Path) -> None:
    sent = ask(git_repo, [get(raising(CorruptDataError("'/somewhere' is damaged")))])
    answer = json.loads(body_of(sent))
    assert (sent[0]["status"], answer["error_code"]) == (500, "DATA_LOSS")
    assert "somewhere" not in answer["message"]


# Answers


def test_what_is_quick_is_tried_first(git_repo: Path) -> None:
    slow: list[str] = []

    def action(context: Context, fields: Fields) -> Mapping[str, Any]:
        slow.append("asked")
        return {"by": "action"}

    assert json.loads(body_of(ask(git_repo, [get(action, quick=lambda *_: {"by": "quick"})]))) == {"by": "quick"}
    assert not slow
    assert json.loads(body_of(ask(git_repo, [get(action, quick=lambda *_: None)]))) == {"by": "action"}


def _pieces() -> Iterator[bytes]:
    yield b"one "
    yield b"two"


async def _events() -> Any:
    yield b"event"


@pytest.mark.parametrize(
    ("result", "body", "kind"),
    [
        ({"a": 1}, b'{"a":1}', b"application/json"),
        (Answer(b"text", content_type="text/plain"), b"text", b"text/plain"),
        (Answer(_pieces(), content_type="text/csv"), b"one two", b"text/csv"),
        (Download(lambda: open(__file__, "rb"), 3, "a"), b'"""', b"application/octet-stream"),  # noqa: SIM115
        (StreamingResponse(_events(), media_type="text/event-stream"), b"event", b"text/event-stream; charset=utf-8"),
    ],
)
def test_answers_of_every_kind_have_the_headers(git_repo: Path, result: Any, body: bytes, kind: bytes) -> None:
    sent = ask(git_repo, [get(lambda *_: result)])
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], body_of(sent), headers[b"content-type"]) == (200, body, kind)
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert b"content-security-policy" in headers
    assert not sent[-1].get("more_body")


def test_a_route_cannot_take_a_header_away_and_may_say_its_own_policy(git_repo: Path) -> None:
    own = {"X-Frame-Options": "ALLOWALL", "X-Content-Type-Options": "", "Content-Security-Policy": "default-src 'self'"}
    headers = ask(git_repo, [get(lambda *_: Answer(b"", headers=own))])[0]["headers"]
    assert [value for name, value in headers if name == b"x-frame-options"] == [b"DENY"]
    assert [value for name, value in headers if name == b"x-content-type-options"] == [b"nosniff"]
    assert [value for name, value in headers if name == b"content-security-policy"] == [b"default-src 'self'"]


# Paths


def _table(*paths: str) -> RouteTable:
    return RouteTable([Call("GET", path, path, lambda *_: {}, below=AT_ROOT) for path in paths])


@pytest.mark.parametrize(
    ("path", "route", "values"),
    [
        (b"/a/b", "/a/b", ()),
        (b"/a/c", "/a/{x}", ("c",)),
        (b"/a/c%2Fd", "/a/{x}", ("c/d",)),
        (b"/a/%252e", "/a/{x}", ("%2e",)),  # decoded once
        (b"/a/c/d", "/a/{x}/d", ("c",)),
        (b"/a/b/d", "/a/{x}/d", ("b",)),  # what is written out goes first, and gives way
        (b"/f/c/../d", "/f/{p:path}", ("c/../d",)),  # no path of ours: what takes it looks at it
        (b"/f/%C3%BC//d", "/f/{p:path}", ("ü//d",)),
        (b"/f/", None, ()),
        (b"/a/", None, ()),
        (b"/a/b/", None, ()),
        (b"//a/b", None, ()),
        (b"a/b", None, ()),
        (b"", None, ()),
    ],
)
def test_paths(path: bytes, route: str | None, values: tuple[str, ...]) -> None:
    found = _table("/a/b", "/a/{x}", "/a/{x}/d", "/f/{p:path}").find(path)
    assert (found and (found[0]["GET"].path, found[1])) == (route and (route, values))


@pytest.mark.parametrize("path", [b"/a/%ff", b"/a/\xff", b"/a/%00", b"/a/%C3"])
def test_paths_that_are_no_text(path: bytes) -> None:
    with pytest.raises(ProtocolError):
        _table("/a/{x}").find(path)


def test_two_routes_at_one_place_are_a_fault() -> None:
    with pytest.raises(InternalError):
        _table("/a/{x}", "/a/{y}")
    with pytest.raises(InternalError):
        _table("/a/b", "/a/b")


def test_what_is_in_a_path_wins_over_what_is_in_a_body(git_repo: Path) -> None:
    call = Call("POST", "/x/{id}", "Test", lambda _, fields: fields, {"id": Field("string")}, below=AT_ROOT)
    assert json.loads(body_of(ask(git_repo, [call], "/x/mine", "POST", b'{"id": "other"}'))) == {"id": "mine"}
    call = Call("GET", "/x/{id}", "Test", lambda _, fields: fields, {"id": Field("string")}, below=AT_ROOT)
    assert json.loads(body_of(ask(git_repo, [call], "/x/mine?id=other"))) == {"id": "mine"}


# Fields

KINDS = {name: Field(name) for name in ("string", "int", "float", "bool", "list", "strings", "object", "any")}


@pytest.mark.parametrize(
    ("kind", "given_value", "expected"),
    [
        ("string", "5", "5"),
        ("int", 5, 5),
        ("int", "-5", -5),
        ("int", 5.0, 5),
        ("int", (1 << 63) - 1, (1 << 63) - 1),
        ("float", 5, 5.0),
        ("float", "5e-1", 0.5),
        ("float", "Infinity", math.inf),
        ("bool", True, True),
        ("list", [1, {}], [1, {}]),
        ("strings", ["a"], ["a"]),
        ("object", {"a": []}, {"a": []}),
        ("any", 5, 5),
    ],
)
def test_fields_that_are_taken(kind: str, given_value: Any, expected: Any) -> None:
    assert Checker(KINDS).check({kind: given_value, "unknown": 1}) == {kind: expected}
    assert Checker(KINDS).check({kind: None}) == {}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", 5),
        ("string", ["a"]),
        ("int", "5.5"),
        ("int", "1_000"),
        ("int", "٣"),
        ("int", " 5"),
        ("int", 5.5),
        ("int", True),
        ("int", 1 << 63),
        ("int", "9" * 5000),
        ("int", math.inf),
        ("float", "inf"),
        ("float", "nan"),
        ("float", "many"),
        ("float", True),
        ("float", 10**400),
        ("bool", "true"),
        ("bool", 1),
        ("list", {}),
        ("strings", [1]),
        ("strings", "a"),
        ("object", []),
    ],
)
def test_fields_that_are_refused(kind: str, value: Any) -> None:
    with pytest.raises(ProtocolError) as error:
        Checker(KINDS).check({kind: value})
    assert f"for parameter '{kind}' supplied" in error.value.message
    assert len(error.value.message) < 1000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*KINDS, "unknown"]), json_values))
def test_fields_are_of_their_kind_or_refused(fields: dict[str, Any]) -> None:
    try:
        checked = Checker(KINDS).check(fields)
    except ProtocolError as error:
        assert error.code == "INVALID_PARAMETER_VALUE"
        return
    types: dict[str, Any] = {"string": str, "int": int, "float": float, "bool": bool, "object": dict, "any": object}
    assert all(isinstance(value, types.get(name, list)) for name, value in checked.items())
    assert "unknown" not in checked


def test_a_query_as_text() -> None:
    checker = Checker({**KINDS, "run_id": Field("string"), "page_token": Field("string", required=True)})
    pairs = [("strings", "a"), ("strings", "b"), ("bool", "TRUE"), ("int", "5"), ("run_uuid", "r"), ("pageToken", "t")]
    assert checker.check_query([*pairs, ("int", "6")]) == {
        "strings": ["a", "b"],
        "bool": True,
        "int": 5,
        "run_id": "r",
        "page_token": "t",
    }
    with pytest.raises(ProtocolError, match="Missing value for required parameter 'page_token'"):
        checker.check_query([("page_token", "")])
    with pytest.raises(ProtocolError, match="must be 'true' or 'false'"):
        checker.check_query([("bool", "yes")])
    with pytest.raises(ProtocolError, match="specifies both"):
        checker.check({"page_token": "a", "pageToken": "b"})


# Bodies


def test_bodies_that_are_taken() -> None:
    assert parse_object(b"") == parse_object(b" \n") == parse_object(b"null") == {}
    assert parse_object(b'"{\\"a\\": 1}"') == {"a": 1}
    assert math.isnan(parse_object(b'{"a": NaN}')["a"])  # as Python's json writes it
    deep = b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1)
    assert "a" in parse_object(b'{"a": ' + deep + b"}")
    wide = b",".join([b"{}"] * 5000)
    assert len(parse_object(b'{"a": [' + wide + b"]}")["a"]) == 5000


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_refused(body: bytes) -> None:
    try:
        assert isinstance(parse_object(body), dict)
    except ProtocolError as error:
        assert error.code in ("BAD_REQUEST", "INVALID_PARAMETER_VALUE")


# The log


def test_a_line_of_the_log_is_one_line() -> None:
    line = access_line("10.0.0.1", "ada@example.org", "GET", b"/a\r\nb\x1b[31m\xff%0a", 200, 5, 0.0015, "Test")
    assert line.isprintable()
    assert line.endswith("200 5 1.5ms Test")
    odd = access_line("", "eve\n10.0.0.1 - ada@example.org", "GET", b"/", 200, 5, 0.0015, "Test")
    assert odd.isprintable() and "- 'eve\\n10.0.0.1 - ada@example.org' \"GET /\"" in odd
