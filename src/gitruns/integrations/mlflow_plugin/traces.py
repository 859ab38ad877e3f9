"""The tracking store's calls for traces and assessments: their meaning is in `protocol`, here are MLflow's entities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow.store.entities.paged_list import PagedList

from gitruns.integrations.mlflow_plugin import trace_views as views
from gitruns.integrations.mlflow_plugin.base import StoreBase
from gitruns.integrations.mlflow_plugin.errors import speaks_mlflow
from gitruns.protocol import assessments, trace_search, trace_spans, trace_sums, traces
from gitruns.protocol.checks import check_max_results
from gitruns.protocol.experiments import experiment_ids_of
from gitruns.protocol.trace_sums import Aggregation, Question

_DEFAULT_PAGE = 100
_SUMS = 1000


@speaks_mlflow
class TraceCalls(StoreBase):
    """Takes, finds, changes, links and deletes traces."""

    def start_trace(self, trace_info: Any = None, *args: Any, **named: Any) -> Any:
        """Takes a whole trace; MLflow 2 begins one with this, by experiment and time."""
        if hasattr(trace_info, "trace_metadata"):
            return views.trace_info_entity(traces.start_trace(self.hub, views.trace_info_of(trace_info)))
        experiment_id = named.pop("experiment_id", trace_info)
        return self.deprecated_start_trace_v2(experiment_id, *args, **named)

    def deprecated_start_trace_v2(
        self, experiment_id: str, timestamp_ms: int, request_metadata: dict[str, str], tags: dict[str, str]
    ) -> Any:
        """Begins a trace as MLflow 2 does."""
        found = traces.start_trace_v2(self.hub, experiment_id, timestamp_ms, request_metadata, tags)
        return views.trace_info_v2_entity(found)

    def deprecated_end_trace_v2(
        self,
        request_id: str,
        timestamp_ms: int,
        status: Any,
        request_metadata: dict[str, str],
        tags: dict[str, str],
    ) -> Any:
        """Ends a trace as MLflow 2 does."""
        word = getattr(status, "value", status)
        state = "STATE_UNSPECIFIED" if word == "UNSPECIFIED" else word
        found = traces.end_trace_v2(self.hub, request_id, timestamp_ms, state, request_metadata, tags)
        return views.trace_info_v2_entity(found)

    end_trace = deprecated_end_trace_v2

    def log_spans(self, location: str, spans: Sequence[Any], tracking_uri: str | None = None) -> Sequence[Any]:
        """Keeps spans; `location` is the experiment of traces that begin with them."""
        if spans:
            trace_spans.log_spans(self.hub, location, [views.span_of(one) for one in spans])
        return spans

    async def log_spans_async(self, location: str, spans: Sequence[Any]) -> Sequence[Any]:
        """Keeps spans, while others go on."""
        import asyncio

        return await asyncio.to_thread(self.log_spans, location, spans)

    # Reading

    def get_trace_info(self, trace_id: str, should_query_v3: bool = False) -> Any:
        """Returns the facts of a trace."""
        found = traces.get_trace_info(self.hub, trace_id)
        return views.trace_info_entity(found) if _is_v3() else views.trace_info_v2_entity(found)

    def get_trace(self, trace_id: str, *, allow_partial: bool = False) -> Any:
        """Returns a trace and its spans."""
        found = trace_spans.get_trace(self.hub, trace_id, allow_partial=allow_partial, wait=not self.hub.in_server)
        return views.trace_entity(found)

    def batch_get_traces(
        self, trace_ids: Sequence[str], location: str | None = None, experiment_ids: Sequence[str] | None = None
    ) -> list[Any]:
        """Returns those traces that are there whole."""
        found = trace_spans.get_traces(self.hub, trace_ids, experiment_ids)
        return [views.trace_entity(one) for one in found]

    def batch_get_trace_infos(
        self, trace_ids: Sequence[str], location: str | None = None, experiment_ids: Sequence[str] | None = None
    ) -> list[Any]:
        """Returns the facts of those traces that are there."""
        found = traces.get_trace_infos(self.hub, trace_ids, experiment_ids)
        return [views.trace_info_entity(one) for one in found]

    def search_traces(
        self,
        experiment_ids: Sequence[str] | None = None,
        filter_string: str | None = None,
        max_results: int = _DEFAULT_PAGE,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        model_id: str | None = None,
        locations: Sequence[str] | None = None,
        sql_warehouse_id: str | None = None,
    ) -> tuple[list[Any], str | None]:
        """Returns one page of traces and the token of the next."""
        check_max_results(max_results)
        places = locations if locations is not None else experiment_ids
        ids = None if places is None else [str(one) for one in experiment_ids_of(places)]
        found, token = trace_search.search_traces(
            self.hub, ids, filter_string, max_results, list(order_by or ()), page_token
        )
        view = views.trace_info_entity if _is_v3() else views.trace_info_v2_entity
        return [view(one) for one in found], token or None

    # Sums

    def query_trace_metrics(
        self,
        experiment_ids: Sequence[str],
        view_type: Any,
        metric_name: str,
        aggregations: Sequence[Any],
        dimensions: Sequence[str] | None = None,
        filters: Sequence[str] | None = None,
        time_interval_seconds: int | None = None,
        start_time_ms: int | None = None,
        end_time_ms: int | None = None,
        max_results: int = _SUMS,
        page_token: str | None = None,
    ) -> PagedList:
        """Returns numbers over traces."""
        kinds = [Aggregation(str(one.aggregation_type), one.percentile_value) for one in aggregations]
        asked = Question(
            experiment_ids=tuple(map(str, experiment_ids_of(experiment_ids))),
            view=str(view_type),
            metric=str(metric_name),
            aggregations=tuple(kinds),
            dimensions=tuple(dimensions or ()),
            filters=tuple(filters or ()),
            interval_s=time_interval_seconds,
            start_ms=start_time_ms,
            end_ms=end_time_ms,
            limit=max_results,
        )
        return PagedList([views.data_point_entity(one) for one in trace_sums.sum_up(self.hub, asked)], None)

    def calculate_trace_filter_correlation(
        self, experiment_ids: Sequence[str], filter_string1: str, filter_string2: str, base_filter: str | None = None
    ) -> Any:
        """Returns how two filters go together."""
        ids = [str(one) for one in experiment_ids_of(experiment_ids)]
        found = trace_sums.correlate(self.hub, ids, filter_string1, filter_string2, base_filter)
        return views.correlation_entity(found)

    # Changing

    def set_trace_tag(self, trace_id: str, key: str, value: str) -> None:
        """Sets a tag of a trace."""
        traces.set_trace_tag(self.hub, trace_id, key, value)

    def delete_trace_tag(self, trace_id: str, key: str) -> None:
        """Takes a tag of a trace away."""
        traces.delete_trace_tag(self.hub, trace_id, key)

    def delete_traces(
        self,
        experiment_id: str,
        max_timestamp_millis: int | None = None,
        max_traces: int | None = None,
        trace_ids: Sequence[str] | None = None,
        request_ids: Sequence[str] | None = None,
    ) -> int:
        """Deletes traces and returns how many; MLflow 2 names them by `request_ids`."""
        ids = request_ids if trace_ids is None else trace_ids
        return traces.delete_traces(self.hub, experiment_id, max_timestamp_millis, max_traces, ids)

    def link_traces_to_run(self, trace_ids: list[str], run_id: str) -> None:
        """Says that a run made some traces."""
        if trace_ids:
            traces.link_traces_to_run(self.hub, trace_ids, run_id)

    def unlink_traces_from_run(self, trace_ids: list[str], run_id: str) -> None:
        """Takes such links away."""
        traces.unlink_traces_from_run(self.hub, trace_ids, run_id)

    def link_prompts_to_trace(self, trace_id: str, prompt_versions: Sequence[Any]) -> None:
        """Says which versions of prompts a trace has used."""
        traces.link_prompts(self.hub, trace_id, [(one.name, one.version) for one in prompt_versions])

    # Assessments

    def create_assessment(self, assessment: Any) -> Any:
        """Adds an assessment to a trace."""
        found = assessments.create_assessment(self.hub, views.assessment_of(assessment))
        return views.assessment_entity(found)

    def get_assessment(self, trace_id: str, assessment_id: str) -> Any:
        """Returns an assessment."""
        return views.assessment_entity(assessments.get_assessment(self.hub, trace_id, assessment_id))

    def update_assessment(
        self,
        trace_id: str,
        assessment_id: str,
        name: str | None = None,
        expectation: Any = None,
        feedback: Any = None,
        rationale: str | None = None,
        metadata: dict[str, str] | None = None,
        **others: Any,
    ) -> Any:
        """Changes what is given of an assessment."""
        found = assessments.update_assessment(
            self.hub,
            trace_id,
            assessment_id,
            name=name,
            expectation=None if expectation is None else (expectation.value,),
            feedback=None if feedback is None else (feedback.value, views.error_of(feedback)),
            rationale=rationale,
            metadata=metadata,
            valid=others.get("valid"),
        )
        return views.assessment_entity(found)

    def delete_assessment(self, trace_id: str, assessment_id: str) -> None:
        """Deletes an assessment; what it overrode is valid again."""
        assessments.delete_assessment(self.hub, trace_id, assessment_id)


def _is_v3() -> bool:
    import mlflow

    return int(mlflow.__version__.split(".")[0]) >= 3
