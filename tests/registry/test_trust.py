"""Signatures by real ssh and gpg keys, and damage: what was changed is named, what is unsigned is told apart."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

import gitruns
from conftest import Git
from gitruns.errors import AccessDeniedError, GitRunsWarning
from gitruns.gitstore.signatures import Trust
from gitruns.registry import Registry
from gitruns.repo import Repo
from registry.conftest import MakeRun

SetUp = Callable[[], None]


@pytest.fixture
def with_ssh(git_repo: Path, tmp_path: Path, git: Git) -> SetUp:
    """Makes an ssh key that signs commits and git tags, and lists it as Ada's."""

    def set_up() -> None:
        key = tmp_path / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        (tmp_path / "signers").write_text(f"ada@example.org {key.with_suffix('.pub').read_text()}")
        for name, value in {
            "gpg.format": "ssh",
            "user.signingKey": f"{key}.pub",
            "gpg.ssh.allowedSignersFile": str(tmp_path / "signers"),
            "commit.gpgSign": "true",
            "tag.gpgSign": "true",
        }.items():
            git(git_repo, "config", name, value)

    return set_up


@pytest.fixture
def with_gpg(
    git_repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> SetUp:
    """Makes a gpg key that signs commits and git tags."""

    def set_up() -> None:
        home = tmp_path_factory.mktemp("g", numbered=True)
        home.chmod(0o700)
        monkeypatch.setenv("GNUPGHOME", str(home))
        subprocess.run(
            [
                "gpg",
                "--batch",
                "--quiet",
                "--passphrase",
                "",
                "--quick-gen-key",
                "Ada <ada@example.org>",
                "ed25519",
                "sign",
            ],
            check=True,
            capture_output=True,
        )
        for name, value in {"user.signingKey": "ada@example.org", "runs.sign": "true", "tag.gpgSign": "true"}.items():
            git(git_repo, "config", name, value)

    return set_up


def grades(folder: Path) -> dict[str, Trust]:
    """The trust of each signed thing: `run`, `model`, or the name of a git tag."""
    found = {}
    for signed in Repo.open(folder).check_signatures():
        name = "run" if signed.run_id else "model" if signed.place == "commit" else signed.place
        found[name] = signed.signature.trust
    return found


@pytest.mark.parametrize("kind", ["ssh", "gpg"])
def test_seals_edits_models_and_tags_are_signed(
    kind: str, make_run: MakeRun, git_repo: Path, git: Git, request: pytest.FixtureRequest
) -> None:
    if shutil.which({"ssh": "ssh-keygen", "gpg": "gpg"}[kind]) is None:
        pytest.skip(f"no program for {kind} here")
    request.getfixturevalue(f"with_{kind}")()
    run_id = make_run()
    gitruns.register_model(f"runs:/{run_id}/model", "digits")
    everything = {"run": Trust.GOOD, "model": Trust.GOOD, "git tag models/digits/v1": Trust.GOOD}
    assert grades(git_repo) == everything
    git(git_repo, "verify-commit", f"refs/runs/{run_id}")
    git(git_repo, "verify-tag", "models/digits/v1")
    gitruns.Client().set_tag(run_id, "a", "b")
    gitruns.Client().close()
    with Repo.open(git_repo).edit(run_id) as edit:
        edit.set_tag("reviewed", "yes")
    git(git_repo, "verify-commit", f"refs/runs/{run_id}")
    assert git(git_repo, "fsck", "--strict", "--no-dangling") == ""
    assert list(Repo.open(git_repo).verify()) == []
    # Without the list of signers, or the key, it is still signed: by somebody unknown.
    if kind == "ssh":
        git(git_repo, "config", "--unset", "gpg.ssh.allowedSignersFile")
        assert grades(git_repo) == dict.fromkeys(everything, Trust.UNKNOWN)


def test_sealing_again_finds_the_signed_commit(
    with_ssh: SetUp, make_run: MakeRun, git_repo: Path, git: Git, tmp_path: Path
) -> None:
    with_ssh()
    run_id = make_run(end=False)
    live = git_repo / ".git" / "gitruns" / "live" / run_id
    shutil.copytree(live, tmp_path / "journal" / run_id)
    gitruns.end_run()
    shutil.rmtree(tmp_path / "journal")
    tip = git(git_repo, "rev-parse", f"refs/runs/{run_id}")
    Repo.open(git_repo).recover()
    assert git(git_repo, "rev-parse", f"refs/runs/{run_id}") == tip
    git(git_repo, "verify-commit", tip)


def test_runs_sign_wins_over_commit_gpgsign(with_ssh: SetUp, make_run: MakeRun, git_repo: Path, git: Git) -> None:
    with_ssh()
    git(git_repo, "config", "runs.sign", "false")
    make_run()
    assert grades(git_repo) == {"run": Trust.UNSIGNED}


def test_a_key_that_fails_loses_no_run(
    with_ssh: SetUp, make_run: MakeRun, git_repo: Path, git: Git, tmp_path: Path
) -> None:
    with_ssh()
    (tmp_path / "key").unlink()
    (tmp_path / "key.pub").unlink()
    with pytest.warns(GitRunsWarning, match="cannot sign"):
        run_id = make_run()
    assert grades(git_repo) == {"run": Trust.UNSIGNED}
    with pytest.raises(AccessDeniedError) as error:
        gitruns.register_model(f"runs:/{run_id}/model", "digits")
    assert error.value.kind == "cannot-sign"
    with pytest.warns(GitRunsWarning, match="cannot sign"):
        assert gitruns.Client().register_model(f"runs:/{run_id}/model", "digits", sign=False).version == "1"


def test_bad_signatures_are_told_from_unsigned_ones(
    with_ssh: SetUp, make_run: MakeRun, git_repo: Path, git: Git
) -> None:
    unsigned = make_run()
    with_ssh()
    # Another process: this one has read its settings.
    subprocess.run([sys.executable, "-c", "import gitruns; gitruns.start_run()"], cwd=git_repo, check=True)
    (signed,) = Repo.open(git_repo).store.run_tips().keys() - {unsigned}
    commit = git(git_repo, "cat-file", "commit", f"refs/runs/{signed}")
    forged = git(
        git_repo, "hash-object", "-t", "commit", "-w", "--stdin", stdin=commit.replace("finished", "finisheD") + "\n"
    )
    git(git_repo, "update-ref", f"refs/runs/{signed}", forged)
    found = {one.run_id: one.signature.trust for one in Repo.open(git_repo).check_signatures()}
    assert found == {signed: Trust.BAD, unsigned: Trust.UNSIGNED}


# Damage


def overwrite_object(folder: Path, oid: str, change: Callable[[bytes], bytes]) -> None:
    """Changes the bytes of a loose object in its place, so that it can be read but is not what its id says."""
    path = folder / ".git" / "objects" / oid[:2] / oid[2:]
    head, nul, data = zlib.decompress(path.read_bytes()).partition(b"\0")
    changed = change(data)
    assert changed != data and len(changed) == len(data)
    path.chmod(0o644)
    path.write_bytes(zlib.compress(head + nul + changed))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("params.yaml", b"0.1", b"0.9"),
        ("metrics.yaml", b"0.5", b"0.4"),
        ("artifacts.yaml", b"model/weights.txt", b"model/weightz.txt"),
        ("run.yaml", b"FINISHED", b"FINISHEd"),
    ],
)
def test_a_flipped_byte_is_named(
    make_run: MakeRun, git_repo: Path, git: Git, file: str, old: bytes, new: bytes
) -> None:
    run_id = make_run()
    oid = git(git_repo, "rev-parse", f"refs/runs/{run_id}:{file}")
    overwrite_object(git_repo, oid, lambda data: data.replace(old, new))
    problems = [(one.run_id, one.place) for one in Repo.open(git_repo).verify()]
    assert problems == [(run_id, file)]


