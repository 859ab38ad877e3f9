"""Numbers where a remote decides: claimed offline, given there first, renumbered for who comes second."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Git
from gitruns.errors import InvalidInputError, NotFoundError, RemoteError
from gitruns.registry import Registry, confirm_claims
from gitruns.repo import Repo
from gitruns.repo.claims import fetch_version_tags

LOG = """
import gitruns
with gitruns.start_run() as run:
    gitruns.log_text("weights", "model/weights.txt")
print(run.info.run_id)
"""


CONFIRM = """
import sys
from pathlib import Path
from gitruns.registry import confirm_claims
from gitruns.repo import Repo
from gitruns.repo.claims import fetch_version_tags
report = confirm_claims(Repo.open(Path(sys.argv[1])))
assert not report.waiting and not report.refused, report
print(*sorted(one.number for one in report.confirmed))
"""


@pytest.fixture
def clones(git_repo: Path, tmp_path: Path, git: Git) -> list[Path]:
    """Two clones of one bare repository, each with the code."""
    git(tmp_path, "clone", "--quiet", "--bare", str(git_repo), "hub.git")
    for name in ("ada", "ben"):
        git(tmp_path, "clone", "--quiet", str(tmp_path / "hub.git"), name)
    return [tmp_path / "ada", tmp_path / "ben"]


def register(folder: Path, name: str = "digits", **how: object) -> str:
    """Logs a run and registers its model; returns the version's id."""
    logged = subprocess.run([sys.executable, "-c", LOG], cwd=folder, check=True, capture_output=True, text=True)
    registry = Registry(Repo.open(folder))
    registry.ensure_model(name)
    return registry.create_version(name, f"runs:/{logged.stdout.strip()}/model", **how).version.id  # type: ignore[arg-type]


def labels(folder: Path, name: str = "digits") -> list[str]:
    return [one.version.label for one in Registry(Repo.open(folder)).list_versions(name)]


def fetch_models(folder: Path, git: Git) -> None:
    """Shares the model's ref by hand: what sync does."""
    git(folder, "fetch", "--quiet", "origin", "+refs/runs/models/*:refs/runs-remotes/origin/models/*")
    store = Repo.open(folder).store
    theirs = store.backend.read_ref("refs/runs-remotes/origin/models/digits")
    ours = store.backend.read_ref("refs/runs/models/digits")
    tips = [tip for tip in (theirs, ours) if tip is not None]
    store.backend.update_ref("refs/runs/models/digits", store.merge_model_tips(tips), ours)


def test_a_claim_is_confirmed_by_the_remote_first(clones: list[Path], git: Git, tmp_path: Path) -> None:
    ada, _ = clones
    register(ada)
    register(ada)
    assert labels(ada) == ["v1 (unconfirmed)", "v2 (unconfirmed)"]
    assert git(ada, "tag", "-l") == ""
    report = confirm_claims(Repo.open(ada))
    assert sorted(one.number for one in report.confirmed) == [1, 2]
    assert labels(ada) == ["v1", "v2"]
    hub = tmp_path / "hub.git"
    assert git(hub, "tag", "-l").split() == ["models/digits/v1", "models/digits/v2"]
    assert git(hub, "rev-parse", "refs/tags/models/digits/v1") == git(ada, "rev-parse", "refs/tags/models/digits/v1")
    assert confirm_claims(Repo.open(ada)).confirmed == []
    assert list(Repo.open(ada).verify()) == []


def test_who_comes_second_takes_the_next_free_number(clones: list[Path], git: Git) -> None:
    ada, ben = clones
    first, second = register(ada), register(ben)
    confirm_claims(Repo.open(ada))
    report = confirm_claims(Repo.open(ben))
    assert [(one.claim, one.number, one.renumbered) for one in report.confirmed] == [(1, 2, True)]
    assert report.lines() == ["digits v1 became v2: somebody else had published v1 to origin"]
    found = Registry(Repo.open(ben)).get_version("digits", 2).version
    assert (found.id, found.claim, found.number) == (second, 1, 2)
    subjects = [entry.subject for entry in Registry(Repo.open(ben)).history("digits")]
    assert subjects[0] == "model digits: confirm v2, was claimed as v1"
    # Both clones converge, whoever merges.
    git(ada, "push", "--quiet", "origin", "refs/runs/*:refs/runs/*")
    fetch_models(ben, git)
    numbers = {one.version.id: one.version.number for one in Registry(Repo.open(ben)).list_versions("digits")}
    assert numbers == {first: 1, second: 2}


