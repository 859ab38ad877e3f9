"""Experiments, runs, points and datasets over HTTP: the shapes, words and codes of MLflow's protocol, byte by byte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from server.serving import Reply, Served

PREFIX = "/api/2.0/mlflow"
SEE = " See the API docs for more information about request parameters."
NOWHERE = "0" * 32


@pytest.fixture
def call(shared_server: Served) -> Any:
    """Posts a request and returns what is answered."""

    def post(path: str, status: int = 200, /, **body: Any) -> Any:
        reply = shared_server.post(PREFIX + path, body)
        assert reply.status == status, reply.body
        return reply.json

    return post


@pytest.fixture
def ask(shared_server: Served) -> Any:
    """Gets an address and returns what is answered."""

    def get(path: str, status: int = 200, prefix: str = PREFIX) -> Any:
        reply = shared_server.get(prefix + path)
        assert reply.status == status, reply.body
        return reply.json

    return get


@pytest.fixture
def run(call: Any) -> str:
    run_id: str = call("/runs/create", experiment_id="0", start_time=1)["run"]["info"]["run_id"]
    return run_id


def words(reply: Mapping[str, Any]) -> tuple[str, str]:
    assert set(reply) == {"error_code", "message"}
    return reply["error_code"], reply["message"]


def test_a_run_has_mlflows_shape(call: Any, ask: Any) -> None:
    tags = [{"key": "mlflow.runName", "value": "named"}, {"key": "mlflow.user", "value": "ada"}]
    made = call("/runs/create", experiment_id="0", user_id="bob", start_time="123", tags=tags)["run"]
    run_id = made["info"]["run_id"]
    assert made == {
        "info": {
            "run_id": run_id,
            "run_uuid": run_id,
            "run_name": "named",
            "experiment_id": "0",
            "user_id": "ada",
            "status": "RUNNING",
            "start_time": 123,
            "artifact_uri": f"mlflow-artifacts:/{run_id}/artifacts",
            "lifecycle_stage": "active",
        },
        "data": {"tags": [{"key": "mlflow.user", "value": "ada"}, {"key": "mlflow.runName", "value": "named"}]},
        "inputs": {},
        "outputs": {},
    }
    assert call("/runs/log-metric", run_uuid=run_id, key="m", value="NaN", timestamp="7") == {}
    assert call("/runs/log-parameter", run_id=run_id, key="p", value="1") == {}
    data = ask(f"/runs/get?run_uuid={run_id}")["run"]["data"]
    assert data["metrics"] == [{"key": "m", "value": "NaN", "timestamp": 7, "step": 0}]
    assert data["params"] == [{"key": "p", "value": "1"}]
    assert call("/runs/update", run_id=run_id, status=3, end_time=9)["run_info"]["end_time"] == 9
    assert call("/runs/search", experiment_ids=["0"], filter="attributes.run_name = 'named'")["runs"] == [
        ask(f"/runs/get?run_id={run_id}")["run"]
    ]


def test_an_experiment_has_mlflows_shape(call: Any, ask: Any, shared_server: Served) -> None:
    number = call("/experiments/create", name="shape", tags=[{"key": "a", "value": "b"}])["experiment_id"]
    found = ask("/experiments/get-by-name?experiment_name=shape")["experiment"]
    assert found == {
        "experiment_id": number,
        "name": "shape",
        "artifact_location": "mlflow-artifacts:/",
        "lifecycle_stage": "active",
        "creation_time": found["creation_time"],
        "last_update_time": found["last_update_time"],
        "tags": [{"key": "a", "value": "b"}],
    }
    assert type(found["creation_time"]) is int
    assert ask(f"/experiments/get?experiment_id={number}")["experiment"] == found
    for prefix in (PREFIX, "/ajax-api/2.0/mlflow"):
        listed = ask("/experiments/search?max_results=1&order_by=name+DESC&view_type=ACTIVE_ONLY", prefix=prefix)
        assert listed["experiments"] == [found] and listed["next_page_token"]
    assert shared_server.post(f"{PREFIX}/experiments/search", {"filter": "name = 'no'"}).body == b"{}"
    assert words(call("/experiments/create", 400, name="shape")) == (
        "RESOURCE_ALREADY_EXISTS",
        "Experiment(name=shape) already exists.",
    )
    assert words(ask("/experiments/get-by-name?experiment_name=none", 404)) == (
        "RESOURCE_DOES_NOT_EXIST",
        "Could not find experiment with name 'none'",
    )
    call("/experiments/delete", experiment_id=number)
    assert words(call("/experiments/update", 500, experiment_id=number, new_name="x"))[0] == "INVALID_STATE"
    call("/experiments/restore", experiment_id=number)


@pytest.mark.parametrize(
    "location",
    ["/etc", "file:///etc", "relative", "runs:/x", "s3://", "s3://b/../../c", "http://127.0.0.1/x", "s3:/b#f"],
)
def test_a_place_of_artifacts_on_this_machine_is_refused(call: Any, location: str) -> None:
    assert words(call("/experiments/create", 400, name="elsewhere", artifact_location=location))[0] == (
        "INVALID_PARAMETER_VALUE"
    )


def test_a_place_of_artifacts_that_clients_reach_is_kept(call: Any, ask: Any) -> None:
    number = call("/experiments/create", name="in s3", artifact_location="s3://bucket/place?x=1")["experiment_id"]
    run = call("/runs/create", experiment_id=number)["run"]["info"]
    assert run["artifact_uri"] == f"s3://bucket/place/{run['run_id']}/artifacts?x=1"
    shown = ask(f"/experiments/get?experiment_id={number}")["experiment"]
    assert shown["artifact_location"] == "s3://bucket/place?x=1" and "tags" not in shown


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/runs/log-metric", {"key": "m", "value": 1}, f"Missing value for required parameter 'timestamp'.{SEE}"),
        (
            "/runs/log-metric",
            {"key": "", "value": 1, "timestamp": 1},
            f"Missing value for required parameter 'key'.{SEE}",
        ),
        (
            "/runs/log-metric",
            {"key": "m", "value": "x", "timestamp": 1},
            f"Invalid value \"x\" for parameter 'value' supplied:  Hint: Value was of type 'str'.{SEE}",
        ),
        (
            "/runs/log-metric",
            {"key": "m", "value": 1, "timestamp": -1},
            (
                "Invalid value -1 for parameter 'timestamp' supplied: metric 'm' (value=1.0). "
                "Timestamp must be a nonnegative long (64-bit integer) "
            ),
        ),
        (
            "/runs/log-batch",
            {"metrics": [{"key": "m", "value": 1, "timestamp": 1}, {"value": 1, "timestamp": 1}]},
            f"Missing value for required parameter 'metrics[1].key'.{SEE}",
        ),
        (
            "/runs/log-batch",
            {"params": [{"key": "a", "value": "1"}, {"key": "a", "value": "1"}]},
            (
                "Duplicate parameter keys have been submitted: ['a']. Please ensure the request contains only one "
                "param value per param key."
            ),
        ),
        (
            "/runs/log-batch",
            {"metrics": [{"key": "m", "value": 1, "timestamp": 1, "step": 1}] * 1001},
            (
                "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. Please split up metrics "
                "across multiple requests and try again."
            ),
        ),
        ("/runs/update", {"status": "NO"}, None),
        ("/runs/update", {"status": 6}, None),
        ("/runs/update", {"status": True}, None),
        ("/runs/log-batch", {"metrics": [1]}, None),
        ("/runs/log-batch", {"metrics": "m"}, None),
        ("/runs/log-batch", {"params": [{"key": "p", "value": 5}]}, None),
        ("/runs/log-batch", {"metrics": [{"key": "m", "value": 1, "timestamp": 2**63}]}, None),
        ("/runs/log-inputs", {"datasets": [{"tags": []}]}, None),
        ("/runs/log-inputs", {"datasets": [{"dataset": {"name": "n", "digest": "x" * 37}}]}, None),
        ("/runs/outputs", {"models": [{"step": 1}]}, None),
        ("/runs/log-model", {"model_json": "{"}, None),
        ("/runs/log-model", {"model_json": "[]"}, None),
        ("/runs/log-model", {"model_json": "{}"}, None),
        ("/runs/set-tag", {"key": "a//b", "value": ""}, None),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_wrong_is_said_in_mlflows_words(call: Any, run: str, path: str, body: Any, message: str | None) -> None:
    code, said = words(call(path, 400, run_id=run, **body))
    assert code == "INVALID_PARAMETER_VALUE"
    assert message is None or said == message
    assert not call("/runs/search", experiment_ids=["0"], filter=f"run_id = '{run}'")["runs"][0]["data"].get("metrics")


def test_nothing_of_a_refused_batch_is_written(call: Any, ask: Any, run: str) -> None:
    call("/runs/log-batch", run_id=run, params=[{"key": "p", "value": "1"}])
    for _ in range(2):  # the run is open and looked at from the second on
        batch = {
            "params": [{"key": "q", "value": "1"}, {"key": "p", "value": "2"}],
            "metrics": [{"key": "m", "value": 1, "timestamp": 1}],
            "tags": [{"key": "t", "value": "1"}],
        }
        assert words(call("/runs/log-batch", 400, run_id=run, **batch)) == (
            "INVALID_PARAMETER_VALUE",
            (
                "Changing param values is not allowed. Params were already logged='[{'key': 'p', 'old_value': '1', "
                f"'new_value': '2'}}]' for run ID='{run}'."
            ),
        )
    data = ask(f"/runs/get?run_id={run}")["run"]["data"]
    assert data["params"] == [{"key": "p", "value": "1"}] and "metrics" not in data
    assert [tag["key"] for tag in data["tags"]] == ["mlflow.runName"]


def test_a_long_param_is_cut_and_a_long_key_is_not(call: Any, ask: Any, run: str) -> None:
    call("/runs/log-parameter", run_id=run, key="p", value="x" * 6001)
    assert ask(f"/runs/get?run_id={run}")["run"]["data"]["params"] == [{"key": "p", "value": "x" * 6000}]
    assert words(call("/runs/set-tag", 400, run_id=run, key="k" * 251, value="")) == (
        "INVALID_PARAMETER_VALUE",
        "'key' exceeds the maximum length of 250 characters",
    )


@pytest.mark.parametrize("run_id", [NOWHERE, "zz", "../..", "A" * 32, "é"])
@pytest.mark.parametrize(
    "path", ["log-metric", "log-parameter", "set-tag", "delete-tag", "update", "delete", "restore"]
)
def test_a_run_that_is_not_there(call: Any, path: str, run_id: str) -> None:
    body = {"key": "a", "value": "1" if path != "log-metric" else 1, "timestamp": 1}
    assert words(call(f"/runs/{path}", 404, run_id=run_id, **body)) == (
        "RESOURCE_DOES_NOT_EXIST",
        f"Run with id={run_id} not found",
    )


def test_logging_stops_when_a_run_or_its_experiment_is_deleted(call: Any) -> None:
    number = call("/experiments/create", name="to delete")["experiment_id"]
    run_id = call("/runs/create", experiment_id=number)["run"]["info"]["run_id"]
    point = {"run_id": run_id, "key": "m", "value": 1, "timestamp": 1}
    for kind, named in (("runs", {"run_id": run_id}), ("experiments", {"experiment_id": number})):
        for step in range(3):
            call("/runs/log-metric", step=step, **point)
        call(f"/{kind}/delete", **named)
        assert words(call("/runs/log-metric", 400, **point)) == (
            "INVALID_PARAMETER_VALUE",
            f"The run {run_id} must be in the 'active' state. Current state is deleted.",
        )
        call(f"/{kind}/restore", **named)
        call("/runs/log-metric", **point)


def test_the_points_of_a_metric_come_in_pages(call: Any, ask: Any, run: str) -> None:
    points = [{"key": "m", "value": step / 4, "timestamp": 10 + step, "step": step} for step in range(7)]
    call("/runs/log-batch", run_id=run, metrics=[*points, *points])
    address = f"/metrics/get-history?run_id={run}&metric_key=m"
    assert ask(address) == {"metrics": points}, "each distinct one once"
    pages, token = [], ""
    while True:
        page = ask(f"{address}&max_results=3&page_token={token}")
        pages.append(len(page["metrics"]))
        token = page.get("next_page_token", "")
        if not token:
            break
    assert pages == [3, 3, 1]
    for query in ("&max_results=0", "&max_results=-1", "&max_results=x", "&page_token=rubbish"):
        assert words(ask(address + query, 400))[0] == "INVALID_PARAMETER_VALUE"
    assert ask(f"/metrics/get-history?run_id={NOWHERE}&metric_key=m") == {}


def test_charts_get_points_of_many_runs(call: Any, ask: Any, run: str) -> None:
    other = call("/runs/create", experiment_id="0")["run"]["info"]["run_id"]
    points = [{"key": "m", "value": step / 4, "timestamp": 10 + step, "step": step} for step in range(100)]
    for run_id in (run, other):
        call("/runs/log-batch", run_id=run_id, metrics=points)
    ajax = "/ajax-api/2.0/mlflow"
    named = f"run_id={run}&run_id={other}&metric_key=m"
    bulk = ask(f"/metrics/get-history-bulk?{named}", prefix=ajax)["metrics"]
    assert [one["run_id"] for one in bulk] == [*[min(run, other)] * 100, *[max(run, other)] * 100]
    assert bulk[0] == {**points[0], "run_id": min(run, other)}
    assert len(ask(f"/metrics/get-history-bulk?{named}&max_results=7", prefix=ajax)["metrics"]) == 7
    assert ask("/metrics/get-history-bulk?metric_key=m", 400, ajax)["message"] == (
        "GetMetricHistoryBulk request must specify at least one run_id."
    )
    sampled = ask(
        f"/metrics/get-history-bulk-interval?run_ids={run}&run_ids={other}&metric_key=m&max_results=10", prefix=ajax
    )
    assert [one["step"] for one in sampled["metrics"]] == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99] * 2
    some = ask(f"/metrics/get-history-bulk-interval?run_ids={run}&metric_key=m&start_step=5&end_step=7")["metrics"]
    assert [one["step"] for one in some] == [5, 6, 7]
    for query in ("&start_step=5", "&start_step=5&end_step=4", "&max_results=0", "&max_results=2501"):
        ask(f"/metrics/get-history-bulk-interval?run_ids={run}&metric_key=m{query}", 400)


def test_datasets_and_models_of_a_run(call: Any, ask: Any, run: str) -> None:
    dataset = {"name": "iris", "digest": "d1", "source_type": "local", "source": "{}", "schema": "[]"}
    given = {"tags": [{"key": "mlflow.data.context", "value": "train"}], "dataset": dataset}
    for _ in range(2):
        call("/runs/log-inputs", run_id=run, datasets=[given], models=[{"model_id": "m-" + "1" * 32}])
    call("/runs/outputs", run_id=run, models=[{"model_id": "m-" + "2" * 32, "step": 3}])
    shown = ask(f"/runs/get?run_id={run}")["run"]
    assert shown["inputs"] == {"dataset_inputs": [given], "model_inputs": [{"model_id": "m-" + "1" * 32}]}
    assert shown["outputs"] == {"model_outputs": [{"model_id": "m-" + "2" * 32, "step": 3}]}
    for path in ("/experiments/search-datasets",):
        found = call(path, experiment_ids=["0"])["dataset_summaries"]
        assert {"experiment_id": "0", "name": "iris", "digest": "d1", "context": "train"} in found
    call("/experiments/search-datasets", 400, experiment_ids=[])
    call("/experiments/search-datasets", 400, experiment_ids=[str(one) for one in range(21)])


def test_the_path_that_mlflow_misspells_is_served(shared_server: Served) -> None:
    reply: Reply = shared_server.post("/api/2.0mlflow/experiments/search-datasets", {"experiment_ids": ["12345"]})
    assert (reply.status, reply.body) == (200, b"{}")


@pytest.mark.parametrize(
    ("body", "words_"),
    [
        ({"max_results": 0}, "max_results"),
        ({"max_results": 50001}, "max_results"),
        ({"experiment_ids": ["abc"]}, "Invalid experiment ID 'abc'"),
        ({"experiment_ids": "0"}, "experiment_ids"),
        ({"experiment_ids": [0]}, "experiment_ids"),
        ({"filter": "metrics.m >"}, ""),
        ({"order_by": ["nothing"]}, ""),
        ({"page_token": "x"}, ""),
        ({"run_view_type": "SOME"}, "run_view_type"),
    ],
    ids=str,
)
def test_a_search_that_is_wrong(call: Any, body: dict[str, Any], words_: str) -> None:
    code, message = words(call("/runs/search", 400, **{"experiment_ids": ["0"], **body}))
    assert code == "INVALID_PARAMETER_VALUE" and words_ in message


def test_a_search_shows_what_has_changed_since(call: Any, ask: Any) -> None:
    number = call("/experiments/create", name="looked at again and again")["experiment_id"]
    run_id = call("/runs/create", experiment_id=number, run_name="first")["run"]["info"]["run_id"]
    changes = [
        ("/runs/set-tag", {"run_id": run_id, "key": "t", "value": "1"}),
        ("/runs/log-metric", {"run_id": run_id, "key": "m", "value": 1, "timestamp": 1, "step": 1}),
        ("/runs/log-metric", {"run_id": run_id, "key": "m", "value": 2, "timestamp": 1, "step": 2}),
        ("/runs/update", {"run_id": run_id, "run_name": "second"}),
        ("/runs/update", {"run_id": run_id, "status": "FINISHED"}),
        ("/runs/set-tag", {"run_id": run_id, "key": "t", "value": "2"}),
        ("/runs/delete", {"run_id": run_id}),
        ("/runs/restore", {"run_id": run_id}),
        ("/experiments/delete", {"experiment_id": number}),
        ("/experiments/restore", {"experiment_id": number}),
    ]
    for path, body in changes:
        call(path, **body)
        shown = ask(f"/runs/get?run_id={run_id}")["run"]
        for _ in range(2):
            assert call("/runs/search", experiment_ids=[number], run_view_type="ALL")["runs"] == [shown], path


def test_datasets_that_no_file_of_a_run_could_hold_are_refused(call: Any, run: str) -> None:
    def given(number: int) -> list[dict[str, Any]]:
        texts = {"source_type": "local", "source": "", "profile": "x" * 3_000_000}
        return [{"dataset": {"name": f"d{number}", "digest": "d", **texts}}]

    call("/runs/log-inputs", run_id=run, datasets=given(1))
    assert "at most" in call("/runs/log-inputs", 400, run_id=run, datasets=given(2))["message"]
