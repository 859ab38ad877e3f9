"""Traces over plain HTTP: what is sent, in which form it comes back, what is refused, and what a kill leaves."""

from __future__ import annotations

import base64
import gzip
import json
import os
import signal
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from server.serving import Reply, Served, bearer, new_token, serving

pytest.importorskip("opentelemetry.proto", reason="opentelemetry-proto is part of the extra 'server'")

V2, V3 = "/api/2.0/mlflow/traces", "/api/3.0/mlflow/traces"
START_NS = 1_700_000_000_123_456_789


@pytest.fixture
def server(shared_server: Served) -> Served:
    """One server for all of these tests: each makes traces of its own."""
    return shared_server


def info_of(trace_id: str, experiment: str = "0", **more: Any) -> dict[str, Any]:
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    return {
        "trace_id": trace_id,
        "trace_location": place,
        "request_time": "2023-11-14T22:13:20.123Z",
        "execution_duration": "1.500s",
        "state": "OK",
        **more,
    }


def begin(server: Served, trace_id: str, **more: Any) -> Any:
    reply = server.post(V3, {"trace": {"trace_info": info_of(trace_id, **more)}})
    assert reply.status == 200, reply.body
    return reply.json["trace"]["trace_info"]


def otlp_span(trace: int, span: int = 1, parent: int | None = None, /, **attributes: Any) -> dict[str, Any]:
    kinds = {str: "stringValue", int: "intValue", bool: "boolValue", float: "doubleValue"}
    return {
        "traceId": f"{trace:032x}",
        "spanId": f"{span:016x}",
        **({"parentSpanId": f"{parent:016x}"} if parent else {}),
        "name": f"span {span}",
        "startTimeUnixNano": str(START_NS),
        "endTimeUnixNano": str(START_NS + 2_000_000),
        "status": {"code": 1},
        "attributes": [{"key": key, "value": {kinds[type(one)]: one}} for key, one in attributes.items()],
    }


def export(server: Served, *spans: dict[str, Any], headers: dict[str, str] | None = None, **resource: str) -> Reply:
    told = [{"key": key.replace("_", "."), "value": {"stringValue": text}} for key, text in resource.items()]
    request = {"resourceSpans": [{"resource": {"attributes": told}, "scopeSpans": [{"spans": list(spans)}]}]}
    sent = {"Content-Type": "application/json", "x-mlflow-experiment-id": "0", **(headers or {})}
    return server.call("POST", "/v1/traces", json.dumps(request).encode(), sent)


def trace_of(server: Served, trace_id: str) -> Any:
    return server.get(f"{V3}/get?trace_id={trace_id}&allow_partial=true").json["trace"]


def test_a_trace_comes_back_as_it_was_told(server: Served) -> None:
    told = begin(
        server,
        "tr-told",
        client_request_id="mine",
        request_preview="asked",
        tags={"a": "b", "long": "x" * 5000},
        trace_metadata={"m": "n", "long": "y" * 300},
        assessments=[
            {
                "assessment_name": "good",
                "source": {"source_type": "HUMAN", "source_id": "ada"},
                "create_time": "2023-11-14T22:13:20Z",
                "last_update_time": "2023-11-14T22:13:20.120Z",
                "feedback": {"value": {"a": [1, None]}},
            }
        ],
    )
    assert told == server.get(f"{V3}/tr-told").json["trace"]["trace_info"]
    assert {key: told[key] for key in ("request_time", "execution_duration", "state", "client_request_id")} == {
        "request_time": "2023-11-14T22:13:20.123Z",
        "execution_duration": "1.500s",
        "state": "OK",
        "client_request_id": "mine",
    }
    assert told["trace_location"]["mlflow_experiment"] == {"experiment_id": "0"}
    assert (len(told["tags"]["long"]), len(told["trace_metadata"]["long"])) == (4096, 250)
    assert told["tags"]["mlflow.artifactLocation"].endswith("/traces/tr-told/artifacts")
    (assessed,) = told["assessments"]
    assert assessed["feedback"] == {"value": {"a": [1, None]}}
    assert (assessed["create_time"], assessed["last_update_time"]) == (
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20.120Z",
    )
    assert "response_preview" not in told