def test_two_at_the_same_time_get_different_numbers(clones: list[Path], git: Git) -> None:
    for folder in clones:
        for _ in range(3):
            register(folder)
    children = [
        subprocess.Popen([sys.executable, "-c", CONFIRM, str(folder)], stdout=subprocess.PIPE, text=True)
        for folder in clones
    ]
    said = [child.communicate(timeout=120)[0].split() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert sorted(int(number) for numbers in said for number in numbers) == [1, 2, 3, 4, 5, 6]


def test_an_answer_that_was_lost_is_found_again(clones: list[Path], git: Git) -> None:
    ada, _ = clones
    register(ada)
    before = git(ada, "rev-parse", "refs/runs/models/digits")
    confirm_claims(Repo.open(ada))
    # As if the process had died between the remote's answer and its own record.
    git(ada, "update-ref", "refs/runs/models/digits", before)
    git(ada, "tag", "-d", "models/digits/v1")
    assert labels(ada) == ["v1 (unconfirmed)"]
    report = confirm_claims(Repo.open(ada))
    assert [(one.claim, one.number) for one in report.confirmed] == [(1, 1)]
    assert labels(ada) == ["v1"]


def test_what_waits_says_for_what(clones: list[Path], git: Git, tmp_path: Path) -> None:
    ada, _ = clones
    register(ada)
    report = confirm_claims(Repo.open(ada), may_publish=lambda source: False)
    (why,) = report.waiting.values()
    assert "is not published" in why and labels(ada) == ["v1 (unconfirmed)"]
    (tmp_path / "hub.git").rename(tmp_path / "moved.git")
    with pytest.raises(RemoteError):
        confirm_claims(Repo.open(ada))
    assert labels(ada) == ["v1 (unconfirmed)"]


def test_without_a_chosen_remote_nobody_decides(git_repo: Path, git: Git, tmp_path: Path) -> None:
    for name in ("one", "two"):
        git(tmp_path, "init", "--quiet", "--bare", f"{name}.git")
        git(git_repo, "remote", "add", name, str(tmp_path / f"{name}.git"))
    register(git_repo)
    assert labels(git_repo) == ["v1 (unconfirmed)"]
    with pytest.raises(NotFoundError, match="no remote that decides"):
        confirm_claims(Repo.open(git_repo))
    git(git_repo, "config", "runs.remote", "two")
    confirm_claims(Repo.open(git_repo))
    assert labels(git_repo) == ["v1"]
    assert git(tmp_path / "two.git", "tag", "-l") == "models/digits/v1"


def test_two_claims_of_one_number_are_not_mixed_up(clones: list[Path], git: Git) -> None:
    ada, ben = clones
    register(ada)
    register(ben)
    git(ada, "push", "--quiet", "origin", "refs/runs/models/digits")
    fetch_models(ben, git)
    assert labels(ben) == ["v1 (unconfirmed)", "v1 (unconfirmed)"]
    with pytest.raises(InvalidInputError) as error:
        Registry(Repo.open(ben)).get_version("digits", 1)
    assert error.value.kind == "version-claimed-twice"
    git(ben, "fetch", "--quiet", "--no-tags", str(ada), "refs/runs/*:refs/runs/*", "^refs/runs/models/*")
    report = confirm_claims(Repo.open(ben))
    assert sorted(one.number for one in report.confirmed) == [1, 2]
    assert labels(ben) == ["v1", "v2"]


def test_a_signed_git_tag_goes_to_the_remote(clones: list[Path], git: Git, tmp_path: Path) -> None:
    ada, _ = clones
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    for name, value in {"gpg.format": "ssh", "user.signingKey": str(tmp_path / "key.pub")}.items():
        git(ada, "config", name, value)
    register(ada)
    confirm_claims(Repo.open(ada), sign=True)
    assert "-----BEGIN SSH SIGNATURE-----" in git(tmp_path / "hub.git", "cat-file", "tag", "models/digits/v1")


def test_git_tags_of_others_are_fetched_with_their_models(clones: list[Path], git: Git) -> None:
    ada, ben = clones
    register(ada)
    confirm_claims(Repo.open(ada))
    git(ada, "push", "--quiet", "origin", "refs/runs/*:refs/runs/*")
    fetch_models(ben, git)
    git(ben, "fetch", "--quiet")
    assert git(ben, "tag", "-l") == "", "no branch holds it"
    repo = Repo.open(ben)
    assert fetch_version_tags(repo) == ["models/digits/v1"]
    assert fetch_version_tags(repo) == []
    assert git(ben, "rev-parse", "refs/tags/models/digits/v1") == git(ada, "rev-parse", "refs/tags/models/digits/v1")
    assert git(ben, "show", "models/digits/v1:train.py") == "print('training')"
