"""Traces, spans and assessments of ours as MLflow's entities, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlflow import entities

from gitruns.protocol.assessment import EXPECTATION, FEEDBACK, ISSUE, Assessment
from gitruns.protocol.spans import Span, read_span
from gitruns.protocol.trace import TraceInfo
from gitruns.protocol.trace_spans import Trace
from gitruns.protocol.trace_sums import Correlation, DataPoint


def trace_info_entity(info: TraceInfo) -> Any:
    """Returns the facts of a trace."""
    from mlflow.entities.trace_location import TraceLocation
    from mlflow.entities.trace_state import TraceState

    return entities.TraceInfo(
        trace_id=info.id,
        trace_location=TraceLocation.from_experiment_id(info.experiment_id),
        request_time=info.time_ms,
        execution_duration=info.duration_ms,
        state=TraceState(info.state),
        request_preview=info.request_preview,
        response_preview=info.response_preview,
        client_request_id=info.client_request_id,
        trace_metadata=dict(info.metadata),
        tags=dict(info.tags),
        assessments=[assessment_entity(one) for one in info.assessments],
    )


def trace_info_v2_entity(info: TraceInfo) -> Any:
    """Returns the facts of a trace in the form of MLflow 2."""
    from mlflow.entities.trace_status import TraceStatus

    try:
        from mlflow.entities.trace_info_v2 import TraceInfoV2
    except ImportError:  # MLflow 2 itself
        from mlflow.entities import TraceInfo as TraceInfoV2
    return TraceInfoV2(
        request_id=info.id,
        experiment_id=info.experiment_id,
        timestamp_ms=info.time_ms,
        execution_time_ms=info.duration_ms,
        status=TraceStatus("UNSPECIFIED" if info.state == "STATE_UNSPECIFIED" else info.state),
        request_metadata=dict(info.metadata),
        tags=dict(info.tags),
    )


def trace_info_of(given: Any) -> TraceInfo:
    """Returns the facts that MLflow says of a trace."""
    return TraceInfo(
        id=given.trace_id,
        experiment_id=given.experiment_id,
        time_ms=given.request_time,
        duration_ms=given.execution_duration,
        state=getattr(given.state, "value", given.state),
        client_request_id=given.client_request_id,
        request_preview=given.request_preview,
        response_preview=given.response_preview,
        metadata=given.trace_metadata,
        tags=given.tags,
        assessments=tuple(assessment_of(one) for one in given.assessments or ()),
    )


def data_point_entity(one: DataPoint) -> Any:
    """Returns one group of numbers over traces."""
    from mlflow.entities.trace_metrics import MetricDataPoint

    return MetricDataPoint(one.metric, dict(one.dimensions), dict(one.values))


def correlation_entity(one: Correlation) -> Any:
    """Returns how two filters go together."""
    from mlflow.tracing.analysis import TraceFilterCorrelationResult

    return TraceFilterCorrelationResult(
        npmi=one.npmi,
        npmi_smoothed=one.smoothed,
        filter1_count=one.first,
        filter2_count=one.second,
        joint_count=one.both,
        total_count=one.total,
    )


# Spans


def trace_entity(trace: Trace) -> Any:
    """Returns a trace with its spans."""
    return entities.Trace(
        info=trace_info_entity(trace.info),
        data=entities.TraceData(spans=[span_entity(one) for one in trace.spans]),
    )


def span_entity(span: Span) -> Any:
    """Returns a span."""
    data = json.loads(span.content)
    try:
        from mlflow.tracing.otel.translation import translate_loaded_span
    except ImportError:
        pass
    else:
        data = translate_loaded_span(data)
    return entities.Span.from_dict(data)


def span_of(given: Any) -> Span:
    """Returns a span that MLflow gives, with what it reads out of the attributes of other programs."""
    try:
        from mlflow.tracing.otel.translation import translate_span_when_storing
    except ImportError:
        data = given.to_dict()
    else:
        data = translate_span_when_storing(given)
    plain = json.loads(json.dumps(data, default=_plain))
    resource = getattr(given._span, "resource", None)
    return Span(given.trace_id, read_span(plain).data, dict(resource.attributes) if resource is not None else None)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else str(value)


# Assessments


def assessment_entity(one: Assessment) -> Any:
    """Returns an assessment."""
    source = entities.AssessmentSource(source_type=one.source_type, source_id=one.source_id)
    common: dict[str, Any] = {
        "source": source,
        "trace_id": one.trace_id,
        "metadata": dict(one.metadata) if one.metadata else None,
        "span_id": one.span_id,
        "create_time_ms": one.create_ms,
        "last_update_time_ms": one.update_ms,
    }
    found: Any
    if one.type == FEEDBACK:
        found = entities.Feedback(
            name=one.name, value=one.value, error=_error_entity(one.error), rationale=one.rationale, **common
        )
    elif one.type == ISSUE:
        found = entities.IssueReference(
            issue_id=one.name, issue_name=(one.value or {}).get("issue_name"), rationale=one.rationale, **common
        )
    else:
        found = entities.Expectation(name=one.name, value=one.value, **common)
    found.overrides, found.valid = one.overrides, one.valid
    found.run_id, found.assessment_id = one.run_id, one.id
    return found


def _error_entity(error: Mapping[str, str] | None) -> Any:
    return entities.AssessmentError.from_dictionary(dict(error)) if error else None


def assessment_of(given: Any) -> Assessment:
    """Returns an assessment that MLflow gives; its trace may be named later."""
    kind, value = _value_of(given)
    return Assessment(
        id=given.assessment_id or "",
        trace_id=given.trace_id or "",
        name=given.name,
        type=kind,
        value=value,
        error=error_of(given.feedback) if given.feedback is not None else None,
        source_type=str(given.source.source_type),
        source_id=given.source.source_id or "default",
        run_id=getattr(given, "run_id", None),
        span_id=given.span_id,
        rationale=given.rationale,
        metadata=given.metadata,
        create_ms=given.create_time_ms or 0,
        update_ms=given.last_update_time_ms or 0,
        overrides=getattr(given, "overrides", None),
    )


def _value_of(given: Any) -> tuple[str, Any]:
    if given.feedback is not None:
        return FEEDBACK, given.feedback.value
    if given.expectation is not None:
        return EXPECTATION, given.expectation.value
    return ISSUE, given.issue.to_dictionary()


def error_of(feedback: Any) -> Mapping[str, str] | None:
    """Returns the error that came instead of a feedback's value."""
    return feedback.error.to_dictionary() if feedback.error is not None else None
