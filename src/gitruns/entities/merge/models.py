"""Merges the states of a registered model.

What can be edited is merged field by field, the last writer wins. What a version is (where it came from, what its
bytes are) and its number are never edited, so no stamp can take them away: of two numbers that one version was given
the lower stays, because that was given first. No version and no number is ever lost, so none is given twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gitruns.entities.environment import read_only
from gitruns.entities.ids import ObjectId
from gitruns.entities.merge.fields import Stamped, merge_fields, merge_files, merge_stamps
from gitruns.entities.merge.state import check_mergeable
from gitruns.entities.model import ModelVersion, RegisteredModel, Stage, VersionId
from gitruns.entities.status import Lifecycle

_MODEL = ("name", "description", "lifecycle")
_EDITED = ("stage", "description", "lifecycle")
_BORN = ("source", "claim", "run_id", "run_commit", "path", "digest", "size_bytes", "user")
_PREFIXES = ("model/", "tags/", "aliases/", "versions/", "files/")


def merge_models(states: Sequence[RegisteredModel]) -> RegisteredModel:
    """Returns the one state that some states of a model make together; raises `InvalidInputError` for several models.

    Commutative, associative and idempotent. The result has no commit yet.
    """
    check_mergeable("model", (one.id for one in states), states)
    first = states[0]
    fields = merge_fields([_model_fields(one) for one in states], prefix="model/")
    tags = merge_fields([Stamped(one.tags, one.stamps) for one in states], prefix="tags/")
    aliases = merge_fields([Stamped(one.aliases, one.stamps) for one in states], prefix="aliases/")
    files = merge_files([Stamped(one.unknown, one.stamps) for one in states])
    edits = merge_fields([_version_fields(one) for one in states], prefix="versions/")
    stamps = {**fields.stamps, **tags.stamps, **aliases.stamps, **edits.stamps, **files.stamps}
    stamps |= merge_stamps((one.stamps for one in states), besides=_PREFIXES)
    name = fields.values.get("name") or max(one.name for one in states)
    return replace(
        first,
        name=name,
        description=fields.values.get("description", ""),
        lifecycle=Lifecycle(fields.values.get("lifecycle", Lifecycle.ACTIVE.value)),
        creation_time_ms=min(one.creation_time_ms for one in states),
        last_update_time_ms=max(one.last_update_time_ms for one in states),
        tags=read_only(tags.values),
        aliases=read_only(aliases.values),
        versions=read_only(_versions(states, edits.values)),
        stamps=read_only({key: stamps[key] for key in sorted(stamps)}),
        commit=None,
        unknown=read_only(files.values),
    )


def _model_fields(model: RegisteredModel) -> Stamped[Any]:
    values = {key: _plain(getattr(model, key)) for key in _MODEL}
    return Stamped({key: value for key, value in values.items() if value}, model.stamps)


def _version_fields(model: RegisteredModel) -> Stamped[Any]:
    """What can be edited of all versions, each field at `<version id>/<field>`."""
    found: dict[str, Any] = {}
    for version in model.versions.values():
        values = {key: _plain(getattr(version, key)) for key in _EDITED}
        found |= {f"{version.id}/{key}": value for key, value in values.items() if value}
        found |= {f"{version.id}/tags/{key}": text for key, text in version.tags.items()}
    return Stamped(found, model.stamps)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, (Stage, Lifecycle)) else value


def _versions(states: Iterable[RegisteredModel], edits: Mapping[str, Any]) -> dict[VersionId, ModelVersion]:
    known: dict[VersionId, list[ModelVersion]] = {}
    for state in states:
        for version in state.versions.values():
            known.setdefault(version.id, []).append(version)
    tags: dict[str, dict[str, str]] = {}
    for key, value in edits.items():
        version_id, _, field = key.partition("/")
        if field.startswith("tags/"):
            tags.setdefault(version_id, {})[field.removeprefix("tags/")] = value
    return {one: _version(known[one], edits, tags.get(one, {})) for one in sorted(known)}


def _version(states: Sequence[ModelVersion], edits: Mapping[str, Any], tags: Mapping[str, str]) -> ModelVersion:
    version_id = states[0].id
    given = [(one.number, one.git_tag or ObjectId("")) for one in states if one.number is not None]
    number, git_tag = min(given) if given else (None, None)
    return replace(
        states[0],
        **{key: _greatest(getattr(one, key) for one in states) for key in _BORN},
        number=number,
        git_tag=git_tag or None,
        creation_time_ms=min(one.creation_time_ms for one in states),
        last_update_time_ms=max(one.last_update_time_ms for one in states),
        stage=Stage(edits.get(f"{version_id}/stage", Stage.NONE.value)),
        lifecycle=Lifecycle(edits.get(f"{version_id}/lifecycle", Lifecycle.ACTIVE.value)),
        description=edits.get(f"{version_id}/description", ""),
        tags=read_only(tags),
    )


def _greatest(values: Iterable[Any]) -> Any:
    """Returns the greatest value that is there: what is written once differs only where somebody forged it."""
    return max((value for value in values if value is not None), default=None)
