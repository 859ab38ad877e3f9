"""Logged models over HTTP: MLflow's JSON, codes and words."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from server.serving import Reply, Served

API = "/api/2.0/mlflow"
MODELS = f"{API}/logged-models"


@pytest.fixture
def server(shared_server: Served) -> Served:
    """One server for all of these tests: each makes an experiment of its own."""
    return shared_server


@pytest.fixture
def experiment(server: Served, request: pytest.FixtureRequest) -> str:
    """A new experiment."""
    return str(server.post(f"{API}/experiments/create", {"name": request.node.name}).json["experiment_id"])


def begin(server: Served, experiment: str, **fields: Any) -> dict[str, Any]:
    """Returns a new logged model."""
    reply = server.post(MODELS, {"experiment_id": experiment, **fields})
    assert reply.status == 200, reply.body
    model: dict[str, Any] = reply.json["model"]
    return model


def finalize(server: Served, model_id: str, status: object) -> Reply:
    return server.call("PATCH", f"{MODELS}/{model_id}", {"model_id": model_id, "status": status})


def names(server: Served, experiment: str, **fields: Any) -> list[str]:
    reply = server.post(f"{MODELS}/search", {"experiment_ids": [experiment], **fields})
    assert reply.status == 200, reply.body
    return [one["info"]["name"] for one in reply.json.get("models", [])]


def test_a_logged_model_as_json(server: Served, experiment: str) -> None:
    run_id = server.post(f"{API}/runs/create", {"experiment_id": experiment}).json["run"]["info"]["run_id"]
    pairs = [{"key": "depth", "value": "3"}]
    model = begin(server, experiment, name="net", source_run_id=run_id, model_type="cnn", params=pairs, tags=pairs)
    info = model["info"]
    model_id = info["model_id"]
    times = [info.pop(name) for name in ("creation_timestamp_ms", "last_updated_timestamp_ms")]
    assert all(isinstance(time, int) for time in times)
    assert model == {
        "info": {
            "model_id": model_id,
            "experiment_id": experiment,
            "name": "net",
            "artifact_uri": f"mlflow-artifacts:/models/{model_id}/artifacts",
            "status": "LOGGED_MODEL_PENDING",
            "model_type": "cnn",
            "source_run_id": run_id,
            "tags": pairs,
        },
        "data": {"params": pairs},
    }
    point = {"key": "acc", "value": 0.5, "timestamp": 5, "step": 1, "model_id": model_id}
    nan = {**point, "key": "nan", "value": "NaN", "dataset_name": "held", "dataset_digest": "d1"}
    assert server.post(f"{API}/runs/log-batch", {"run_id": run_id, "metrics": [point, nan]}).json == {}
    assert (
        server.post(f"{API}/runs/outputs", {"run_id": run_id, "models": [{"model_id": model_id, "step": 1}]}).json == {}
    )
    metrics = server.get(f"{MODELS}/{model_id}").json["model"]["data"]["metrics"]
    assert metrics == [{**point, "run_id": run_id}, {**nan, "run_id": run_id}]
    ready = finalize(server, model_id, "LOGGED_MODEL_READY").json["model"]
    assert ready["info"]["status"] == "LOGGED_MODEL_READY"


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("LOGGED_MODEL_READY", "LOGGED_MODEL_READY"),
        (2, "LOGGED_MODEL_READY"),
        ("3", "LOGGED_MODEL_UPLOAD_FAILED"),
        ("LOGGED_MODEL_UPLOAD_FAILED", "LOGGED_MODEL_UPLOAD_FAILED"),
        (1, "LOGGED_MODEL_PENDING"),
    ],
)
def test_finalizing(server: Served, status: object, found: str) -> None:
    model_id = begin(server, "0")["info"]["model_id"]
    assert finalize(server, model_id, status).json["model"]["info"]["status"] == found
    assert finalize(server, model_id, "LOGGED_MODEL_READY").json["model"]["info"]["status"] == "LOGGED_MODEL_READY"


def test_tags_params_and_deleting(server: Served) -> None:
    model_id = begin(server, "0", tags=[{"key": "a b/c", "value": "1"}])["info"]["model_id"]
    model = f"{MODELS}/{model_id}"
    assert server.call("PATCH", f"{model}/tags", {"tags": [{"key": "t", "value": "2"}]}).json == {}
    assert server.call("DELETE", f"{model}/tags/{quote('a b/c', safe='')}").json == {}
    again = server.call("DELETE", f"{model}/tags/{quote('a b/c', safe='')}")
    assert (again.status, again.json["message"]) == (
        404,
        f"No tag with key 'a b/c' found for model with ID '{model_id}'.",
    )
    assert server.post(f"{model}/params", {"params": [{"key": "p", "value": "x"}]}).json == {}
    assert finalize(server, model_id, 2).status == 200
    assert server.call("PATCH", f"{model}/tags", {"tags": [{"key": "late", "value": "3"}]}).json == {}
    found = server.get(model).json["model"]
    assert found["info"]["tags"] == [{"key": "late", "value": "3"}, {"key": "t", "value": "2"}]
    assert found["data"]["params"] == [{"key": "p", "value": "x"}]
    assert server.call("DELETE", model).json == {}
    assert server.get(model).code == "RESOURCE_DOES_NOT_EXIST"
    assert server.get(f"{model}?allow_deleted=true").json["model"]["info"]["model_id"] == model_id


def test_artifacts(server: Served) -> None:
    model_id = begin(server, "0")["info"]["model_id"]
    root = f"/api/2.0/mlflow-artifacts/artifacts/models/{model_id}/artifacts"
    assert server.call("PUT", f"{root}/code/train.py", b"print()").status == 200
    found = server.get(f"{MODELS}/{model_id}/artifacts/directories").json
    assert found == {
        "root_uri": f"mlflow-artifacts:/models/{model_id}/artifacts",
        "files": [{"path": "code", "is_dir": True}],
    }
    below = server.get(f"{MODELS}/{model_id}/artifacts/directories?artifact_directory_path=code").json
    assert below["files"] == [{"path": "code/train.py", "is_dir": False, "file_size": 7}]
    file = f"/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files"
    assert server.get(f"{file}?artifact_file_path=code/train.py").body == b"print()"
    assert server.get(file).json["message"] == 'Request must include the "artifact_file_path" query parameter.'
    assert server.get(f"{file}?artifact_file_path=../x").status == 400
    assert server.get(f"{MODELS}/m-{'0' * 32}/artifacts/directories").status == 404


def test_searching(server: Served, experiment: str) -> None:
    run_id = server.post(f"{API}/runs/create", {"experiment_id": experiment}).json["run"]["info"]["run_id"]
    for number in range(4):
        model = begin(
            server,
            experiment,
            name=f"m{number}",
            source_run_id=run_id,
            params=[{"key": "p", "value": str(number)}],
            tags=[{"key": "t", "value": "odd" if number % 2 else "even"}],
        )
        point = {"key": "acc", "value": number / 10, "timestamp": 1, "step": 0, "model_id": model["info"]["model_id"]}
        held = {**point, "value": 1 - number / 10, "dataset_name": "held", "dataset_digest": f"d{number}"}
        server.post(f"{API}/runs/log-batch", {"run_id": run_id, "metrics": [point, held] if number > 1 else [point]})
        if number == 3:
            finalize(server, model["info"]["model_id"], 2)
    by_name = [{"field_name": "name"}]
    for text, found in {
        "name = 'm1'": ["m1"],
        "name LIKE 'm%' AND params.p != '2'": ["m0", "m1", "m3"],
        "params.p = 2": ["m2"],
        "tags.t = 'odd' and name ilike 'M%'": ["m1", "m3"],
        "metrics.acc > 0.15": ["m2", "m3"],
        "metrics.`acc` <= 0.1": ["m0", "m1"],
        "name IN ('m0', 'm3')": ["m0", "m3"],
        "params.p NOT IN ('0', '1')": ["m2", "m3"],
        "attributes.status = 'READY'": ["m3"],
        f"source_run_id = '{run_id}' AND creation_timestamp > 5": ["m0", "m1", "m2", "m3"],
        "model_type = 'x'": [],
    }.items():
        assert names(server, experiment, filter=text, order_by=by_name) == found, text
    assert names(server, experiment, datasets=[{"dataset_name": "held"}], order_by=by_name) == ["m2", "m3"]
    on_one = [{"dataset_name": "held", "dataset_digest": "d2"}]
    assert names(server, experiment, datasets=on_one, filter="metrics.acc > 0.7") == ["m2"]
    best = [{"field_name": "metrics.acc", "ascending": False, "dataset_name": "held"}]
    assert names(server, experiment, order_by=best)[:2] == ["m2", "m3"], "what has no value comes last"
    assert names(server, experiment) == ["m3", "m2", "m1", "m0"], "the newest first"


def test_pages(server: Served, experiment: str) -> None:
    for number in range(5):
        begin(server, experiment, name=f"m{number}")
    asked: dict[str, Any] = {"experiment_ids": [experiment], "max_results": 2, "order_by": [{"field_name": "name"}]}
    found, token = [], ""
    for _ in range(3):
        page = server.post(f"{MODELS}/search", {**asked, "page_token": token}).json
        found += [one["info"]["name"] for one in page["models"]]
        token = page.get("next_page_token", "")
    assert (found, token) == ([f"m{number}" for number in range(5)], "")
    page = server.post(f"{MODELS}/search", asked).json
    other = server.post(f"{MODELS}/search", {**asked, "filter": "name = 'm1'", "page_token": page["next_page_token"]})
    assert other.code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Missing value for required parameter 'experiment_ids'."),
        ({"experiment_ids": "0"}, "Invalid value \"0\" for parameter 'experiment_ids' supplied"),
        ({"experiment_ids": ["x"]}, "Invalid experiment ID 'x'."),
        ({"experiment_ids": ["0"], "filter": "name"}, ""),
        ({"experiment_ids": ["0"], "filter": "params.p > '1'"}, ""),
        ({"experiment_ids": ["0"], "filter": "metrics.acc > 'x'"}, ""),
        ({"experiment_ids": ["0"], "filter": "nothing = 'x'"}, ""),
        ({"experiment_ids": ["0"], "filter": "name = 'a' OR name = 'b'"}, ""),
        ({"experiment_ids": ["0"], "order_by": [{"field_name": "params.x"}]}, "Invalid order by field name: params.x."),
        ({"experiment_ids": ["0"], "order_by": [{"field_name": "x"}]}, "Invalid order by field name: x"),
        ({"experiment_ids": ["0"], "order_by": [{}]}, "`field_name` in the `order_by` clause must be specified."),
        ({"experiment_ids": ["0"], "order_by": ["name"]}, "Invalid value [\"name\"] for parameter 'order_by'"),
        ({"experiment_ids": ["0"], "order_by": [{"field_name": 1}]}, "Invalid value for 'field_name'"),
        ({"experiment_ids": ["0"], "datasets": [{}]}, "`dataset_name` in the `datasets` clause must be specified."),
        ({"experiment_ids": ["0"], "page_token": "x"}, "Invalid page token: x"),
        ({"experiment_ids": ["0"], "max_results": -1}, "Invalid value -1 for parameter 'max_results' supplied."),
    ],
)
def test_searches_that_are_refused(server: Served, fields: dict[str, Any], words: str) -> None:
    reply = server.post(f"{MODELS}/search", fields)
    assert (reply.status, reply.code) == (400, "INVALID_PARAMETER_VALUE"), reply.body
    assert reply.json["message"].startswith(words)


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({}, 400, "Missing value for required parameter 'experiment_id'."),
        ({"experiment_id": "77"}, 404, "No Experiment with id=77 exists"),
        ({"experiment_id": "0", "name": "a/b"}, 400, "Invalid model name ('a/b') provided."),
        ({"experiment_id": "0", "tags": [{"key": "gitruns.model.type", "value": "x"}]}, 400, "Invalid value"),
        ({"experiment_id": "0", "model_type": "x" * 8001}, 400, "value of tag 'gitruns.model.type'"),
        ({"experiment_id": "0", "params": "x"}, 400, "Invalid value \"x\" for parameter 'params' supplied"),
        ({"experiment_id": "0", "tags": [{"key": 1}]}, 400, "Invalid value [{\"key\":1}] for parameter 'tags'"),
    ],
)
def test_models_that_are_refused(server: Served, fields: dict[str, Any], status: int, words: str) -> None:
    before = names(server, "0")
    reply = server.post(MODELS, fields)
    assert (reply.status, reply.json["message"][: len(words)]) == (status, words)
    assert names(server, "0") == before, "nothing is left half made"


def test_tags_that_are_our_own_cannot_be_set(server: Served) -> None:
    run_id = server.post(f"{API}/runs/create", {"experiment_id": "0"}).json["run"]["info"]["run_id"]
    tag = {"key": "gitruns.model.output.m-1", "value": "\u00b2"}
    assert server.post(f"{API}/runs/set-tag", {"run_id": run_id, **tag}).code == "INVALID_PARAMETER_VALUE"
    assert server.post(f"{API}/runs/log-batch", {"run_id": run_id, "tags": [tag]}).code == "INVALID_PARAMETER_VALUE"
    made = server.post(f"{API}/runs/create", {"experiment_id": "0", "tags": [tag]})
    assert made.code == "INVALID_PARAMETER_VALUE"
    model_id = begin(server, "0")["info"]["model_id"]
    assert server.call("PATCH", f"{MODELS}/{model_id}/tags", {"tags": [tag]}).code == "INVALID_PARAMETER_VALUE"
    server.post(f"{API}/registered-models/create", {"name": "reserved"})
    reply = server.post(f"{API}/registered-models/set-tag", {"name": "reserved", **tag})
    assert reply.code == "INVALID_PARAMETER_VALUE"


def test_ids_that_are_none(server: Served) -> None:
    run_id = server.post(f"{API}/runs/create", {"experiment_id": "0"}).json["run"]["info"]["run_id"]
    for odd in ("m-", "m-1", "x", "..", "m-" + "0" * 32, f"m-{run_id}", run_id, "m-" + "G" * 32, "%2e%2e", "m-%00"):
        for method in ("GET", "DELETE"):
            assert server.call(method, f"{MODELS}/{odd}").status in (400, 404), odd
        assert finalize(server, odd, 2).status in (400, 404), odd
    for status in ("x", 9, None, True, [], {}):
        model_id = begin(server, "0")["info"]["model_id"]
        assert finalize(server, model_id, status).code == "INVALID_PARAMETER_VALUE", status
