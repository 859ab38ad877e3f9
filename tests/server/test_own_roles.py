"""Who may do what in our own API: each role, and those who are limited to an experiment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitruns.server.calls import Role
from gitruns.server.routes.own import ROUTES
from gitruns.server.routes.own.route import PREFIX, Route
from server.own_world import BASE, run_script
from server.serving import Reply, Served, bearer, isolated_environ, make_repo, new_token, serving

SCRIPT = """
import json, gitruns
made = {}
for name in ("seen", "hidden"):
    gitruns.set_experiment(name)
    with gitruns.start_run(run_name=name) as run:
        gitruns.log_metric(f"loss_{name}", 1.0)
        gitruns.log_param("lr", 0.1)
    made[name] = run.info.run_id
    made[f"{name} experiment"] = run.info.experiment_id
print(json.dumps(made))
"""


class Guarded:
    """A server that wants tokens, and one of each kind."""

    def __init__(self, server: Served, ids: dict[str, str], tokens: dict[str, str]) -> None:
        self.server = server
        self.ids = ids
        self.tokens = tokens

    def ask(self, who: str, method: str, path: str, body: dict[str, object] | None = None) -> Reply:
        headers = bearer(self.tokens[who]) if who else {}
        return self.server.call(method, BASE + path.format(**self.ids), body, headers)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    environ = isolated_environ(folder)
    repo = make_repo(folder / "project", environ)
    ids = json.loads(run_script(repo, environ, SCRIPT))
    tokens = {
        role: new_token(repo, role, person=f"{role.title()} <{role}@example.org>", environ=environ)
        for role in ("reader", "writer", "admin")
    }
    for role in ("reader", "writer"):
        only = (ids["seen experiment"],)
        tokens[f"limited {role}"] = new_token(repo, role, experiments=only, environ=environ)
    everywhere = ("--host", "0.0.0.0")  # noqa: S104  others could reach it: so it wants tokens
    with serving(repo, folder / "log", *everywhere, environ=environ) as server:
        server.host = "127.0.0.1"
        yield Guarded(server, ids, tokens)


def example(route: Route, run_id: str, experiment_id: str) -> tuple[str, dict[str, object] | None]:
    """Returns a request that a route takes."""
    named = {"run_id": run_id, "experiment_id": experiment_id, "other": run_id, "name": "digits", "version": "1"}
    body: dict[str, object] = {}
    if route.name == "Curves":
        body = {"run_ids": [run_id], "metrics": ["loss_seen"]}
    elif route.name == "CompareRuns":
        body = {"run_ids": [run_id]}
    elif route.name == "CreateOwnExperiment":
        body = {"name": "another"}
    elif route.name == "Events":
        return route.path + "?seconds=0", None
    return route.path.format(**named), body if route.has_body else None


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_nobody_gets_anything_without_a_token(guarded: Guarded, route: Route) -> None:
    path, body = example(route, guarded.ids["seen"], guarded.ids["seen experiment"])
    reply = guarded.ask("", route.method, path, body)
    assert reply.status == 401
    assert "www-authenticate" in reply.headers


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_role_is_enough_or_is_not(guarded: Guarded, route: Route) -> None:
    path, body = example(route, guarded.ids["seen"], guarded.ids["seen experiment"])
    for who, role in (("reader", Role.READER), ("writer", Role.WRITER), ("admin", Role.ADMIN)):
        status = guarded.ask(who, route.method, path, body).status
        assert (status == 403) == (role < route.role), who


LOOKING = [route for route in ROUTES if "run_id" in route.in_path or route.name in ("Curves", "CompareRuns")]


@pytest.mark.parametrize("route", LOOKING, ids=lambda route: route.name)
def test_runs_of_other_experiments_are_not_for_the_limited(guarded: Guarded, route: Route) -> None:
    path, body = example(route, guarded.ids["hidden"], guarded.ids["hidden experiment"])
    reply = guarded.ask("limited writer", route.method, path, body)
    assert reply.status == 403
    assert b"loss_hidden" not in reply.body
    path, body = example(route, guarded.ids["seen"], guarded.ids["seen experiment"])
    assert guarded.ask("limited writer", route.method, path, body).status in (200, 404)


def test_one_run_of_two_is_one_too_many(guarded: Guarded) -> None:
    both = [guarded.ids["seen"], guarded.ids["hidden"]]
    assert guarded.ask("limited reader", "POST", "/runs/compare", {"run_ids": both}).status == 403
    assert guarded.ask("limited reader", "POST", "/metrics/curves", {"run_ids": both, "metrics": ["l"]}).status == 403
    assert guarded.ask("limited reader", "GET", "/runs/{seen}/diff/{hidden}").status == 403
    assert guarded.ask("limited reader", "GET", "/experiments/{hidden experiment}").status == 403


def test_searches_of_the_limited_find_what_they_may_see(guarded: Guarded) -> None:
    table = guarded.ask("limited reader", "POST", "/runs/table", {"total": True}).json
    assert (table["run_ids"], table["total"]) == ([guarded.ids["seen"]], 1)
    body = {"experiment_ids": [guarded.ids["hidden experiment"]]}
    assert guarded.ask("limited reader", "POST", "/runs/table", body).status == 403
    keys = guarded.ask("limited reader", "GET", "/keys").json
    assert [one["name"] for one in keys["metrics"]] == ["loss_seen"]
    assert guarded.ask("limited reader", "GET", "/keys?experiment_id={hidden experiment}").status == 403
    names = [one["name"] for one in guarded.ask("limited reader", "GET", "/experiments").json["experiments"]]
    assert names == ["seen"]
    status = guarded.ask("limited reader", "GET", "/status").json
    assert (status["runs"], status["role"], status["experiments"]) == (1, "reader", [guarded.ids["seen experiment"]])


def test_a_mistaken_name_tells_the_limited_nothing(guarded: Guarded) -> None:
    errors = guarded.ask("limited reader", "POST", "/query/check", {"filter": "loss_hiden < 1"}).json["errors"]
    assert len(errors) == 1
    assert "loss_hidden" not in str(errors)
    reply = guarded.ask("limited reader", "POST", "/runs/table", {"filter": "loss_hiden < 1"})
    assert (reply.status, b"loss_hidden" in reply.body) == (400, False)


def test_a_change_names_the_person(guarded: Guarded) -> None:
    assert guarded.ask("writer", "PATCH", "/runs/{seen}", {"tags": {"by": "token"}}).status == 200
    changes = guarded.ask("reader", "GET", "/runs/{seen}/history").json["changes"]
    assert changes[0]["author"] == "Writer <writer@example.org>"


def test_the_limited_do_not_make_experiments_or_see_models(guarded: Guarded) -> None:
    assert guarded.ask("limited writer", "POST", "/experiments", {"name": "mine"}).status == 403
    assert guarded.ask("limited reader", "GET", "/models").status == 403
    assert guarded.ask("limited writer", "PATCH", "/experiments/{seen experiment}", {"tags": {"a": "b"}}).status == 200


def test_a_read_only_server(tmp_path: Path, git_repo: Path) -> None:
    with serving(git_repo, tmp_path / "log", "--read-only") as server:
        assert server.get(f"{BASE}/status").json["read_only"] is True
        assert server.post(f"{BASE}/experiments", {"name": "no"}).status == 403
    assert PREFIX == "/gitruns/v1"
