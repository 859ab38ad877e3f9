"""Clones that put, purge, seal, crash and sync records in any order end where one serial writer ends."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from conftest import run_git
from gitruns.entities.record import PURGED, Change, fold
from gitruns.errors import NotFoundError
from gitruns.repo import Repo
from gitruns.repo.garbage import collect_garbage
from stateful.test_sync import crash_after
from sync.conftest import Clone

CLONES = ("ada", "bob", "eve")
who = st.sampled_from(CLONES)
what = st.sampled_from(["t1", "t2", "t3"])
fields = st.dictionaries(st.sampled_from(["state", "tags/a", "deleted"]), st.sampled_from(["x", "y", True, None]))


class Team(RuleBasedStateMachine):
    """Three clones of one bare remote. `made` is what a single writer would have been told, with the stamps given."""

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="gitruns-records-"))
        self.clones: dict[str, Clone] = {}
        self.made: list[Change] = []

    @initialize()
    def begin(self) -> None:
        run_git(self.base, "init", "--quiet", "--bare", "-b", "main", "team.git")
        for name in CLONES:
            run_git(self.base, "clone", "--quiet", "team.git", name)
            self.clones[name] = Clone(self.base / name)

    def note(self, name: str, record: str, changed: dict[str, object]) -> None:
        """Takes note of a change with the stamp that it got: the greatest that the clone knows of."""
        stamp = self.clones[name].repo.records._last
        assert stamp is not None
        self.made.append(Change("trace", record, stamp, changed))

    @rule(name=who, record=what, changed=fields)
    def put(self, name: str, record: str, changed: dict[str, object]) -> None:
        self.clones[name].repo.records.put("trace", record, changed)
        self.note(name, record, changed)

    @rule(name=who, record=what)
    def purge(self, name: str, record: str) -> None:
        try:
            self.clones[name].repo.records.purge("trace", record)
        except NotFoundError:
            return
        self.made.append(Change("trace", record, self.stamp_of_purge(name, record), {PURGED: True}))

    def stamp_of_purge(self, name: str, record: str) -> object:
        state = self.clones[name].repo.records.index.get("trace", record)
        assert state is not None
        return state.stamps[PURGED]

    @rule(name=who)
    def seal(self, name: str) -> None:
        self.clones[name].repo.records.seal(force=True)

    @rule(name=who)
    def forget_the_index(self, name: str) -> None:
        repo = self.clones[name].repo
        repo.records.close()
        for path in repo.folder.glob("records.db*"):
            path.unlink()

    @rule(name=who)
    def another_process(self, name: str) -> None:
        self.clones[name].repo.records._journal.rotate()
        self.clones[name] = self.clones[name].reopened()

    @rule(name=who)
    def collect(self, name: str) -> None:
        collect_garbage(self.clones[name].repo, dry_run=False)

    @rule(name=who)
    def fetch(self, name: str) -> None:
        report = self.clones[name].fetch()
        assert not report.quarantined and not report.waiting

    @rule(name=who)
    def push(self, name: str) -> None:
        self.clones[name].push()

    @rule(name=who, calls=st.integers(0, 4), pushes=st.booleans())
    def crash(self, name: str, calls: int, pushes: bool) -> None:
        with crash_after(calls):
            self.clones[name].push() if pushes else self.clones[name].fetch()

    def teardown(self) -> None:
        try:
            if self.clones:
                self.come_together()
        finally:
            shutil.rmtree(self.base)

    def come_together(self) -> None:
        for _ in range(2):
            for clone in self.clones.values():
                clone.fetch()
                collect_garbage(clone.repo, dry_run=False)
                clone.push()
        expected = {
            one: state.fields for (_, one), state in fold(self.made).items() if state.stamps and not state.is_purged
        }
        for clone in self.clones.values():
            clone.fetch()
            seen = Repo.open(clone.folder).records
            assert {one.id: one.fields for one in seen.select("trace", deleted=True)} == expected
            assert clone.refs("refs/runs/records/") == self.clones["ada"].refs("refs/runs/records/")
        assert self.clones["eve"].push().is_up_to_date


@pytest.mark.parametrize("examples", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_clones_end_where_one_writer_ends(examples: int) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Team,
        settings=settings(
            max_examples=examples,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
