"""Our own API over real HTTP: what it tells of runs, experiments, models, and what it changes."""

from __future__ import annotations

import subprocess
from itertools import pairwise

import msgspec
import pytest

from gitruns.errors import InvalidInputError
from gitruns.server.routes.own import ROUTES, tables
from gitruns.server.routes.own.route import Route
from server.own_world import BASE, World

BY_NAME = {route.name: route for route in ROUTES}


def fits(name: str, answer: object) -> None:
    """The answer is what the document says that it is, no key more and none less."""
    kind = BY_NAME[name].answer
    read = msgspec.convert(answer, kind)
    assert msgspec.to_builtins(read) == answer


def test_status(world: World) -> None:
    answer = world.found("/status")
    fits("Status", answer)
    assert (answer["repository"], answer["role"]) == ("project", "admin")
    assert answer["runs"] == 5
    assert str(world.repo.parent) not in str(answer)


def test_a_table_has_a_value_of_each_column_for_each_run(world: World) -> None:
    wanted = ["run_name", "metrics.acc", "params.lr", "params.huge", "params.layers", "tags.team", "min(loss)"]
    answer = world.asked("/runs/table", {"filter": "acc > 0", "fields": wanted, "order_by": ["-acc"], "total": True})
    fits("RunTable", answer)
    assert answer["run_ids"] == [world.ids[name] for name in ("run2", "run1", "run0")]
    columns = answer["columns"]
    assert list(columns) == wanted
    assert columns["run_name"] == ["run 2", "run 1", "run 0"]
    assert columns["metrics.acc"] == [0.7, 0.6, 0.5]
    assert columns["params.lr"] == [0.001, 0.01, 0.1]
    assert columns["params.huge"] == [str(2**70)] * 3  # no browser could hold it
    assert columns["params.layers"] == [2**53 - 1] * 3
    assert columns["tags.team"] == ["vision"] * 3
    assert (answer["total"], answer["next_page_token"]) == (3, "")


def test_what_json_has_no_number_for_is_text(world: World) -> None:
    columns = world.asked("/runs/table", {"filter": "acc = 0.5", "fields": ["metrics.broken", "metrics.wild"]})[
        "columns"
    ]
    assert columns == {"metrics.broken": ["nan"], "metrics.wild": ["inf"]}


def test_a_column_that_a_run_has_not_is_null(world: World) -> None:
    columns = world.asked("/runs/table", {"filter": "name = 'parent'", "fields": ["metrics.acc", "params.lr"]})[
        "columns"
    ]
    assert columns == {"metrics.acc": [None], "params.lr": [None]}


def test_pages_of_a_table_are_the_table(world: World) -> None:
    whole = world.asked("/runs/table", {"fields": ["run_name"]})
    rows, token = [], ""
    while True:
        page = world.asked("/runs/table", {"fields": ["run_name"], "limit": 2, "page_token": token})
        rows += zip(page["run_ids"], page["columns"]["run_name"], strict=True)
        token = page["next_page_token"]
        if not token:
            break
    assert rows == list(zip(whole["run_ids"], whole["columns"]["run_name"], strict=True))
    assert len(rows) == 5


