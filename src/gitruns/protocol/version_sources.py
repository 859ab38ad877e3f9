"""Where a version of a registered model comes from: what a client may name, and what is kept of it.

A server never opens or keeps a place that a client made up: what it takes names artifacts of a run, a logged model, or
another version, all in this repository. Refusals are MLflow's, word for word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus, urlsplit

from gitruns.entities.logged_model import MODEL_PREFIX
from gitruns.entities.run import MODEL_KIND
from gitruns.errors import GitRunsError, InvalidInputError
from gitruns.protocol.addresses import SCHEME, ArtifactPlace, artifacts_below, find_artifacts, model_record
from gitruns.protocol.errors import ProtocolError, refused
from gitruns.protocol.experiments import run_artifacts_at
from gitruns.protocol.hub import Hub, hub_at
from gitruns.protocol.logged_model import model_named, shown_model, source_run_of
from gitruns.protocol.registered import is_prompt
from gitruns.protocol.registered_models import RegisteredModelCalls
from gitruns.protocol.runs import find_run
from gitruns.registry.names import parse_named

PROMPT_SOURCES = ("dummy-source", "prompt-template")
"""What MLflow's clients give as the source of a prompt, which has none."""

_MODELS = re.compile(r"models:/+(.+)\Z", re.DOTALL)
_RUNS = re.compile(r"runs:/+([^/]+)(?:/(.*))?\Z", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def meaning_of(hub: Hub, source: str) -> str | None:
    """Returns a source as every clone can read it, None for one that is of none of ours."""
    if source.startswith(("runs:/", "models:/")):
        return source
    try:
        place = artifacts_below(hub.uri, source) or _spelt_otherwise(hub, source)
        if place is None:
            return None
        record = hub.repo.get_run(place.record_id)
    except GitRunsError:
        return None
    below = f"/{place.path}" if place.path else ""
    if record.info.kind == MODEL_KIND:
        return f"models:/{MODEL_PREFIX}{place.record_id}{below}"
    return f"runs:/{place.record_id}{below}"


def _spelt_otherwise(hub: Hub, source: str) -> ArtifactPlace | None:
    """Returns the place that another address of the same repository names; a server opens none that clients name."""
    if hub.in_server or not source.startswith(SCHEME):
        return None
    place = find_artifacts(source)
    return place if hub_at(place.repo_uri) is hub else None


@dataclass(frozen=True, slots=True)
class CheckedSource:
    """A source that a client may give, and the run that it says made it."""

    source: str
    run_id: str | None


def check_source(
    calls: RegisteredModelCalls, source: str, run_id: str | None, model_id: str | None, *, prompt: bool
) -> CheckedSource:
    """Returns what a client names, or refuses it: it is in this repository, and of that run or logged model."""
    if prompt:
        if source not in PROMPT_SOURCES:
            raise refused(f"Invalid prompt source: '{source}'. Prompt sources must use an MLflow placeholder.")
        return CheckedSource(source, run_id)
    _refuse_odd(source, run_id, model_id)
    if source.startswith("models:"):
        return _of_models(calls, source, run_id, model_id)
    if source.startswith("runs:"):
        return _of_run(calls.hub, source, run_id, model_id)
    kept = meaning_of(calls.hub, source) or _below_its_root(calls.hub, source, run_id, model_id)
    if kept is None:
        raise _not_of(source, "model_id" if model_id else "run_id")
    return check_source(calls, kept, run_id, model_id, prompt=False)


def _below_its_root(hub: Hub, source: str, run_id: str | None, model_id: str | None) -> str | None:
    """Returns what an address means that lies below the artifacts of a run or model: these may be in a remote store."""
    try:
        if model_id:
            root, named = shown_model(hub, model_named(hub, model_id)).artifact_uri, f"models:/{model_id}"
        else:
            run = find_run(hub, run_id or "")
            root, named = run_artifacts_at(hub, run.info.experiment_id, run.info.id), f"runs:/{run.info.id}"
    except ProtocolError:
        return None
    below = source.removeprefix(root)
    return named + below.rstrip("/") if source.startswith(root) and below[:1] in ("", "/") else None


def _refuse_odd(source: str, run_id: str | None, model_id: str | None) -> None:
    if _SCHEME.match(source) is None or source.lower().startswith("file:"):
        what = "model_id" if model_id else "run_id"
        raise refused(
            f"Invalid model version source: '{source}'. To use a local path as a model version source, the {what} "
            "request parameter has to be specified and the local path has to be contained within the artifact "
            "directory of the run specified by the run_id."
        )
    text = source
    for _ in range(10):
        plain = unquote_plus(text)
        if plain == text:
            break
        text = plain
    if "\0" in text or "\\" in text or ".." in text.split("/"):
        raise refused(
            f"Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, "
            "ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path "
            "references present. Please provide an absolute path."
        )


def _of_run(hub: Hub, source: str, run_id: str | None, model_id: str | None) -> CheckedSource:
    match = _RUNS.match(source)
    if model_id:
        raise _not_of(source, "model_id")
    if match is None or urlsplit(source).netloc or (run_id and match[1] != run_id):
        raise _not_of(source, "run_id")
    try:
        found = find_run(hub, match[1])
    except ProtocolError as error:
        raise _not_of(source, "run_id") from error
    return CheckedSource(source, found.info.id)


def _of_models(calls: RegisteredModelCalls, source: str, run_id: str | None, model_id: str | None) -> CheckedSource:
    match = _MODELS.match(source)
    if match is None or urlsplit(source).netloc:
        raise refused(
            f"Invalid model version source: '{source}'. Registered model sources must use the active model registry."
        )
    named = match[1].strip("/")
    if model_record(named.partition("/")[0]) is not None:
        return _of_model(calls.hub, source, named.partition("/")[0], run_id, model_id)
    return _of_version(calls, source, unquote(named), run_id, model_id)


def _of_model(hub: Hub, source: str, named: str, run_id: str | None, model_id: str | None) -> CheckedSource:
    if model_id and named != model_id:
        raise _not_of(source, "model_id")
    try:
        found = model_named(hub, named)
    except ProtocolError as error:
        raise _not_of(source, "model_id") from error
    return CheckedSource(source, run_id or source_run_of(found))


def _of_version(
    calls: RegisteredModelCalls, source: str, named: str, run_id: str | None, model_id: str | None
) -> CheckedSource:
    try:
        name = parse_named(named)
    except InvalidInputError as error:
        raise _not_of(source, "model_id") from error
    if not name.names_version:
        raise _not_of(source, "model_id")
    if is_prompt(calls.stored(name.model).tags):
        raise refused(
            f"Invalid model version source: '{source}'. Prompt versions cannot be used as model version sources."
        )
    if name.number is not None:
        found = calls.view_of(calls.found(name.model, name.number))
    elif name.alias is not None:
        found = calls.get_by_alias(name.model, name.alias)
    else:
        found = calls.view_of(calls.registry.find_version(named))
    if (run_id is not None and run_id != (found.run_id or "")) or (model_id and model_id != found.model_id):
        raise refused(
            f"Invalid model version source: '{source}'. The run_id and model_id request parameters must match the "
            "referenced model version."
        )
    return CheckedSource(f"models:/{found.name}/{found.number}", found.run_id)


def _not_of(source: str, what: str) -> ProtocolError:
    return refused(
        f"Invalid model version source: '{source}'. The {what} request parameter must identify the resource that "
        "contains the source."
    )
