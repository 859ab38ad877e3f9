"""Somebody whose token is for one experiment asks every route, in good requests, for what is of another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from gitruns.server.calls import AnyCall
from gitruns.server.routes import all_calls
from server.hostile_requests import Attacks
from server.hostile_world import made_over_http
from server.own_world import run_script
from server.serving import Reply, Served, bearer, isolated_environ, make_repo, new_token, serving

SECRETS = (b"secret_metric", b"secret_param", b"secret run", b"secret_tag", b"secret text", b"secret prompt")
SCRIPT = """
import json, gitruns
with gitruns.start_run(run_name="secret run") as run:
    gitruns.log_metric("loss", 0.5)
    gitruns.log_metric("secret_metric", 0.5)
    gitruns.log_param("secret_param", 1)
    gitruns.set_tag("secret_tag", 1)
    gitruns.log_text("secret text", "notes/a.txt")
gitruns.register_model(f"runs:/{run.info.run_id}/notes", "digits", tags={"secret_tag": "1"})
gitruns.set_experiment("theirs")
with gitruns.start_run(run_name="theirs") as mine:
    gitruns.log_metric("loss", 0.5)
print(json.dumps([run.info.run_id, mine.info.experiment_id]))
"""


@dataclass
class Walled:
    """A server in which everything but an empty experiment is somebody else's."""

    server: Served
    facts: Mapping[str, str]
    tokens: Mapping[str, str]
    theirs: str

    def ask(self, who: str, call: AnyCall, home: str = "0") -> tuple[str, Reply]:
        """Makes the good request of a route; returns it as text, and the answer. `home`: the experiment it names."""
        good = Attacks(call, {**self.facts, "home": home}).plain()
        headers = {**good.headers, **bearer(self.tokens[who])}
        return str(good), self.server.call(good.method, good.target, good.body, headers)

    def state(self) -> Any:
        """Returns what must not change: the run, the trace, the models."""
        admin = bearer(self.tokens["admin"])
        run, trace = self.facts["run"], self.facts["trace"]
        paths = (
            f"/api/gitruns/v1/runs/{run}",
            f"/api/gitruns/v1/runs/{run}/artifacts",
            f"/api/3.0/mlflow/traces/{trace}",
            f"/api/2.0/mlflow/logged-models/{self.facts['model']}",
            f"/api/3.0/mlflow/datasets/{self.facts['dataset']}",
            "/api/gitruns/v1/models",
            "/api/gitruns/v1/experiments/0",
        )
        return {path: self.server.get(path, admin).json for path in paths}


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walled]:
    folder = tmp_path_factory.mktemp("walled")
    environ = isolated_environ(folder)
    repo = make_repo(folder / "project", environ)
    run_id, theirs = json.loads(run_script(repo, environ, SCRIPT))
    tokens = {"admin": new_token(repo, "admin", environ=environ)}
    for role in ("reader", "writer", "admin"):
        tokens[f"limited {role}"] = new_token(repo, role, experiments=(theirs,), environ=environ)
    with serving(repo, folder / "log", "--require-token", environ=environ) as server:
        server.headers = bearer(tokens["admin"])
        facts = {"outside": "/nowhere", "trap": "1", "run": run_id, **made_over_http(server, run_id)}
        server.headers = {}
        yield Walled(server, facts, tokens, theirs)


@pytest.mark.parametrize("call", all_calls(), ids=lambda call: f"{call.method} {call.path}")
def test_nothing_of_others_is_told(walled: Walled, call: AnyCall) -> None:
    for home in ("0", walled.theirs):  # also of things of others, as if they were of one's own experiment
        for who in ("limited reader", "limited admin"):
            good, reply = walled.ask(who, call, home)
            assert reply.status < 500 or reply.status == 501, f"{good}\n{reply}"
            assert not [word for word in SECRETS if word in reply.body], f"{who}: {good}\n{reply.body[:1000]!r}"


def test_nothing_of_others_is_changed(walled: Walled) -> None:
    before = walled.state()
    for call in all_calls():
        for home in ("0", walled.theirs):
            good, _ = walled.ask("limited admin", call, home)
            assert call.method == "GET" or walled.state() == before, good