def test_spans_of_any_program(server: Served) -> None:
    reply = export(
        server,
        otlp_span(
            0xA1, 1, None, **{"openinference.span.kind": "LLM", "input.value": "how?", "llm.token_count.prompt": 3}
        ),
        otlp_span(0xA1, 2, 1, number=2**40, ratio=0.5, yes=True),
        service_name="shop",
        telemetry_sdk_name="left out",
    )
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"", "application/x-protobuf")
    trace = trace_of(server, f"tr-{0xA1:032x}")
    root, child = trace["spans"]
    assert base64.b64decode(root["trace_id"]).hex() == f"{0xA1:032x}"
    assert base64.b64decode(child["parent_span_id"]).hex() == f"{1:016x}"
    assert (root["start_time_unix_nano"], root["status"]) == (START_NS, {"code": "STATUS_CODE_OK"})
    said = {one["key"]: one["value"] for one in (*root["attributes"], *child["attributes"])}
    assert said["mlflow.spanType"] == {"string_value": "LLM"}
    assert said["mlflow.spanInputs"] == {"string_value": "how?"}
    assert said["number"] == {"int_value": 2**40}
    assert (said["ratio"], said["yes"]) == ({"double_value": 0.5}, {"bool_value": True})
    info = trace["trace_info"]
    assert info["tags"]["service.name"] == "shop"
    assert "telemetry.sdk.name" not in info["tags"]
    assert (info["request_time"], info["execution_duration"], info["state"]) == (
        "2023-11-14T22:13:20.123Z",
        "0.002s",
        "OK",
    )
    assert json.loads(info["trace_metadata"]["mlflow.trace.tokenUsage"])["input_tokens"] == 3
    assert info["request_preview"] == '"how?"'


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", _deflated)]
)
def test_protobuf_and_packed_bodies(server: Served, encoding: str, pack: Any) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    number = zlib.crc32(f"{encoding} {pack.__name__}".encode())
    span.trace_id, span.span_id, span.name = number.to_bytes(16, "big"), b"12345678", "packed"
    span.start_time_unix_nano = START_NS
    span.attributes.add(key="blob").value.bytes_value = b"\x00\xff"
    span.links.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    span.events.add(name="happened", time_unix_nano=START_NS).attributes.add(key="k").value.string_value = "v"
    headers = {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": encoding,
        "x-mlflow-experiment-id": "0",
    }
    reply = server.call("POST", "/v1/traces", pack(request.SerializeToString()), headers)
    assert reply.status == 200, reply.body
    (found,) = trace_of(server, f"tr-{number:032x}")["spans"]
    assert (found["name"], found["events"][0]["name"]) == ("packed", "happened")
    assert found["links"] == [
        {"trace_id": base64.b64encode(b"t" * 16).decode(), "span_id": base64.b64encode(b"s" * 8).decode()}
    ]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{}", {}, 400),
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b'{"resourceSpans": 5}', {}, 400),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}', {}, 400),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "x"}]}]}]}', {}, 400),
        (b"\xff\xff\xff", {"Content-Type": "application/x-protobuf"}, 400),
        (b"text", {"Content-Type": "text/plain"}, 400),
        (b"{}", {"x-mlflow-experiment-id": ""}, 422),
        (b"not packed", {"Content-Encoding": "gzip"}, 400),
        (b"not packed", {"Content-Encoding": "br"}, 400),
        (gzip.compress(b"{" + b" " * (80 << 20)), {"Content-Encoding": "gzip"}, 400),
        (b"[" * 5000 + b"]" * 5000, {}, 400),
    ],
)
def test_bodies_that_are_no_spans(server: Served, body: bytes, headers: dict[str, str], status: int) -> None:
    sent = {"Content-Type": "application/json", "x-mlflow-experiment-id": "0", **headers}
    reply = server.call("POST", "/v1/traces", body, sent)
    assert reply.status == status
    assert isinstance(reply.json["detail"], str)


