"""Traces on a repository, without MLflow: what spans add up to, clones that meet, filters that are hostile."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from conftest import run_git
from gitruns import sync
from gitruns.protocol import (
    assessments,
    evaluation_datasets,
    scorers,
    trace_artifacts,
    trace_search,
    trace_spans,
    traces,
)
from gitruns.protocol.assessment import Assessment
from gitruns.protocol.errors import ProtocolError
from gitruns.protocol.hub import Hub, close_all, hub_at
from gitruns.protocol.otel_words import in_mlflow_words
from gitruns.protocol.spans import USAGE, Span, read_span
from gitruns.protocol.trace import TraceInfo
from gitruns.protocol.trace_filters import parse_filter, parse_order
from gitruns.protocol.trace_totals import as_counts, preview_of, total_usage

TRACE = "tr-" + "0" * 31 + "1"
START_NS = 1_700_000_000_000_000_000


def span(number: int, parent: int | None = None, *, trace: str = TRACE, **attributes: Any) -> Span:
    def encoded(place: int) -> str:
        return base64.b64encode(place.to_bytes(8, "big")).decode()

    own = {"mlflow.traceRequestId": trace, **attributes}
    return read_span(
        {
            "trace_id": base64.b64encode(bytes(15) + b"\1").decode(),
            "span_id": encoded(number),
            "parent_span_id": None if parent is None else encoded(parent),
            "name": f"span {number}",
            "start_time_unix_nano": START_NS + number * 1_000_000,
            "end_time_unix_nano": START_NS + number * 2_000_000,
            "status": {"code": "STATUS_CODE_OK", "message": ""},
            "attributes": {key: json.dumps(value) for key, value in own.items()},
            "events": [],
        }
    )


@pytest.fixture
def hub(git_repo: Path) -> Iterator[Hub]:
    yield hub_at(f"gitruns:{git_repo}")
    close_all()


# What spans add up to


def usage(inward: int, outward: int, **more: int) -> dict[str, Mapping[str, int]]:
    return {USAGE: {"input_tokens": inward, "output_tokens": outward, "total_tokens": inward + outward, **more}}


def test_tokens_of_a_span_cover_those_below_it() -> None:
    spans = [
        span(1),
        span(2, 1, **usage(10, 1)),
        span(3, 2, **usage(7, 1)),
        span(4, 1, **usage(5, 5, cache_read_input_tokens=3)),
        span(5, 99, **usage(1, 0)),
    ]
    wanted = {"input_tokens": 16, "output_tokens": 6, "total_tokens": 22, "cache_read_input_tokens": 3}
    for order in (spans, spans[::-1]):
        assert total_usage(order) == wanted
    assert total_usage([span(1), span(2, 1)]) is None


def test_tokens_that_are_no_numbers_count_nothing() -> None:
    assert total_usage([span(1, **{USAGE: {"input_tokens": "many", "output_tokens": True}})]) == {
        "input_tokens": 0,
        "output_tokens": 0,
        "total_tokens": 0,
    }
    assert as_counts('{"input_tokens": 1e400, "output_tokens": 2.0, "total_tokens": "3", "x": 1}') == {
        "output_tokens": 2,
        "total_tokens": 3,
    }


def test_spans_in_a_circle_and_very_deep_ones_end() -> None:
    assert total_usage([span(1, 2, **usage(1, 1)), span(2, 1)]) is None
    deep = [span(number, number - 1 or None) for number in range(1, 3000)]
    assert total_usage([*deep, span(3000, 2999, **usage(1, 1))]) is not None


@pytest.mark.parametrize(
    ("value", "role", "wanted"),
    [
        (None, "user", None),
        ("plain", "user", "plain"),
        ("x" * 1001, "user", "x" * 997 + "..."),
        ({"q": 1}, "user", '{"q": 1}'),
        ('{"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]}', "user", "a"),
        ({"choices": [{"message": {"role": "assistant", "content": "c"}}]}, "assistant", "c"),
        ({"request": {"input": [{"role": "user", "content": [{"type": "text", "text": "d"}]}]}}, "user", "d"),
        ({"output": [{"role": "user", "content": "e"}]}, "assistant", "e"),
        ({"messages": ["odd"]}, "user", '{"messages": ["odd"]}'),
    ],
)
def test_previews(value: Any, role: str, wanted: str | None) -> None:
    assert preview_of(value, role) == wanted


def test_the_words_of_others() -> None:
    said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 3}
    found = in_mlflow_words({key: json.dumps(value) for key, value in said.items()})
    assert json.loads(found["mlflow.spanType"]) == "CHAT_MODEL"
    assert json.loads(found["mlflow.llm.model"]) == "m"
    assert json.loads(found["mlflow.chat.tokenUsage"]) == {"input_tokens": 3}
    twice = in_mlflow_words({"mlflow.spanInputs": json.dumps(json.dumps({"a": 1})), "number": json.dumps("1")})
    assert twice == {"mlflow.spanInputs": '{"a": 1}', "number": '"1"'}


# What is not a trace or a span


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"attributes": {}},
        {"attributes": {"mlflow.traceRequestId": '"tr-1"'}, "span_id": "x", "start_time_unix_nano": 1},
        {"attributes": {"mlflow.traceRequestId": "5"}, "span_id": "0" * 16, "start_time_unix_nano": 1},
        {"attributes": {"mlflow.traceRequestId": '"tr-1"'}, "span_id": "0" * 16, "start_time_unix_nano": "soon"},
        {"attributes": {"mlflow.traceRequestId": '"tr-1"'}, "span_id": 5, "start_time_unix_nano": 1},
    ],
)
def test_what_is_no_span_is_refused(data: Any) -> None:
    with pytest.raises(ProtocolError):
        read_span(data)


HOSTILE = [
    "tags.x = '" + "a" * 50_000,
    "tags.x = 'a' AND " * 3000,
    "(" * 50_000,
    "tags." + "`" * 10_001,
    "status IN (" + "'x'," * 30_000 + ")",
    "span.attributes." + "a." * 20_000 + " LIKE '%'",
    "timestamp_ms > " + "9" * 20_000,
    "\x00",
    "tags.x = '\ud800'",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_filters_take_no_time(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(ProtocolError):
        parse_filter(text)
    with pytest.raises(ProtocolError):
        parse_order([text])
    assert time.monotonic() - started < 2


def test_patterns_that_would_blow_up_elsewhere_take_no_time(hub: Hub) -> None:
    pytest.importorskip("re2")
    trace_spans.log_spans(hub, "0", [span(1)])
    traces.set_trace_tag(hub, TRACE, "long", "a" * 5000 + "!")
    started = time.monotonic()
    for text in ("tags.long RLIKE '(a+)+$'", "tags.long LIKE '%a%a%a%a%a%a%a%a%a%b'", "tags.long RLIKE '^(a|a)*$'"):
        assert trace_search.search_traces(hub, ["0"], text) == ([], "")
    assert time.monotonic() - started < 5
    with pytest.raises(Exception, match="pattern"):
        trace_search.search_traces(hub, ["0"], "tags.long RLIKE '('")


# What large things do


def test_large_spans_tags_and_rows(hub: Hub) -> None:
    large = "ü☃" * 100_000
    trace_spans.log_spans(hub, "0", [span(1, **{"mlflow.spanInputs": large}), *(span(n, 1) for n in range(2, 300))])
    found = trace_spans.get_trace(hub, TRACE)
    assert found.spans[0].attribute("mlflow.spanInputs") == large
    assert len(found.spans) == 299
    many = {f"key {number}": "x" * 900 for number in range(200)}
    told = TraceInfo(id="tr-large", experiment_id="0", time_ms=1, state="OK", tags=many, metadata={"m": large})
    traces.start_trace(hub, told)
    info = traces.get_trace_info(hub, "tr-large")
    assert info.metadata["m"] == large
    assert many.items() <= dict(info.tags).items()
    traces.start_trace(hub, TraceInfo(id="tr-large", experiment_id="0", time_ms=1, state="OK", metadata={"m": "small"}))
    assert traces.get_trace_info(hub, "tr-large").metadata["m"] == "small"
    dataset = evaluation_datasets.create_dataset(hub, "rows")
    assert evaluation_datasets.upsert_rows(hub, dataset.id, [{"inputs": {"text": large}}]) == (1, 0)
    assert evaluation_datasets.upsert_rows(hub, dataset.id, [{"inputs": {"text": large}, "outputs": 1}]) == (0, 1)
    assert evaluation_datasets.list_rows(hub, dataset.id)[0][0].inputs == {"text": large}


# Clones that meet


def test_clones_that_change_one_trace_meet(tmp_path: Path, git_repo: Path) -> None:
    run_git(tmp_path, "init", "--quiet", "--bare", "hub.git")
    run_git(git_repo, "remote", "add", "origin", str(tmp_path / "hub.git"))
    run_git(git_repo, "push", "--quiet", "origin", "HEAD")
    run_git(tmp_path, "clone", "--quiet", str(tmp_path / "hub.git"), "other")
    one, two = hub_at(f"gitruns:{git_repo}"), hub_at(f"gitruns:{tmp_path / 'other'}")
    try:
        trace_spans.log_spans(one, "0", [span(2, 1, **{"mlflow.spanInputs": "é" * 50_000})])
        trace_spans.log_spans(two, "0", [span(1)])
        traces.set_trace_tag(one, TRACE, "a", "1")
        traces.set_trace_tag(two, TRACE, "b", "2")
        judged = Assessment(trace_id=TRACE, name="good", type="feedback", value=True)
        first = assessments.create_assessment(one, judged)
        scorers.register_scorer(one, "0", "length", '{"by": 1}')
        scorers.register_scorer(two, "0", "length", '{"by": 2}')
        dataset = evaluation_datasets.create_dataset(one, "shared")
        evaluation_datasets.upsert_rows(one, dataset.id, [{"inputs": {"q": 1}, "outputs": "first"}])
        for _ in range(2):
            for hub in (one, two):
                sync.push(hub.repo, "origin")
                sync.fetch(hub.repo, "origin")
        evaluation_datasets.upsert_rows(two, dataset.id, [{"inputs": {"q": 1}, "outputs": "second"}])
        assessments.update_assessment(two, TRACE, first.id, rationale="it is")
        sync.push(two.repo, "origin")
        sync.fetch(one.repo, "origin")
        for hub in (one, two):
            found = trace_spans.get_trace(hub, TRACE)
            assert [(one.name, one.parent_id) for one in found.spans] == [("span 1", None), ("span 2", f"{1:016x}")]
            assert {"a": "1", "b": "2"}.items() <= dict(found.info.tags).items()
            assert [(one.value, one.rationale) for one in found.info.assessments] == [(True, "it is")]
            versions = scorers.list_scorer_versions(hub, "0", "length")
            assert [one.version for one in versions] == [1, 2]
            assert {one.text for one in versions} == {'{"by": 1}', '{"by": 2}'}
            (row,), _ = evaluation_datasets.list_rows(hub, dataset.id)
            assert row.outputs == "second"
        inputs = [trace_spans.get_trace(hub, TRACE).spans[1].attribute("mlflow.spanInputs") for hub in (one, two)]
        assert inputs == ["é" * 50_000, None]  # large content goes to a store, and there is none
        (large,) = [one for one in trace_spans.get_trace(two, TRACE).spans if one.attribute(trace_spans.MISSING)]
        assert (large.name, large.start_ns) == ("span 2", START_NS + 2_000_000)
    finally:
        close_all()


def test_what_arrives_before_its_trace_waits_for_it(hub: Hub) -> None:
    run_id = "1" * 32
    traces.link_traces_to_run(hub, [TRACE], run_id)
    with pytest.raises(ProtocolError, match="not found"):
        traces.get_trace_info(hub, TRACE)
    assert trace_search.search_traces(hub, None) == ([], "")
    trace_spans.log_spans(hub, "0", [span(1)])
    assert traces.get_trace_info(hub, TRACE).runs == {run_id}
    traces.unlink_traces_from_run(hub, [TRACE], run_id)
    assert traces.get_trace_info(hub, TRACE).runs == frozenset()


def test_a_deleted_trace_leaves_nothing_to_a_new_one_of_its_id(hub: Hub) -> None:
    trace_spans.log_spans(hub, "0", [span(1), span(2, 1)])
    traces.set_trace_tag(hub, TRACE, "a", "1")
    assessments.create_assessment(hub, Assessment(trace_id=TRACE, name="x", type="feedback", value=1))
    trace_artifacts.put(hub, TRACE, "attachments/a.png", b"\x89PNG")
    assert traces.delete_traces(hub, "0", trace_ids=[TRACE]) == 1
    assert trace_artifacts.list_files(hub, TRACE) == []
    trace_spans.log_spans(hub, "0", [span(1)])
    found = trace_spans.get_trace(hub, TRACE)
    assert (len(found.spans), found.info.assessments, found.info.tags.get("a")) == (1, (), None)


def test_files_beside_a_trace(hub: Hub) -> None:
    trace_spans.log_spans(hub, "0", [span(1)])
    files = {
        "attachments/a b.png": b"\x89PNG",
        "attachments/ü.txt": "ü".encode(),
        "large": b"x" * 100_000,
        "empty": b"",
    }
    for path, data in files.items():
        trace_artifacts.put(hub, TRACE, path, data)
        trace_artifacts.put(hub, TRACE, path, data)
    assert {path: trace_artifacts.read(hub, TRACE, path) for path in files} == files
    assert [(one.path, one.size) for one in trace_artifacts.list_files(hub, TRACE)] == [
        ("attachments", None),
        ("empty", 0),
        ("large", 100_000),
    ]
    assert [one.path for one in trace_artifacts.list_files(hub, TRACE, "attachments")] == list(files)[:2]
    trace_artifacts.delete(hub, TRACE, "attachments")
    assert [one.path for one in trace_artifacts.list_files(hub, TRACE)] == ["empty", "large"]
    for path in ("", "../x", "/x", "a/../b", "a\x00b"):
        with pytest.raises(Exception, match=r"."):
            trace_artifacts.put(hub, TRACE, path, b"")


ODD = [None, 5, "x", "{", [], {}, {"a": 1}, True, -1, "\u2603" * 10]


def test_records_that_somebody_else_has_made_break_nothing(hub: Hub) -> None:
    """What is fetched is of any shape: it is shown as far as it can be, and hides nothing else."""
    trace_spans.log_spans(hub, "0", [span(1)])
    records = hub.repo.records
    good = dict(next(iter(records.select("trace"))).fields)
    spans = dict(next(iter(records.select("span"))).fields)
    judged = assessments.create_assessment(hub, Assessment(trace_id=TRACE, name="x", type="feedback", value=1))
    said = dict(next(iter(records.select("assessment"))).fields)
    dataset = evaluation_datasets.create_dataset(hub, "d")
    evaluation_datasets.upsert_rows(hub, dataset.id, [{"inputs": {"q": 1}}])
    row = dict(next(iter(records.select("dataset-record"))).fields)
    content = json.loads(spans["content"])
    for number, odd in enumerate(ODD):
        for name in good:
            records.put("trace", f"tr-odd-{number}-{name.replace('/', '-')}", {**good, name: odd})
        for name in spans:
            records.put("span", f"{TRACE}/{number}-{name}", {**spans, name: odd})
        for name in content:
            records.put("span", f"{TRACE}/{number}-c-{name}", {**spans, "content": json.dumps({**content, name: odd})})
        for name in said:
            records.put("assessment", f"a-odd-{number}-{name}", {**said, name: odd})
        for name in row:
            records.put("dataset-record", f"dr-odd-{number}-{name}", {**row, name: odd})
    for text in ("", "status = 'OK'", "span.name = 'span 1'", "feedback.x = '1'", "text LIKE '%x%'", "feedback.x > 0"):
        for order in ([], ["status"], ["timestamp_ms ASC"], ["execution_time_ms"], ["experiment_id"], ["name"]):
            found, _ = trace_search.search_traces(hub, None, text, 500, order)
            assert {info.state for info in found} <= {"OK", "ERROR", "IN_PROGRESS", "STATE_UNSPECIFIED"}
    found = trace_spans.get_trace(hub, TRACE, allow_partial=True)
    assert "span 1" in [one.name for one in found.spans]
    assert judged.id in [one.id for one in found.info.assessments]
    assert {"q": 1} in [one.inputs for one in evaluation_datasets.list_rows(hub, dataset.id)[0]]
    from gitruns.server import trace_views

    json.dumps(trace_views.trace_json(found.info, found.spans), allow_nan=False)


def test_an_assessment_is_of_its_trace_alone(hub: Hub) -> None:
    other = "tr-" + "0" * 31 + "2"
    for trace_id in (TRACE, other):
        traces.start_trace(hub, TraceInfo(id=trace_id, experiment_id="0", time_ms=1, state="OK"))
    mine = assessments.create_assessment(hub, Assessment(trace_id=TRACE, name="x", type="feedback", value=1))
    assessments.create_assessment(
        hub, Assessment(trace_id=TRACE, name="x", type="feedback", value=2, overrides=mine.id)
    )
    stolen = Assessment(id=mine.id, trace_id=other, name="y", type="feedback", value=3)
    with pytest.raises(ProtocolError, match="another trace"):
        traces.start_trace(hub, TraceInfo(id=other, experiment_id="0", time_ms=1, state="OK", assessments=(stolen,)))
    hostile = Assessment(id="a-hostile", trace_id=other, name="y", type="feedback", value=3, overrides=mine.id)
    traces.start_trace(hub, TraceInfo(id=other, experiment_id="0", time_ms=1, state="OK", assessments=(hostile,)))
    assessments.delete_assessment(hub, other, "a-hostile")
    found = assessments.get_assessment(hub, TRACE, mine.id)
    assert (found.valid, found.name) == (False, "x")
    for call in (assessments.get_assessment, assessments.update_assessment):
        with pytest.raises(ProtocolError, match="not found"):
            call(hub, other, mine.id)
    assessments.delete_assessment(hub, other, mine.id)
    assert assessments.get_assessment(hub, TRACE, mine.id).value == 1
