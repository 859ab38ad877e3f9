"""Registered models as the registry of an MLflow file store."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.artifacts import safe_join
from gitruns.entities.ids import RunId
from gitruns.entities.logged_model import MODEL_PREFIX, VERSION_LINK_TAG, VERSION_RUN_TAG
from gitruns.entities.model import ModelVersion, RegisteredModel
from gitruns.entities.run import MODEL_KIND, MODEL_TAGS, Run
from gitruns.entities.status import Lifecycle
from gitruns.errors import GitRunsError, InvalidInputError
from gitruns.exchange.mlflow.names_there import id_of_run
from gitruns.exchange.mlflow.records import DELETED_STAGE
from gitruns.exchange.mlflow.store_files import OnProblem, write_meta, write_values

if TYPE_CHECKING:
    from gitruns.repo import Repo


@dataclass(frozen=True, slots=True)
class RegistryWriter:
    """Writes below `folder`; `place_of` returns the address there of the artifacts of a run or logged model."""

    repo: Repo
    folder: Path
    place_of: Callable[[Run], str | None]
    tell: OnProblem

    def write(self, runs: Collection[RunId] | None) -> int:
        """Writes the models that are not deleted, with `runs` only versions of those; returns how many versions."""
        count = 0
        for model in self.repo.models.all():
            chosen = [one for one in model.versions.values() if runs is None or one.run_id in runs]
            if model.lifecycle is Lifecycle.DELETED or (runs is not None and not chosen):
                continue
            try:
                count += self._model(model, chosen)
            except (GitRunsError, OSError) as error:
                self.tell(f"registered model '{model.name:.60}'", error)
        return count

    def _model(self, model: RegisteredModel, chosen: Collection[ModelVersion]) -> int:
        if "%" in model.name:
            raise InvalidInputError("MLflow's file store does not take a name with '%'", kind="bad-export")
        folder = safe_join(self.folder, model.name)
        of = f"registered model '{model.name:.60}'"
        write_meta(
            folder,
            {
                "creation_timestamp": model.creation_time_ms,
                "description": model.description or None,
                "last_updated_timestamp": model.last_update_time_ms,
                "name": model.name,
            },
        )
        if model.tags:
            write_values(folder / "tags", model.tags, of, self.tell)
        numbers: dict[str, int] = {}
        for one in chosen:
            if one.shown_number in numbers.values():  # claimed twice, and nobody has decided yet
                self.tell(f"{one.label} of '{model.name:.60}'", "there are two of this number")
                continue
            numbers[one.id] = one.shown_number
            self._version(model, one, folder / f"version-{one.shown_number}")
        aliases = {alias: str(numbers[one]) for alias, one in model.aliases.items() if one in numbers}
        if aliases:
            write_values(folder / "aliases", aliases, of, self.tell)
        return len(numbers)

    def _version(self, model: RegisteredModel, one: ModelVersion, folder: Path) -> None:
        deleted = one.lifecycle is Lifecycle.DELETED
        maker, run, source, storage = self._made_of(one)
        write_meta(
            folder,
            {
                "creation_timestamp": one.creation_time_ms,
                "current_stage": DELETED_STAGE if deleted else one.stage.value,
                "description": one.description or None,
                "last_updated_timestamp": one.last_update_time_ms,
                "model_id": f"{MODEL_PREFIX}{run.info.id}" if run is not None and run.info.kind == MODEL_KIND else None,
                "name": model.name,
                "run_id": maker,
                "run_link": one.tags.get(VERSION_LINK_TAG),
                "source": source,
                "status": "READY",
                "status_message": None,
                "storage_location": storage,
                "user_id": one.user,
                "version": one.shown_number,
            },
        )
        tags = {key: text for key, text in one.tags.items() if not key.startswith(MODEL_TAGS)}
        if tags:
            write_values(folder / "tags", tags, f"{one.label} of '{model.name:.60}'", self.tell)

    def _made_of(self, one: ModelVersion) -> tuple[str | None, Run | None, str, str]:
        """Returns the run that is shown as the maker of a version, its record, its source, and where the files are."""
        run = None if one.run_id is None else self.repo.find_run(one.run_id)
        place = None if run is None or one.path is None else self.place_of(run)
        stored = one.source if place is None else place + (f"/{one.path}" if one.path else "")
        source = one.source if one.source.startswith("models:/") else stored
        told = one.tags.get(VERSION_RUN_TAG)
        if told is not None or run is None:
            return told or one.run_id, run, source, stored
        if run.info.kind != MODEL_KIND:
            return id_of_run(run), run, source, stored
        maker = None if run.info.parent_run_id is None else self.repo.find_run(run.info.parent_run_id)
        return None if maker is None else id_of_run(maker), run, source, stored
