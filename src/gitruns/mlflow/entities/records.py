"""MLflow's records, as plain values with its attribute names."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


class _Record:
    """What all of MLflow's records can do."""

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for one in dataclasses.fields(self):  # type: ignore[arg-type]  # each is a dataclass
            yield one.name, getattr(self, one.name)


@dataclass
class Metric(_Record):
    """One point of a metric; `timestamp` is milliseconds UTC."""

    key: str
    value: float
    timestamp: int
    step: int
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None
    run_id: str | None = None

    def to_dictionary(self) -> dict[str, Any]:
        """Returns it as a dict."""
        return dict(self)


@dataclass
class Param(_Record):
    """One param; its value is text."""

    key: str
    value: str


@dataclass
class RunTag(_Record):
    """One tag of a run."""

    key: str
    value: str


class ExperimentTag(RunTag):
    """One tag of an experiment."""


class InputTag(RunTag):
    """One tag of a dataset that a run read, as its context."""


class LoggedModelTag(RunTag):
    """One tag of a logged model."""


class LoggedModelParameter(Param):
    """One param of a logged model."""


@dataclass
class FileInfo(_Record):
    """One file or folder among the artifacts of a run."""

    path: str
    is_dir: bool
    file_size: int | None


@dataclass
class Dataset(_Record):
    """A dataset: what is known of it, not its data."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None

    def to_dictionary(self) -> dict[str, Any]:
        """Returns it as a dict."""
        return dict(self)


@dataclass
class DatasetInput(_Record):
    """A dataset that a run read, and what for."""

    dataset: Dataset
    tags: list[InputTag] = field(default_factory=list)

    def to_dictionary(self) -> dict[str, Any]:
        """Returns it as a dict."""
        return {"dataset": dict(self.dataset), "tags": {tag.key: tag.value for tag in self.tags}}


@dataclass
class LoggedModelInput(_Record):
    """A logged model that a run read."""

    model_id: str


@dataclass
class LoggedModelOutput(_Record):
    """A logged model that a run made."""

    model_id: str
    step: int


@dataclass
class RunInputs(_Record):
    """What a run read."""

    dataset_inputs: list[DatasetInput] = field(default_factory=list)
    model_inputs: list[LoggedModelInput] = field(default_factory=list)


@dataclass
class RunOutputs(_Record):
    """What a run made."""

    model_outputs: list[LoggedModelOutput] = field(default_factory=list)


@dataclass
class RunData(_Record):
    """Metrics (the last value of each), params and tags of a run."""

    metrics: dict[str, float]
    params: dict[str, str]
    tags: dict[str, str]

    def to_dictionary(self) -> dict[str, Any]:
        """Returns it as a dict."""
        return dict(self)


@dataclass
class RunInfo(_Record):
    """Facts about a run. Times are milliseconds UTC; `end_time` is None while it runs."""

    run_id: str
    experiment_id: str
    user_id: str
    status: str
    start_time: int
    end_time: int | None
    lifecycle_stage: str
    artifact_uri: str
    run_name: str

    @property
    def run_uuid(self) -> str:
        """The id, by its name before MLflow 3."""
        return self.run_id


@dataclass
class Run(_Record):
    """One run as it stood when it was asked for."""

    info: RunInfo
    data: RunData
    inputs: RunInputs = field(default_factory=RunInputs)
    outputs: RunOutputs = field(default_factory=RunOutputs)

    def to_dictionary(self) -> dict[str, Any]:
        """Returns it as a dict."""
        listed = [one.to_dictionary() for one in self.inputs.dataset_inputs]
        return {"info": dict(self.info), "data": dict(self.data), "inputs": {"dataset_inputs": listed}}


@dataclass
class Experiment(_Record):
    """One experiment as it stood when it was asked for. Times are milliseconds UTC."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    tags: dict[str, str] = field(default_factory=dict)
    creation_time: int | None = None
    last_update_time: int | None = None
    trace_location: None = None


@dataclass(kw_only=True)
class LoggedModel(_Record):
    """A logged model: a record of its own, made by a run, with artifacts, params, tags and metrics."""

    experiment_id: str
    model_id: str
    name: str
    artifact_location: str
    creation_timestamp: int
    last_updated_timestamp: int
    model_type: str | None = None
    source_run_id: str | None = None
    status: str = "READY"
    status_message: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: list[Metric] | None = None

    @property
    def model_uri(self) -> str:
        """The address that it is loaded from."""
        return f"models:/{self.model_id}"

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        yield from super().__iter__()
        yield "model_uri", self.model_uri

    def to_dictionary(self) -> dict[str, Any]:
        """Returns it as a dict."""
        return dict(self)


@dataclass(kw_only=True)
class ModelVersion(_Record):
    """One version of a registered model. Times are milliseconds UTC; `version` is text."""

    name: str
    version: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str | None
    user_id: str | None
    current_stage: str
    source: str
    run_id: str | None
    run_link: str | None = None
    model_id: str | None = None
    status: str = "READY"
    status_message: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    params: None = None
    metrics: None = None
    deployment_job_state: None = None


@dataclass(kw_only=True)
class RegisteredModel(_Record):
    """One registered model; `latest_versions` is the newest version of each stage, `aliases` version by alias."""

    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str | None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    latest_versions: list[ModelVersion] = field(default_factory=list)
    deployment_job_id: None = None
    deployment_job_state: None = None