def test_spans_of_an_experiment_that_is_not_there(server: Served) -> None:
    reply = export(server, otlp_span(0xB1), headers={"x-mlflow-experiment-id": "12345"})
    assert (reply.status, reply.code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert export(server, otlp_span(0xB1), headers={"x-mlflow-experiment-id": "../x"}).status == 400
    assert server.get(f"{V3}/tr-{0xB1:032x}").status == 404


def test_the_spans_of_a_run(server: Served) -> None:
    run_id = server.post("/api/2.0/mlflow/runs/create", {"experiment_id": "0"}).json["run"]["info"]["run_id"]
    assert export(server, otlp_span(0xC1), headers={"x-mlflow-run-id": run_id}).status == 200
    assert begin(server, "tr-later")["trace_id"] == "tr-later"
    assert server.post(f"{V2}/link-to-run", {"trace_ids": ["tr-later"], "run_id": run_id}).json == {}
    found = search(server, filter=f"run_id = '{run_id}'")
    assert {one["trace_id"] for one in found["traces"]} == {"tr-later", f"tr-{0xC1:032x}"}


def search(server: Served, **more: Any) -> Any:
    where = [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}]
    reply = server.post(f"{V3}/search", {"locations": where, **more})
    assert reply.status == 200, reply.body
    return reply.json


def test_pages(server: Served) -> None:
    for number in range(5):
        begin(server, f"tr-page-{number}", tags={"of": "pages"}, request_time=f"2020-01-01T00:00:0{number}Z")
    found, token = [], None
    while token != "":
        page = search(server, filter="tags.of = 'pages'", max_results=2, **({"page_token": token} if token else {}))
        found.append([one["trace_id"][-1] for one in page["traces"]])
        token = page.get("next_page_token", "")
    assert found == [["4", "3"], ["2", "1"], ["0"]]
    where = {"locations": [{"mlflow_experiment": {"experiment_id": "0"}}]}
    for wrong in (
        {"max_results": 501},
        {"max_results": 0},
        {"page_token": "x"},
        {"filter": "nothing = 1"},
        {"order_by": ["x"]},
    ):
        assert server.post(f"{V3}/search", {**where, **wrong}).code == "INVALID_PARAMETER_VALUE"
    assert server.post(f"{V3}/search", {}).code == "INVALID_PARAMETER_VALUE"


def test_older_clients(server: Served) -> None:
    begun = server.post(
        V2,
        {
            "experiment_id": "0",
            "timestamp_ms": 1000,
            "request_metadata": [{"key": "m", "value": "1"}],
            "tags": [{"key": "mlflow.traceName", "value": "old"}],
        },
    ).json["trace_info"]
    trace_id = begun["request_id"]
    assert (begun["status"], begun["execution_time_ms"], begun["timestamp_ms"]) == ("IN_PROGRESS", 0, 1000)
    ended = {"timestamp_ms": 1250, "status": "OK", "tags": [{"key": "t", "value": "2"}]}
    info = server.call("PATCH", f"{V2}/{trace_id}", ended).json["trace_info"]
    assert (info["status"], info["execution_time_ms"]) == ("OK", 250)
    spans = {
        "request": "1",
        "spans": [
            {
                "name": "a",
                "context": {"span_id": "0x1", "trace_id": "0x2"},
                "attributes": {"mlflow.traceRequestId": "1"},
            }
        ],
    }
    place = f"/api/2.0/mlflow-artifacts/artifacts/traces/{trace_id}/artifacts/traces.json"
    assert server.call("PUT", place, json.dumps(spans).encode()).status == 200
    assert server.get(place).json == spans
    assert server.call("PATCH", f"{V2}/{trace_id}/tags", {"key": "late", "value": "3"}).json == {}
    found = server.get(f"{V2}/{trace_id}/info").json["trace_info"]
    tags = {one["key"]: one["value"] for one in found["tags"]}
    assert (tags["t"], tags["late"], tags["mlflow.traceName"]) == ("2", "3", "old")
    assert server.call("DELETE", f"{V2}/{trace_id}/tags", {"key": "late"}).json == {}
    assert server.call("DELETE", f"{V2}/{trace_id}/tags", {"key": "late"}).status == 404
    listed = server.get(f"{V2}?experiment_ids=0&filter=name%20%3D%20'old'&max_results=5").json["traces"]
    assert [one["request_id"] for one in listed] == [trace_id]
    deleted = server.post(f"{V2}/delete-traces", {"experiment_id": "0", "request_ids": [trace_id]})
    assert deleted.json == {"traces_deleted": 1}
    assert server.get(f"{V2}/{trace_id}/info").status == 404


