"""Our own JSON API, `/api/gitruns/v1`: for pages and scripts that want more than MLflow's has.

Runs come as columns, curves with the points that a screen can show, differences as git sees them, changes as events.
One table, `ROUTES`, makes what is served, the checks of what is asked, and the OpenAPI document. Source: docs/api.md.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from gitruns.server.calls import AnyCall, Context, Role
from gitruns.server.openapi import openapi_document
from gitruns.server.routes.own import (
    curves,
    diffs,
    edits,
    events,
    experiments,
    models,
    queries,
    reviews,
    runs,
    status,
    tables,
)
from gitruns.server.routes.own.failures import Failure
from gitruns.server.routes.own.kinds import Nothing
from gitruns.server.routes.own.route import Route


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """Returns the OpenAPI document of all routes."""
    return openapi_document(ROUTES, Failure)


def _document(context: Context, request: Nothing) -> dict[str, Any]:
    return {**document(), "servers": [{"url": context.base_url}]}


_DOCUMENT = Route(
    method="GET",
    path="/openapi.json",
    name="OpenApi",
    summary="This document",
    about="OpenAPI 3.1.",
    role=Role.READER,
    request=Nothing,
    answer=dict[str, Any],
    act=_document,
    experiments=lambda context, request: context.only or (),
)

ROUTES: tuple[Route, ...] = (
    *status.ROUTES,
    *experiments.ROUTES,
    *tables.ROUTES,
    *queries.ROUTES,
    *runs.ROUTES,
    *edits.ROUTES,
    *curves.ROUTES,
    *diffs.ROUTES,
    *reviews.ROUTES,
    *models.ROUTES,
    events.EVENTS,
    _DOCUMENT,
)

CALLS: tuple[AnyCall, ...] = (
    *(route.call() for route in ROUTES if route is not events.EVENTS),
    events.event_call(),
)
