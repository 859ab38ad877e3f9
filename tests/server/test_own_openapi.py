"""The OpenAPI document: it is one, it names every route, and the server does what it says, whatever it is asked."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gitruns.server.routes.own import CALLS, ROUTES, document
from server.own_world import BASE, World

CLIENT = Path(sys.executable).parent / "st"


def test_it_is_what_openapi_says_a_document_is() -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(document())


def test_it_is_served(world: World) -> None:
    answer = world.found("/openapi.json")
    assert answer["paths"] == document()["paths"]
    assert answer["servers"] == [{"url": world.server.url}]


def test_every_route_is_in_it_and_nothing_else() -> None:
    said = {(method.upper(), path) for path, item in document()["paths"].items() for method in item}
    assert said == {(route.method, BASE + route.path) for route in ROUTES}
    assert said == {(call.method, "/api" + call.path) for call in CALLS}


def test_every_schema_and_field_is_there_and_described() -> None:
    text = str(document())
    named = set(re.findall(r"#/components/schemas/(\w+)", text))
    schemas = document()["components"]["schemas"]
    assert named == set(schemas)
    assert [name for name, schema in schemas.items() if not schema.get("description")] == []


REFUSED = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 413, 414, 415, 431]
"""
THERE = """
[parameters]
"path.run_id" = "{run0}"
"path.other" = "{run1}"
"path.experiment_id" = "{vision}"
"path.name" = "digits"
"path.version" = "1"
"""


@pytest.mark.parametrize(
    ("examples", "phases", "there"),
    [
        pytest.param(2, "coverage,fuzzing", True, id="small"),
        pytest.param(100, "coverage,fuzzing", True, id="large, of what is there", marks=pytest.mark.slow),
        pytest.param(100, "coverage,fuzzing,stateful", False, id="large, of anything", marks=pytest.mark.slow),
    ],
)
def test_the_server_does_what_the_document_says(
    world: World, tmp_path: Path, examples: int, phases: str, there: bool
) -> None:
    """Schemathesis asks whatever the document allows, and what it forbids, of ids that are `there` or of any.

    Two things it cannot know: a text that is a legal query or name is not in any schema, so a request that fits may be
    refused; and a stream has no end.
    """
    if not CLIENT.exists():
        pytest.skip("needs schemathesis")
    (tmp_path / "schemathesis.toml").write_text(REFUSED + (THERE.format(**world.ids) if there else ""))
    address = f"{world.server.url}{BASE}/openapi.json"
    words = ["--exclude-operation-id", "Events", "--exclude-checks", "positive_data_acceptance"]
    words += ["--max-examples", str(examples), "--phases", phases, "--max-failures", "20", "--no-color"]
    done = subprocess.run([CLIENT, "run", address, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    generated = re.search(r"(\d+) generated", done.stdout)
    assert generated is not None and int(generated[1]) > 200