def test_the_file_of_spans_is_made_of_them(server: Served) -> None:
    trace_id = f"tr-{0xD1:032x}"
    assert export(server, otlp_span(0xD1), otlp_span(0xD1, 2, 1)).status == 200
    place = f"/api/2.0/mlflow-artifacts/artifacts/traces/{trace_id}/artifacts/traces.json"
    found = server.get(place)
    assert [one["name"] for one in found.json["spans"]] == ["span 1", "span 2"]
    assert server.call("PUT", place, found.body).status == 200
    assert len(trace_of(server, trace_id)["spans"]) == 2
    shown = server.get(f"/ajax-api/3.0/mlflow/get-trace-artifact?request_id={trace_id}")
    assert shown.json == found.json
    assert shown.headers["content-disposition"].startswith("attachment")
    attached = place.replace("traces.json", "attachments/picture")
    assert server.call("PUT", attached, b"\x89PNG").status == 200
    got = server.get(f"/ajax-api/3.0/mlflow/get-trace-artifact?request_id={trace_id}&path=picture")
    assert got.body == b"\x89PNG"
    for path in ("..%2fx", "..", "a%2fb", "%00"):
        assert server.get(f"/ajax-api/3.0/mlflow/get-trace-artifact?request_id={trace_id}&path={path}").status in (
            400,
            404,
        )


