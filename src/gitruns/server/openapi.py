"""The OpenAPI 3.1 document of our own API, made from the table that is served: it cannot say anything else.

Schemas come from the types of requests and answers. Source: https://spec.openapis.org/oas/v3.1.1
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import msgspec

from gitruns.server.calls import Role

if TYPE_CHECKING:
    from gitruns.server.routes.own.route import Route

_REFERENCE = "#/components/schemas/{name}"
_API = "/api/gitruns/v1"
_DESCRIPTION = (
    "Runs, experiments, curves, differences and the model registry of one git repository. Times are milliseconds UTC."
    ' JSON has no number for NaN and infinities: they are the texts "nan", "inf" and "-inf"; integers beyond 2^53 are'
    " text too. Fields of a request that are null count as left out, and fields that nobody knows are ignored."
)
_FAILURES = {
    "400": "The request is not as described, or what it names cannot be.",
    "401": "Who asks has to say who they are.",
    "403": "Who asks may not, or not from there.",
    "404": "What is named is not there.",
    "409": "The name is taken, or somebody else changed it first.",
    "408": "The body did not come in time.",
    "413": "The body is too large.",
    "414": "The address is too long.",
    "429": "Too many at once.",
    "431": "The headers are too large, or the address.",
    "500": "A fault of the server, or stored data that is damaged.",
    "503": "Not now: try again.",
}


def openapi_document(routes: Sequence[Route], failure: type[msgspec.Struct]) -> dict[str, Any]:
    """Returns the document of some routes, all of which fail with the same kind of answer."""
    types = [*_types(routes), failure]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    found = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, _properties(components, route), found, found[failure])
        paths.setdefault(_API + route.path, {})[route.method.lower()] = operation
    used = {name: _tidy(schema) for name, schema in components.items() if not _is_request(name, routes)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "gitruns", "version": version("gitruns"), "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"basic": []}, {}],
        "paths": paths,
        "components": {
            "schemas": used,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic", "description": "The token as the password."},
            },
        },
    }


def _types(routes: Iterable[Route]) -> list[Any]:
    answers = [route.answer for route in routes if route.answer is not None]
    return list(dict.fromkeys([*(route.request for route in routes), *answers]))


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns a schema with what it says of itself without indents, which not every Python takes away by itself."""
    return {**schema, "description": cleandoc(schema["description"])} if "description" in schema else schema


def _is_request(name: str, routes: Iterable[Route]) -> bool:
    return any(route.request.__name__ == name for route in routes)


def _properties(components: dict[str, Any], route: Route) -> tuple[dict[str, Any], set[str]]:
    schema = components[route.request.__name__]
    return schema["properties"], set(schema.get("required", ()))


def _operation(
    route: Route,
    fields: tuple[dict[str, Any], set[str]],
    found: dict[Any, dict[str, Any]],
    failure: dict[str, Any],
) -> dict[str, Any]:
    properties, required = fields
    elsewhere = {name: schema for name, schema in properties.items() if name not in route.in_path}
    parameters = [_parameter(name, "path", properties[name], required=True) for name in route.in_path]
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "description": f"{route.about} Needs the role `{Role(route.role).name.lower()}`.",
    }
    if route.has_body:
        operation["requestBody"] = _body(route, elsewhere, required)
    else:
        parameters += [
            _parameter(name, "query", schema, required=name in required) for name, schema in elsewhere.items()
        ]
    if parameters:
        operation["parameters"] = parameters
    operation["responses"] = {"200": _answer(route, found), **_failures(route, failure)}
    return operation


def _parameter(name: str, place: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    said = {key: value for key, value in _without_null(schema).items() if key != "description"}
    parameter: dict[str, Any] = {"name": name, "in": place, "required": required, "schema": said}
    if "description" in schema:
        parameter["description"] = schema["description"]
    return parameter


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query cannot say null: it leaves the field out."""
    choices = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if not choices:
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default") or value is not None}
    rest.pop("anyOf", None)
    return {**choices[0], **rest} if len(choices) == 1 else {**rest, "anyOf": choices}


def _body(route: Route, properties: dict[str, Any], required: set[str]) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: one if name in required else _or_null(one) for name, one in properties.items()},
    }
    needed = sorted(required.intersection(properties))
    if needed:
        schema["required"] = needed
    else:
        schema["type"] = ["object", "null"]  # no body, or one that says nothing
    if route.request.__doc__:
        schema["description"] = " ".join(route.request.__doc__.split())
    return {"required": bool(needed), "content": {"application/json": {"schema": schema}}}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Null is as if the field were left out."""
    if {"type": "null"} in schema.get("anyOf", ()):
        return schema
    described: dict[str, Any] = {key: schema[key] for key in ("default", "description") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in described}
    return {"anyOf": [rest, {"type": "null"}], **described}


def _answer(route: Route, found: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    if route.answer is None:
        return {"description": "A stream.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    answer: dict[str, Any] = {
        "description": "What was asked for.",
        "content": {"application/json": {"schema": found[route.answer]}},
    }
    if not route.has_body:
        answer["headers"] = {
            "ETag": {"schema": {"type": "string"}, "description": "Send it as `If-None-Match` the next time."}
        }
    return answer


def _failures(route: Route, failure: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": failure}}
    answers: dict[str, Any] = {code: {"description": text, "content": content} for code, text in _FAILURES.items()}
    if not route.has_body:
        answers["304"] = {"description": "It is what `If-None-Match` says."}
    return dict(sorted(answers.items()))
