"""Posting a report: one comment and one check, against a stand-in that keeps what it is sent and checks it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cli.made_runs import Cli
from compare.lab import Lab
from gitruns.compare.review import post
from gitruns.compare.review.post import Report, post_report
from gitruns.errors import AccessDeniedError, GitRunsError, InvalidInputError, RemoteError

REPORT = Report(name="gitruns", commit="c" * 40, body="### Passed\n", passed=True, summary="Passed: all 2 rules hold")


@dataclass
class Forge:
    """What the stand-in holds: comments by id, statuses, the requests it was sent, and how it shall fail."""

    address: str = ""
    comments: dict[int, str] = field(default_factory=dict)
    statuses: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    fail_with: list[int] = field(default_factory=list)
    forbidden: set[int] = field(default_factory=set)
    per_page: int = 100

    def page(self, query: str) -> list[dict[str, Any]]:
        """One page of comments."""
        asked = {key: int(values[0]) for key, values in parse_qs(query).items()}
        start = (asked["page"] - 1) * asked["per_page"]
        return [self.shown(key) for key in sorted(self.comments)[start : start + asked["per_page"]]]

    def shown(self, key: int) -> dict[str, Any]:
        """A comment as both hosts show it."""
        return {"id": key, "body": self.comments[key], "html_url": f"{self.address}/c{key}", "system": False}


class Handler(BaseHTTPRequestHandler):
    """Answers as GitHub below /repos and as GitLab below /api/v4, and notes what no client should send."""

    forge: Forge

    def _answer(self, code: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _handle(self) -> None:
        forge, parts = self.forge, urlsplit(self.path)
        forge.calls.append(f"{self.command} {parts.path}")
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        if length and self.headers["Content-Type"] != "application/json":
            forge.faults.append("body without its type")
        if forge.fail_with:
            code = forge.fail_with.pop(0)
            self._answer(code, {"message": "not now"}, {"Location": "/elsewhere"} if code in (301, 302, 307) else {})
            return
        if parts.path.startswith("/repos/ada/project"):
            self._github(parts.path.removeprefix("/repos/ada/project"), parts.query, body)
        elif parts.path.startswith("/api/v4/projects/7"):
            self._gitlab(parts.path.removeprefix("/api/v4/projects/7"), parts.query, body)
        else:
            self._answer(404, {"message": "Not Found"})

    def _github(self, path: str, query: str, body: Any) -> None:
        if self.headers["Authorization"] != "Bearer s3cret" or self.headers["X-GitHub-Api-Version"] != "2022-11-28":
            self._answer(401, {"message": "Bad credentials"})
        elif path == "/issues/5/comments":
            self._comments(query, body)
        elif path.startswith("/issues/comments/") and self.command == "PATCH":
            self._change(int(path.rpartition("/")[2]), body)
        elif path == "/statuses/" + "c" * 40 or path.startswith("/statuses/"):
            if body["state"] not in ("success", "failure") or len(body["description"]) > 140:
                self.forge.faults.append(f"bad status {body}")
            self.forge.statuses.append((path.rpartition("/")[2], body))
            self._answer(201, {})
        else:
            self._answer(404, {"message": "Not Found"})

    def _gitlab(self, path: str, query: str, body: Any) -> None:
        if self.headers["PRIVATE-TOKEN"] != "s3cret":
            self._answer(401, {"message": "401 Unauthorized"})
        elif path == "/merge_requests/5/notes":
            self._comments(query, body)
        elif path.startswith("/merge_requests/5/notes/") and self.command == "PUT":
            self._change(int(path.rpartition("/")[2]), body)
        elif path.startswith("/statuses/"):
            if body["state"] not in ("success", "failed") or not body["name"]:
                self.forge.faults.append(f"bad status {body}")
            self.forge.statuses.append((path.rpartition("/")[2], body))
            self._answer(201, {})
        else:
            self._answer(404, {"message": "404 Not Found"})

    def _comments(self, query: str, body: Any) -> None:
        if self.command == "GET":
            self._answer(200, self.forge.page(query))
            return
        key = 1000 + len(self.forge.comments)
        self.forge.comments[key] = body["body"]
        self._answer(201, self.forge.shown(key))

    def _change(self, key: int, body: Any) -> None:
        if key in self.forge.forbidden:
            self._answer(403, {"message": "Forbidden"})
            return
        self.forge.comments[key] = body["body"]
        self._answer(200, self.forge.shown(key))

    do_GET = do_POST = do_PATCH = do_PUT = _handle  # noqa: N815  the server calls them so

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    """A stand-in that runs on this machine."""
    made = Forge()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"forge": made}))
    made.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setattr(post.time, "sleep", lambda seconds: None)
    yield made
    server.shutdown()
    server.server_close()
    assert made.faults == []


def environ(forge: Forge, host: str, **more: str) -> dict[str, str]:
    """What CI says."""
    if host == "github":
        found = {
            "GITHUB_TOKEN": "s3cret",
            "GITHUB_REPOSITORY": "ada/project",
            "GITHUB_API_URL": forge.address,
            "GITHUB_REF": "refs/pull/5/merge",
        }
    else:
        found = {
            "GITLAB_TOKEN": "s3cret",
            "CI_PROJECT_ID": "7",
            "CI_API_V4_URL": f"{forge.address}/api/v4",
            "CI_MERGE_REQUEST_IID": "5",
            "CI_MERGE_REQUEST_PROJECT_URL": "https://gitlab.example/ada/project",
        }
    return {**found, **more}


@pytest.fixture(params=["github", "gitlab"])
def host(request: pytest.FixtureRequest) -> str:
    """Both hosts."""
    return str(request.param)


def test_the_first_time_makes_and_the_second_updates(forge: Forge, host: str) -> None:
    forge.comments = {1: "looks good", 2: f"as {REPORT.marker} says", 3: "<!-- gitruns review: other -->\nx"}
    address = post_report(host, REPORT, environ(forge, host))
    assert len(forge.comments) == 4 and forge.comments[1003] == REPORT.text
    assert address.endswith(("/c1003", "merge_requests/5#note_1003"))
    post_report(host, replace(REPORT, body="### Failed\n", passed=False), environ(forge, host))
    assert len(forge.comments) == 4 and "### Failed" in forge.comments[1003]
    states = [status["state"] for _, status in forge.statuses]
    assert states == (["success", "failure"] if host == "github" else ["success", "failed"])
    assert {commit for commit, _ in forge.statuses} == {"c" * 40}


def test_an_equal_report_changes_nothing(forge: Forge, host: str) -> None:
    post_report(host, REPORT, environ(forge, host))
    before = len(forge.calls)
    post_report(host, REPORT, environ(forge, host))
    assert not any(call.startswith(("PATCH", "PUT")) for call in forge.calls[before:])


def test_our_comment_is_found_on_a_later_page(forge: Forge, host: str) -> None:
    forge.comments = dict.fromkeys(range(250), "chatter")
    forge.comments[230] = REPORT.marker + "\nold"
    post_report(host, REPORT, environ(forge, host))
    assert forge.comments[230] == REPORT.text and len(forge.comments) == 250


def test_a_comment_that_only_looks_like_ours_is_passed_over(forge: Forge, host: str) -> None:
    forge.comments = {1: REPORT.marker + "\nsomebody else's"}
    forge.forbidden = {1}
    post_report(host, REPORT, environ(forge, host))
    assert forge.comments[1].endswith("else's") and len(forge.comments) == 2


def test_a_host_that_stumbles_is_asked_again(forge: Forge, host: str) -> None:
    forge.fail_with = [502, 429]
    post_report(host, REPORT, environ(forge, host))
    assert len(forge.comments) == 1


def test_a_comment_is_not_made_twice(forge: Forge, host: str) -> None:
    forge.fail_with = [200]  # the list answers with something that is none
    with pytest.raises(RemoteError, match="did not answer with a list"):
        post_report(host, REPORT, environ(forge, host))
    assert forge.comments == {}


@pytest.mark.parametrize("code", [301, 302, 307])
def test_a_redirect_does_not_get_the_token(forge: Forge, host: str, code: int) -> None:
    forge.fail_with = [code] * 5
    with pytest.raises(GitRunsError, match=str(code)):
        post_report(host, REPORT, environ(forge, host))
    assert not any("elsewhere" in call for call in forge.calls)


def test_a_refused_token_says_what_it_needs(forge: Forge, host: str) -> None:
    wrong = {"GITHUB_TOKEN": "wrong"} if host == "github" else {"GITLAB_TOKEN": "wrong"}
    with pytest.raises(AccessDeniedError) as caught:
        post_report(host, REPORT, environ(forge, host, **wrong))
    assert caught.value.kind == "refused" and "401" in str(caught.value)
    assert "wrong" not in str(caught.value), "a token is not for messages"


@pytest.mark.parametrize(
    "address", ["http://example.org", "ftp://example.org", "file:///etc", "https://", "http://127.0.0.1.evil"]
)
def test_a_token_is_only_sent_where_it_is_safe(forge: Forge, address: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        post_report("github", REPORT, environ(forge, "github", GITHUB_API_URL=address))
    assert caught.value.kind == "bad-address"


def test_what_is_missing_is_named(forge: Forge, host: str) -> None:
    for name in list(environ(forge, host)):
        if name in ("GITHUB_API_URL", "CI_API_V4_URL", "CI_MERGE_REQUEST_PROJECT_URL"):
            continue
        less = {key: value for key, value in environ(forge, host).items() if key != name}
        with pytest.raises(InvalidInputError, match=name) as caught:
            post_report(host, REPORT, less)
        assert caught.value.kind in ("no-token", "no-request")


def test_github_says_the_number_in_its_event(forge: Forge, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 5}}))
    post_report("github", REPORT, environ(forge, "github", GITHUB_REF="refs/heads/x", GITHUB_EVENT_PATH=str(event)))
    assert len(forge.comments) == 1


def test_the_command_posts_and_exits_by_the_verdict(
    forge: Forge, lab: Lab, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.commit("first", train__py="1\n")
    lab.run({"loss": 0.5})
    lab.git("switch", "--quiet", "-c", "feature")
    head = lab.commit("second", train__py="2\n")
    lab.run({"loss": 0.6})
    for key, value in environ(forge, "github").items():
        monkeypatch.setenv(key, value)
    result = cli("review", "--post", "github", "--rule", "loss: no worse than 1%")
    assert result.code == 1 and result.out == "" and "report posted: http" in result.err
    (text,) = forge.comments.values()
    assert text.startswith("<!-- gitruns review: gitruns -->\n### ❌ Failed: 1 of 1 rule is broken")
    assert [(commit, status["state"]) for commit, status in forge.statuses] == [(head, "failure")]
    again = cli("review", "--post", "github", "--rule", "loss: no worse than 30%", "--markdown")
    assert again.code == 0 and "### ✅ Passed" in again.out and len(forge.comments) == 1