def test_a_flipped_byte_of_a_model_or_its_tag_is_named(make_run: MakeRun, git_repo: Path, git: Git) -> None:
    run_id = make_run()
    made = gitruns.register_model(f"runs:/{run_id}/model", "digits", aliases=["champion"])
    assert list(Repo.open(git_repo).verify()) == []
    tag = git(git_repo, "rev-parse", "refs/tags/models/digits/v1")
    overwrite_object(git_repo, tag, lambda data: data.replace(run_id.encode(), run_id[::-1].encode()))
    assert {(one.model, one.place) for one in Repo.open(git_repo).verify()} == {("digits", "git tag models/digits/v1")}
    # Another git tag in its place is well formed, but not the one that was made.
    git(git_repo, "update-ref", "-d", "refs/tags/models/digits/v1")
    assert ["it is missing here" in one.message for one in Repo.open(git_repo).verify()] == [True]
    git(git_repo, "tag", "-a", "-m", f"digits v1\n\nVersion: 1\nVersion-Id: {'0' * 32}", "models/digits/v1", "HEAD")
    messages = [one.message for one in Repo.open(git_repo).verify()]
    assert any("is not the git tag that was made" in message for message in messages)
    assert any("another version id" in message for message in messages)
    oid = git(git_repo, "rev-parse", f"refs/runs/models/digits:versions/{made.version_id}.yaml")
    overwrite_object(git_repo, oid, lambda data: data.replace(b"model", b"medel", 1))
    places = [one.place for one in Repo.open(git_repo).verify()]
    assert places == [f"versions/{made.version_id}.yaml"]


