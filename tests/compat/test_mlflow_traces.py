"""MLflow's own client on a git repository, held against its own SQLite store: traces and what belongs to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'gitruns[mlflow]'")
pytest.importorskip("sqlalchemy", reason="MLflow's SQLite store, which says what is right, needs the whole of MLflow")
pytest.importorskip("opentelemetry.sdk", reason="MLflow traces with OpenTelemetry")

from compat.transcript import Transcript

pytestmark = pytest.mark.filterwarnings("ignore")

Same = Callable[[Callable[[Any, Transcript], None]], None]

LEFT_OUT = ("mlflow.artifactLocation", "mlflow.trace.sizeStats", "mlflow.trace.sizeBytes", "mlflow.user")
BASE_MS = 1_700_000_000_000


def _shown(info: Any) -> dict[str, Any]:
    return {
        "state": info.state.value,
        "time": info.request_time if info.request_time < BASE_MS + 10_000_000 else "<now>",
        "duration": info.execution_duration if info.request_time < BASE_MS + 10_000_000 else "<some>",
        "client": info.client_request_id,
        "previews": (info.request_preview, info.response_preview),
        "metadata": {key: text for key, text in info.trace_metadata.items() if _is_same(key)},
        "tags": {key: text for key, text in info.tags.items() if _is_same(key)},
        "assessments": sorted((_assessed(one) for one in info.assessments), key=str),
    }


def _is_same(key: str) -> bool:
    return key not in LEFT_OUT and not key.startswith("mlflow.source.")


def _assessed(one: Any) -> dict[str, Any]:
    found = dict(one.to_dictionary())
    for name in ("assessment_id", "create_time", "last_update_time", "trace_id"):
        found.pop(name, None)
    if one.feedback is None:
        found.pop("valid", None)  # over HTTP the client does not read it
    return found | {"run": one.run_id, "overrides": bool(one.overrides)}


def _spans(trace: Any) -> list[Any]:
    ids = {span.span_id: span.name for span in trace.data.spans}
    return [
        (
            span.name,
            ids.get(span.parent_id),
            span.span_type,
            span.status.status_code.value,
            span.inputs,
            span.outputs,
            {key: value for key, value in span.attributes.items() if key != "mlflow.traceRequestId"},
            [(event.name, sorted(event.attributes)) for event in span.events],
        )
        for span in trace.data.spans
    ]


def _flush(mlflow: Any) -> None:
    if hasattr(mlflow, "flush_trace_async_logging"):
        mlflow.flush_trace_async_logging()


@pytest.fixture
def fresh_tracing() -> Any:
    """MLflow keeps its exporter, and with it the store, of the first trace."""
    import mlflow

    mlflow.tracing.reset()
    yield
    _flush(mlflow)
    mlflow.tracing.reset()


@pytest.mark.usefixtures("fresh_tracing")
def test_a_traced_function(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        mlflow.tracing.reset()
        transcript.experiment(mlflow.set_experiment("traced").experiment_id)

        @mlflow.trace(span_type="TOOL", attributes={"kind": "adder", "weights": [1, 2.5, None]})
        def add(one: int, other: int = 2) -> int:
            return one + other

        @mlflow.trace(name="ask")
        def ask(question: str) -> dict[str, Any]:
            mlflow.update_current_trace(
                tags={"team": "red", "n": "1"}, metadata={"mlflow.trace.session": "s1", "mlflow.trace.user": "ada"}
            )
            with mlflow.start_span("thinking", span_type="LLM") as span:
                span.set_inputs({"messages": [{"role": "user", "content": question}]})
                span.set_attributes(
                    {
                        "model": "small",
                        "mlflow.chat.tokenUsage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
                    }
                )
                span.set_outputs("füßchen ☃")
            return {"answer": add(1), "choices": [{"message": {"role": "assistant", "content": "three"}}]}

        @mlflow.trace
        def fail() -> None:
            raise ValueError("as it happens")

        ask("how many?")
        _flush(mlflow)
        trace_id = mlflow.get_last_active_trace_id()
        trace = mlflow.get_trace(trace_id)
        transcript.say("info", _shown(trace.info))
        transcript.say("spans", _spans(trace))
        transcript.say("usage", trace.info.token_usage)
        transcript.say("as JSON and back", len(type(trace).from_json(trace.to_json()).data.spans))
        with pytest.raises(ValueError, match="happens"):
            fail()
        _flush(mlflow)
        failed = mlflow.get_trace(mlflow.get_last_active_trace_id())
        transcript.say("failed", (failed.info.state.value, _spans(failed)[0][:4]))
        with mlflow.start_run() as run:
            ask("in a run?")
        _flush(mlflow)
        found = mlflow.search_traces(run_id=run.info.run_id, return_type="list")
        transcript.say("of the run", [_shown(one.info)["previews"] for one in found])
        frame = mlflow.search_traces(order_by=["timestamp_ms ASC"])
        transcript.say("columns", sorted(frame.columns))
        transcript.say("states", [str(state) for state in frame["state"]])
        transcript.say("spans of all", [len(one.data.spans) for one in mlflow.search_traces(return_type="list")])

    same(scenario)


def _info(mlflow: Any, transcript: Transcript, experiment: str, number: int, **others: Any) -> Any:
    from mlflow.entities import TraceInfo
    from mlflow.entities.trace_location import TraceLocation
    from mlflow.entities.trace_state import TraceState

    given = {
        "request_time": BASE_MS + number * 1000,
        "execution_duration": number * 10 if number % 4 else None,
        "state": (TraceState.OK, TraceState.ERROR, TraceState.IN_PROGRESS)[number % 3],
        "tags": {
            "mlflow.traceName": f"trace {number}",
            **({"colour": ("red", "Blue")[number % 2]} if number % 3 else {}),
        },
        "trace_metadata": {"mlflow.sourceRun": f"run{number % 2}", **({"size": str(number)} if number % 2 else {})},
        "client_request_id": f"client-{number}" if number < 5 else None,
    }
    return TraceInfo(
        trace_id=f"tr-{number:032x}", trace_location=TraceLocation.from_experiment_id(experiment), **(given | others)
    )


def _store(mlflow: Any) -> Any:
    return mlflow.tracking._tracking_service.utils._get_store()


def test_a_client_that_tells_of_traces(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        from mlflow.tracing.client import TracingClient

        client, api = TracingClient(), mlflow.MlflowClient()
        experiment = transcript.experiment(api.create_experiment("told"))
        usage = {"mlflow.trace.tokenUsage": json.dumps({"total_tokens": 3, "input_tokens": 1.0, "odd": 2})}
        given = _info(
            mlflow,
            transcript,
            experiment,
            1,
            request_preview="asked",
            response_preview="said",
            trace_metadata={"a": "1", "mlflow.trace.session": "s", **usage},
        )
        transcript.say("told", _shown(client.start_trace(given)))
        again = _info(mlflow, transcript, experiment, 1, tags={"more": "tag"}, trace_metadata={"b": "2"})
        client.start_trace(again)  # what MLflow returns of it is as it was before
        trace_id = given.trace_id
        transcript.say("info", _shown(client.get_trace_info(trace_id)))
        client.set_trace_tag(trace_id, "colour", "green")
        client.set_trace_tag(trace_id, "mlflow.traceName", "named")
        client.set_trace_tag(trace_id, "long", "x" * 9000)
        transcript.say(
            "tagged", {k: min(len(v), 4096) for k, v in client.get_trace_info(trace_id).tags.items() if _is_same(k)}
        )
        client.delete_trace_tag(trace_id, "colour")
        transcript.refused("tag twice", client.delete_trace_tag, trace_id, "colour")
        transcript.refused("odd key", client.set_trace_tag, trace_id, "a//b", "x", words=False)
        transcript.refused("no trace", client.get_trace_info, "tr-nothing")
        transcript.refused("spans of no trace", _store(mlflow).get_trace, "tr-nothing", allow_partial=True)
        transcript.refused("no experiment", client.start_trace, _info(mlflow, transcript, "12345", 9))
        for number in range(2, 7):
            client.start_trace(_info(mlflow, transcript, experiment, number))
        ids = [f"tr-{number:032x}" for number in (5, 3, 99)]
        found = _store(mlflow).batch_get_trace_infos(ids)
        transcript.say("some", [one.trace_id for one in found])
        transcript.say(
            "of none", [one.trace_id for one in _store(mlflow).batch_get_trace_infos(ids, experiment_ids=["1"])]
        )
        transcript.refused("delete what", client.delete_traces, experiment)
        transcript.refused("delete both", client.delete_traces, experiment, 5, trace_ids=["a"])
        transcript.refused("delete ids and count", client.delete_traces, experiment, max_traces=1, trace_ids=["a"])
        transcript.refused("delete none", client.delete_traces, experiment, 5, max_traces=0)
        transcript.say("by id", client.delete_traces(experiment, trace_ids=[ids[0], "tr-nothing"]))
        transcript.say("by time", client.delete_traces(experiment, BASE_MS + 4000, max_traces=2))
        transcript.say("by time", client.delete_traces(experiment, BASE_MS + 4000))
        left, _ = _store(mlflow).search_traces([experiment])
        transcript.say("left", [one.trace_id for one in left])
        transcript.refused("deleted", client.get_trace_info, ids[0])
        transcript.say(
            "told anew", _shown(client.start_trace(_info(mlflow, transcript, experiment, 5, tags={"new": "1"})))
        )

    same(scenario)


FILTERS = [
    "",
    "status = 'OK'",
    "status != 'OK'",
    "status IN ('OK', 'ERROR')",
    "status NOT IN ('OK')",
    "attributes.status = 'ERROR' AND trace.timestamp_ms > 1700000002000",
    "timestamp_ms >= 1700000003000 and timestamp_ms < 1700000008000",
    "timestamp > 1700000003000",
    "trace.timestamp != 1700000003000",
    "execution_time_ms > 20",
    "execution_time <= 50",
    "end_time_ms > 1700000003040",
    "name = 'trace 3'",
    "name LIKE 'trace 1%'",
    "name != 'trace 3'",
    "name ILIKE 'TRACE %'",
    "trace.name = 'trace 4'",
    "run_id = 'run1'",
    "run_id != 'run1'",
    "attributes.run_id = 'linked'",
    "request_id = 'tr-00000000000000000000000000000002'",
    "client_request_id = 'client-2'",
    "client_request_id LIKE 'client-%'",
    "tags.colour = 'red'",
    "tag.colour != 'red'",
    "tags.colour ILIKE 'BL%'",
    "tags.colour LIKE 'BL%'",
    "tags.colour RLIKE '^[a-z]+$'",
    "tags.colour IS NULL",
    "tags.colour IS NOT NULL",
    "tags.`colour` = 'red'",
    "tags.mlflow.traceName = 'trace 5'",
    "metadata.size = '3'",
    "request_metadata.size = '3'",
    "metadata.size IS NULL AND tags.colour IS NOT NULL",
    "metadata.`mlflow.sourceRun` = 'run0'",
    "metadata.mlflow.trace.session = 's1'",
    "metadata.`mlflow.trace.tokenUsage` IS NOT NULL",
    'metadata.`mlflow.trace.tokenUsage` = \'{"input_tokens": 1, "total_tokens": 2}\'',
    "feedback.correct = 'yes'",
    "feedback.correct != 'yes'",
    "feedback.correct = 'true'",
    "feedback.correct LIKE '%e%'",
    "feedback.correct IS NULL",
    "feedback.correct IS NOT NULL",
    "feedback.score > 0.5",
    "feedback.score <= 0.5 AND status = 'OK'",
    "expectation.answer = 'three'",
    "expectation.answer IS NOT NULL",
    "feedback.nothing = 'x'",
    "span.name = 'child'",
    "span.name LIKE 'ro%'",
    "span.type = 'LLM' AND span.status = 'ERROR'",
    "span.type = 'LLM' AND span.name = 'root'",
    "span.type IN ('LLM', 'TOOL')",
    "span.type NOT IN ('LLM', 'UNKNOWN')",
    "span.status != 'OK'",
    "span.name RLIKE '^ch.*d$'",
    "span.attributes.model LIKE '%small%'",
    "span.attributes.model ILIKE '%SMALL%'",
    "span.attributes.model RLIKE '^sm'",
    "span.attributes.model RLIKE 'all$'",
    "span.attributes.`odd key` LIKE '%1%'",
    "span.content LIKE '%snow ☃%'",
    "trace.text LIKE '%snow%'",
    "attributes.text ILIKE '%SNOW%'",
    "prompt = 'greeting/1'",
    "prompt = 'greeting/2'",
    "name = 'trace 3' AND",
    # refused
    "nothing = 'x'",
    "status > 'OK'",
    "status = OK",
    "timestamp_ms LIKE '17%'",
    "experiment_id = '1'",
    "status = 'OK' OR status = 'ERROR'",
    "(status = 'OK')",
    "NOT status = 'OK'",
    "span.kind = 'x'",
    "span.name > 'x'",
    "span.content = 'x'",
    "span.attributes. = 'x'",
    "text = 'x'",
    "feedback.score > 'high'",
    "feedback.score = 5",
    "feedback.score IN ('a')",
    "tags.colour > 'x'",
    "tags.colour = 5",
    "metadata.size > 3",
    "params.lr = 'x'",
    "prompt LIKE 'greeting%'",
    "prompt = 'greeting'",
    "run_id IN ('run1')",
    "metadata.`mlflow.trace.cost` LIKE '%1%'",
    "issue.name = 'x'",
    "status IN ()",
    "status",
    "status = ",
    "   ",
]

ORDERS = [
    ["timestamp_ms ASC"],
    ["timestamp DESC"],
    ["execution_time_ms"],
    ["execution_time DESC"],
    ["status", "timestamp_ms ASC"],
    ["attributes.status DESC"],
    ["name DESC"],
    ["trace.name"],
    ["request_id DESC"],
    ["tags.colour"],
    ["tags.colour DESC", "timestamp_ms ASC"],
    ["metadata.size DESC"],
    ["run_id ASC", "name ASC"],
    ["experiment_id", "request_id"],
    ["nothing"],
    ["feedback.score"],
    ["timestamp_ms UP"],
    ["metadata.`mlflow.trace.cost`"],
]


def _fill(mlflow: Any, transcript: Transcript, experiment: str) -> None:
    from mlflow.entities import AssessmentSource, Expectation, Feedback
    from mlflow.entities.model_registry import PromptVersion

    store = _store(mlflow)
    for number in range(1, 11):
        more: dict[str, Any] = {}
        if number in (2, 6):
            more["trace_metadata"] = {"mlflow.trace.session": "s1", "size": str(number)}
        if number == 8:
            more["trace_metadata"] = {"mlflow.trace.tokenUsage": '{"input_tokens": 1, "total_tokens": 2}'}
        store.start_trace(_info(mlflow, transcript, experiment, number, **more))
    human = AssessmentSource(source_type="HUMAN", source_id="ada")
    said = [
        (1, Feedback("correct", "yes", source=human)),
        (2, Feedback("correct", "no", source=human, metadata={"mlflow.trace.session": "s1"})),
        (3, Feedback("correct", True)),
        (4, Feedback("score", 0.75)),
        (5, Feedback("score", 0.5)),
        (5, Feedback("score", "high")),
        (7, Feedback("score", error="it broke")),
        (1, Expectation("answer", "three")),
        (4, Expectation("answer", {"deep": [1, 2]})),
    ]
    for number, one in said:
        one.trace_id = f"tr-{number:032x}"
        store.create_assessment(one)
    store.link_traces_to_run([f"tr-{number:032x}" for number in (10, 9)], "linked")
    store.link_prompts_to_trace(f"tr-{4:032x}", [PromptVersion("greeting", 1, "hi")])
    for number in range(1, 7):
        store.log_spans(experiment, _some_spans(number))


def _some_spans(number: int) -> list[Any]:
    from mlflow.entities import Span
    from mlflow.tracing.utils import build_otel_context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Status, StatusCode

    def span(place: int, name: str, kind: str, *, failed: bool = False, **attributes: Any) -> Any:
        own = {"mlflow.traceRequestId": f"tr-{number:032x}", "mlflow.spanType": kind, **attributes}
        start_ns = (BASE_MS + number * 1000 + place) * 1_000_000
        return Span(
            ReadableSpan(
                name=name,
                context=build_otel_context(number, 100 * number + place + 1),
                parent=build_otel_context(number, 100 * number + 1) if place else None,
                start_time=start_ns,
                end_time=start_ns + 5_000_000,
                attributes={key: json.dumps(value, ensure_ascii=False) for key, value in own.items()},
                status=Status(StatusCode.ERROR if failed else StatusCode.OK),
                resource=Resource({}),
            )
        )

    spans = [span(0, "root", "UNKNOWN", **{"mlflow.spanInputs": {"q": f"snow {'☃' if number == 3 else ''}"}})]
    if number % 2:
        spans.append(span(1, "child", "LLM", failed=number == 5, model="small" if number < 4 else "large"))
    if number == 4:
        spans.append(span(1, "tool", "TOOL", **{"odd key": 1}))
    return spans


def test_every_filter_and_order_finds_the_same_traces(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        experiment = transcript.experiment(mlflow.MlflowClient().create_experiment("searched"))
        _fill(mlflow, transcript, experiment)
        store = _store(mlflow)

        def found(text: str, order: list[str]) -> list[str]:
            infos, _ = store.search_traces([experiment], text, order_by=order)
            return [info.trace_id[-2:] for info in infos]

        for text in FILTERS:
            transcript.refused(f"{text} newest first", found, text, [], words=False)
        for order in ORDERS:
            transcript.refused(f"by {order}", found, "", order, words=False)
            transcript.refused(f"some by {order}", found, "timestamp_ms > 1700000002000", order, words=False)
        pages, token = [], None
        while True:
            infos, token = store.search_traces([experiment], "", max_results=4, page_token=token)
            pages.append([info.trace_id[-2:] for info in infos])
            if not token:
                break
        transcript.say("pages", pages)
        transcript.say("with all that belongs to it", [_shown(one) for one in store.search_traces([experiment])[0]])
        transcript.say("elsewhere", store.search_traces(["765"])[0])
        transcript.refused("no results", store.search_traces, [experiment], max_results=0)
        transcript.refused("too many", store.search_traces, [experiment], max_results=50_001, words=False)
        transcript.refused("broken token", store.search_traces, [experiment], page_token="rubbish", words=False)  # noqa: S106
        whole = store.batch_get_traces([f"tr-{number:032x}" for number in (5, 4, 1)])
        transcript.say("whole", [_spans(one) for one in whole])

    same(scenario)


def test_spans_that_come_bit_by_bit(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        experiment = transcript.experiment(mlflow.MlflowClient().create_experiment("bits"))
        store = _store(mlflow)
        root, child = _some_spans(3)
        store.log_spans(experiment, [child])
        transcript.say("child alone", _shown(store.get_trace_info(child.trace_id)))
        transcript.say("partial", _spans(store.get_trace(child.trace_id, allow_partial=True)))
        store.log_spans(experiment, [root])
        transcript.say("both", _shown(store.get_trace_info(child.trace_id)))
        store.log_spans(experiment, [child, root])
        transcript.say("again", _spans(store.get_trace(child.trace_id)))
        store.start_trace(_info(mlflow, transcript, experiment, 3, tags={"late": "1"}, request_preview="told"))
        transcript.say("told after", _shown(store.get_trace_info(child.trace_id)))
        several = [*_some_spans(4), *_some_spans(5)]
        store.log_spans(experiment, several)
        transcript.say("two at once", [_shown(one) for one in store.search_traces([experiment])[0]])
        transcript.say("nothing", store.log_spans(experiment, []))
        transcript.refused("no experiment", store.log_spans, "12345", _some_spans(1))

    same(scenario)


def test_assessments(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        from mlflow.entities import AssessmentError, AssessmentSource, Expectation, Feedback

        experiment = transcript.experiment(mlflow.MlflowClient().create_experiment("judged"))
        store = _store(mlflow)
        trace_id = store.start_trace(_info(mlflow, transcript, experiment, 1)).trace_id
        human = AssessmentSource(source_type="HUMAN", source_id="ada")
        first = mlflow.log_feedback(
            trace_id=trace_id, name="good", value=True, source=human, rationale="it is", metadata={"k": "v"}
        )
        transcript.say("first", _assessed(mlflow.get_assessment(trace_id, first.assessment_id)))
        broken = AssessmentError(error_code="TIMEOUT", error_message="too slow")
        for value in (0.5, 7, "text", [1, 2], {"a": "b"}, None):
            made = mlflow.log_feedback(trace_id=trace_id, name="value", value=value, error=None if value else broken)
            transcript.say(f"feedback {value}", _assessed(made))
        expected = mlflow.log_expectation(trace_id=trace_id, name="answer", value={"x": [1]}, span_id="abc")
        transcript.say("expected", _assessed(expected))
        other = Feedback(name="good", value=False, overrides=first.assessment_id, trace_id=trace_id)
        second = store.create_assessment(other)
        transcript.say("overridden", store.get_assessment(trace_id, first.assessment_id).valid)
        transcript.say("which stands", store.get_assessment(trace_id, second.assessment_id).valid)
        changed = mlflow.update_assessment(
            trace_id, first.assessment_id, Feedback(name="better", value=False, rationale="no", metadata={"l": "w"})
        )
        transcript.say("changed", _assessed(changed))
        transcript.say("changed there", _assessed(store.get_assessment(trace_id, first.assessment_id)))
        transcript.say(
            "other value",
            _assessed(mlflow.update_assessment(trace_id, expected.assessment_id, Expectation(name="answer", value=3))),
        )
        transcript.refused(
            "other kind", store.update_assessment, trace_id, first.assessment_id, expectation=expected.expectation
        )
        transcript.refused(
            "and the other", store.update_assessment, trace_id, expected.assessment_id, feedback=first.feedback
        )
        mlflow.delete_assessment(trace_id, second.assessment_id)
        transcript.say("valid again", store.get_assessment(trace_id, first.assessment_id).valid)
        mlflow.delete_assessment(trace_id, second.assessment_id)
        transcript.refused("gone", store.get_assessment, trace_id, "a-nothing")
        transcript.refused("of no trace", store.get_assessment, "tr-nothing", "a-nothing")
        nothing = Feedback(name="x", value=1, trace_id="tr-nothing")
        transcript.refused("on no trace", store.create_assessment, nothing, words=False)
        lost = Feedback(name="x", value=1, trace_id=trace_id, overrides="a-nothing")
        transcript.refused("overrides nothing", store.create_assessment, lost)
        transcript.say("all", _shown(store.get_trace_info(trace_id)))

    same(scenario)


def test_scorers(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        api, store = mlflow.MlflowClient(), _store(mlflow)
        experiment, other = (transcript.experiment(api.create_experiment(name)) for name in ("scored", "other"))

        def shown(one: Any) -> Any:
            return one.scorer_name, one.scorer_version, one._serialized_scorer

        text = json.dumps({"name": "length", "builtin_scorer_pydantic_data": {"model": "openai:/small"}})
        transcript.say("first", shown(store.register_scorer(experiment, "length", text)))
        transcript.say("second", shown(store.register_scorer(experiment, "length", '{"name": "longer"}')))
        store.register_scorer(experiment, "a b/ç", "{}")
        store.register_scorer(other, "length", "{}")
        transcript.say("latest", [shown(one) for one in store.list_scorers(experiment)])
        transcript.say("versions", [shown(one) for one in store.list_scorer_versions(experiment, "length")])
        transcript.say("one", shown(store.get_scorer(experiment, "length", 1)))
        transcript.say("the last", shown(store.get_scorer(experiment, "length")))
        ids = {one.scorer_id for one in store.list_scorer_versions(experiment, "length")}
        transcript.say("one id", len(ids))
        transcript.refused("no version", store.get_scorer, experiment, "length", 7)
        transcript.refused("no scorer", store.get_scorer, experiment, "nothing")
        transcript.refused("versions of none", store.list_scorer_versions, experiment, "nothing")
        transcript.refused("delete none", store.delete_scorer, experiment, "nothing")
        transcript.refused("no name", store.register_scorer, experiment, "  ", "{}")
        transcript.refused("empty model", store.register_scorer, experiment, "x", text.replace("openai:/small", " "))
        transcript.refused("no experiment", store.register_scorer, "12345", "x", "{}")
        store.delete_scorer(experiment, "length", 1)
        transcript.say("left", [shown(one) for one in store.list_scorer_versions(experiment, "length")])
        store.delete_scorer(experiment, "length")
        transcript.say("all", [shown(one) for one in store.list_scorers(experiment)])
        transcript.say("begins again", shown(store.register_scorer(experiment, "length", "{}")))

    same(scenario)


DATASET_SEARCHES: list[tuple[str, list[str]]] = [
    ("", ["name ASC"]),
    ("name = 'set 1'", []),
    ("name LIKE 'set%'", ["name DESC"]),
    ("name ILIKE 'SET %' AND name != 'set 2'", ["name"]),
    ("name IN ('set 0', 'set 2')", ["name"]),
    ("tags.n = '1'", ["name"]),
    ("tags.n != '1'", ["name"]),
    ("created_time > 5", ["last_update_time", "name"]),
    ("created_by = 'ada'", ["name"]),
    ("nothing = 'x'", []),
    ("tags.n IN ('1')", []),
    ("created_time > 'late'", []),
    ("", ["nothing"]),
    ("", ["name UP"]),
]


def test_evaluation_datasets(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        from mlflow.genai import datasets

        api, store = mlflow.MlflowClient(), _store(mlflow)
        experiment, other = (transcript.experiment(api.create_experiment(name)) for name in ("evaluated", "other"))

        def shown(one: Any) -> Any:
            tags = {key: text for key, text in (one.tags or {}).items() if key != "mlflow.user"}
            ids = [transcript._experiments[found] for found in sorted(one.experiment_ids)]
            return one.name, tags, one.schema, one.profile, sorted(ids)

        made = datasets.create_dataset(name="questions", experiment_id=experiment, tags={"kind": "small", "n": "1"})
        transcript.say("new", shown(made))
        transcript.say("no rows", len(made.to_df()))
        rows = [
            {"inputs": {"q": "one?", "n": 1}, "expectations": {"answer": "1"}},
            {"inputs": {"q": "two?", "n": 2.5}, "outputs": {"a": [1]}, "tags": {"hard": "yes"}},
            {"inputs": {"n": 1, "q": "one?"}, "expectations": {"more": True}},
        ]
        made.merge_records(rows)

        def told(frame: Any) -> Any:
            listed = frame.sort_values("created_time", kind="stable").to_dict("records")
            return sorted(
                (
                    json.dumps(one["inputs"], sort_keys=True),
                    one["outputs"],
                    one["expectations"],
                    {key: text for key, text in one["tags"].items() if key != "mlflow.user"},
                    one["source_type"],
                )
                for one in listed
            )

        again = datasets.get_dataset(dataset_id=made.dataset_id)
        transcript.say("with rows", shown(again))
        transcript.say("rows", told(again.to_df()))
        transcript.say("same digest", len(again.digest))
        again.merge_records([{"inputs": {"q": "two?", "n": 2.5}, "outputs": "plain", "expectations": {"x": None}}])
        again = datasets.get_dataset(dataset_id=made.dataset_id)
        transcript.say("merged", told(again.to_df()))
        transcript.say("its types", again.schema)
        transcript.say(
            "upserted", store.upsert_dataset_records(made.dataset_id, [{"inputs": {"q": "three?"}}, rows[0]])
        )
        found, token = store._load_dataset_records(made.dataset_id, max_results=2)
        rest, last = store._load_dataset_records(made.dataset_id, max_results=2, page_token=token)
        transcript.say("pages", (len(found), len(rest), last))
        transcript.say(
            "delete rows", store.delete_dataset_records(made.dataset_id, [rest[0].dataset_record_id, "dr-no"])
        )
        transcript.say("left", len(datasets.get_dataset(dataset_id=made.dataset_id).to_df()))
        datasets.set_dataset_tags(dataset_id=made.dataset_id, tags={"kind": "large", "more": 5})
        datasets.delete_dataset_tag(dataset_id=made.dataset_id, key="n")
        transcript.say("tagged", shown(datasets.get_dataset(dataset_id=made.dataset_id)))
        datasets.add_dataset_to_experiments(dataset_id=made.dataset_id, experiment_ids=[other])
        transcript.say("of both", shown(datasets.get_dataset(dataset_id=made.dataset_id)))
        datasets.remove_dataset_from_experiments(dataset_id=made.dataset_id, experiment_ids=[experiment])
        transcript.say("of one", shown(datasets.get_dataset(dataset_id=made.dataset_id)))
        transcript.refused("no experiment", store.add_dataset_to_experiments, made.dataset_id, ["12345"], words=False)
        transcript.refused("no dataset", store.get_dataset, "d-nothing")
        transcript.refused("tag none", store.set_dataset_tags, "d-nothing", {"a": "b"})
        for number in range(3):
            store.create_dataset(f"set {number}", tags={"n": str(number % 2)}, experiment_ids=[other])
        for text, order in DATASET_SEARCHES:

            def names(text: str = text, order: list[str] = order) -> list[str]:
                return [one.name for one in store.search_datasets([other], text, order_by=order)]

            transcript.refused(f"{text} by {order}", names, words=False)
        page = store.search_datasets(filter_string="name LIKE 'set%'", order_by=["name"], max_results=2)
        transcript.say("page", [one.name for one in page])
        page = store.search_datasets(
            filter_string="name LIKE 'set%'", order_by=["name"], max_results=2, page_token=page.token
        )
        transcript.say("last page", ([one.name for one in page], page.token or None))
        datasets.delete_dataset(dataset_id=made.dataset_id)
        datasets.delete_dataset(dataset_id=made.dataset_id)
        transcript.refused("deleted", store.get_dataset, made.dataset_id, words=False)

    same(scenario)


@pytest.mark.usefixtures("fresh_tracing")
def test_an_evaluation_with_functions_as_scorers(same: Same) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("mlflow.genai.evaluation", reason="evaluation needs the whole of MLflow")

    def scenario(mlflow: Any, transcript: Transcript) -> None:
        mlflow.tracing.reset()
        experiment = transcript.experiment(mlflow.set_experiment("judged").experiment_id)

        @mlflow.genai.scorer
        def exact(outputs: str, expectations: dict[str, str]) -> bool:
            return outputs == expectations["answer"]

        @mlflow.genai.scorer
        def length(outputs: str) -> int:
            return len(outputs)

        data = mlflow.genai.datasets.create_dataset(name="letters", experiment_id=experiment)
        rows = [("a", "A"), ("bb", "x")]
        data.merge_records([{"inputs": {"text": text}, "expectations": {"answer": answer}} for text, answer in rows])
        result = mlflow.genai.evaluate(data=data, predict_fn=lambda text: text.upper(), scorers=[exact, length])
        transcript.say("metrics", {name: float(value) for name, value in result.metrics.items()})
        run = mlflow.get_run(result.run_id)
        transcript.say("logged", run.data.metrics)
        transcript.say("of the dataset", [one.dataset.name for one in run.inputs.dataset_inputs])
        found = mlflow.search_traces(run_id=result.run_id, return_type="list")
        judged = [
            (
                one.info.request_preview,
                sorted((a.name, str(a.value).lower()) for a in one.info.assessments if a.name != "length"),
            )
            for one in found
        ]
        transcript.say("judged", sorted(judged))
        right = mlflow.search_traces(filter_string="feedback.exact = 'true'", return_type="list")
        transcript.say("which was right", [one.info.response_preview for one in right])

    same(scenario)


SUMS: list[tuple[str, str, list[Any], dict[str, Any]]] = [
    ("TRACES", "trace_count", ["COUNT"], {}),
    ("TRACES", "trace_count", ["COUNT"], {"dimensions": ["trace_name", "trace_status"]}),
    ("TRACES", "trace_count", ["COUNT"], {"dimensions": ["trace_status"], "filters": ["trace.tag.colour = 'red'"]}),
    (
        "TRACES",
        "trace_count",
        ["COUNT"],
        {"filters": ["trace.status = 'OK'", "trace.metadata.`mlflow.sourceRun` = 'run1'"]},
    ),
    ("TRACES", "trace_count", ["COUNT"], {"filters": ["trace.status = 'NOTHING'"]}),
    ("TRACES", "trace_count", ["COUNT"], {"every": 3}),
    ("TRACES", "trace_count", ["COUNT"], {"every": 2, "dimensions": ["trace_status"], "max_results": 3}),
    ("TRACES", "session_count", ["COUNT"], {}),
    ("TRACES", "latency", ["AVG", "MIN", "MAX", 50.0, 90.0, 0.0, 100.0], {}),
    ("TRACES", "latency", ["AVG", 99.5], {"dimensions": ["trace_name"], "start": 3000, "end": 7000}),
    ("TRACES", "latency", ["AVG"], {"filters": ["trace.tag.colour = 'nothing'"]}),
    ("TRACES", "total_tokens", ["SUM", "AVG", "MAX"], {}),
    ("TRACES", "input_tokens", ["SUM"], {"every": 4}),
    ("SPANS", "span_count", ["COUNT"], {"dimensions": ["span_type", "span_status"]}),
    ("SPANS", "span_count", ["COUNT"], {"filters": ["span.name = 'child'", "trace.status = 'OK'"]}),
    ("SPANS", "latency", ["AVG", "MIN", 25.0], {"dimensions": ["span_name"]}),
    ("SPANS", "total_cost", ["SUM"], {}),
    ("ASSESSMENTS", "assessment_count", ["COUNT"], {"dimensions": ["assessment_name", "assessment_value"]}),
    ("ASSESSMENTS", "assessment_value", ["AVG", "MIN", "MAX"], {"dimensions": ["assessment_name"]}),
    (
        "ASSESSMENTS",
        "assessment_count",
        ["COUNT"],
        {"filters": ["assessment.name = 'correct'", "trace.status = 'ERROR'"]},
    ),
    ("ASSESSMENTS", "assessment_value", ["AVG"], {"every": 2}),
    # refused
    ("TRACES", "trace_count", ["SUM"], {}),
    ("TRACES", "nothing", ["COUNT"], {}),
    ("TRACES", "latency", ["AVG"], {"dimensions": ["trace_status"]}),
    ("TRACES", "trace_count", ["COUNT"], {"filters": ["span.name = 'x'"]}),
    ("TRACES", "trace_count", ["COUNT"], {"filters": ["trace.tag = 'x'"]}),
    ("TRACES", "trace_count", ["COUNT"], {"filters": ["trace.status.x = 'x'"]}),
    ("TRACES", "trace_count", ["COUNT"], {"filters": ["trace.status != 'x'"]}),
    ("TRACES", "trace_count", ["COUNT"], {"filters": ["trace.name = 'x'"]}),
    ("TRACES", "trace_count", ["COUNT"], {"filters": ["trace.status = 'a' AND trace.status = 'b'"]}),
]


def test_numbers_over_traces(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType

        experiment = transcript.experiment(mlflow.MlflowClient().create_experiment("summed"))
        _fill(mlflow, transcript, experiment)
        store = _store(mlflow)

        def asked(view: str, metric: str, kinds: list[Any], more: dict[str, Any]) -> list[Any]:
            aggregations = [
                MetricAggregation(AggregationType(one))
                if isinstance(one, str)
                else MetricAggregation(AggregationType.PERCENTILE, one)
                for one in kinds
            ]
            given = {key: more[key] for key in ("dimensions", "filters", "max_results") if key in more}
            if "every" in more:
                given |= {"time_interval_seconds": more["every"]}
            if "every" in more or "start" in more:
                bounds = (more.get("start", 0), more.get("end", 20_000))
                given |= {"start_time_ms": BASE_MS + bounds[0], "end_time_ms": BASE_MS + bounds[1]}
            points = store.query_trace_metrics([experiment], MetricViewType(view), metric, aggregations, **given)
            return [
                (dict(one.dimensions), {key: round(float(value), 9) for key, value in one.values.items()})
                for one in points
            ]

        for view, metric, kinds, more in SUMS:
            transcript.refused(f"{view} {metric} {kinds} {more}", asked, view, metric, kinds, more, words=False)
        for first, second, base in (
            ("status = 'OK'", "tags.colour = 'red'", None),
            ("status = 'OK'", "status = 'ERROR'", None),
            ("name LIKE 'trace%'", "timestamp_ms > 0", None),
            ("feedback.correct = 'yes'", "status = 'ERROR'", "timestamp_ms > 1700000000000"),
            ("name = 'nothing'", "status = 'OK'", None),
        ):
            found = store.calculate_trace_filter_correlation([experiment], first, second, base)
            shown = (found.npmi, found.npmi_smoothed)
            counts = (found.filter1_count, found.filter2_count, found.joint_count, found.total_count)
            transcript.say(
                f"{first} with {second}", (*(round(one, 9) if one == one else "NaN" for one in shown), counts)
            )

    same(scenario)


def test_issues(same: Same) -> None:
    pytest.importorskip("mlflow.entities.issue", reason="issues are of later versions")

    def scenario(mlflow: Any, transcript: Transcript) -> None:
        from mlflow.entities import IssueReference
        from mlflow.entities.issue import IssueSeverity, IssueStatus

        experiment = transcript.experiment(mlflow.MlflowClient().create_experiment("troubled"))
        store = _store(mlflow)
        run_id = mlflow.MlflowClient().create_run(experiment).info.run_id

        def shown(one: Any) -> Any:
            told = one.to_dictionary()
            left_out = ("issue_id", "experiment_id", "created_timestamp", "last_updated_timestamp")
            return {key: value for key, value in told.items() if key not in left_out}

        first = store.create_issue(experiment, "slow", "takes long", severity=IssueSeverity.LOW)
        second = store.create_issue(
            experiment,
            "wrong",
            "says nonsense",
            status=IssueStatus.RESOLVED,
            severity=IssueSeverity.HIGH,
            root_causes=["the prompt"],
            categories=["quality", "answers"],
            source_run_id=run_id,
            created_by="ada",
        )
        store.create_issue(experiment, "odd", "hm")
        for one in (first, second):
            transcript.say("made", shown(store.get_issue(one.issue_id)))
        changed = store.update_issue(first.issue_id, status=IssueStatus.REJECTED, severity=IssueSeverity.MEDIUM)
        transcript.say("changed", shown(changed))
        transcript.say("renamed", shown(store.update_issue(first.issue_id, name="slower", description="and slower")))
        transcript.refused("none", store.get_issue, "iss-nothing")
        transcript.refused("change none", store.update_issue, "iss-nothing", name="x")
        transcript.refused("no experiment", store.create_issue, "12345", "x", "y")
        trace_id = store.start_trace(_info(mlflow, transcript, experiment, 1)).trace_id
        reference = IssueReference(issue_id=first.issue_id, issue_name="slow", trace_id=trace_id, rationale="3 s")
        transcript.say("named", _assessed(store.create_assessment(reference)) | {"assessment_name": ""})
        found = store.search_traces([experiment], f"issue.id = '{first.issue_id}'")[0]
        transcript.say("its traces", [one.trace_id for one in found])
        transcript.say("counted", [shown(one) for one in store.search_issues(experiment, include_trace_count=True)])
        for text in (
            "",
            "status = 'pending'",
            f"status != 'pending' AND source_run_id = '{run_id}'",
            "name = 'x'",
            "status > 'a'",
        ):

            def names(text: str = text) -> list[str]:
                return [one.name for one in store.search_issues(experiment, text)]

            transcript.refused(f"search {text}", names, words=False)
        page = store.search_issues(experiment, max_results=2)
        rest = store.search_issues(experiment, max_results=2, page_token=page.token)
        transcript.say("pages", ([one.name for one in page], [one.name for one in rest], rest.token or None))

    same(scenario)


@pytest.mark.usefixtures("fresh_tracing")
def test_traces_of_many_threads(ours: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import threading

    import mlflow

    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(ours)
    mlflow.set_experiment("threads")

    @mlflow.trace
    def inner(number: int) -> int:
        return number

    @mlflow.trace
    def outer(number: int) -> int:
        return inner(number) + inner(number)

    def work(first: int) -> None:
        for number in range(first, first + 10):
            outer(number)

    threads = [threading.Thread(target=work, args=(100 * place,)) for place in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _flush(mlflow)
    found = mlflow.search_traces(return_type="list", max_results=1000)
    assert len(found) == 60
    assert {len(one.data.spans) for one in found} == {3}
    wanted = sorted(100 * place + number for place in range(6) for number in range(10))
    assert sorted(one.data.spans[0].inputs["number"] for one in found) == wanted
    assert {one.info.response_preview for one in found} == {str(2 * number) for number in wanted}
