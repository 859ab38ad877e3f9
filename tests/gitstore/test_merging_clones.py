"""Two clones edit one run as people do, and share objects by fetch: they always end with the same commit."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitruns.entities.artifact import Artifact
from gitruns.entities.ids import Digest, ObjectId
from gitruns.entities.run import Lifecycle, RunStatus
from gitruns.entities.values import Point
from gitruns.errors import NotFoundError
from gitruns.repo import Repo
from gitstore import samples
from gitstore.test_merging import ADA

Git = Callable[..., str]
RUN = samples.RUN
REF = f"refs/runs/{RUN}"

tags = st.tuples(st.just("tag"), st.sampled_from("abc"), st.sampled_from("xyz"))
untags = st.tuples(st.just("untag"), st.sampled_from("abc"), st.none())
renames = st.tuples(st.just("rename"), st.sampled_from(["calm-bee", "bold-otter"]), st.none())
hides = st.tuples(st.just("lifecycle"), st.sampled_from(Lifecycle), st.none())
adds = st.tuples(st.just("artifact"), st.sampled_from(["n.txt", "d/n.txt", "d"]), st.binary(max_size=2))
lates = st.tuples(st.just("late"), st.sampled_from(["loss", "acc"]), st.integers(0, 3))
resumes = st.tuples(st.just("resume"), st.sampled_from(["FINISHED", "FAILED"]), st.integers(0, 3))
fetches = st.tuples(st.just("fetch"), st.none(), st.none())
actions = st.one_of(tags, tags, untags, renames, hides, adds, lates, resumes, fetches, fetches)


class Clone:
    """One of two repositories, and what it has seen and said."""

    def __init__(self, folder: Path, git: Git) -> None:
        self.folder, self.git = folder, git
        self.repo = Repo.open(folder)
        self.parts = {str(samples.PART.digest)}
        self.params: set[str] = set()
        self.paths: set[str] = set()

    @property
    def tip(self) -> ObjectId:
        tip = self.repo.store.run_tip(RUN)
        assert tip is not None
        return tip

    def do(self, what: str, key: Any, value: Any) -> None:
        """Does one thing that a person may do."""
        if what == "late":
            self._late(key, value)
        elif what == "resume":
            self._resume(key, value)
        else:
            self._edit(what, key, value)
        run = self.repo.get_run(RUN)
        self.parts |= {part.digest for part in run.parts}
        self.params |= run.params.keys()
        self.paths |= {artifact.path for artifact in run.artifacts}

    def _edit(self, what: str, key: Any, value: Any) -> None:
        with self.repo.edit(RUN) as edit:
            if what == "tag":
                edit.set_tag(key, value)
            elif what == "untag":
                with contextlib.suppress(NotFoundError):
                    edit.delete_tag(key)
            elif what == "rename":
                edit.rename(key)
            elif what == "lifecycle":
                edit.set_lifecycle(key)
        if what == "artifact":
            log = self.repo.open_log(RUN, set_running=False)
            log.add_bytes(value, key)
            log.detach()

    def _late(self, key: str, step: int) -> None:
        log = self.repo.open_log(RUN, set_running=False)
        log.log_points([Point(key, step, 1_700_000_000_000, float(step))])
        log.log_params({f"{key}-{step}": step})
        log.detach()

    def _resume(self, status: str, step: int) -> None:
        log = self.repo.open_log(RUN)
        log.log_points([Point("more", step, 1_700_000_000_000, float(step))])
        log.set_tags({"a": status})
        log.end(RunStatus(status))

    def bring(self, tip: ObjectId, other: Clone) -> None:
        """Brings a tip of the other into the mirror."""
        self.git(self.folder, "fetch", "--quiet", str(other.folder), f"+{tip}:refs/runs-remotes/other/{RUN}")

    def fetch(self, other: Clone) -> None:
        """Brings the other's tip into the mirror and merges it."""
        self.bring(other.tip, other)
        theirs = ObjectId(self.git(self.folder, "rev-parse", f"refs/runs-remotes/other/{RUN}"))
        ours = self.tip
        merge = self.repo.store.merge_run_tips([ours, theirs])
        if merge != ours:
            self.repo.store.set_run_tip(RUN, merge, ours)


@settings(
    max_examples=int(os.environ.get("GITRUNS_TEST_MERGES", "10")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.tuples(st.booleans(), actions), max_size=10))
def test_clones_that_have_heard_of_everything_hold_the_same_commit(
    git_repo: Path, git: Git, tmp_path: Path, steps: list[tuple[bool, tuple[str, Any, Any]]]
) -> None:
    one, other = clones(git_repo, git, tmp_path)
    for first, (what, key, value) in steps:
        clone, peer = (one, other) if first else (other, one)
        if what == "fetch":
            clone.fetch(peer)
        else:
            clone.do(what, key, value)
    before = [one.tip, other.tip]
    one.fetch(other)
    other.bring(one.tip, one)
    alone = other.repo.store.merge_run_tips(before)
    assert one.tip == alone
    other.fetch(one)
    assert other.tip == alone
    check(one, other)


