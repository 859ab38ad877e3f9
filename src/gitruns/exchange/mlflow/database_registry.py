"""The model registry of an MLflow database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from gitruns.errors import GitRunsError
from gitruns.exchange.foreign import Damage, ForeignModel, ForeignVersion
from gitruns.exchange.mlflow.file_registry import version_of
from gitruns.exchange.mlflow.records import time_of
from gitruns.exchange.mlflow.sql_tables import Tables

DEFAULT_WORKSPACE = "default"
_VERSION = (
    *("workspace", "name", "version", "creation_time", "last_updated_time", "description", "user_id"),
    *("current_stage", "source", "storage_location", "run_id", "run_link"),
)
Key = tuple[str, str]


def read_models(tables: Tables) -> Iterator[ForeignModel | Damage]:
    """Yields the registered models; of a version that cannot be read, damage, and the model without it."""
    tags: defaultdict[Key, dict[str, str]] = defaultdict(dict)
    for row in tables.select("registered_model_tags", ("workspace", "name", "key", "value"), {}):
        tags[_key(row)][row["key"]] = row["value"] or ""
    aliases: defaultdict[Key, dict[str, int]] = defaultdict(dict)
    for row in tables.select("registered_model_aliases", ("workspace", "name", "alias", "version"), {}):
        aliases[_key(row)][row["alias"]] = int(row["version"])
    versions: defaultdict[Key, list[ForeignVersion]] = defaultdict(list)
    for key, one in _versions(tables):
        if isinstance(one, Damage):
            yield one
        else:
            versions[key].append(one)
    wanted = ("workspace", "name", "creation_time", "last_updated_time", "description")
    for row in tables.select("registered_models", wanted, {}, ["name"]):
        key = _key(row)
        try:
            yield ForeignModel(
                name=key[1] if key[0] == DEFAULT_WORKSPACE else f"{key[0]}.{key[1]}",
                description=row["description"] or "",
                created_ms=time_of(row["creation_time"]),
                updated_ms=time_of(row["last_updated_time"]),
                tags=tags[key],
                aliases=aliases[key],
                versions=tuple(versions[key]),
            )
        except GitRunsError as error:
            yield Damage(f"registered model '{key[1]:.60}'", str(error))


def _versions(tables: Tables) -> Iterator[tuple[Key, ForeignVersion | Damage]]:
    tags: defaultdict[tuple[Key, int], dict[str, str]] = defaultdict(dict)
    for row in tables.select("model_version_tags", ("workspace", "name", "version", "key", "value"), {}):
        tags[_key(row), int(row["version"])][row["key"]] = row["value"] or ""
    for row in tables.select("model_versions", _VERSION, {}, ["name", "version"]):
        key, number = _key(row), int(row["version"])
        times = {"creation_timestamp": row["creation_time"], "last_updated_timestamp": row["last_updated_time"]}
        try:
            yield key, version_of({**row, **times}, number, tags[key, number])
        except GitRunsError as error:
            yield key, Damage(f"version {number} of model '{key[1]:.60}'", str(error))


def _key(row: Any) -> Key:
    return row["workspace"] or DEFAULT_WORKSPACE, row["name"]
