"""What `protocol` returns, as MLflow's records."""

from __future__ import annotations

from gitruns.entities.dataset import DatasetInput as StoredInput
from gitruns.entities.values import Point, param_text
from gitruns.mlflow.entities import records
from gitruns.protocol import shown
from gitruns.protocol.datasets import dataset_tags
from gitruns.protocol.logged_model import LoggedModel
from gitruns.protocol.registered import Model, Version


def run_record(found: shown.ShownRun) -> records.Run:
    """Returns a run."""
    run, info = found.run, found.run.info
    metrics = {key: shown.shown_value(one.last) for key, one in run.metrics.items()}
    params = {key: param_text(value) for key, value in run.params.items()}
    return records.Run(
        records.RunInfo(
            run_id=info.id,
            experiment_id=str(info.experiment_id),
            user_id=shown.user_of(run),
            status=info.status.value,
            start_time=info.start_time_ms,
            end_time=info.end_time_ms,
            lifecycle_stage=found.lifecycle.value,
            artifact_uri=found.artifact_uri,
            run_name=info.name,
        ),
        records.RunData(metrics, params, {**_facts_as_tags(found), **shown.run_tags(run)}),
        records.RunInputs(
            [input_record(one) for one in run.inputs],
            [records.LoggedModelInput(model_id) for model_id in shown.input_models(run)],
        ),
        records.RunOutputs([records.LoggedModelOutput(model_id, step) for model_id, step in shown.output_models(run)]),
    )


def _facts_as_tags(found: shown.ShownRun) -> dict[str, str]:
    """Returns what MLflow's own client writes into tags of each run that it starts, and is a fact of the run here."""
    info = found.run.info
    facts = {
        "mlflow.user": info.user,
        "mlflow.source.name": info.entry_point,
        shown.COMMIT_TAG: info.source.base or info.source.commit,
    }
    return {key: str(text) for key, text in facts.items() if text}


def input_record(one: StoredInput) -> records.DatasetInput:
    """Returns a dataset that a run read."""
    return records.DatasetInput(
        records.Dataset(one.name, one.digest, one.source_type, one.source, one.schema, one.profile),
        [records.InputTag(key, text) for key, text in dataset_tags(one)],
    )


def metric_record(point: Point, run_id: str) -> records.Metric:
    """Returns a point of a metric."""
    return records.Metric(point.metric, shown.shown_value(point.value), point.time_ms, point.step, run_id=run_id)


def experiment_record(found: shown.ShownExperiment) -> records.Experiment:
    """Returns an experiment."""
    one = found.experiment
    return records.Experiment(
        experiment_id=str(one.id),
        name=one.name,
        artifact_location=found.artifact_location,
        lifecycle_stage=one.lifecycle.value,
        tags=shown.experiment_tags(one),
        creation_time=one.creation_time_ms,
        last_update_time=one.last_update_time_ms,
    )


def logged_model_record(found: LoggedModel) -> records.LoggedModel:
    """Returns a logged model."""
    return records.LoggedModel(
        experiment_id=found.experiment_id,
        model_id=found.model_id,
        name=found.name,
        artifact_location=found.artifact_uri,
        creation_timestamp=found.creation_time_ms,
        last_updated_timestamp=found.update_time_ms,
        model_type=found.model_type,
        source_run_id=found.source_run_id,
        status=found.status,
        status_message=found.status_message,
        tags=dict(found.tags),
        params=dict(found.params),
        metrics=[
            records.Metric(
                one.key,
                shown.shown_value(one.value),
                one.time_ms,
                one.step,
                found.model_id,
                one.dataset_name,
                one.dataset_digest,
                one.run_id,
            )
            for one in found.points
        ],
    )


def version_record(found: Version) -> records.ModelVersion:
    """Returns a version of a registered model."""
    return records.ModelVersion(
        name=found.name,
        version=str(found.number),
        creation_timestamp=found.creation_time_ms,
        last_updated_timestamp=found.update_time_ms,
        description=found.description,
        user_id=found.user,
        current_stage=found.stage,
        source=found.source,
        run_id=found.run_id,
        run_link=found.run_link,
        model_id=found.model_id,
        tags=dict(found.tags),
        aliases=list(found.aliases),
    )


def model_record(found: Model) -> records.RegisteredModel:
    """Returns a registered model."""
    return records.RegisteredModel(
        name=found.name,
        creation_timestamp=found.creation_time_ms,
        last_updated_timestamp=found.update_time_ms,
        description=found.description,
        tags=dict(found.tags),
        aliases={alias: str(number) for alias, number in found.aliases.items()},
        latest_versions=[version_record(one) for one in found.latest],
    )
