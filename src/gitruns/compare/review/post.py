"""Puts a report into a pull request or merge request: one comment, brought up to date, and a check status.

The token comes from the environment and is sent to one host only: redirects are not followed, and plain http is
refused but for this machine. Our comment is known by a line that no reader sees; a comment is ours when it begins so.
Sources: GitHub REST API 2022-11-28 (issues/comments, commits/statuses), GitLab REST API v4 (notes, commit status).
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from gitruns.errors import AccessDeniedError, GitRunsError, InvalidInputError, RemoteError

_TIMEOUT_S = 30
_TRIES = 3
_PAGE = 100
_MAX_PAGES = 100
_MAX_ANSWER = 16 * 1024 * 1024
_MAX_SUMMARY = 140


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is posted: `body` is Markdown, `summary` the line of the check, `commit` whose check it is.

    `name` tells one report of a request from another.
    """

    name: str
    commit: str
    body: str
    passed: bool
    summary: str

    @property
    def marker(self) -> str:
        """The line that makes a comment ours."""
        return f"<!-- gitruns review: {quote(self.name, safe='')} -->"

    @property
    def text(self) -> str:
        """The whole comment."""
        return f"{self.marker}\n{self.body}"


def post_report(host: str, report: Report, environ: Mapping[str, str], *, request: int | None = None) -> str:
    """Creates or updates the comment, then sets the status; returns where it can be read.

    `request` is the number of the pull or merge request, by default what CI says. Raises `InvalidInputError` (kinds
    `no-token`, `no-request`, `bad-address`), `AccessDeniedError` (kind `refused`), `RemoteError` (kind `post-failed`).
    """
    forge = _GitHub(environ, request) if host == "github" else _GitLab(environ, request)
    address = _upsert(forge, report)
    forge.set_status(report, address)
    return address


@dataclass(frozen=True, slots=True)
class _Comment:
    id: int
    body: str
    address: str


def _upsert(forge: _GitHub | _GitLab, report: Report) -> str:
    for comment in forge.comments():
        if not comment.body.startswith(report.marker):
            continue
        if comment.body.replace("\r\n", "\n").strip() == report.text.strip():
            return comment.address
        try:
            return forge.update(comment.id, report.text)
        except AccessDeniedError:  # somebody else wrote our line into a comment of theirs
            continue
    return forge.create(report.text)


class _Api:
    """One REST API: JSON in and out, a token in a header."""

    def __init__(self, root: str, headers: Mapping[str, str]) -> None:
        self._root = _checked_address(root)
        self._headers = {"Accept": "application/json", "User-Agent": "gitruns", **headers}
        self._opener = urllib.request.build_opener(_NoRedirects())

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, again: bool = True) -> Any:
        """Returns the answer; `again` says that a call that failed on their side may be made once more."""
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers if data is None else {**self._headers, "Content-Type": "application/json"}
        request = urllib.request.Request(self._root + path, data, headers, method=method)  # noqa: S310  checked above
        for attempt in range(_TRIES if again else 1):
            try:
                with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                    return json.loads(answer.read(_MAX_ANSWER) or b"null")
            except urllib.error.HTTPError as error:
                with error:
                    failure = _refused(method, path, error)
                if error.code < 500 and error.code != 429:
                    raise failure from error
            except (urllib.error.URLError, TimeoutError, OSError) as error:
                reason = getattr(error, "reason", None) or error
                host = urlsplit(self._root).hostname
                failure = RemoteError(f"cannot reach '{host}': {reason}", kind="post-failed", retryable=True)
            except ValueError as error:
                raise RemoteError(f"'{path}' did not answer with JSON", kind="post-failed") from error
            if attempt + 1 < _TRIES and again:
                time.sleep(0.5 * 4**attempt)
        raise failure

    def pages(self, path: str) -> Iterator[Any]:
        """Yields the items of a list, page by page."""
        for page in range(1, _MAX_PAGES + 1):
            found = self.call("GET", f"{path}?{urlencode({'per_page': _PAGE, 'page': page})}")
            if not isinstance(found, list):
                raise RemoteError(f"'{path}' did not answer with a list", kind="post-failed")
            yield from found
            if len(found) < _PAGE:
                return


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to wherever it points."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follows nothing: the redirect becomes an error."""


def _checked_address(root: str) -> str:
    parts = urlsplit(root)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise InvalidInputError(
            f"'{root}' is no address to send a token to: it must begin with https://", kind="bad-address"
        )
    return root.rstrip("/")


def _refused(method: str, path: str, error: urllib.error.HTTPError) -> GitRunsError:
    said = _message(error)
    text = f"{method} {path.partition('?')[0]} was answered with {error.code} {error.reason}{said}"
    if error.code in (401, 403, 404):
        return AccessDeniedError(
            text, kind="refused", hint="the token needs the right to write comments and commit statuses"
        )
    return RemoteError(text, kind="post-failed", retryable=error.code >= 500 or error.code == 429)