def test_artifacts_that_are_not_what_was_registered(registry: Registry, make_run: MakeRun, git_repo: Path) -> None:
    run_id = make_run()
    gitruns.register_model(f"runs:/{run_id}/model", "digits")
    digest = registry.get_version("digits", 1).version.digest
    models = registry.repo.models
    from dataclasses import replace

    def change(old, time_ms):  # type: ignore[no-untyped-def]  # a forger's
        version = next(iter(old.versions.values()))
        forged = replace(version, digest="0" * 64)
        return replace(old, versions={version.id: forged}), (), "forge"

    models.edit(registry.get_model("digits").id, change)
    messages = [one.message for one in Repo.open(git_repo).verify()]
    assert any("names another digest" in message and str(digest) in message for message in messages)
    assert any("artifacts are not those that were registered" in message for message in messages)


def test_a_merge_counts_as_what_it_merged(
    with_ssh: SetUp, make_run: MakeRun, git_repo: Path, git: Git, tmp_path: Path
) -> None:
    with_ssh()
    run_id = make_run()
    gitruns.register_model(f"runs:/{run_id}/model", "digits")
    shutil.copytree(git_repo, tmp_path / "other")
    for folder, alias in ((git_repo, "best"), (tmp_path / "other", "champion")):
        Registry(Repo.open(folder)).set_alias("digits", alias, 1)
    git(git_repo, "fetch", "--quiet", str(tmp_path / "other"), "refs/runs/models/digits:refs/other")
    store = Repo.open(git_repo).store
    ours, theirs = (store.backend.read_ref(ref) for ref in ("refs/runs/models/digits", "refs/other"))
    assert ours is not None and theirs is not None
    merged = store.merge_model_tips([ours, theirs])
    git(git_repo, "update-ref", "refs/runs/models/digits", merged)
    assert git(git_repo, "show", "-s", "--format=%G?%P", merged) == "N" + " ".join(sorted([ours, theirs]))
    assert grades(git_repo)["model"] is Trust.GOOD
    assert Registry(Repo.open(git_repo)).get_model("digits").aliases.keys() == {"best", "champion"}
    # One that says something else than what it merges is nobody's.
    forged = git(git_repo, "commit-tree", "-p", ours, "-p", theirs, "-m", "merge", f"{ours}^{{tree}}")
    git(git_repo, "update-ref", "refs/runs/models/digits", forged)
    assert grades(git_repo)["model"] is Trust.UNSIGNED
