"""A journal as the first version wrote it: whatever version comes next must still seal it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import gitruns
from formats import independent_reader as reader
from gitruns.testing.strategies import same

Git = Callable[..., str]

KNOWN = Path(__file__).parent / "known" / "journal"
RUN_ID = "00c0ffee" * 4
T = 1763715000000

POINTS = [
    ["acc/é", 1, T + 1500, 0.25],
    ["loss", 0, T + 500, 1.5],
    ["loss", 1, T + 1500, float("nan")],
    ["loss", 1, T + 1400, 0.5],
    ["loss", 2, T + 1450, float("-inf")],
]


def test_the_independent_reader_reads_it() -> None:
    found = reader.read_journal(KNOWN / "live" / RUN_ID)
    assert found.params == {"lr": 1e-5, "big": 2**70, "name": "line\nend", "none": None, "joined": True}
    assert found.tags == {"keep": "3"}
    assert found.fields == {"name": "brave-otter"}
    assert found.end == ["FAILED", T + 2999, 1, "ValueError: no"]
    assert found.dropped == 2
    assert same(sorted(map(list, found.points), key=lambda point: point[0]), POINTS)


def test_it_is_collected_into_a_run(git_repo: Path, tmp_path: Path, git: Git) -> None:
    folder = tmp_path / "node"
    shutil.copytree(KNOWN, folder)
    client = gitruns.Client(git_repo)
    assert client.repo.collect(folder).sealed == [RUN_ID]
    found = reader.read_runs(git_repo)[RUN_ID]
    assert found.run == {
        "id": RUN_ID,
        "name": "brave-otter",
        "experiment_id": reader.experiment_id("digits"),
        "writer": "a3f1c2d4e5b60718",
        "status": "FAILED",
        "lifecycle": "active",
        "start_time": T,
        "end_time": T + 2999,
        "exit_code": 1,
        "error": "ValueError: no",
        "user": "ada",
        "host": "node-7",
        "entry_point": "train.py",
        "command": ["python", "train.py"],
        "dropped": 2,
        "source_commit": "a" * 40,
        "source_base": "b" * 40,
        "source_branch": "main",
        "source_code_tree": "c" * 40,
        "source_snapshot_tree": "d" * 40,
        "source_dirty": True,
        "source_left_out": [
            {"path": ".env", "reason": "deny-list"},
            {"path": "data/big.bin", "reason": "too-large", "size": 123},
        ],
        "source_remote_url": "https://example.org/repo.git",
    }
    assert found.params == {"lr": 1e-5, "big": 2**70, "name": "line\nend", "none": None, "joined": True}
    assert found.tags == {"keep": "3"} and found.stamps == {}
    assert same([list(point) for point in found.points], POINTS)
    assert found.texts == {"notes/three.txt": b"three\n"}
    assert found.environment["package/numpy"] == "2.0.0"
    assert [one["context"] for one in found.inputs] == ["training"]
    assert found.source is None  # its source commit is not in this repository
    assert reader.read_experiments(git_repo)[reader.experiment_id("digits")]["name"] == "digits"
    assert git(git_repo, "show", "--no-patch", "--format=%an %ai", f"refs/runs/{RUN_ID}") == (
        "Ada Lovelace 2025-11-21 09:50:02 +0100"
    )


def test_collecting_again_makes_the_same_commits(tmp_path: Path, git: Git) -> None:
    tips = set()
    for name in ("one", "other"):
        git(tmp_path, "init", "--quiet", name)
        client = gitruns.Client(tmp_path / name)
        client.repo.collect(KNOWN)
        client.repo.collect(KNOWN)
        tips.add(git(tmp_path / name, "rev-parse", f"refs/runs/{RUN_ID}"))
    assert len(tips) == 1