def test_assessments(server: Served) -> None:
    begin(server, "tr-judged")
    place = f"{V3}/tr-judged/assessments"
    given = {
        "assessment_name": "answer",
        "source": {"source_type": "HUMAN", "source_id": "ada"},
        "expectation": {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": '{"a": [1]}'}},
    }
    made = server.post(place, {"assessment": given}).json["assessment"]
    assert made["expectation"] == given["expectation"]
    one = f"{place}/{made['assessment_id']}"
    assert server.get(one).json["assessment"] == made
    change = {
        "assessment": {"assessment_name": "other", "expectation": {"value": 5}},
        "update_mask": "assessmentName,expectation",
    }
    changed = server.call("PATCH", one, change).json["assessment"]
    assert (changed["assessment_name"], changed["expectation"]) == ("other", {"value": 5})
    broken = {"feedback": {"error": {"error_code": "E", "error_message": "m"}}}
    failed = server.post(place, {"assessment": {**broken, "assessment_name": "x"}}).json["assessment"]
    assert failed["feedback"]["error"] == {"error_code": "E", "error_message": "m"}
    assert server.call("DELETE", one).json == {}
    assert server.get(one).code == "RESOURCE_DOES_NOT_EXIST"
    for wrong in ({}, {"assessment": {}}, {"assessment": {"feedback": {}, "expectation": {}}}, {"assessment": 5}):
        assert server.post(place, wrong).code == "INVALID_PARAMETER_VALUE"


ODD_INFOS: list[Any] = [
    5,
    {},
    info_of(""),
    info_of("../x"),
    info_of("a/b"),
    info_of("x" * 300),
    info_of("tr-x\u0000"),
    info_of("tr-odd", experiment="../0"),
    info_of("tr-odd", experiment="999"),
    info_of("tr-odd", state="NOTHING"),
    info_of("tr-odd", request_time="yesterday"),
    info_of("tr-odd", request_time=5),
    info_of("tr-odd", request_time="99999-01-01T00:00:00Z"),
    info_of("tr-odd", execution_duration="long"),
    info_of("tr-odd", tags={"a": 5}),
    info_of("tr-odd", tags=[]),
    info_of("tr-odd", tags={"": "x"}),
    info_of("tr-odd", tags={"k" * 300: "x"}),
    info_of("tr-odd", trace_metadata="x"),
    info_of("tr-odd", assessments=[{}]),
    info_of("tr-odd", request_preview=["x"]),
    info_of("tr-odd", trace_location="0"),
]


@pytest.mark.parametrize("told", ODD_INFOS, ids=str)
def test_odd_traces_are_refused(server: Served, told: Any) -> None:
    reply = server.post(V3, {"trace": {"trace_info": told}})
    assert reply.code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")
    assert server.get(f"{V3}/tr-odd").status == 404


def test_lone_surrogates_are_refused(server: Served) -> None:
    body = json.dumps({"trace": {"trace_info": info_of("tr-odd", tags={"a": "\ud800"})}}).encode()
    reply = server.call("POST", V3, body, {"Content-Type": "application/json"})
    assert reply.status == 400


def test_numbers_over_traces(server: Served) -> None:
    experiment = server.post("/api/2.0/mlflow/experiments/create", {"name": "summed"}).json["experiment_id"]
    for number in range(4):
        state, length = ("OK", "ERROR")[number % 2], f"{number}.500s"
        begin(server, f"tr-sum-{number}", experiment=experiment, state=state, execution_duration=length)
    asked = {
        "experiment_ids": [experiment],
        "view_type": "TRACES",
        "metric_name": "latency",
        "aggregations": [{"aggregation_type": "AVG"}, {"aggregation_type": "PERCENTILE", "percentile_value": 50}],
    }
    (point,) = server.post(f"{V3}/metrics", asked).json["data_points"]
    assert point == {"metric_name": "latency", "dimensions": {}, "values": {"AVG": 2000.0, "P50.0": 2000.0}}
    for wrong in (
        {"aggregations": []},
        {"aggregations": [5]},
        {"aggregations": [{"aggregation_type": "SUM"}]},
        {"aggregations": [{"aggregation_type": "PERCENTILE", "percentile_value": 101}]},
        {"metric_name": "nothing"},
        {"view_type": "NOTHING"},
        {"dimensions": ["trace_status"]},
        {"filters": ["trace.status > 'OK'"]},
        {"filters": ["nothing"]},
        {"filters": ["span.name = 'x'"]},
        {"time_interval_seconds": 60},
        {"time_interval_seconds": -1, "start_time_ms": 0, "end_time_ms": 1},
        {"experiment_ids": ["../x"]},
    ):
        assert server.post(f"{V3}/metrics", {**asked, **wrong}).code == "INVALID_PARAMETER_VALUE", wrong
    both = {"experiment_ids": [experiment], "filter_string1": "status = 'OK'", "filter_string2": "name = 'x'"}
    found = server.post(f"{V3}/calculate-filter-correlation", both).json
    assert (found["npmi"], found["filter1_count"], found["filter2_count"], found["total_count"]) == ("NaN", 2, 0, 4)


def test_an_answered_trace_survives_a_kill(git_repo: Path, tmp_path: Path) -> None:
    with serving(git_repo, tmp_path / "log") as first:
        assert export(first, otlp_span(0xE1), otlp_span(0xE1, 2, 1)).status == 200
        begin(first, "tr-killed", tags={"a": "b"})
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
    with serving(git_repo, tmp_path / "log2") as second:
        assert len(trace_of(second, f"tr-{0xE1:032x}")["spans"]) == 2
        assert second.get(f"{V3}/tr-killed").json["trace"]["trace_info"]["tags"]["a"] == "b"


def test_who_is_limited_to_an_experiment_sees_and_changes_traces_of_it_alone(git_repo: Path, tmp_path: Path) -> None:
    admin = bearer(new_token(git_repo, "admin"))
    with serving(git_repo, tmp_path / "log", "--require-token") as server:
        server.headers = admin
        mine, other = (
            server.post("/api/2.0/mlflow/experiments/create", {"name": name}).json["experiment_id"]
            for name in ("mine", "other")
        )
        begin(server, "tr-mine", experiment=mine)
        begin(server, "tr-other", experiment=other)
        judged = {"assessment": {"assessment_name": "x", "feedback": {"value": 1}}}
        assessment = server.post(f"{V3}/tr-other/assessments", judged).json["assessment"]["assessment_id"]
        dataset = {"name": "d", "experiment_ids": [other]}
        dataset_id = server.post("/api/3.0/mlflow/datasets/create", dataset).json["dataset"]["dataset_id"]
        writer = bearer(new_token(git_repo, "writer", experiments=(mine,)))
        reader = bearer(new_token(git_repo, "reader"))
        server.headers = writer
        for _ in range(100):  # a server that is running knows of new tokens within a second
            if server.get(f"{V3}/tr-mine").status == 200:
                break
            time.sleep(0.1)
        place = {"x-mlflow-experiment-id": mine}
        assert export(server, otlp_span(0xF1), headers=place).status == 200
        where = [{"mlflow_experiment": {"experiment_id": one}} for one in (mine, other)]
        assert server.post(f"{V3}/search", {"locations": where[:1]}).status == 200
        both = {"trace_ids": ["tr-mine", "tr-other"]}
        moved = {"trace": {"trace_info": info_of("tr-other", experiment=mine)}}
        given = {"assessment": {"assessment_name": "y"}, "update_mask": "assessmentName"}
        found = {"traces": "/api/3.0/mlflow/traces", "datasets": "/api/3.0/mlflow/datasets"}
        for method, path, body in (
            ("GET", f"{V3}/tr-other", None),
            ("GET", f"{V3}/get?trace_id=tr-other", None),
            ("GET", f"{V3}/batchGet?trace_ids=tr-mine&trace_ids=tr-other", None),
            ("POST", f"{V3}/batchGetInfos", both),
            ("POST", f"{V3}/search", {"locations": where}),
            ("POST", f"{V3}/search", {"locations": []}),
            ("POST", V3, moved),
            ("PATCH", f"{V3}/tr-other/tags", {"key": "a", "value": "b"}),
            ("DELETE", f"{V2}/tr-other/tags", {"key": "a"}),
            ("POST", f"{V3}/delete-traces", {"experiment_id": other, "request_ids": ["tr-other"]}),
            ("POST", f"{V3}/delete-traces", {"experiment_id": other, "max_timestamp_millis": 2**50}),
            ("POST", f"{V2}/link-to-run", {**both, "run_id": "r"}),
            ("GET", f"{V2}/tr-other/info", None),
            ("PATCH", f"{V2}/tr-other", {"timestamp_ms": 5, "status": "OK"}),
            ("POST", f"{V3}/tr-other/assessments", judged),
            ("GET", f"{V3}/tr-other/assessments/{assessment}", None),
            ("PATCH", f"{V3}/tr-other/assessments/{assessment}", given),
            ("DELETE", f"{V3}/tr-other/assessments/{assessment}", None),
            ("GET", "/ajax-api/3.0/mlflow/get-trace-artifact?request_id=tr-other", None),
            ("GET", "/api/2.0/mlflow-artifacts/artifacts/traces/tr-other/artifacts/traces.json", None),
            ("GET", f"/api/3.0/mlflow/scorers/list?experiment_id={other}", None),
            ("GET", f"{found['datasets']}/{dataset_id}", None),
            ("POST", f"{found['datasets']}/{dataset_id}/records", {"records": "[]"}),
            ("DELETE", f"{found['datasets']}/{dataset_id}", None),
            ("POST", f"{found['datasets']}/{dataset_id}/add-experiments", {"experiment_ids": [mine]}),
        ):
            reply = server.call(method, path, body)
            assert reply.status == 403, (method, path, reply.body)
        refused = export(server, otlp_span(0xF2), headers={"x-mlflow-experiment-id": other})
        assert (refused.status, refused.code) == (403, "PERMISSION_DENIED")
        server.headers = admin
        assert export(server, otlp_span(0xF3), headers={"x-mlflow-experiment-id": other}).status == 200
        server.headers = writer
        assert export(server, otlp_span(0xF3, 2, 1), headers=place).status == 403
        assert server.get("/api/3.0/mlflow/datasets/search").json == {}
        server.headers = reader
        assert export(server, otlp_span(0xF4), headers=place).status == 403
        assert server.get(f"{V3}/tr-other").json["trace"]["trace_info"]["trace_id"] == "tr-other"
        assert server.get(f"{V3}/tr-{0xF2:032x}").status == 404
