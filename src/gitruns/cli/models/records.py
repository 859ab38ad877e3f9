"""Models and versions as records: what `--json` prints and `--format` names. Documented in docs/json.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitruns.cli.times import iso
from gitruns.entities.run import MODEL_TAGS

if TYPE_CHECKING:
    from gitruns.entities.model import RegisteredModel
    from gitruns.registry import Lineage
    from gitruns.registry.registered import RegisteredVersion

MODEL_KEYS = frozenset(
    """
    name id description lifecycle tags aliases versions latest creation_time_ms last_update_time_ms created last_updated
    commit
    """.split()
)
VERSION_KEYS = frozenset(
    """
    model version confirmed claim version_id address aliases stage run_id path source digest size_bytes description tags
    lifecycle user git_tag creation_time_ms last_update_time_ms created last_updated
    """.split()
)
LINEAGE_KEYS = frozenset({"run", "source_commit", "release", "data"})
MODEL_LOG_KEYS = frozenset("commit time_ms time author subject reason".split())


def model_record(model: RegisteredModel) -> dict[str, Any]:
    """Returns what is said of a model; `aliases` maps to numbers of versions."""
    active = model.active_versions()
    return {
        "name": model.name,
        "id": model.id,
        "description": model.description or None,
        "lifecycle": model.lifecycle.value,
        "tags": dict(model.tags),
        "aliases": {alias: model.versions[one].shown_number for alias, one in sorted(model.aliases.items())},
        "versions": len(active),
        "latest": active[-1].shown_number if active else None,
        "creation_time_ms": model.creation_time_ms,
        "last_update_time_ms": model.last_update_time_ms,
        "created": iso(model.creation_time_ms),
        "last_updated": iso(model.last_update_time_ms),
        "commit": model.commit,
    }


def version_record(found: RegisteredVersion) -> dict[str, Any]:
    """Returns what is said of a version."""
    version = found.version
    return {
        "model": found.model.name,
        "version": version.shown_number,
        "confirmed": version.confirmed,
        "claim": version.claim,
        "version_id": version.id,
        "address": found.address,
        "aliases": found.aliases,
        "stage": version.stage.value,
        "run_id": version.run_id,
        "path": version.path,
        "source": version.source,
        "digest": version.digest,
        "size_bytes": version.size_bytes,
        "description": version.description or None,
        "tags": {key: text for key, text in version.tags.items() if not key.startswith(MODEL_TAGS)},
        "lifecycle": version.lifecycle.value,
        "user": version.user,
        "git_tag": version.git_tag,
        "creation_time_ms": version.creation_time_ms,
        "last_update_time_ms": version.last_update_time_ms,
        "created": iso(version.creation_time_ms),
        "last_updated": iso(version.last_update_time_ms),
    }


def lineage_record(lineage: Lineage) -> dict[str, Any]:
    """Returns where a version comes from: its run, code and data."""
    return {
        "run": None if lineage.run is None else lineage.run.info.name,
        "source_commit": lineage.source,
        "release": lineage.release,
        "data": [{"name": data.name, "digest": data.digest, "context": data.context} for data in lineage.data],
    }
