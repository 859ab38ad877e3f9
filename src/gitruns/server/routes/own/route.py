"""A route of our own API: its typed request and answer, who may ask, and the function that answers.

One table of these makes both what is served and the OpenAPI document, so that neither can say what the other does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from gitruns.errors import GitRunsError, InvalidInputError
from gitruns.server.calls import Answer, Call, Context, Field, Fields, Role
from gitruns.server.routes.own.failures import failure
from gitruns.server.routes.own.scope import hint_for

PREFIX = "/gitruns/v1"
_IN_BRACES = re.compile(r"\{(\w+)\}")
_ODD = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One request that can be made.

    `path` stands below `PREFIX`. Fields of `request` that are in braces there come from the path, the others from the
    query (GET) or the JSON body. `act` gets the request as read and returns what `answer` describes. `experiments`
    says which experiments a request is about, for those who are limited to some; without it they are refused.
    """

    method: str
    path: str
    name: str
    summary: str
    about: str
    role: Role
    request: type[msgspec.Struct]
    answer: Any
    act: Callable[[Context, Any], Any]
    experiments: Callable[[Context, Any], Collection[str]] | None = None

    @property
    def in_path(self) -> tuple[str, ...]:
        """The fields that come from the path."""
        return tuple(_IN_BRACES.findall(self.path))

    @property
    def has_body(self) -> bool:
        """Whether the other fields come as a JSON body."""
        return self.method != "GET"

    def read(self, fields: Fields) -> Any:
        """Returns the request; raises `InvalidInputError` (kind `bad-request`) where it is not as described."""
        _refuse_odd_text(fields)
        try:
            return msgspec.convert(dict(fields), self.request, strict=self.has_body)
        except msgspec.ValidationError as error:
            raise _bad_request(str(error)) from None

    def call(self) -> Call:
        """Returns the route as the server takes it."""
        return Call(
            method=self.method,
            path=PREFIX + self.path,
            message=self.name,
            action=self._answered,
            fields={name: Field("any") for name in self.request.__struct_fields__},
            role=self.role,
            experiment_of=None if self.experiments is None else self._touched,
            below=("/api",),
        )

    def _answered(self, context: Context, fields: Fields) -> Answer:
        try:
            found = self.act(context, self.read(fields))
        except GitRunsError as error:
            return failure(error, hint_for(context, error))
        body = msgspec.json.encode(found)
        if self.has_body:
            return Answer(body=body)
        tag = blake2b(body, digest_size=16).hexdigest()
        return Answer(body=body, headers={"etag": f'"{tag}"', "cache-control": "private, no-cache"})

    def _touched(self, context: Context, fields: Fields) -> Collection[str]:
        assert self.experiments is not None  # noqa: S101  else this is not called
        return self.experiments(context, self.read(fields))


def _refuse_odd_text(value: Any) -> None:
    """Neither git nor SQLite takes text with NUL or half a character in it."""
    if isinstance(value, str):
        if _ODD.search(value):
            raise _bad_request("text must not hold NUL or lone surrogates")
    elif isinstance(value, Mapping):
        for key, one in value.items():
            _refuse_odd_text(key)
            _refuse_odd_text(one)
    elif isinstance(value, list):
        for one in value:
            _refuse_odd_text(one)


def _bad_request(why: str) -> InvalidInputError:
    text = why[:1].lower() + why[1:]
    return InvalidInputError(
        f"the request is not as described: {text}",
        kind="bad-request",
        hint="see what it takes: /api/gitruns/v1/openapi.json",
    )
