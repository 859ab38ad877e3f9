"""MLflow's calls for versions of registered models.

What MLflow stores as places of files is kept as what it means, `runs:/ID/path` or `models:/m-ID`, so that every clone
can read it. A version whose source names nothing here is kept with its source as text, as MLflow does; whether a client
may give such a source is for the door to say (`version_sources`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitruns.entities.ids import RunId, is_run_id
from gitruns.entities.logged_model import MODEL_PREFIX, VERSION_LINK_TAG, VERSION_RUN_TAG
from gitruns.entities.run import MODEL_KIND
from gitruns.errors import GitRunsError
from gitruns.protocol import registry_checks as checks
from gitruns.protocol.errors import refused
from gitruns.protocol.registered import Version
from gitruns.protocol.registered_models import RegisteredModelCalls
from gitruns.protocol.version_sources import meaning_of
from gitruns.query.dialects import Dialect
from gitruns.registry import search_versions

MOST_VERSIONS = 200_000
VERSIONS_PAGE = 10_000
ACTIVE_STAGES = ["Staging", "Production"]


class RegistryCalls(RegisteredModelCalls):
    """The registry of one repository."""

    def create_version(
        self,
        name: str,
        source: str,
        *,
        run_id: str | None = None,
        tags: Mapping[str, str],
        run_link: str | None = None,
        description: str | None = None,
    ) -> Version:
        """Creates the next version of a model. Its git tag is made when its run is sealed, and so is its digest."""
        checks.check_model_name(name)
        for key, text in tags.items():
            checks.check_version_tag(key, text)
        self.stored(name)
        known = dict(tags)
        if run_link is not None:
            known[VERSION_LINK_TAG] = run_link
        kept, stated = meaning_of(self.hub, source), None
        if kept is None and run_id is not None:
            if self._knows(run_id):
                stated = run_id
            else:
                known[VERSION_RUN_TAG] = run_id
        made = self.registry.create_version(
            name, kept or source, run_id=stated, description=description or "", tags=known, must_exist=False
        )
        said = stated or known.get(VERSION_RUN_TAG) or self.registry.made_by(made.version)
        if run_id is not None and said != run_id:
            made = self.registry.tag_version(name, made.version.shown_number, {VERSION_RUN_TAG: run_id})
        return self.view_of(made)

    def _knows(self, run_id: str) -> bool:
        try:
            return is_run_id(run_id) and self.hub.repo.find_run(RunId(run_id)) is not None
        except GitRunsError:
            return False

    def update_version(self, name: str, version: str, description: str | None) -> Version:
        """Sets what is said of a version."""
        found = self.found(name, version)
        return self.view_of(self.registry.describe_version(name, found.version.shown_number, description))

    def transition_stage(self, name: str, version: str, stage: str, *, archive: bool) -> Version:
        """Moves a version to a stage, and those that are there away if `archive` is wanted."""
        wanted = checks.canonical_stage(stage)
        if archive and wanted not in ACTIVE_STAGES:
            raise refused(
                "Model version transition cannot archive existing model versions "
                f"because '{stage}' is not an Active stage. Valid stages are {ACTIVE_STAGES}",
                "INTERNAL_ERROR",
            )
        number = self.found(name, version).version.shown_number
        return self.view_of(self.registry.transition_stage(name, number, wanted, archive_existing_versions=archive))

    def delete_version(self, name: str, version: str) -> None:
        """Deletes a version with its aliases; its number is not given again."""
        self.registry.delete_version(name, self.found(name, version).version.shown_number)

    def get_version(self, name: str, version: str) -> Version:
        """Returns a version."""
        return self.view_of(self.found(name, version))

    def download_uri(self, name: str, version: str) -> str:
        """Returns where a version's artifacts are."""
        found = self.found(name, version).version
        if found.run_id is None or found.path is None:
            return found.source
        below = f"/{found.path}" if found.path else ""
        record = self.hub.repo.get_run(found.run_id)
        if record.info.kind == MODEL_KIND:
            return f"{self.hub.uri}/models/{MODEL_PREFIX}{found.run_id}/artifacts{below}"
        return f"{self.hub.uri}/{found.run_id}/artifacts{below}"

    def search_versions(
        self, filter_string: str, max_results: int | None, order_by: Sequence[str], page_token: str
    ) -> tuple[list[Version], str]:
        """Returns one page of versions, of prompts only when the filter asks for them, and the next page's token."""
        wanted = VERSIONS_PAGE if max_results is None else max_results
        if wanted < 1:
            raise refused(f"Invalid value for max_results. It must be a positive integer, but got {max_results}")
        checks.check_page(wanted, MOST_VERSIONS)
        page = search_versions(
            self.registry,
            filter_string,
            order_by=tuple(order_by),
            max_results=wanted,
            page_token=page_token,
            dialect=Dialect.MLFLOW,
        )
        return [self.view_of(one, aliases=False) for one in page.items], page.next_token

    def set_version_tag(self, name: str, version: str, key: str, text: str) -> None:
        """Sets a tag of a version."""
        checks.check_version_tag(key, text)
        self.registry.tag_version(name, self.found(name, version).version.shown_number, {key: text})

    def delete_version_tag(self, name: str, version: str, key: str) -> None:
        """Takes a tag of a version away; one that is not there is fine."""
        checks.check_tag_key(key)
        self.registry.tag_version(name, self.found(name, version).version.shown_number, {}, delete=[key])