def _message(error: urllib.error.HTTPError) -> str:
    try:
        found = json.loads(error.read(64 * 1024))
    except (OSError, ValueError):
        return ""
    message = found.get("message") if isinstance(found, dict) else None
    return f": {str(message)[:200]}" if message else ""


class _GitHub:
    def __init__(self, environ: Mapping[str, str], request: int | None) -> None:
        token = _needed(environ, "GITHUB_TOKEN", "GH_TOKEN")
        repository = _needed(environ, "GITHUB_REPOSITORY")
        self._repo = f"/repos/{quote(repository, safe='/')}"
        self._number = request or _github_number(environ)
        self._api = _Api(
            environ.get("GITHUB_API_URL") or "https://api.github.com",
            {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"},
        )

    def comments(self) -> Iterator[_Comment]:
        for found in self._api.pages(f"{self._repo}/issues/{self._number}/comments"):
            yield _Comment(int(found["id"]), str(found.get("body") or ""), str(found.get("html_url") or ""))

    def create(self, text: str) -> str:
        made = self._api.call("POST", f"{self._repo}/issues/{self._number}/comments", {"body": text}, again=False)
        return str(made.get("html_url") or "")

    def update(self, comment: int, text: str) -> str:
        made = self._api.call("PATCH", f"{self._repo}/issues/comments/{comment}", {"body": text})
        return str(made.get("html_url") or "")

    def set_status(self, report: Report, address: str) -> None:
        status = {
            "state": "success" if report.passed else "failure",
            "context": f"{report.name}/review",
            "description": report.summary[:_MAX_SUMMARY],
            **({"target_url": address} if address else {}),
        }
        self._api.call("POST", f"{self._repo}/statuses/{report.commit}", status)


def _github_number(environ: Mapping[str, str]) -> int:
    """The number of the pull request: from the event that started the workflow, or from its ref."""
    path = environ.get("GITHUB_EVENT_PATH")
    if path:
        try:
            event = json.loads(Path(path).read_bytes())
            return int(event.get("number") or event["pull_request"]["number"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
    parts = (environ.get("GITHUB_REF") or "").split("/")
    if len(parts) == 4 and parts[1] == "pull" and parts[2].isdigit():
        return int(parts[2])
    raise _no_request("pull", "GITHUB_REF")


class _GitLab:
    def __init__(self, environ: Mapping[str, str], request: int | None) -> None:
        token = _needed(environ, "GITLAB_TOKEN")
        project = _needed(environ, "CI_PROJECT_ID")
        number = environ.get("CI_MERGE_REQUEST_IID", "")
        if request is None and not number.isdigit():
            raise _no_request("merge", "CI_MERGE_REQUEST_IID")
        self._project = f"/projects/{quote(project, safe='')}"
        self._notes = f"{self._project}/merge_requests/{request or int(number)}/notes"
        self._address = environ.get("CI_MERGE_REQUEST_PROJECT_URL", "")
        self._number = request or int(number)
        self._api = _Api(environ.get("CI_API_V4_URL") or "https://gitlab.com/api/v4", {"PRIVATE-TOKEN": token})

    def comments(self) -> Iterator[_Comment]:
        for found in self._api.pages(self._notes):
            if not found.get("system"):
                yield _Comment(int(found["id"]), str(found.get("body") or ""), self._link(found))

    def create(self, text: str) -> str:
        return self._link(self._api.call("POST", self._notes, {"body": text}, again=False))

    def update(self, comment: int, text: str) -> str:
        return self._link(self._api.call("PUT", f"{self._notes}/{comment}", {"body": text}))

    def set_status(self, report: Report, address: str) -> None:
        status = {
            "state": "success" if report.passed else "failed",
            "name": f"{report.name}/review",
            "description": report.summary[:_MAX_SUMMARY],
            **({"target_url": address} if address else {}),
        }
        self._api.call("POST", f"{self._project}/statuses/{report.commit}", status)

    def _link(self, note: Mapping[str, Any]) -> str:
        if not self._address:
            return ""
        return f"{self._address}/-/merge_requests/{self._number}#note_{int(note['id'])}"


def _needed(environ: Mapping[str, str], *names: str) -> str:
    for name in names:
        value = environ.get(name)
        if value:
            if "\n" in value or "\r" in value:
                raise InvalidInputError(f"{name} holds a line end", kind="bad-setting")
            return value
    is_token = names[0].endswith("TOKEN")
    raise InvalidInputError(
        f"cannot post the report: {' or '.join(names)} is not set",
        kind="no-token" if is_token else "no-request",
        hint=f"in CI, pass it on: env: {names[0]}",
    )


def _no_request(word: str, variable: str) -> InvalidInputError:
    return InvalidInputError(
        f"cannot post the report: which {word} request it belongs to is not known ({variable} does not say)",
        kind="no-request",
        hint="name it: --request N",
    )