def test_mlflows_own_filters_are_understood(world: World) -> None:
    body = {"filter": "params.model = 'cnn' AND metrics.acc > 0.55", "dialect": "mlflow"}
    assert len(world.asked("/runs/table", body)["run_ids"]) == 2
    assert world.post("/runs/table", {**body, "filter": "acc > 0.5 or acc < 1"}).status == 400


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"filter": "los < 1"}, "bad-query"),
        ({"order_by": ["acc up"]}, "bad-query"),
        ({"fields": ["nothing.like.it"]}, "bad-query"),
        ({"page_token": "mine"}, "bad-page-token"),
        ({"limit": 0}, "bad-request"),
        ({"limit": "many"}, "bad-request"),
        ({"limit": 50_001}, "bad-request"),
        ({"lifecycle": "gone"}, "bad-request"),
        ({"experiment_ids": ["x"]}, "bad-request"),
        ({"fields": [f"params.p{number}" for number in range(400)], "limit": 50_000}, "too-much"),
        ({"filter": "a" * 70_000}, "bad-request"),
    ],
)
def test_a_table_that_cannot_be(world: World, body: dict[str, object], kind: str) -> None:
    reply = world.post("/runs/table", body)
    assert (reply.status, reply.json["kind"]) == (400, kind)
    assert reply.json["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_mistake_in_a_query_names_its_place_and_what_was_meant(world: World) -> None:
    error = world.post("/runs/table", {"filter": "acc > 0 and los < 1"}).json
    assert (error["column"], error["hint"], error["reason"]) == (13, "did you mean loss?", "no run has 'los'")
    answer = world.asked("/query/check", {"filter": "acc > 0 and los < 1", "order_by": ["acc up"]})
    fits("CheckQuery", answer)
    assert [(one["where"], one["column"], one["suggestion"]) for one in answer["errors"]] == [
        ("filter", 13, "did you mean loss?"),
        ("order_by", 5, None),
    ]
    assert answer["errors"][0]["pointer"].splitlines()[1].index("^") == 4 + 12
    assert world.asked("/query/check", {"filter": "acc > 0", "order_by": ["-acc"]}) == {"errors": []}


def test_known_keys(world: World) -> None:
    answer = world.found("/keys")
    fits("KnownKeys", answer)
    assert {"name": "loss", "runs": 4} in answer["metrics"]
    assert {"name": "lr", "runs": 3} in answer["params"]
    assert world.found("/keys?experiment_id={vision}") == answer
    assert world.found("/keys?experiment_id=0") == {"metrics": [], "params": [], "tags": []}


def test_one_run(world: World) -> None:
    answer = world.found("/runs/{run1}")
    fits("ShowRun", answer)
    assert (answer["name"], answer["status"], answer["experiment"]) == ("run 1", "FINISHED", "vision")
    assert answer["params"] == {"lr": 0.01, "model": "cnn", "huge": str(2**70), "layers": 2**53 - 1}
    loss = answer["metrics"]["loss"]
    assert (loss["count"], loss["step"], loss["nan"]) == (1000, 999, 0)
    assert answer["metrics"]["broken"]["last"] == "nan"
    assert answer["source"]["dirty"] is True
    assert answer["environment"]["packages"]
    assert answer["artifact_count"] == 2


@pytest.mark.parametrize(
    "path", ["/runs/" + "0" * 32, "/models/nothing", "/experiments/77", "/runs/" + "0" * 32 + "/lineage"]
)
def test_what_is_not_there(world: World, path: str) -> None:
    reply = world.get(path)
    assert (reply.status, reply.json["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_files_of_a_run(world: World) -> None:
    answer = world.found("/runs/{run0}/artifacts")
    fits("ListRunFiles", answer)
    assert answer["files"] == [{"path": "notes", "is_dir": True, "size_bytes": None, "sha256": None}]
    below = world.found("/runs/{run0}/artifacts?path=notes")["files"]
    assert [(one["path"], one["size_bytes"]) for one in below] == [("notes/a.txt", 5), ("notes/b.html", 25)]
    assert world.found("/runs/{run0}/artifacts?path=../..")["files"] == []


def test_lineage(world: World) -> None:
    answer = world.found("/runs/{parent}/lineage")
    fits("RunLineage", answer)
    assert [one["id"] for one in answer["children"]] == [world.ids["child"]]
    assert world.found("/runs/{child}/lineage")["parent"]["id"] == world.ids["parent"]
    body = {"experiment_id": world.ids["vision"], "name": "forest", "source_run_id": world.ids["run2"]}
    model = world.server.post("/api/2.0/mlflow/logged-models", body).json["model"]["info"]
    assert world.found("/runs/{run2}/lineage")["logged_models"] == [
        {"id": model["model_id"], "name": "forest", "status": "RUNNING"}
    ]
    assert world.found("/runs/{run0}/lineage")["versions"] == [
        {"model": "digits", "version": 1, "aliases": ["champion"]}
    ]


def test_differences(world: World) -> None:
    answer = world.found("/runs/{run1}/diff/{run0}")
    fits("DiffRuns", answer)
    assert {"key": "lr", "change": "changed", "before": 0.1, "after": 0.01} in answer["params"]
    metrics = {metric["key"]: metric for metric in answer["metrics"]}
    assert (metrics["acc"]["verdict"], metrics["loss"]["verdict"]) == ("better", "better")
    code = world.found("/runs/{run1}/diff/{run0}/code?patch=true")
    fits("DiffCode", code)
    assert [(file["path"], file["added"]) for file in code["files"]] == [("train.py", 1)]
    assert "+# lr was 0.1" in code["patch"]
    assert world.found("/runs/{run1}/diff/{run0}/code?path=elsewhere")["files"] == []
    fits("DiffEnvironment", world.found("/runs/{run1}/diff/{run0}/environment"))
    baseline = world.found("/runs/{run1}/diff/baseline")
    fits("DiffRuns", baseline)
    assert baseline["baseline"]["why"]


def test_side_by_side(world: World) -> None:
    ids = [world.ids[name] for name in ("run0", "run1", "run2")]
    answer = world.asked("/runs/compare", {"run_ids": ids, "only_changed": True, "sort": "-metrics.acc"})
    fits("CompareRuns", answer)
    assert [run["name"] for run in answer["runs"]] == ["run 2", "run 1", "run 0"]
    rows = {(row["group"], row["key"]): row for row in answer["rows"]}
    assert rows["metrics", "acc"]["best"] == [0]
    assert ("params", "model") not in rows
    assert world.post("/runs/compare", {"run_ids": [ids[0], ids[0]]}).status == 400
    assert world.post("/runs/compare", {"run_ids": ids, "sort": "nothing"}).json["kind"] == "unknown-field"


def test_a_review(world: World) -> None:
    answer = world.asked(
        "/review", {"range": "HEAD", "rules": [{"metric": "acc", "rule": "at least 0.2"}], "patch": True}
    )
    fits("ReviewChange", answer)
    assert answer["head"]["commit"]["subject"] == "first"
    assert world.post("/review", {"rules": [{"metric": "acc", "rule": "be good"}]}).json["kind"] == "bad-rule"
    written = world.repo.parent / "written"
    for odd in ("nowhere", f"--output={written}", "HEAD --all", "-1", ":/first", "@{u}"):
        assert world.post("/review", {"range": odd}).status in (200, 400, 404), odd
    assert not written.exists()


def test_models(world: World) -> None:
    listed = world.found("/models")
    fits("ListModels", listed)
    assert listed["models"][0]["aliases"] == {"champion": 1}
    whole = world.found("/models/digits")
    fits("ShowModel", whole)
    assert [one["version"] for one in whole["all_versions"]] == [1]
    for named in ("1", "@champion", "latest", "v1"):
        version = world.found(f"/models/digits/versions/{named}")
        fits("ShowModelVersion", version)
        assert version["run_id"] == world.ids["run0"]
        assert version["source_commit"]
    fits("ModelHistory", world.found("/models/digits/history"))
    assert world.get("/models/digits/versions/two").status == 400
    assert world.get("/models/digits/versions/@nobody").status == 404


def test_experiments(world: World) -> None:
    made = world.post("/experiments", {"name": "for a while", "tags": {"a": "b"}})
    fits("CreateOwnExperiment", made.json)
    again = world.post("/experiments", {"name": "for a while"})
    assert (again.status, again.json["kind"]) == (409, "experiment-exists")
    path = f"/experiments/{made.json['id']}"
    changed = world.patch(path, {"name": "renamed", "tags": {"a": None, "c": "d"}}).json
    assert (changed["name"], changed["tags"]) == ("renamed", {"c": "d"})
    assert world.patch(path, {"lifecycle": "deleted"}).json["lifecycle"] == "deleted"
    assert world.patch(path, {"name": "no"}).json["kind"] == "experiment-deleted"
    assert made.json["id"] not in {one["id"] for one in world.found("/experiments")["experiments"]}
    assert made.json["id"] in {one["id"] for one in world.found("/experiments?lifecycle=all")["experiments"]}
    assert world.patch(path, {"lifecycle": "active", "name": "back"}).json["name"] == "back"
    fits("ListExperiments", world.found("/experiments?limit=1"))


def test_an_edit_is_one_commit(world: World) -> None:
    before = world.found("/runs/{run2}/history")["changes"]
    body = {"name": "the best", "note": "keep it", "tags": {"stage": "done", "team": None, "nothing": None}}
    reply = world.patch("/runs/{run2}", body)
    assert reply.status == 200, reply.body
    fits("ChangeRun", reply.json)
    assert (reply.json["name"], reply.json["note"]) == ("the best", "keep it")
    assert reply.json["tags"]["stage"] == "done" and "team" not in reply.json["tags"]
    after = world.found("/runs/{run2}/history")
    fits("RunHistory", after)
    assert len(after["changes"]) == len(before) + 1
    assert after["changes"][0]["author"] == "Ada Lovelace <ada@example.org>"
    # Nothing to change is no commit.
    world.patch("/runs/{run2}", {"name": "the best"})
    assert world.found("/runs/{run2}/history") == after
    tip = subprocess.run(
        ["git", "rev-parse", f"refs/runs/{world.ids['run2']}"],
        cwd=world.repo,
        capture_output=True,
        text=True,
        check=True,
    )
    assert tip.stdout.strip() == after["changes"][0]["commit"]
    world.patch("/runs/{run2}", {"name": "run 2", "note": "", "tags": {"stage": "draft", "team": "vision"}})
    assert world.found("/runs/{run2}")["note"] == ""


@pytest.mark.parametrize(
    "body",
    [
        {"tags": {"gitruns.model.input.m": "1"}},
        {"tags": {"mlflow.runName": "other"}},
        {"tags": {"a": 1}},
        {"tags": {"": "x"}},
        {"tags": {"a": "x" * 8001}},
        {"tags": {"a" * 251: "x"}},
        {"name": ""},
        {"name": "x" * 501},
        {"lifecycle": "gone"},
        {"note": ["a"]},
        {"name": "a\u0000b"},
    ],
)
def test_an_edit_that_cannot_be_changes_nothing(world: World, body: dict[str, object]) -> None:
    before = world.found("/runs/{run0}")
    assert world.patch("/runs/{run0}", {"note": "half", **body}).status == 400
    assert world.found("/runs/{run0}") == before


def test_out_of_sight_and_back(world: World) -> None:
    assert world.patch("/runs/{child}", {"lifecycle": "deleted"}).json["lifecycle"] == "deleted"
    assert world.ids["child"] not in world.asked("/runs/table", {})["run_ids"]
    assert world.asked("/runs/table", {"lifecycle": "deleted"})["run_ids"] == [world.ids["child"]]
    assert world.patch("/runs/{child}", {"lifecycle": "active"}).status == 200
    assert world.ids["child"] in world.asked("/runs/table", {})["run_ids"]


def test_what_somebody_has_already_is_not_sent_again(world: World) -> None:
    first = world.get("/runs/{run0}")
    tag = first.headers["etag"]
    again = world.get("/runs/{run0}", **{"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == tag
    world.patch("/runs/{run0}", {"tags": {"seen": "yes"}})
    changed = world.get("/runs/{run0}", **{"If-None-Match": tag})
    assert changed.status == 200
    assert changed.headers["etag"] != tag


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_says_what_it_is(route: Route) -> None:
    assert route.summary[0].isupper() and not route.summary.endswith(".")
    assert route.about.endswith(".")
    assert route.role > 0
    assert set(route.in_path) <= set(route.request.__struct_fields__)


def test_names_of_routes_are_taken_once() -> None:
    names = sorted(BY_NAME)
    assert len(names) == len(ROUTES)
    assert all(one != other for one, other in pairwise(names))
    assert BASE == "/api/gitruns/v1"


def test_a_table_of_very_long_texts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_CHARACTERS", 10)
    tables._check_length([["12345", None, 3], ["12345"]])
    with pytest.raises(InvalidInputError) as refused:
        tables._check_length([["12345"], ["123456"]])
    assert refused.value.kind == "too-much"
