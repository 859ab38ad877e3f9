"""Many processes register and promote at the same time: no number twice, none left out, no alias moved unseen."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Git
from gitruns.registry import Registry
from gitruns.repo import Repo
from registry.conftest import MakeRun

CHILD = Path(__file__).parent / "registering_child.py"

SIZES = [
    pytest.param(4, 5, id="small"),
    pytest.param(32, 20, id="full", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("processes", "versions"), SIZES)
def test_numbers_are_given_once_each(
    registry: Registry, make_run: MakeRun, git_repo: Path, git: Git, processes: int, versions: int
) -> None:
    run_id = make_run()
    registry.create_model("digits")
    children = [
        subprocess.Popen(
            [sys.executable, str(CHILD), str(git_repo), run_id, str(versions), f"owner-{place}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for place in range(processes)
    ]
    said = [child.communicate(timeout=600)[0].split() for child in children]
    assert [child.returncode for child in children] == [0] * processes

    total = processes * versions
    numbers = sorted(int(word.partition(":")[0]) for words in said for word in words if word[0].isdigit())
    assert numbers == list(range(1, total + 1))
    fresh = Registry(Repo.open(git_repo))
    found = {one.version.number: one.version for one in fresh.list_versions("digits")}
    assert sorted(found) == numbers
    # Each number has the owner that was told so, and its git tag names the same version.
    for words in said:
        for word in words:
            number, _, owner = word.partition(":")
            if number.isdigit():
                assert found[int(number)].tags["owner"] == owner
    tags = fresh.repo.store.version_tags
    held = tags.of_model(fresh.get_model("digits").id)
    assert sorted(held) == numbers
    assert all(tags.read(oid).says.version_id == found[number].id for number, oid in held.items())
    assert git(git_repo, "fsck", "--strict", "--no-dangling") == ""

    # Every move of the alias that a process was told of is in the history, from the version that it saw there.
    moves = [word for words in said for word in words if word.startswith("moved:")]
    history = [entry.subject for entry in reversed(fresh.history("digits"))]
    told = [re.search(r"@champion is v(\d+)(?:, was v(\d+))?", subject) for subject in history]
    chain = [(match[2] or "0", match[1]) for match in told if match]
    assert sorted(moves) == sorted(f"moved:{was}-{now}" for was, now in chain)
    assert [was for was, _ in chain] == ["0", *[now for _, now in chain][:-1]]
