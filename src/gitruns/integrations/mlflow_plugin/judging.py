"""The tracking store's calls for scorers, evaluation datasets and issues: their meaning is in `protocol`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow.store.entities.paged_list import PagedList

from gitruns.integrations.mlflow_plugin.base import StoreBase
from gitruns.integrations.mlflow_plugin.errors import speaks_mlflow
from gitruns.protocol import evaluation_datasets, issues, scorers
from gitruns.protocol.evaluation_dataset import EvaluationDataset, Row
from gitruns.protocol.issues import Issue
from gitruns.protocol.scorers import Scorer


@speaks_mlflow
class JudgingCalls(StoreBase):
    """Registers scorers, keeps evaluation datasets with their rows, and issues."""

    def register_scorer(self, experiment_id: str, name: str, serialized_scorer: str) -> Any:
        """Adds a version of a scorer."""
        return _scorer_entity(scorers.register_scorer(self.hub, experiment_id, name, serialized_scorer))

    def list_scorers(self, experiment_id: str) -> list[Any]:
        """Returns the latest version of each scorer."""
        return [_scorer_entity(one) for one in scorers.list_scorers(self.hub, experiment_id)]

    def list_scorers_across_experiments(self, experiment_ids: list[str]) -> list[Any]:
        """Returns the latest version of each scorer of some experiments."""
        return [_scorer_entity(one) for one in scorers.list_scorers_of(self.hub, experiment_ids)]

    def get_scorer(self, experiment_id: str, name: str, version: int | None = None) -> Any:
        """Returns a version of a scorer."""
        return _scorer_entity(scorers.get_scorer(self.hub, experiment_id, name, version))

    def list_scorer_versions(self, experiment_id: str, name: str) -> list[Any]:
        """Returns all versions of a scorer."""
        return [_scorer_entity(one) for one in scorers.list_scorer_versions(self.hub, experiment_id, name)]

    def delete_scorer(self, experiment_id: str, name: str, version: int | None = None) -> None:
        """Deletes a version of a scorer, or the scorer."""
        scorers.delete_scorer(self.hub, experiment_id, name, version)

    # Evaluation datasets

    def create_dataset(
        self, name: str, tags: dict[str, str] | None = None, experiment_ids: list[str] | None = None
    ) -> Any:
        """Creates an evaluation dataset."""
        found = evaluation_datasets.create_dataset(self.hub, name, tags, experiment_ids or ())
        entity = _dataset_entity(found)
        entity.experiment_ids = list(experiment_ids or ())
        entity._tracking_store = self
        return entity

    def get_dataset(self, dataset_id: str) -> Any:
        """Returns an evaluation dataset."""
        return _dataset_entity(evaluation_datasets.get_dataset(self.hub, dataset_id))

    def delete_dataset(self, dataset_id: str) -> None:
        """Deletes an evaluation dataset and its rows."""
        evaluation_datasets.delete_dataset(self.hub, dataset_id)

    def search_datasets(
        self,
        experiment_ids: list[str] | None = None,
        filter_string: str | None = None,
        max_results: int | None = 1000,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList:
        """Returns one page of evaluation datasets."""
        found, token = evaluation_datasets.search_datasets(
            self.hub, experiment_ids, filter_string, 1000 if max_results is None else max_results, order_by, page_token
        )
        return PagedList([_dataset_entity(one) for one in found], token or None)

    def set_dataset_tags(self, dataset_id: str, tags: dict[str, Any]) -> None:
        """Sets tags of an evaluation dataset."""
        evaluation_datasets.set_dataset_tags(self.hub, dataset_id, tags)

    def delete_dataset_tag(self, dataset_id: str, key: str) -> None:
        """Takes a tag of an evaluation dataset away."""
        evaluation_datasets.delete_dataset_tag(self.hub, dataset_id, key)

    def get_dataset_experiment_ids(self, dataset_id: str) -> list[str]:
        """Returns the experiments that an evaluation dataset is of."""
        return evaluation_datasets.get_experiment_ids(self.hub, dataset_id)

    def add_dataset_to_experiments(self, dataset_id: str, experiment_ids: Sequence[str]) -> Any:
        """Makes an evaluation dataset one of some experiments too."""
        return _dataset_entity(evaluation_datasets.add_to_experiments(self.hub, dataset_id, experiment_ids))

    def remove_dataset_from_experiments(self, dataset_id: str, experiment_ids: Sequence[str]) -> Any:
        """Makes an evaluation dataset none of some experiments any more."""
        return _dataset_entity(evaluation_datasets.remove_from_experiments(self.hub, dataset_id, experiment_ids))

    def upsert_dataset_records(self, dataset_id: str, records: list[dict[str, Any]]) -> dict[str, int]:
        """Puts rows into an evaluation dataset."""
        plain = [{**one, "source": _plain_source(one.get("source"))} for one in records]
        inserted, updated = evaluation_datasets.upsert_rows(self.hub, dataset_id, plain)
        return {"inserted": inserted, "updated": updated}

    def delete_dataset_records(self, dataset_id: str, dataset_record_ids: list[str]) -> int:
        """Deletes rows of an evaluation dataset."""
        return evaluation_datasets.delete_rows(self.hub, dataset_id, dataset_record_ids)

    def _load_dataset_records(
        self, dataset_id: str, max_results: int | None = None, page_token: str | None = None
    ) -> tuple[list[Any], str | None]:
        found, token = evaluation_datasets.list_rows(self.hub, dataset_id, max_results, page_token)
        return [_row_entity(one) for one in found], token

    # Issues

    def create_issue(
        self,
        experiment_id: str,
        name: str,
        description: str,
        status: Any = "pending",
        severity: Any = None,
        root_causes: list[str] | None = None,
        source_run_id: str | None = None,
        categories: list[str] | None = None,
        created_by: str | None = None,
    ) -> Any:
        """Writes an issue down."""
        found = issues.create_issue(
            self.hub,
            experiment_id,
            name,
            description,
            status=str(status),
            severity=_word(severity),
            root_causes=root_causes or (),
            categories=categories or (),
            source_run_id=source_run_id,
            created_by=created_by,
        )
        return _issue_entity(found)

    def get_issue(self, issue_id: str) -> Any:
        """Returns an issue."""
        return _issue_entity(issues.get_issue(self.hub, issue_id))

    def update_issue(
        self,
        issue_id: str,
        status: Any = None,
        name: str | None = None,
        description: str | None = None,
        severity: Any = None,
    ) -> Any:
        """Changes an issue."""
        found = issues.update_issue(
            self.hub, issue_id, status=_word(status), name=name, description=description, severity=_word(severity)
        )
        return _issue_entity(found)

    def search_issues(
        self,
        experiment_id: str | None = None,
        filter_string: str | None = None,
        max_results: int | None = None,
        page_token: str | None = None,
        include_trace_count: bool = False,
    ) -> PagedList:
        """Returns one page of issues."""
        found, token = issues.search_issues(
            self.hub, experiment_id, filter_string, max_results, page_token, count_traces=include_trace_count
        )
        return PagedList([_issue_entity(one) for one in found], token or None)


def _word(value: Any) -> str | None:
    return None if value is None else str(value)


def _issue_entity(one: Issue) -> Any:
    from mlflow.entities.issue import Issue as Entity
    from mlflow.entities.issue import IssueSeverity, IssueStatus

    return Entity(
        issue_id=one.id,
        experiment_id=one.experiment_id,
        name=one.name,
        description=one.description,
        status=IssueStatus(one.status),
        created_timestamp=one.created_ms,
        last_updated_timestamp=one.updated_ms,
        severity=None if one.severity is None else IssueSeverity(one.severity),
        root_causes=list(one.root_causes) or None,
        source_run_id=one.source_run_id,
        categories=list(one.categories) or None,
        created_by=one.created_by,
        trace_count=one.traces,
    )


def _scorer_entity(one: Scorer) -> Any:
    from mlflow.entities import ScorerVersion

    return ScorerVersion(one.experiment_id, one.name, one.version, one.text, one.created_ms, one.id)


def _dataset_entity(one: EvaluationDataset) -> Any:
    from mlflow.entities import EvaluationDataset as Entity

    return Entity(
        dataset_id=one.id,
        name=one.name,
        digest=one.digest,
        created_time=one.created_ms,
        last_update_time=one.updated_ms,
        tags=dict(one.tags),
        schema=one.schema,
        profile=one.profile,
        created_by=one.created_by,
        last_updated_by=one.updated_by,
    )


def _row_entity(one: Row) -> Any:
    from mlflow.entities import DatasetRecord, DatasetRecordSource

    return DatasetRecord(
        dataset_record_id=one.id,
        dataset_id=one.dataset_id,
        inputs=one.inputs,
        outputs=one.outputs,
        expectations=dict(one.expectations) if one.expectations is not None else None,
        tags=dict(one.tags) if one.tags is not None else None,
        source=DatasetRecordSource.from_dict(dict(one.source)) if one.source is not None else None,
        source_id=one.source_id,
        created_time=one.created_ms,
        last_update_time=one.updated_ms,
        created_by=one.created_by,
        last_updated_by=one.updated_by,
    )


def _plain_source(source: Any) -> Any:
    return source.to_dict() if hasattr(source, "to_dict") else source