def check(one: Clone, other: Clone) -> None:
    """Both show the same, what either has added is there, and stock git finds nothing wrong with it."""
    store = one.repo.store
    run = one.repo.get_run(RUN)
    assert run == other.repo.get_run(RUN)
    assert {part.digest for part in run.parts} == one.parts | other.parts
    assert set(run.params) >= one.params | other.params
    assert {artifact.path for artifact in run.artifacts} == one.paths | other.paths
    for artifact in run.artifacts:
        text = store.read_file(one.tip, f"artifacts/{artifact.path}")
        assert (text is not None) == artifact.in_git
        assert text is None or hashlib.sha256(text).hexdigest() == artifact.digest
    assert one.git(one.folder, "fsck", "--strict", "--no-dangling") == ""
    chain = [entry.commit for entry in store.chain(one.tip)]
    assert chain == [entry.commit for entry in other.repo.store.chain(one.tip)]
    assert one.git(one.folder, "rev-parse", f"{chain[-1]}^") == store.head().commit
    merges = one.git(one.folder, "rev-list", "--min-parents=2", one.tip).split()
    assert all(store.recomputes(ObjectId(merge)) for merge in merges)


def clones(git_repo: Path, git: Git, tmp_path: Path) -> tuple[Clone, Clone]:
    """Returns two fresh clones that both have one run."""
    for name in ("one", "other"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        git(tmp_path, "clone", "--quiet", str(git_repo), name)
    one, other = Clone(tmp_path / "one", git), Clone(tmp_path / "other", git)
    start = samples.started()
    finish = replace(samples.finished(start), artifacts=())
    store = one.repo.store
    commit = store.seal_run(start, finish, parent=store.head().commit, identity=ADA, files=samples.FILES)
    store.set_run_tip(RUN, commit, None)
    git(other.folder, "fetch", "--quiet", str(one.folder), f"{REF}:{REF}")
    return one, other


def test_two_resumes_of_one_run_end_as_the_later_one_did(git_repo: Path, git: Git, tmp_path: Path) -> None:
    one, other = clones(git_repo, git, tmp_path)
    one.do("resume", "FAILED", 1)
    other.do("resume", "FINISHED", 2)
    one.fetch(other)
    run = one.repo.get_run(RUN)
    assert (run.info.status, run.info.writer) == (RunStatus.FINISHED, other.repo.writer)
    assert run.metrics["more"].count == 2


def test_a_text_is_not_put_where_a_folder_stands(git_repo: Path, git: Git, tmp_path: Path) -> None:
    one, _ = clones(git_repo, git, tmp_path)
    one.do("artifact", "d/n.txt", b"1")
    one.do("artifact", "d", b"2")
    assert {artifact.path: artifact.in_git for artifact in one.repo.get_run(RUN).artifacts} == {
        "d": False,
        "d/n.txt": True,
    }


def test_long_lists_of_two_clones_are_one_where_both_are_at_hand(git_repo: Path, git: Git, tmp_path: Path) -> None:
    one, other = clones(git_repo, git, tmp_path)
    for clone, folder in ((one, "a"), (other, "b")):
        log = clone.repo.open_log(RUN, set_running=False)
        log.add_artifacts(many(folder))
        log.detach()
    late = Artifact(path="a/0000", digest=Digest("c" * 64), size_bytes=1)
    with one.repo.edit(RUN) as edit:
        edit.add_artifacts([late])
    one.fetch(other)
    run = one.repo.get_run(RUN)
    assert run.manifest is not None and len(run.more_manifests) == 1 and run.artifacts == (late,)
    with pytest.raises(NotFoundError):
        one.repo.artifacts_of(run)
    for manifest in (run.manifest, *run.more_manifests):
        if not one.repo.cache.has(manifest.digest):
            one.repo.cache.put_file(other.repo.cache.path_of(manifest.digest))
    expected = {artifact.path: artifact for artifact in (*many("a"), *many("b"), late)}
    assert one.repo.artifacts_of(run) == tuple(expected[path] for path in sorted(expected))
    with one.repo.edit(RUN) as edit:
        edit.add_artifacts([Artifact(path="z", digest=Digest("d" * 64), size_bytes=1)])
    joined = one.repo.get_run(RUN)
    assert not joined.more_manifests
    other.bring(one.tip, one)
    assert other.repo.store.merge_run_tips([other.tip, one.tip]) == one.tip


def many(folder: str) -> list[Artifact]:
    """Returns more artifacts than a tree lists."""
    return [Artifact(path=f"{folder}/{n:04}", digest=Digest(f"{n:064x}"), size_bytes=n) for n in range(700)]
