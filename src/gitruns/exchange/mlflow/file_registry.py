"""The model registry of an MLflow file store: a folder a model, in it a folder a version.

models/<name>/meta.yaml  tags/<key>  aliases/<alias>  version-<n>/meta.yaml  version-<n>/tags/<key>
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from gitruns.entities.logged_model import VERSION_LINK_TAG
from gitruns.errors import CorruptDataError, GitRunsError
from gitruns.exchange.folders import folders_in
from gitruns.exchange.foreign import Damage, ForeignModel, ForeignVersion
from gitruns.exchange.mlflow.folder import has_meta, read_meta, values_in
from gitruns.exchange.mlflow.places import meaning_of
from gitruns.exchange.mlflow.records import DELETED_STAGE, time_of

_VERSION = "version-"


def read_models(folder: Path) -> Iterator[ForeignModel | Damage]:
    """Yields the models below a folder; of a version that cannot be read, damage, and the model without it."""
    for name in folders_in(folder):
        if not has_meta(folder / name):
            continue
        try:
            yield from _model(folder / name)
        except (GitRunsError, OSError) as error:
            yield Damage(f"registered model '{name:.60}'", str(error))


def _model(folder: Path) -> Iterator[ForeignModel | Damage]:
    meta = read_meta(folder)
    versions: list[ForeignVersion] = []
    for name in folders_in(folder):
        if not name.startswith(_VERSION):
            continue
        try:
            versions.append(_version(folder / name))
        except (GitRunsError, OSError) as error:
            yield Damage(f"{name} of model '{folder.name:.60}'", str(error))
    aliases = {alias: int(text) for alias, text in values_in(folder / "aliases").items() if text.strip().isdigit()}
    yield ForeignModel(
        name=str(meta.get("name") or folder.name),
        description=str(meta.get("description") or ""),
        created_ms=time_of(meta.get("creation_timestamp")),
        updated_ms=time_of(meta.get("last_updated_timestamp")),
        tags=values_in(folder / "tags"),
        aliases=aliases,
        versions=tuple(versions),
    )


def _version(folder: Path) -> ForeignVersion:
    number = folder.name.removeprefix(_VERSION)
    meta = read_meta(folder)
    if str(meta.get("version")) != number or not number.isdigit() or int(number) < 1:
        raise CorruptDataError(f"its meta.yaml is of version '{meta.get('version')!s:.20}'", kind="bad-source")
    return version_of(meta, int(number), values_in(folder / "tags"))


def version_of(given: Mapping[str, object], number: int, tags: Mapping[str, str]) -> ForeignVersion:
    """Returns a version in our words; `given` has the names of MLflow's `ModelVersion`."""

    def text(key: str) -> str:
        value = given.get(key)
        return "" if value is None else str(value)

    run = text("run_id") or None
    stage = text("current_stage") or "None"
    deleted = stage == DELETED_STAGE
    known = dict(tags)
    if text("run_link") and not deleted:
        known[VERSION_LINK_TAG] = text("run_link")
    return ForeignVersion(
        number=number,
        address=meaning_of(text("source"), run, text("storage_location")),
        run=None if deleted else run,
        created_ms=time_of(given.get("creation_timestamp")),
        updated_ms=time_of(given.get("last_updated_timestamp")),
        description=text("description"),
        user=text("user_id") or None,
        stage="None" if deleted else stage,
        deleted=deleted,
        tags=known,
    )
