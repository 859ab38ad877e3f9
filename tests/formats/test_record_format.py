"""Records as docs/format.md has them: known bytes, and a reader that knows nothing but that page, git and JSON."""

from __future__ import annotations

import json
import re
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Git

from gitruns.entities.ids import WriterId
from gitruns.entities.record import Change
from gitruns.entities.run import Identity
from gitruns.entities.stamp import Stamp
from gitruns.repo import Repo

ADA = WriterId("a30aacd1327378ee")
AUTHOR = Identity(name="Ada Lovelace", email="ada@example.org", utc_offset_minutes=60)
DOCS = Path(__file__).parents[2] / "docs" / "format.md"


def git_bytes(folder: Path, *args: str) -> bytes:
    return subprocess.run(["git", *args], cwd=folder, capture_output=True, check=True).stdout


def lines_in_git(folder: Path) -> list[dict[str, Any]]:
    """All changes of all writers."""
    found = []
    for ref in git_bytes(folder, "for-each-ref", "--format=%(refname)", "refs/runs/records/").decode().split():
        assert re.fullmatch(r"refs/runs/records/[0-9a-f]{16}", ref)
        assert git_bytes(folder, "cat-file", "blob", f"{ref}:format") == b"gitruns 1\n"
        for path in git_bytes(folder, "ls-tree", "-r", "--name-only", ref).decode().split():
            if re.fullmatch(r"\d{4}-\d\d-\d\d/[1-9]\d*(-[0-9a-f]{16})?\.jsonl", path):
                data = git_bytes(folder, "cat-file", "blob", f"{ref}:{path}")
                assert data.endswith(b"\n") and len(data) <= 1024 * 1024
                found += [json.loads(line) for line in data[:-1].split(b"\n")]
    return found


def lines_in_journals(folder: Path) -> list[dict[str, Any]]:
    """All changes that are journalled."""
    found = []
    for path in (folder / ".git/gitruns/records/open").glob("*.log"):
        for line in path.read_bytes().split(b"\n")[:-1]:
            assert int(line[:8], 16) == zlib.crc32(line[9:]) and line[8:9] == b" "
            kind, *rest = json.loads(line[9:])
            found += rest if kind == "changes" else []
    return found


def folded(lines: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """What records are, by the page's rule."""
    best: dict[tuple[str, str, str], tuple[list[Any], str, Any]] = {}
    for line in lines:
        for name, value in line["set"].items():
            text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            key = (line["kind"], line["id"], name)
            if key not in best or (line["at"], text) > best[key][:2]:
                best[key] = (line["at"], text, value)
    purged = {line["kind"] + " " + line["id"] for line in lines if line["set"].get("purged")}
    shown: dict[tuple[str, str], dict[str, Any]] = {}
    for (kind, one, name), (_, _, value) in best.items():
        if value is not None and f"{kind} {one}" not in purged:
            shown.setdefault((kind, one), {})[name] = value
    return {key: fields for key, fields in shown.items() if not fields.get("deleted")}


def test_known_bytes(git_repo: Path, git: Git) -> None:
    store = Repo.open(git_repo).store
    changes = [
        Change("trace", "tr-2", Stamp(1_795_305_600_000, 0, ADA), {"state": "OK"}),
        Change(
            "trace", "tr-1", Stamp(1_795_276_433_913, 552_129, ADA), {"n": 1.0, "é": None, "b": [1e-05, "\x7f\n\u2028"]}
        ),
        Change(
            "trace", "tr-1", Stamp(1_795_276_433_913, 552_129, ADA), {"n": 1.0, "é": None, "b": [1e-05, "\x7f\n\u2028"]}
        ),
    ]
    tip = store.records.seal(ADA, changes, parent=None, identity=AUTHOR)
    store.records.set_tip(ADA, tip, None)
    listed = git(git_repo, "ls-tree", "-r", "--name-only", tip).split()
    assert listed == ["2026-11-21/1.jsonl", "2026-11-22/1.jsonl", "format"]
    line = (
        '{"at":[1795276433913,552129,"a30aacd1327378ee"],"id":"tr-1","kind":"trace",'
        '"set":{"b":[1e-05,"\x7f\\n\u2028"],"n":1.0,"é":null}}\n'
    )
    assert git_bytes(git_repo, "cat-file", "blob", f"{tip}:2026-11-21/1.jsonl") == line.encode()
    by = "Ada Lovelace <ada@example.org> 1795305600 +0100"
    tree = git(git_repo, "rev-parse", f"{tip}^{{tree}}")
    text = git(git_repo, "cat-file", "commit", tip)
    assert text.startswith(f"tree {tree}\nauthor {by}\ncommitter {by}\n\nrecords: 3 changes of ")
    assert text.endswith("\n\nWriter: a30aacd1327378ee")


@pytest.fixture
def repo(git_repo: Path) -> Repo:
    """A repository with records sealed, journalled, edited, deleted and purged."""
    repo = Repo.open(git_repo)
    for number in range(30):
        repo.records.put(
            "trace", f"tr-{number}", {"n": number, "tags/a": "x", "text": "ünï\u2028\x01", "time_ms": number}
        )
        if number % 10 == 9:
            repo.records.seal(force=True)
    repo.records.purge("trace", "tr-3")
    repo.records.put("trace", "tr-4", {"deleted": True})
    repo.records.put("trace", "tr-5", {"tags/a": None, "tags/b": {"x": [1, None, True]}})
    repo.records.put("assessment", "tr-5", {"value": -0.0})
    return repo


def test_a_reader_made_from_the_page_agrees(repo: Repo, git_repo: Path) -> None:
    expected = {(kind, one.id): dict(one.fields) for kind in repo.records.kinds() for one in repo.records.select(kind)}
    assert len(expected) == 29
    assert folded([*lines_in_git(git_repo), *lines_in_journals(git_repo)]) == expected
    repo.records.seal(force=True)
    assert folded(lines_in_git(git_repo)) == expected


def test_the_recipe_of_the_page_works(repo: Repo, git_repo: Path) -> None:
    if subprocess.run(["sh", "-c", "command -v jq"], capture_output=True).returncode:
        pytest.skip("no jq here")
    repo.records.seal(force=True)
    recipe = next(one for one in re.findall(r"```sh\n(.*?)```", DOCS.read_text(), re.DOTALL) if "jq" in one)
    script = recipe.replace("tr-5f1c", "tr-5")
    out = subprocess.run(["sh", "-c", script], cwd=git_repo, capture_output=True, text=True, check=True).stdout
    found = repo.records.get("trace", "tr-5")
    assert found is not None and json.loads(out) == found.fields
