"""Clones that do anything in any order, with crashes between, end with the same runs at the same commits."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from conftest import run_git
from gitruns.entities.ids import RunId
from gitruns.entities.model import VersionId
from gitruns.entities.run import Lifecycle
from gitruns.errors import GitRunsError, NotFoundError
from gitruns.gitstore.transport import Transport
from gitruns.registry import Registry
from gitruns.repo.archiving import archive_runs
from gitruns.repo.keeping import keep_run, kept_runs, unkeep_run
from gitruns.repo.purging import purge_runs
from sync.conftest import Clone

CLONES = ("ada", "bob", "eve")
who = st.sampled_from(CLONES)
which = st.integers(min_value=0, max_value=50)
keys = st.sampled_from(["best", "note", "stage"])
models = st.sampled_from(["digits", "Speech to text"])
_numbers = itertools.count()


class CrashError(Exception):
    """The process ends here."""


@contextlib.contextmanager
def crash_after(calls: int) -> Iterator[None]:
    """Ends the work after so many conversations with the remote, as a kill would."""
    real, left = Transport._try, [calls]

    def attempt(self: Transport, *args: object, **options: object) -> object:
        if left[0] <= 0:
            raise CrashError
        left[0] -= 1
        return real(self, *args, **options)  # type: ignore[arg-type]

    Transport._try = attempt  # type: ignore[method-assign,assignment]
    try:
        with contextlib.suppress(CrashError):
            yield
    finally:
        Transport._try = real  # type: ignore[method-assign]


@contextlib.contextmanager
def suppress_kinds(*kinds: str) -> Iterator[None]:
    """Passes over refusals that are right."""
    try:
        yield
    except GitRunsError as error:
        if error.kind not in kinds:
            raise


class Team(RuleBasedStateMachine):
    """Three clones of one bare remote. `purged` runs must be gone in the end, `logged` ones must not.

    Each of the `versions` of models has a number in the end, and no two have the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="gitruns-team-"))
        self.clones: dict[str, Clone] = {}
        self.logged: set[RunId] = set()
        self.purged: set[RunId] = set()
        self.versions: set[VersionId] = set()

    @initialize()
    def begin(self) -> None:
        remote = self.base / "team.git"
        run_git(self.base, "init", "--quiet", "--bare", "-b", "main", str(remote))
        for name in CLONES:
            run_git(self.base, "clone", "--quiet", str(remote), name)
            if name == "ada":
                run_git(self.base / name, "checkout", "--quiet", "-B", "main")
                (self.base / name / "train.py").write_text("print('training')\n")
                run_git(self.base / name, "add", ".")
                run_git(self.base / name, "commit", "--quiet", "-m", "first")
                run_git(self.base / name, "push", "--quiet", "origin", "main")
            self.clones[name] = Clone(self.base / name)

    def chosen(self, name: str, number: int) -> RunId | None:
        """Returns one of the runs that a clone shows."""
        runs = sorted(run.info.id for run in self.clones[name].repo.list_runs(lifecycle=None))
        return runs[number % len(runs)] if runs else None

    @rule(name=who, experiment=st.sampled_from([None, "digits", "speech"]))
    def log(self, name: str, experiment: str | None) -> None:
        self.logged.add(self.clones[name].log(f"run-{next(_numbers)}", experiment=experiment))

    @rule(name=who, number=which, key=keys, value=st.sampled_from(["a", "b"]))
    def tag(self, name: str, number: int, key: str, value: str) -> None:
        run_id = self.chosen(name, number)
        if run_id is not None:
            self.clones[name].tag(run_id, key, value)

    @rule(name=who, number=which, key=keys)
    def untag(self, name: str, number: int, key: str) -> None:
        run_id = self.chosen(name, number)
        if run_id is not None:
            with contextlib.suppress(NotFoundError), self.clones[name].repo.edit(run_id) as edit:
                edit.delete_tag(key)

    @rule(name=who, number=which, new=st.sampled_from(["winner", "loser"]))
    def rename(self, name: str, number: int, new: str) -> None:
        run_id = self.chosen(name, number)
        if run_id is not None:
            with self.clones[name].repo.edit(run_id) as edit:
                edit.rename(new)

    @rule(name=who, number=which, to=st.sampled_from(list(Lifecycle)))
    def delete_or_restore(self, name: str, number: int, to: Lifecycle) -> None:
        run_id = self.chosen(name, number)
        if run_id is not None:
            with self.clones[name].repo.edit(run_id) as edit:
                edit.set_lifecycle(to)

    @rule(name=who, key=keys)
    def edit_experiment(self, name: str, key: str) -> None:
        for experiment in self.clones[name].repo.list_experiments()[:1]:
            if experiment.id != "0":
                self.clones[name].repo.set_experiment_tag(experiment.id, key, name)

    @rule(name=who)
    def archive(self, name: str) -> None:
        archive_runs(self.clones[name].repo)

    @precondition(lambda self: len(self.logged) > 3)
    @rule(name=who, number=which)
    def purge(self, name: str, number: int) -> None:
        run_id = self.chosen(name, number)
        if run_id is not None and len(self.purged) < 3:
            with suppress_kinds("run-has-versions", "run-is-kept"):
                self.purged |= set(purge_runs(self.clones[name].repo, [run_id]))

    @rule(name=who, number=which, model=models)
    def register(self, name: str, number: int, model: str) -> None:
        run_id = self.chosen(name, number)
        if run_id is not None:
            registry = Registry(self.clones[name].repo)
            registry.ensure_model(model)
            made = registry.create_version(model, f"runs:/{run_id}/model", must_exist=False)
            self.versions.add(made.version.id)

    @rule(name=who, number=which, model=models, alias=st.sampled_from(["champion", "challenger"]))
    def move_alias(self, name: str, number: int, model: str, alias: str) -> None:
        registry = Registry(self.clones[name].repo)
        with contextlib.suppress(NotFoundError):
            versions = sorted(one.shown_number or 0 for one in registry.get_model(model).active_versions())
            if versions:
                registry.set_alias(model, alias, versions[number % len(versions)])

    @rule(name=who, number=which)
    def keep(self, name: str, number: int) -> None:
        run_id = self.chosen(name, number)
        if run_id is not None:
            keep_run(self.clones[name].repo, run_id)

    @rule(name=who)
    def keep_no_longer(self, name: str) -> None:
        for run_id in kept_runs(self.clones[name].repo):
            unkeep_run(self.clones[name].repo, run_id)

    @rule(name=who)
    def push(self, name: str) -> None:
        self.clones[name].push()

    @rule(name=who)
    def fetch(self, name: str) -> None:
        self.clones[name].fetch()

    @rule(name=who, pushes=st.booleans(), calls=st.integers(min_value=0, max_value=4))
    def crash(self, name: str, pushes: bool, calls: int) -> None:
        clone = self.clones[name]
        with crash_after(calls):
            (clone.push if pushes else clone.fetch)()
        self.clones[name] = clone.reopened()

    @rule(name=who)
    def forget(self, name: str) -> None:
        """What a clone remembers of the remote may be deleted at any time."""
        shutil.rmtree(self.clones[name].folder / ".git" / "gitruns" / "sync", ignore_errors=True)

    @rule(name=who)
    def pack(self, name: str) -> None:
        run_git(self.clones[name].folder, "pack-refs", "--all")
        self.clones[name] = self.clones[name].reopened()

    def teardown(self) -> None:
        try:
            if self.clones:
                self.converge()
        finally:
            shutil.rmtree(self.base)

    def converge(self) -> None:
        clones = list(self.clones.values())
        for name in self.clones:
            self.keep_no_longer(name)
        for _ in range(3):
            for clone in clones:
                clone.sync()
        for clone in clones:
            clone.fetch()
        shown = [clone.reopened().shown() for clone in clones]
        assert shown[1:] == shown[:-1]
        tips = [clone.reopened().repo.store.run_tips() for clone in clones]
        assert tips[1:] == tips[:-1]
        experiments = [clone.refs("refs/runs/experiments/") for clone in clones]
        assert experiments[1:] == experiments[:-1]
        registered = [{**clone.refs("refs/runs/models/"), **clone.refs("refs/tags/models/")} for clone in clones]
        assert registered[1:] == registered[:-1]
        versions = [one for model in Registry(clones[0].repo).list_models(None) for one in model.versions.values()]
        assert {one.id for one in versions} == self.versions
        assert all(one.number is not None for one in versions)
        assert len(clones[0].refs("refs/tags/models/")) == len(versions)
        there = {run.info.id for run in clones[0].repo.list_runs(lifecycle=None)}
        assert there == self.logged - self.purged
        for clone in clones:
            report = clone.push()
            assert report.is_up_to_date and report.held == (), report
            assert clone.fetch().lost == ()


def run_team(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Team,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_a_team_converges() -> None:
    run_team(3, 15)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_team_converges_whatever_it_does() -> None:
    run_team(60, 50)


def test_a_crash_in_each_step_of_a_push(tmp_path: Path) -> None:
    team = Team()
    team.begin()
    try:
        for calls in range(5):
            team.log("ada", "digits")
            team.crash("ada", True, calls)
            team.crash("bob", False, calls)
        with contextlib.suppress(GitRunsError):
            team.archive("ada")
        team.crash("ada", True, 1)
        team.converge()
    finally:
        shutil.rmtree(team.base)
