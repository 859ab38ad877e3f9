"""Many clones push at one remote at the same time: all converge, and nobody loses anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import run_git
from sync.conftest import MakeClone

PUSHER = """
import json, sys
from gitruns.repo import Repo
from gitruns.sync import fetch, push
from gitruns.tracking.client import Client

name, count, shared = sys.argv[1], int(sys.argv[2]), sys.argv[3]
repo, client = Repo.open(), Client()
print("ready", flush=True)
sys.stdin.readline()
most, made = 0, []
for number in range(count):
    run_id = client.create_run(run_name=f"{name}-{number}").info.run_id
    client.log_param(run_id, "number", number)
    client.set_terminated(run_id)
    made.append(run_id)
    repo.recover()
    with repo.edit(shared) as edit:
        edit.set_tag(f"{name}-{number}", "x")
    most = max(most, push(repo).rejections)
print(json.dumps({"most": most, "made": made}), flush=True)
"""


def storm(clone: MakeClone, remote: Path, clones: int, pushes: int) -> None:
    first = clone("starter")
    shared = first.log("shared")
    first.push()
    team = [clone(f"clone-{number}") for number in range(clones)]
    for one in team:
        one.fetch()
    log = remote / "forced"
    hook = remote / "hooks" / "update"
    hook.write_text(
        "#!/bin/sh\n"
        "# a move that is no fast-forward would lose what somebody has pushed\n"
        'case "$2" in *[!0]*) git merge-base --is-ancestor "$2" "$3" || echo "$1 $2 $3" >> forced;; esac\n'
    )
    hook.chmod(0o755)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", PUSHER, f"c{number}", str(pushes), shared],
            cwd=one.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, one in enumerate(team)
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    said = []
    for child in children:
        out, err = child.communicate(timeout=3000)
        assert child.returncode == 0, err
        said.append(json.loads(out))
    assert max(one["most"] for one in said) <= 10
    assert not log.exists(), log.read_text()
    everyone = [first, *team]
    for _ in range(2):
        for one in everyone:
            one.fetch()
            one.push()
    shown = [one.reopened().shown() for one in everyone]
    assert shown[1:] == shown[:-1]
    runs = {run_id for one in said for run_id in one["made"]} | {shared}
    assert {run.info.id for run in first.repo.list_runs()} == runs
    tags = first.repo.get_run(shared).tags
    assert len(tags) == clones * pushes
    assert run_git(remote, "fsck", "--strict", "--no-dangling") == ""
    print(f"most rejections of a push: {max(one['most'] for one in said)}")


def test_three_clones_push_at_once(clone: MakeClone, remote: Path) -> None:
    storm(clone, remote, 3, 4)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_eight_clones_push_fifty_times_each(clone: MakeClone, remote: Path) -> None:
    storm(clone, remote, 8, 50)
