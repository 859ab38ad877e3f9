"""The client's calls for registered models, with MLflow's names and meanings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitruns.entities.status import RunStatus
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.tracking.model_views import ModelVersion, RegisteredModel, model_view, version_view
from gitruns.tracking.search import PagedList, dialect_of

if TYPE_CHECKING:
    from gitruns.entities.model import RegisteredModel as StoredModel
    from gitruns.registry import Registry
    from gitruns.repo import Repo
    from gitruns.tracking.session import Session

_MODEL_FOLDER = "model"
_ANYTHING: Any = object()


class RegistryCalls:
    """Reads and writes the model registry of one repository: what `Client` has of it."""

    _session: Session

    @property
    def repo(self) -> Repo:
        """The repository behind this client."""
        return self._session.repo

    @property
    def registry(self) -> Registry:
        """The registry behind these calls: for what they do not offer, as reasons and conditions."""
        from gitruns.registry import Registry  # git and all of repo come with it: not at import

        return Registry(self.repo)

    # Models

    def create_registered_model(
        self, name: str, tags: Mapping[str, Any] | None = None, description: str | None = None
    ) -> RegisteredModel:
        """Creates a registered model; raises `AlreadyExistsError`. A deleted one's name can be used again."""
        return self._model(self.registry.create_model(name, tags=tags, description=description or ""))

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Returns the model of that name; raises `NotFoundError` (kind `model-not-found`)."""
        return self._model(self.registry.get_model(name))

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Gives a model another name; versions, aliases and tags go with it."""
        return self._model(self.registry.rename_model(name, new_name))

    def update_registered_model(self, name: str, description: str | None = None) -> RegisteredModel:
        """Sets a model's description."""
        return self._model(self.registry.describe_model(name, description))

    def delete_registered_model(self, name: str) -> None:
        """Takes a model and its versions out of sight; `restore_registered_model` brings them back."""
        self.registry.delete_model(name)

    def restore_registered_model(self, name: str) -> RegisteredModel:
        """Brings a deleted model back."""
        return self._model(self.registry.restore_model(name))

    def set_registered_model_tag(self, name: str, key: str, value: Any) -> None:
        """Sets one tag of a model."""
        self.registry.tag_model(name, {key: value})

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Takes one tag of a model away; one that is not there is fine, as in MLflow."""
        self.registry.tag_model(name, {}, delete=[key])

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | str | None = None,
        page_token: str | None = None,
        *,
        dialect: str = "native",
    ) -> PagedList[RegisteredModel]:
        """Returns one page of the models that match, by name unless `order_by` says otherwise."""
        from gitruns.registry import search_models

        page = search_models(
            self.registry,
            filter_string or "",
            order_by=_listed(order_by),
            max_results=max_results,
            page_token=page_token or "",
            dialect=dialect_of(dialect),
        )
        return PagedList([self._model(model) for model in page.items], page.next_token or None)

    # Versions

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        await_creation_for: int | None = None,
    ) -> ModelVersion:
        """Creates the next version of a model from an address of artifacts.

        `run_link` and `await_creation_for` are MLflow's; a version is there when the call returns.
        """
        return version_view(
            self.registry.create_version(name, source, run_id=run_id, tags=tags, description=description or "")
        )

    def copy_model_version(self, src_model_uri: str, dst_name: str) -> ModelVersion:
        """Makes a version of another model, created where there is none, from `models:/…`; the bytes are not copied."""
        registry = self.registry
        registry.ensure_model(dst_name)
        return version_view(registry.create_version(dst_name, src_model_uri))

    def get_model_version(self, name: str, version: str | int) -> ModelVersion:
        """Returns a version by its number; raises `NotFoundError` (kind `version-not-found`)."""
        return version_view(self.registry.get_version(name, version))

    def update_model_version(self, name: str, version: str | int, description: str | None = None) -> ModelVersion:
        """Sets a version's description."""
        return version_view(self.registry.describe_version(name, version, description))

    def delete_model_version(self, name: str, version: str | int) -> None:
        """Takes a version out of sight, and its aliases away; the number is never given again."""
        self.registry.delete_version(name, version)

    def restore_model_version(self, name: str, version: str | int) -> ModelVersion:
        """Brings a deleted version back, without its aliases."""
        return version_view(self.registry.restore_version(name, version))

    def set_model_version_tag(self, name: str, version: str | int, key: str, value: Any) -> None:
        """Sets one tag of a version."""
        self.registry.tag_version(name, version, {key: value})

    def delete_model_version_tag(self, name: str, version: str | int, key: str) -> None:
        """Takes one tag of a version away."""
        self.registry.tag_version(name, version, {}, delete=[key])

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = 10_000,
        order_by: Sequence[str] | str | None = None,
        page_token: str | None = None,
        *,
        dialect: str = "native",
    ) -> PagedList[ModelVersion]:
        """Returns one page of the versions that match, those changed last first unless `order_by` says otherwise."""
        from gitruns.registry import search_versions

        page = search_versions(
            self.registry,
            filter_string or "",
            order_by=_listed(order_by),
            max_results=max_results,
            page_token=page_token or "",
            dialect=dialect_of(dialect),
        )
        return PagedList([version_view(one) for one in page.items], page.next_token or None)

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[ModelVersion]:
        """Returns the newest version in each of some stages, by default of every stage."""
        return [version_view(one) for one in self.registry.latest_versions(name, stages or None)]

    def transition_model_version_stage(
        self, name: str, version: str | int, stage: str, archive_existing_versions: bool = False
    ) -> ModelVersion:
        """Moves a version to a stage, and on request those that are there to `Archived`."""
        return version_view(
            self.registry.transition_stage(name, version, stage, archive_existing_versions=archive_existing_versions)
        )

    def get_model_version_download_uri(self, name: str, version: str | int) -> str:
        """Returns the address of a version's artifacts: `runs:/<run id>/<path>`."""
        found = self.registry.get_version(name, version).version
        return f"runs:/{found.run_id}/{found.path}" if found.run_id and found.path else found.source

    # Aliases

    def set_registered_model_alias(
        self, name: str, alias: str, version: str | int, *, expected: str | int | None = _ANYTHING, reason: str = ""
    ) -> None:
        """Makes an alias name a version; with `expected`, only if it names that one now (None: none).

        Raises `ConflictError` (kind `alias-moved`) when somebody else has moved it.
        """
        condition = {} if expected is _ANYTHING else {"expected": expected}
        self.registry.set_alias(name, alias, version, reason=reason, **condition)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Takes an alias away; one that is not there is fine, as in MLflow."""
        self.registry.delete_alias(name, alias)

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Returns the version that an alias names; raises `NotFoundError` (kind `alias-not-found`)."""
        return version_view(self.registry.get_version_by_alias(name, alias))

    def register_model(
        self,
        model_uri: str | Path,
        name: str,
        *,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
        aliases: Sequence[str] = (),
        sign: bool | None = None,
    ) -> ModelVersion:
        """Makes a version of a model, created where there is none, from an address or from a path on disk.

        A path on disk is kept as the artifacts of a run of its own, so that it has code, author and time like any
        other.
        """
        from gitruns.registry import is_address

        registry = self.registry
        source = str(model_uri)
        if not is_address(source):
            source = log_as_run(self._session, Path(model_uri), name)
        registry.ensure_model(name)
        made = registry.create_version(
            name, source, tags=tags, description=description or "", aliases=aliases, sign=sign
        )
        return version_view(made)

    def _model(self, model: StoredModel) -> RegisteredModel:
        from gitruns.registry.registered import RegisteredVersion

        newest = {one.stage: one for one in model.active_versions()}
        return model_view(model, [RegisteredVersion(model=model, version=one) for one in newest.values()])

    def _placed(self, run_id: str, path: str | None) -> tuple[str, str]:
        """Returns run and path where the first may be an address of artifacts."""
        from gitruns.registry import find_place, is_address

        if not is_address(run_id):
            return run_id, path or ""
        place = find_place(self.registry, run_id)
        return place.run_id, "/".join(part for part in (place.path, (path or "").strip("/")) if part)


def log_as_run(session: Session, path: Path, model: str) -> str:
    """Keeps a file or folder as the artifacts of a run of its own and returns its address; no run becomes current."""
    if not path.exists():
        raise NotFoundError(
            f"there is neither a file '{path}' nor an address of this form",
            kind="file-not-found",
            hint="addresses begin with runs:/ or models:/",
        )
    log = session.start(run_name=f"register {model}"[:250])
    try:
        log.add_path(path, _MODEL_FOLDER if path.is_dir() else None)
    except BaseException as error:
        log.end(RunStatus.FAILED, error=str(error)[:500])
        raise
    log.end(RunStatus.FINISHED)
    return f"runs:/{log.run_id}/{_MODEL_FOLDER if path.is_dir() else path.name}"


def _listed(order_by: Sequence[str] | str | None) -> Sequence[str]:
    if order_by is not None and not isinstance(order_by, (str, Sequence)):
        raise InvalidInputError("order_by must be a text or a list of texts", kind="wrong-type")
    return [order_by] if isinstance(order_by, str) else tuple(order_by or ())
