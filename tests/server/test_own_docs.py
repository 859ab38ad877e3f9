"""docs/api.md: what it shows can be typed, and answers look as they do there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gitruns.server.calls import Role
from gitruns.server.routes.own import ROUTES
from server.own_world import World

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SHOWN = [
    (command, after if kind == "json" else "")
    for (language, command), (kind, after) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True)
    if language == "sh" and "curl" in command
]


def environment(world: World) -> dict[str, str]:
    """What the page takes for granted: where the server is, and two runs."""
    return {
        **os.environ,
        "API": f"{world.server.url}/api/gitruns/v1",
        "RUN": world.ids["run1"],
        "OTHER": world.ids["run0"],
        "MLFLOW_TRACKING_URI": world.server.url,
    }


def looks_like(shown: object, found: object, place: str = "$") -> None:
    """Every key that is shown is there, with a value of the kind that is shown."""
    if isinstance(shown, dict):
        assert isinstance(found, dict), place
        for key, value in shown.items():
            assert key in found, f"{place}.{key}"
            looks_like(value, found[key], f"{place}.{key}")
    elif isinstance(shown, list):
        assert isinstance(found, list), place
        for one, other in zip(shown, found, strict=False):
            looks_like(one, other, f"{place}[]")
    elif isinstance(shown, (int, float)) and not isinstance(shown, bool):
        assert isinstance(found, (int, float)), place
    else:
        assert type(shown) is type(found), place


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("jq") is None, reason="needs curl and jq")
@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command[:40] for command, _ in SHOWN])
def test_commands_do_what_is_shown(world: World, command: str, shown: str) -> None:
    command = command.replace("http://127.0.0.1:5000", world.server.url)
    done = subprocess.run(
        ["sh", "-ec", command], env=environment(world), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    if "/events" in command:
        assert "event: hello" in done.stdout
        return
    if shown:
        looks_like(json.loads(shown), json.loads(done.stdout))
    else:
        assert done.stdout.startswith("{") and "error_code" not in done.stdout


@pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")
def test_the_java_client(world: World, tmp_path: Path) -> None:
    source = next(text for language, text in BLOCKS if language == "java")
    (tmp_path / "Runs.java").write_text(source)
    done = subprocess.run(
        ["java", "Runs.java"], cwd=tmp_path, env=environment(world), capture_output=True, text=True, check=False
    )
    if "jdk.compiler" in done.stderr:
        pytest.skip("this Java has no compiler")
    assert done.returncode == 0, done.stderr
    columns = json.loads(done.stdout)["columns"]
    assert columns["run_name"][0] == "from Java" and columns["metrics.loss"][0] == 0.5


def test_every_route_is_in_the_table_with_its_role() -> None:
    rows = re.findall(r"^\| `(\w+) (/\S+)` \| .* \| (\w+) \|$", TEXT, re.MULTILINE)
    assert rows == [(route.method, route.path, Role(route.role).name.lower()) for route in _in_order(rows)]
    assert len(rows) == len(ROUTES)


def _in_order(rows: list[tuple[str, str, str]]) -> list[object]:
    by_place = {(route.method, route.path): route for route in ROUTES}
    return [by_place[method, path] for method, path, _ in rows]
