"""The registry over HTTP: MLflow's JSON, codes and words; nothing is registered that is not in this repository."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest

from server.serving import Reply, Served

API = "/api/2.0/mlflow"
MODELS = f"{API}/registered-models"
VERSIONS = f"{API}/model-versions"

NESTED = quote(base64.urlsafe_b64encode(b"[" * 20_000).decode())

_names = (f"model-{number}" for number in itertools.count())


@pytest.fixture
def server(shared_server: Served) -> Served:
    """One server for all of these tests: each makes models of its own."""
    return shared_server


@pytest.fixture
def run_id(server: Served) -> str:
    """A run with an artifact `model/w.bin`."""
    made = server.post(f"{API}/runs/create", {"experiment_id": "0"}).json["run"]["info"]["run_id"]
    address = f"/api/2.0/mlflow-artifacts/artifacts/{made}/artifacts/model/w.bin"
    assert server.call("PUT", address, b"weights").status == 200
    return str(made)


def create(server: Served, **fields: Any) -> str:
    """Creates a model and returns its name."""
    name = fields.setdefault("name", next(_names))
    assert server.post(f"{MODELS}/create", fields).status == 200
    return str(name)


def register(server: Served, name: str, source: str, **fields: Any) -> Reply:
    return server.post(f"{VERSIONS}/create", {"name": name, "source": source, **fields})


def patch(server: Served, path: str, body: Mapping[str, Any]) -> Reply:
    return server.call("PATCH", path, body)


def without_times(found: Mapping[str, Any]) -> dict[str, Any]:
    times = [found[name] for name in ("creation_timestamp", "last_updated_timestamp")]
    assert all(isinstance(one, int) for one in times)
    return {name: one for name, one in found.items() if not name.endswith("_timestamp")}


def test_a_model_as_json(server: Served, run_id: str) -> None:
    tags = [{"key": "team", "value": "vision"}]
    reply = server.post(f"{MODELS}/create", {"name": "digits", "tags": tags, "description": "numbers"})
    assert without_times(reply.json["registered_model"]) == {"name": "digits", "tags": tags, "description": "numbers"}
    made = register(server, "digits", f"runs:/{run_id}/model", run_id=run_id, tags=tags, run_link="http://x")
    version = without_times(made.json["model_version"])
    assert version.pop("user_id")
    assert version == {
        "name": "digits",
        "version": "1",
        "current_stage": "None",
        "source": f"runs:/{run_id}/model",
        "run_id": run_id,
        "run_link": "http://x",
        "status": "READY",
        "tags": tags,
    }
    assert server.post(f"{MODELS}/alias", {"name": "digits", "alias": "best", "version": "1"}).json == {}
    found = server.get(f"{MODELS}/get?name=digits").json["registered_model"]
    assert found["aliases"] == [{"alias": "best", "version": "1"}]
    assert found["latest_versions"][0]["version"] == "1"
    assert "aliases" not in found["latest_versions"][0], "MLflow has them with one version only"
    by_alias = server.get(f"{MODELS}/alias?name=digits&alias=best").json["model_version"]
    assert by_alias == server.get(f"{VERSIONS}/get?name=digits&version=1").json["model_version"]
    assert by_alias["aliases"] == ["best"]
    uri = server.get(f"{VERSIONS}/get-download-uri?name=digits&version=1").json
    assert uri == {"artifact_uri": f"mlflow-artifacts:/{run_id}/artifacts/model"}
    file = server.get("/model-versions/get-artifact?name=digits&version=1&path=w.bin")
    assert (file.body, file.headers["content-disposition"]) == (b"weights", "attachment; filename=w.bin")
    assert server.get("/model-versions/get-artifact?name=digits&version=1&path=../w.bin").status == 400


def test_edits(server: Served, run_id: str) -> None:
    name = create(server)
    for _ in range(3):
        register(server, name, f"runs:/{run_id}/model")
    which = {"name": name, "version": "2"}
    changed = patch(server, f"{VERSIONS}/update", {**which, "description": "better"}).json["model_version"]
    assert changed["description"] == "better"
    assert server.post(f"{VERSIONS}/set-tag", {**which, "key": "k", "value": "v"}).json == {}
    assert server.call("DELETE", f"{VERSIONS}/delete-tag", {**which, "key": "k"}).json == {}
    assert server.call("DELETE", f"{VERSIONS}/delete-tag", {**which, "key": "k"}).json == {}, (
        "what is not there is fine"
    )
    staged = server.post(f"{VERSIONS}/transition-stage", {**which, "stage": "production"}).json["model_version"]
    assert staged["current_stage"] == "Production"
    moved = {"name": name, "version": "3", "stage": "Production", "archive_existing_versions": True}
    server.post(f"{VERSIONS}/transition-stage", moved)
    assert server.get(f"{VERSIONS}/get?name={name}&version=2").json["model_version"]["current_stage"] == "Archived"
    for method in ("GET", "POST"):
        query = f"?name={name}&stages=Production&stages=None" if method == "GET" else ""
        body = {"name": name, "stages": ["Production", "None"]} if method == "POST" else None
        found = server.call(method, f"{MODELS}/get-latest-versions{query}", body).json["model_versions"]
        assert sorted(one["version"] for one in found) == ["1", "3"]
    assert patch(server, f"{MODELS}/update", {"name": name, "description": "d"}).json["registered_model"]["description"]
    assert server.post(f"{MODELS}/set-tag", {"name": name, "key": "a/b", "value": ""}).json == {}
    assert server.get(f"{MODELS}/get?name={name}").json["registered_model"]["tags"] == [{"key": "a/b", "value": ""}]
    assert server.call("DELETE", f"{MODELS}/delete-tag", {"name": name, "key": "a/b"}).json == {}
    server.post(f"{MODELS}/alias", {"name": name, "alias": "x", "version": "3"})
    assert server.call("DELETE", f"{VERSIONS}/delete", {"name": name, "version": "3"}).json == {}
    gone = server.get(f"{MODELS}/alias?name={name}&alias=x")
    assert (gone.status, gone.json["message"]) == (400, "Registered model alias x not found.")
    assert register(server, name, f"runs:/{run_id}/model").json["model_version"]["version"] == "4"
    renamed = server.post(f"{MODELS}/rename", {"name": name, "new_name": f"{name}-new"}).json["registered_model"]
    assert renamed["name"] == f"{name}-new"
    assert server.call("DELETE", f"{MODELS}/delete", {"name": f"{name}-new"}).json == {}
    assert server.get(f"{MODELS}/get?name={name}-new").code == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", f"{MODELS}/create", {}, 400, "Missing value for required parameter 'name'. See the API docs"),
        ("POST", f"{MODELS}/create", {"name": 5}, 400, "Invalid value 5 for parameter 'name' supplied"),
        ("POST", f"{MODELS}/create", {"name": "a/b"}, 400, "Invalid model name 'a/b'. Names cannot contain '/' or ':'"),
        ("POST", f"{MODELS}/create", {"name": "x", "tags": [1]}, 400, "Invalid value [1] for parameter 'tags'"),
        (
            "POST",
            f"{MODELS}/create",
            {"name": ".."},
            400,
            """Invalid value ".." for parameter 'name' supplied: Names""",
        ),
        ("GET", f"{MODELS}/get?name=none", None, 404, "Registered Model with name=none not found"),
        ("GET", f"{VERSIONS}/get?name=there&version=7", None, 404, "Model Version (name=there, version=7) not found"),
        ("GET", f"{VERSIONS}/get?name=there&version=x", None, 400, "Parameter 'version' must be an integer, got 'x'."),
        ("GET", f"{MODELS}/alias?name=there&alias=a%20b", None, 400, "Invalid alias name: 'a b'."),
        ("GET", f"{MODELS}/alias?name=none&alias=a", None, 404, "Registered Model with name=none not found"),
        ("GET", f"{MODELS}/search?max_results=1001", None, 400, "Invalid value 1001 for parameter 'max_results'"),
        ("GET", f"{MODELS}/search?max_results=0", None, 400, "Invalid value 0 for parameter 'max_results'"),
        ("GET", f"{MODELS}/search?filter=size%20%3E%201", None, 400, "cannot read query: Invalid attribute"),
        ("GET", f"{MODELS}/search?page_token=abc", None, 400, "the page token is of no page of this search"),
        ("GET", f"{MODELS}/search?page_token={NESTED}", None, 400, "the page token is of no page of this search"),
        ("GET", f"{VERSIONS}/search?page_token={NESTED}", None, 400, "the page token is of no page of this search"),
        ("GET", f"{VERSIONS}/search?max_results=200001", None, 400, "Invalid value 200001 for parameter"),
        ("POST", f"{MODELS}/alias", {"name": "there", "alias": "latest", "version": "1"}, 400, "'latest' alias name"),
        ("POST", f"{MODELS}/alias", {"name": "there", "alias": "v1", "version": "1"}, 400, "Version alias name 'v1'"),
        ("POST", f"{MODELS}/create", {"name": "there"}, 400, "Registered Model (name=there) already exists."),
        ("GET", f"{VERSIONS}/get-download-uri?name=there", None, 400, "Parameter 'version' must be an integer"),
    ],
)
def test_refusals(server: Served, method: str, path: str, body: Any, status: int, words: str) -> None:
    server.post(f"{MODELS}/create", {"name": "there"})
    reply = server.call(method, path, body)
    assert (reply.status, reply.json["message"][: len(words)]) == (status, words)
    assert reply.code


def test_a_stage_that_cannot_be_emptied(server: Served, run_id: str) -> None:
    name = create(server)
    register(server, name, f"runs:/{run_id}/model")
    which = {"name": name, "version": "1", "stage": "None", "archive_existing_versions": True}
    reply = server.post(f"{VERSIONS}/transition-stage", which)
    assert (reply.status, reply.code) == (500, "INTERNAL_ERROR"), "so MLflow has it"
    odd = server.post(f"{VERSIONS}/transition-stage", {**which, "stage": "Attic"})
    assert odd.json["message"].startswith("Invalid Model Version stage: Attic. Value must be one of None, Staging,")


def test_pages(server: Served, run_id: str) -> None:
    names = sorted(create(server, name=f"page-{letter}") for letter in "cab")
    found: list[str] = []
    token = ""
    while True:
        query = f"filter={quote(chr(110) + 'ame LIKE ' + repr('page-%'))}&max_results=2&page_token={token}"
        page = server.get(f"{MODELS}/search?{query}").json
        found += [one["name"] for one in page["registered_models"]]
        token = quote(page.get("next_page_token", ""))
        if not token:
            break
    assert found == names
    for _ in range(3):
        register(server, "page-a", f"runs:/{run_id}/model")
    where = quote("name = 'page-a'")
    orders = f"order_by={quote('version_number ASC')}"
    page = server.get(f"{VERSIONS}/search?filter={where}&{orders}&max_results=2").json
    assert [one["version"] for one in page["model_versions"]] == ["1", "2"]
    page = server.get(
        f"{VERSIONS}/search?filter={where}&{orders}&max_results=2&page_token={quote(page['next_page_token'])}"
    ).json
    assert [one["version"] for one in page["model_versions"]] == ["3"]
    assert "next_page_token" not in page
    nothing = quote("name = 'no such model'")
    assert server.get(f"{VERSIONS}/search?filter={nothing}").json == {}


def test_sources_of_this_repository(server: Served, run_id: str) -> None:
    name = create(server)
    model = server.post(f"{API}/logged-models", {"experiment_id": "0", "name": "m", "source_run_id": run_id}).json
    model_id = model["model"]["info"]["model_id"]
    server.call("PUT", f"/api/2.0/mlflow-artifacts/artifacts/models/{model_id}/artifacts/MLmodel", b"flavors: {}")
    empty = server.post(f"{API}/logged-models", {"experiment_id": "0", "name": "e", "source_run_id": run_id}).json
    other = server.post(f"{API}/runs/create", {"experiment_id": "0"}).json["run"]["info"]["run_id"]
    taken = {
        f"runs:/{run_id}/model": f"runs:/{run_id}/model",
        f"mlflow-artifacts:/{run_id}/artifacts/model": f"runs:/{run_id}/model",
        f"models:/{model_id}": f"models:/{model_id}",
        f"models:/{name}/1": f"models:/{name}/1",
        f"models:/{name}@first": f"models:/{name}/1",
        f"models:/{name}/latest": f"models:/{name}/5",
    }
    for number, (source, kept) in enumerate(taken.items(), 1):
        reply = register(server, name, source)
        assert reply.status == 200, (source, reply.body)
        version = reply.json["model_version"]
        assert (version["version"], version["source"]) == (str(number), kept)
        assert version["run_id"] == run_id
        server.post(f"{MODELS}/alias", {"name": name, "alias": "first", "version": "1"})
    uri = server.get(f"{VERSIONS}/get-download-uri?name={name}&version=3").json["artifact_uri"]
    assert uri == f"mlflow-artifacts:/models/{model_id}/artifacts"
    nothing_yet = register(server, name, f"models:/{empty['model']['info']['model_id']}").json["model_version"]
    assert nothing_yet["run_id"] == run_id
    must = "The run_id request parameter must identify the resource that contains the source."
    assert register(server, name, f"runs:/{run_id}/model", run_id=other).json["message"].endswith(must)
    assert register(server, name, f"mlflow-artifacts:/{run_id}/artifacts/model", run_id=other).status == 400
    assert register(server, name, f"runs:/{'0' * 32}/model", run_id="0" * 32).status == 400
    assert register(server, name, f"models:/{model_id}", model_id="m-" + "0" * 32).status == 400
    assert register(server, name, f"models:/m-{'0' * 32}").status == 400
    assert register(server, name, f"models:/{name}/1", run_id=other).status == 400
    assert register(server, name, f"models:/{name}/99").code == "RESOURCE_DOES_NOT_EXIST"
    assert register(server, name, "models:/nothing/1").code == "RESOURCE_DOES_NOT_EXIST"


def test_a_source_in_the_remote_store_of_its_run(server: Served, run_id: str) -> None:
    name = create(server)
    made = server.post(f"{API}/experiments/create", {"name": name, "artifact_location": "s3://bucket/place"})
    run = server.post(f"{API}/runs/create", {"experiment_id": made.json["experiment_id"]}).json["run"]["info"]
    assert run["artifact_uri"] == f"s3://bucket/place/{run['run_id']}/artifacts"
    inside = f"{run['artifact_uri']}/model"
    version = register(server, name, inside, run_id=run["run_id"]).json["model_version"]
    assert (version["source"], version["run_id"]) == (f"runs:/{run['run_id']}/model", run["run_id"])
    uri = server.get(f"{VERSIONS}/get-download-uri?name={name}&version=1").json["artifact_uri"]
    assert uri == f"runs:/{run['run_id']}/model", "which the client looks for in the store"
    for source, named in (
        (inside, run_id),
        (inside, None),
        (run["artifact_uri"] + "-other/model", run["run_id"]),
        ("s3://bucket/place/model", run["run_id"]),
        (f"{run['artifact_uri']}/../x", run["run_id"]),
    ):
        assert register(server, name, source, run_id=named).status == 400, source


@pytest.mark.parametrize(
    "source",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "etc/passwd",
        "../../etc",
        "C:\\windows",
        "gitruns:/etc",
        "gitruns:/srv/repo/{run}/artifacts/model",
        "s3://bucket/model",
        "http://169.254.169.254/latest",
        "https://example.org/api/2.0/mlflow-artifacts/artifacts/{run}/artifacts/model",
        "mlflow-artifacts://elsewhere:80/{run}/artifacts/model",
        "mlflow-artifacts:/{run}/artifacts/../../x",
        "mlflow-artifacts:/{run}/artifacts/%2e%2e/x",
        "mlflow-artifacts:/{run}/artifacts/%252e%252e/x",
        "mlflow-artifacts:/0/x",
        "mlflow-artifacts:/%00",
        "runs://host/{run}/model",
        "models://host/m/1",
        "models:/a/b/c/d",
        "dbfs:/x",
        "prompt-template",
        "dummy-source",
    ],
)
def test_sources_of_elsewhere(server: Served, run_id: str, source: str) -> None:
    name = create(server)
    reply = register(server, name, source.replace("{run}", run_id), run_id=run_id)
    assert reply.status in (400, 404), reply.body
    assert reply.code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")
    assert "latest_versions" not in server.get(f"{MODELS}/get?name={name}").json["registered_model"]


def test_prompts(server: Served) -> None:
    mark = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    name = create(server, tags=[mark])
    text = {"key": "mlflow.prompt.text", "value": "hello {{name}}"}
    made = register(server, name, "dummy-source", tags=[mark, text])
    assert made.json["model_version"]["version"] == "1"
    assert register(server, name, "s3://x", tags=[mark, text]).json["message"].startswith("Invalid prompt source")
    long = {"key": "mlflow.prompt.text", "value": "x" * 100_001}
    too_long = register(server, name, "dummy-source", tags=[mark, long])
    assert too_long.json["message"] == "Prompt text exceeds max length of 100000 characters."
    plain = {one["name"] for one in server.get(f"{MODELS}/search?max_results=1000").json.get("registered_models", [])}
    where = quote("tags.`mlflow.prompt.is_prompt` = 'true'")
    prompts = {one["name"] for one in server.get(f"{MODELS}/search?filter={where}").json["registered_models"]}
    assert name in prompts
    assert name not in plain
    taken = server.post(f"{MODELS}/create", {"name": name}).json
    assert taken["message"].startswith(
        f"Tried to create a registered model with name '{name}', but the name is already"
    )
