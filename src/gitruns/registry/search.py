"""Searches of registered models and of their versions: a registry is small, so they are looked at one by one."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gitruns.entities.model import RegisteredModel
from gitruns.entities.status import Lifecycle
from gitruns.errors import InvalidInputError
from gitruns.query import MODEL_VERSIONS, MODELS, Dialect, Subject, read_order, read_query
from gitruns.query.ast import And, Comparison, Condition, Entity, Field, Text
from gitruns.query.evaluate import evaluate, in_order
from gitruns.registry.registered import RegisteredVersion

if TYPE_CHECKING:
    from gitruns.registry.registry import Registry

T = TypeVar("T")

MOST_MODELS = 1000
MOST_VERSIONS = 200_000
PROMPT_TAG = "mlflow.prompt.is_prompt"
"""Models and versions with this tag are MLflow's prompts: its searches show them only when they ask for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of what was found; `next_token` is empty on the last one."""

    items: tuple[T, ...]
    next_token: str = ""


def search_models(
    registry: Registry,
    filter: str = "",  # noqa: A002  MLflow's name
    *,
    order_by: Sequence[str] = (),
    max_results: int | None = None,
    page_token: str = "",
    lifecycle: Lifecycle | None = Lifecycle.ACTIVE,
    dialect: Dialect = Dialect.NATIVE,
) -> Page[RegisteredModel]:
    """Returns the models that match, by name unless `order_by` says otherwise."""
    found = registry.list_models(lifecycle)
    if dialect is Dialect.MLFLOW and not _asks_for_prompts(read_query(filter, dialect, MODELS)):
        found = [one for one in found if not _is_prompt(one.tags)]
    matching = _matching(found, filter, order_by, dialect, MODELS, _model_fields)
    return _page(matching, max_results, page_token, MOST_MODELS, (filter, tuple(order_by)))


def search_versions(
    registry: Registry,
    filter: str = "",  # noqa: A002  MLflow's name
    *,
    order_by: Sequence[str] = (),
    max_results: int | None = None,
    page_token: str = "",
    lifecycle: Lifecycle | None = Lifecycle.ACTIVE,
    dialect: Dialect = Dialect.NATIVE,
) -> Page[RegisteredVersion]:
    """Returns the versions of all models that match, those changed last first unless `order_by` says otherwise."""
    found = [
        RegisteredVersion(model=model, version=version)
        for model in registry.list_models(Lifecycle.ACTIVE)
        for version in model.versions.values()
        if lifecycle in (None, version.lifecycle)
    ]
    if dialect is Dialect.MLFLOW and not _asks_for_prompts(read_query(filter, dialect, MODEL_VERSIONS)):
        found = [one for one in found if not (_is_prompt(one.version.tags) or _is_prompt(one.model.tags))]
    found.sort(key=lambda one: (-one.version.last_update_time_ms, one.model.name, -one.version.shown_number))

    def fields(one: RegisteredVersion) -> tuple[dict[str, Any], Any]:
        return _version_fields(one, registry.made_by(one.version))

    matching = _matching(found, filter, order_by, dialect, MODEL_VERSIONS, fields)
    return _page(matching, max_results, page_token, MOST_VERSIONS, (filter, tuple(order_by)))


def _matching(
    found: Iterable[T],
    text: str,
    order_by: Sequence[str],
    dialect: Dialect,
    subject: Subject,
    fields: Callable[[T], tuple[dict[str, Any], Any]],
) -> list[T]:
    tree = read_query(text, dialect, subject)
    order = read_order(order_by, dialect, subject)
    now = datetime.now().astimezone()
    kept = [one for one in found if evaluate(tree, *_as_asked(fields(one), dialect), subject, now)]
    return in_order(kept, order, fields, subject) if order else kept


def _is_prompt(tags: Mapping[str, str]) -> bool:
    return tags.get(PROMPT_TAG, "").lower() == "true"


def _asks_for_prompts(tree: Condition) -> bool:
    """Returns whether an MLflow filter asks for prompts; it joins comparisons with AND only."""
    for one in tree.conditions if isinstance(tree, And) else (tree,):
        if isinstance(one, Comparison) and one.left == Field(Entity.TAG, PROMPT_TAG) and isinstance(one.right, Text):
            return (one.operator, one.right.value.lower()) in (("=", "true"), ("!=", "false"))
    return False


def _as_asked(
    fields: tuple[dict[str, Any], Mapping[str, str]], dialect: Dialect
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """To MLflow what is no prompt counts as one whose tag is `false`, also where there is no such tag."""
    attributes, tags = fields
    return attributes, {PROMPT_TAG: "false", **tags} if dialect is Dialect.MLFLOW else tags


def _model_fields(model: RegisteredModel) -> tuple[dict[str, Any], Any]:
    latest = model.active_versions()
    return {
        "name": model.name,
        "creation_timestamp": model.creation_time_ms,
        "last_updated_timestamp": model.last_update_time_ms,
        "lifecycle_stage": model.lifecycle.value,
        "description": model.description or None,
        "versions": len(latest),
    }, model.tags


def _version_fields(one: RegisteredVersion, run_id: str | None) -> tuple[dict[str, Any], Any]:
    version = one.version
    return {
        "name": one.model.name,
        "version_number": version.shown_number,
        "run_id": run_id,
        "source_path": version.source,
        "creation_timestamp": version.creation_time_ms,
        "last_updated_timestamp": version.last_update_time_ms,
        "lifecycle_stage": version.lifecycle.value,
        "stage": version.stage.value,
        "user_id": version.user,
        "digest": version.digest,
        "description": version.description or None,
        "confirmed": version.confirmed,
        "alias": tuple(one.aliases),
    }, version.tags


def _page(found: Sequence[T], max_results: int | None, token: str, most: int, asked: tuple[object, ...]) -> Page[T]:
    if max_results is not None and not 1 <= max_results <= most:
        raise InvalidInputError(
            f"max_results is {max_results}, not a number from 1 to {most}", kind="bad-max-results", limit=most
        )
    start = _start(token, asked)
    end = len(found) if max_results is None else start + max_results
    next_token = "" if end >= len(found) else _token(end, asked)
    return Page(items=tuple(found[start:end]), next_token=next_token)


def _token(start: int, asked: tuple[object, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps([start, repr(asked)]).encode()).decode()


def _start(token: str, asked: tuple[object, ...]) -> int:
    if not token:
        return 0
    try:
        start, of = json.loads(base64.urlsafe_b64decode(token.encode()))
        if of == repr(asked) and isinstance(start, int) and start > 0:
            return start
    except (ValueError, TypeError, RecursionError, binascii.Error):
        pass
    raise InvalidInputError("the page token is of no page of this search", kind="bad-page-token")
