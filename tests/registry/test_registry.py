"""What one can do with registered models and versions, by MLflow's rules."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import gitruns
from conftest import Git
from gitruns.entities.model import Stage
from gitruns.entities.status import Lifecycle
from gitruns.errors import AlreadyExistsError, ConflictError, InvalidInputError, NotFoundError
from gitruns.registry import Registry
from gitruns.repo import Repo
from registry.conftest import MakeRun


def version_of(registry: Registry, run_id: str, name: str = "digits", **how: object) -> int:
    """Registers the model of a run and returns its number."""
    registry.ensure_model(name)
    return registry.create_version(name, f"runs:/{run_id}/model", **how).version.number or 0  # type: ignore[arg-type]


def test_a_version_has_a_git_tag_at_its_code_and_its_run(
    registry: Registry, make_run: MakeRun, git_repo: Path, git: Git
) -> None:
    (git_repo / "train.py").write_text("print('changed')\n")
    run_id = make_run()
    assert version_of(registry, run_id, description="the first one") == 1
    tag = "models/digits/v1"
    assert git(git_repo, "cat-file", "-t", tag) == "tag"
    assert git(git_repo, "show", f"{tag}:train.py") == "print('changed')"
    assert git(git_repo, "rev-parse", f"{tag}^2") == git(git_repo, "rev-parse", f"refs/runs/{run_id}")
    assert git(git_repo, "rev-parse", f"{tag}^1") == git(git_repo, "rev-parse", f"refs/runs/{run_id}^^")
    message = git(git_repo, "for-each-ref", "--format=%(contents)", f"refs/tags/{tag}")
    version = registry.get_version("digits", 1).version
    for line in ("digits v1", "the first one", "Version: 1", f"Run-Id: {run_id}", f"Artifact-Digest: {version.digest}"):
        assert line in message.splitlines()
    assert git(git_repo, "fsck", "--strict", "--no-dangling") == ""
    assert (
        "models/digits/v1"
        not in subprocess.run(
            ["git", "describe", "--tags", "--all"], cwd=git_repo, capture_output=True, text=True, check=False
        ).stdout
    )


def test_the_release_commit_is_the_same_each_time(
    registry: Registry, make_run: MakeRun, git_repo: Path, git: Git
) -> None:
    run_id = make_run()
    version_of(registry, run_id)
    version_of(registry, run_id, "other")
    assert git(git_repo, "rev-parse", "models/digits/v1^{}") == git(git_repo, "rev-parse", "models/other/v1^{}")


def test_a_run_without_source_is_tagged_itself(registry: Registry, git_repo: Path, git: Git) -> None:
    (git_repo / "gitruns.yaml").write_text("snapshot: off\n")
    with gitruns.start_run() as run:
        gitruns.log_text("x", "model/x")
    has_source = gitruns.get_run(run.info.run_id).info.source_commit is not None
    version_of(registry, run.info.run_id)
    tip = git(git_repo, "rev-parse", f"refs/runs/{run.info.run_id}")
    assert (git(git_repo, "rev-parse", "models/digits/v1^{}") == tip) is not has_source


def test_numbers_are_never_given_twice(registry: Registry, make_run: MakeRun) -> None:
    run_id = make_run()
    assert [version_of(registry, run_id) for _ in range(3)] == [1, 2, 3]
    registry.delete_version("digits", 3)
    assert version_of(registry, run_id) == 4
    registry.delete_model("digits")
    with pytest.raises(NotFoundError):
        registry.get_version("digits", 4)
    registry.create_model("digits", description="again")
    assert registry.list_versions("digits") == []
    assert registry.get_model("digits").description == "again"
    assert version_of(registry, run_id) == 5


def test_a_deleted_model_comes_back_whole(registry: Registry, make_run: MakeRun) -> None:
    version_of(registry, make_run(), aliases=["champion"])
    registry.tag_model("digits", {"team": "vision"})
    registry.delete_model("digits")
    assert registry.list_models() == []
    registry.restore_model("digits")
    assert registry.get_version_by_alias("digits", "champion").version.number == 1
    assert registry.get_model("digits").tags == {"team": "vision"}


def test_a_rename_changes_the_name_only(registry: Registry, make_run: MakeRun, git_repo: Path, git: Git) -> None:
    version_of(registry, make_run(), aliases=["champion"])
    registry.create_model("taken")
    with pytest.raises(AlreadyExistsError):
        registry.rename_model("digits", "taken")
    registry.rename_model("digits", "Numbers, all of them")
    assert registry.get_version_by_alias("Numbers, all of them", "champion").version.number == 1
    with pytest.raises(NotFoundError):
        registry.get_model("digits")
    assert git(git_repo, "tag", "-l", "models/*") == "models/digits/v1"
    # The old name is free, and a new model of it has numbers and git tags of its own.
    registry.create_model("digits")
    assert version_of(registry, make_run()) == 1
    assert len(git(git_repo, "tag", "-l", "models/*").splitlines()) == 2


def test_aliases_move_only_where_they_are_expected(registry: Registry, make_run: MakeRun) -> None:
    run_id = make_run()
    for _ in range(3):
        version_of(registry, run_id)
    registry.set_alias("digits", "champion", 1, expected=None)
    with pytest.raises(ConflictError) as error:
        registry.set_alias("digits", "champion", 2, expected=None)
    assert error.value.kind == "alias-moved"
    registry.set_alias("digits", "champion", 2, expected=1, reason="two points better\n\non the hidden set")
    with pytest.raises(ConflictError):
        registry.delete_alias("digits", "champion", expected=1)
    assert registry.get_version_by_alias("digits", "champion").version.number == 2
    assert registry.delete_alias("digits", "champion", expected=2)
    assert not registry.delete_alias("digits", "champion")
    told = [(entry.subject, entry.reason) for entry in registry.history("digits")]
    assert told[0] == ("model digits: @champion is gone, was v2", "")
    assert told[1] == ("model digits: @champion is v2, was v1", "two points better\n\non the hidden set")
    assert told[-1][0] == "model digits: register"


@pytest.mark.parametrize("alias", ["", "latest", "Latest", "v3", "V12", "a b", "a/b", "x" * 256, 3])
def test_what_cannot_be_an_alias(registry: Registry, make_run: MakeRun, alias: str) -> None:
    version_of(registry, make_run())
    with pytest.raises(InvalidInputError):
        registry.set_alias("digits", alias, 1)


@pytest.mark.parametrize("name", ["", " ", "a/b", "a:b", "a@b", "x" * 257, "a\nb", None])
def test_what_cannot_be_a_name(registry: Registry, name: str) -> None:
    with pytest.raises(InvalidInputError):
        registry.create_model(name)


@pytest.mark.parametrize(
    "name", ["Digits", "con", "ünïcödé ☃", "..", "a.lock", "-x", "=61", "DIGITS", "x" * 250, "日本"]
)
def test_any_other_name_has_refs_of_its_own(
    registry: Registry, make_run: MakeRun, name: str, git_repo: Path, git: Git
) -> None:
    run_id = make_run()
    version_of(registry, run_id, "digits")
    assert version_of(registry, run_id, name) == 1
    assert registry.find_version(f"{name}/1").model.name == name
    assert git(git_repo, "fsck", "--strict", "--no-dangling") == ""
    assert {model.name for model in Registry(Repo.open(git_repo)).list_models()} == {"digits", name}


def test_stages_move_by_mlflows_rules(registry: Registry, make_run: MakeRun) -> None:
    run_id = make_run()
    for _ in range(3):
        version_of(registry, run_id)
    registry.transition_stage("digits", 1, "production")
    registry.transition_stage("digits", 2, "Staging")
    registry.transition_stage("digits", 3, "Production", archive_existing_versions=True)
    stages = {one.version.number: one.version.stage for one in registry.list_versions("digits")}
    assert stages == {1: Stage.ARCHIVED, 2: Stage.STAGING, 3: Stage.PRODUCTION}
    assert [one.version.number for one in registry.latest_versions("digits")] == [2, 3, 1]
    assert [one.version.number for one in registry.latest_versions("digits", ["production"])] == [3]
    with pytest.raises(InvalidInputError, match="only Staging and Production"):
        registry.transition_stage("digits", 1, "Archived", archive_existing_versions=True)
    with pytest.raises(InvalidInputError, match="is none of"):
        registry.transition_stage("digits", 1, "Live")


def test_deleting_a_version_takes_its_aliases(registry: Registry, make_run: MakeRun) -> None:
    version_of(registry, make_run(), aliases=["champion", "best"])
    registry.delete_version("digits", 1)
    with pytest.raises(NotFoundError, match="has no alias 'champion'"):
        registry.get_version_by_alias("digits", "champion")
    registry.restore_version("digits", 1)
    assert registry.get_version("digits", 1).aliases == []


def test_tags_and_descriptions(registry: Registry, make_run: MakeRun) -> None:
    version_of(registry, make_run(), tags={"a": 1})
    registry.tag_version("digits", 1, {"b": "two"}, delete=["a", "nothing"])
    registry.describe_version("digits", 1, "good")
    found = registry.get_version("digits", 1).version
    assert (dict(found.tags), found.description) == ({"b": "two"}, "good")
    registry.tag_model("digits", {"k" * 250: "\n" * 1000})
    registry.describe_model("digits", "")
    with pytest.raises(InvalidInputError):
        registry.tag_model("digits", {"a": "x" * 100_001})


def test_the_version_of_a_live_run_is_tagged_when_it_ends(
    registry: Registry, make_run: MakeRun, git_repo: Path, git: Git
) -> None:
    run_id = make_run(end=False)
    assert version_of(registry, run_id) == 1
    assert git(git_repo, "tag", "-l") == ""
    gitruns.log_metric("loss", 0.1)
    gitruns.end_run()
    assert git(git_repo, "tag", "-l") == "models/digits/v1"
    assert git(git_repo, "rev-parse", "models/digits/v1^2") == git(git_repo, "rev-parse", f"refs/runs/{run_id}")
    found = Registry(Repo.open(git_repo)).get_version("digits", 1).version
    assert found.run_commit == git(git_repo, "rev-parse", f"refs/runs/{run_id}")


def test_a_git_tag_that_a_crash_left_out_is_made_later(
    registry: Registry, make_run: MakeRun, git_repo: Path, git: Git
) -> None:
    run_id = make_run()
    version_of(registry, run_id)
    tag = git(git_repo, "rev-parse", "refs/tags/models/digits/v1")
    git(git_repo, "tag", "-d", "models/digits/v1")
    version_of(registry, run_id)
    registry.repo.models.settle_model(registry.get_model("digits").id)
    assert git(git_repo, "rev-parse", "refs/tags/models/digits/v1") == tag


def test_what_is_not_there_is_said(registry: Registry, make_run: MakeRun) -> None:
    run_id = make_run()
    with pytest.raises(NotFoundError) as error:
        registry.create_version("digits", f"runs:/{run_id}/model")
    assert error.value.kind == "model-not-found"
    registry.create_model("digits")
    for source in (f"runs:/{run_id}/nothing", "runs:/ffffffff/model", "models:/digits/1", "models:/other/1"):
        with pytest.raises(NotFoundError):
            registry.create_version("digits", source)
    for text in ("digits/1", "digits@best", "digits/latest", "digits/Production"):
        with pytest.raises(NotFoundError):
            registry.find_version(text)
    with pytest.raises(InvalidInputError, match="names no version"):
        registry.find_version("digits/third")
    with pytest.raises(InvalidInputError):
        registry.create_version("digits")


def test_a_version_of_a_version_and_one_of_nothing_here(registry: Registry, make_run: MakeRun) -> None:
    run_id = make_run()
    version_of(registry, run_id)
    registry.create_model("copy")
    copied = registry.create_version("copy", "models:/digits/1").version
    assert (copied.run_id, copied.path, copied.source) == (run_id, "model", "models:/digits/1")
    assert copied.digest == registry.get_version("digits", 1).version.digest
    prompt = registry.create_version("copy", "s3://somewhere/else").version
    assert (prompt.number, prompt.run_id, prompt.digest) == (2, None, None)


def test_all_states_can_be_read_from_git(registry: Registry, make_run: MakeRun, git_repo: Path) -> None:
    version_of(registry, make_run(), aliases=["champion"], tags={"a": "b"}, description="ä\nö")
    registry.delete_version("digits", 1)
    fresh = Registry(Repo.open(git_repo))
    model = fresh.repo.models.find("digits")
    assert model == registry.repo.models.find("digits")
    assert model is not None and [one.lifecycle for one in model.versions.values()] == [Lifecycle.DELETED]
