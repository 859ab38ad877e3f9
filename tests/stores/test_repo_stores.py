"""A repository and its stores: which one is used, what falls through to it, what is pending."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import gitruns
from gitruns.entities.ids import RunId
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.repo import Repo
from gitruns.repo.purging import purge_runs
from gitruns.repo.store_setting import set_in_file
from gitruns.repo.stores import UploadReport

Git = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder that a lab shares."""
    path = tmp_path / "shared-store"
    path.mkdir()
    return path


def log_run(folder: Path) -> RunId:
    """Logs a run with a large and a small file, a small text, and a long history."""
    client = gitruns.Client(folder)
    run = client.create_run("0")
    model = folder.parent / "model.bin"
    model.write_bytes(os.urandom(300_000))
    client.log_artifact(run.info.run_id, model, "models")
    client.log_text(run.info.run_id, "small text\n", "notes.txt")
    for step in range(4000):
        client.log_metric(run.info.run_id, "loss", 1 / 3 + step, step=step)
    client.set_terminated(run.info.run_id)
    return RunId(run.info.run_id)


def clone_of(repo: Path, target: Path, git: Git) -> Path:
    """A clone with the runs, as `git runs fetch` makes it."""
    git(repo.parent, "clone", "--quiet", str(repo), str(target))
    git(target, "fetch", "--quiet", "origin", "refs/runs/*:refs/runs/*")
    return target


def opened(folder: Path, **environ: str) -> Repo:
    """The repository, with these variables set."""
    return Repo.open(folder, environ={**os.environ, **environ})


def push(repo: Repo, **options: object) -> UploadReport:
    """Uploads what all runs need."""
    needed = repo.needed_digests(repo.get_run(run.info.id) for run in repo.list_runs())
    return repo.upload_artifacts(needed, **options)  # type: ignore[arg-type]


def run_program(folder: Path, *arguments: str, code: int = 0, environ: Mapping[str, str] | None = None) -> str:
    """Runs `git runs …` and returns all that it says."""
    result = subprocess.run(
        [sys.executable, "-m", "gitruns.cli.main", *arguments],
        cwd=folder,
        env={**os.environ, **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


# What falls through


def test_a_colleague_gets_what_was_uploaded(git_repo: Path, store: Path, tmp_path: Path, git: Git) -> None:
    run_id = log_run(git_repo)
    repo = opened(git_repo, GITRUNS_STORE=str(store))
    needed = repo.needed_digests([repo.get_run(run_id)])
    assert len(needed) == 2, "the model and the history; the small text travels in git"
    report = push(repo)
    assert report.uploaded == set(needed)
    assert (report.bytes, report.advice, report.pending) == (sum(needed.values()), "", frozenset())
    clone = opened(clone_of(git_repo, tmp_path / "clone", git), GITRUNS_STORE=str(store))
    with clone.open_artifact(run_id, "models/model.bin") as file:
        assert file.read() == (tmp_path / "model.bin").read_bytes()
    assert [point.step for point in clone.metric_history(run_id, "loss")] == list(range(4000))
    assert clone.cache.total_bytes() == sum(needed.values())
    target = clone.download_artifacts(run_id, "", tmp_path / "out")
    assert (target / "notes.txt").read_text() == "small text\n"
    assert list(clone.verify()) == []


def test_a_small_text_needs_no_store(git_repo: Path, tmp_path: Path, git: Git) -> None:
    run_id = log_run(git_repo)
    clone = opened(clone_of(git_repo, tmp_path / "clone", git))
    with clone.open_artifact(run_id, "notes.txt") as file:
        assert file.read() == b"small text\n"


def test_what_is_nowhere_is_said_with_the_line_to_type(git_repo: Path, store: Path, tmp_path: Path, git: Git) -> None:
    run_id = log_run(git_repo)
    folder = clone_of(git_repo, tmp_path / "clone", git)
    for hint, setting in (("git runs store set", {}), ("git runs push", {"GITRUNS_STORE": str(store)})):
        repo = opened(folder, **setting)
        for ask in (
            lambda repo=repo: repo.open_artifact(run_id, "models/model.bin"),
            lambda repo=repo: repo.download_artifacts(run_id, "", tmp_path / "out"),
            lambda repo=repo: list(repo.iter_points(run_id)),
        ):
            with pytest.raises(NotFoundError) as caught:
                ask()
            assert hint in str(caught.value.hint)
    problems = list(opened(folder).verify())
    assert len(problems) == 2
    assert all("not on this machine" in problem.message for problem in problems)


def test_a_long_list_of_artifacts_is_fetched_to_be_read(git_repo: Path, store: Path, tmp_path: Path, git: Git) -> None:
    client = gitruns.Client(git_repo)
    run_id = RunId(client.create_run("0").info.run_id)
    plots = tmp_path / "plots"
    plots.mkdir()
    for number in range(700):
        (plots / f"plot-{number:04}.bin").write_bytes(b"\0" + os.urandom(30))
    client.log_artifacts(run_id, plots)
    client.set_terminated(run_id)
    repo = opened(git_repo, GITRUNS_STORE=str(store))
    assert repo.get_run(run_id).manifest is not None
    report = push(repo)
    assert len(report.uploaded) == 701
    clone = opened(clone_of(git_repo, tmp_path / "clone", git), GITRUNS_STORE=str(store))
    assert len(clone.list_artifacts(run_id)) == 700
    target = clone.download_artifacts(run_id, "", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        path.name: path.read_bytes() for path in plots.iterdir()
    }
    assert len(list(store.glob("p/*"))) == 1
    assert list((store / "r").glob("*/*/*")), "a root names them"


def test_a_shared_cache_is_read_and_filled(git_repo: Path, store: Path, tmp_path: Path, git: Git) -> None:
    run_id = log_run(git_repo)
    push(opened(git_repo, GITRUNS_STORE=str(store)))
    shared = tmp_path / "cache"
    shared.mkdir()
    one = opened(clone_of(git_repo, tmp_path / "one", git), GITRUNS_STORE=str(store), GITRUNS_CACHE=str(shared))
    one.open_artifact(run_id, "models/model.bin").close()
    assert one.cache.total_bytes() == 0
    two = opened(clone_of(git_repo, tmp_path / "two", git), GITRUNS_CACHE=str(shared))
    with two.open_artifact(run_id, "models/model.bin") as file:
        assert len(file.read()) == 300_000
    # what lies there is checked like everything else
    (path,) = [path for path in (shared / "o").rglob("*") if path.is_file()]
    path.chmod(0o644)
    path.write_bytes(b"x" * 300_000)
    three = opened(clone_of(git_repo, tmp_path / "three", git), GITRUNS_CACHE=str(shared))
    with pytest.raises(gitruns.GitRunsError):
        three.open_artifact(run_id, "models/model.bin")


def test_what_came_from_a_shared_cache_is_uploaded_from_there(
    git_repo: Path, store: Path, tmp_path: Path, git: Git
) -> None:
    run_id = log_run(git_repo)
    push(opened(git_repo, GITRUNS_STORE=str(store)))
    shared = tmp_path / "cache"
    shared.mkdir()
    folder = clone_of(git_repo, tmp_path / "one", git)
    opened(folder, GITRUNS_STORE=str(store), GITRUNS_CACHE=str(shared)).open_artifact(
        run_id, "models/model.bin"
    ).close()
    other = tmp_path / "other-store"
    other.mkdir()
    report = push(opened(folder, GITRUNS_STORE=str(other), GITRUNS_CACHE=str(shared)))
    assert (len(report.uploaded), len(report.missing)) == (1, 1)


# Which store


def write_config(folder: Path, text: str) -> None:
    (folder / "gitruns.yaml").write_text(text)


def test_a_committed_store_is_used_after_a_yes(git_repo: Path, store: Path) -> None:
    log_run(git_repo)
    write_config(git_repo, f"store: {store}\n")
    repo = opened(git_repo)
    assert repo.stores.open() is None
    report = push(repo)
    assert len(report.pending) == 2
    assert report.advice == "git runs store check"
    assert list(store.iterdir()) == []
    asked: list[str] = []
    assert repo.stores.open(confirm=lambda url: bool(asked.append(url))) is None
    assert asked == [str(store)]
    assert repo.stores.open(confirm=lambda url: True) is not None
    assert len(push(opened(git_repo)).uploaded) == 2
    # another address is asked for again
    write_config(git_repo, f"store: {store}-other\n")
    assert opened(git_repo).stores.open() is None


def test_ones_own_words_win_and_count_as_yes(git_repo: Path, store: Path, tmp_path: Path, git: Git) -> None:
    write_config(git_repo, "store: /from/the/file\n")
    setting = opened(git_repo).stores.setting
    assert setting is not None
    assert (setting.named_by, setting.confirmed) == ("gitruns.yaml", False)
    git(git_repo, "config", "runs.store", str(store))
    setting = opened(git_repo).stores.setting
    assert setting is not None
    assert (setting.url.path, setting.named_by, setting.confirmed) == (str(store), "git config", True)
    setting = opened(git_repo, GITRUNS_STORE=str(tmp_path)).stores.setting
    assert setting is not None
    assert (setting.url.path, setting.named_by) == (str(tmp_path), "GITRUNS_STORE")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("store: sftp://ada:geheim@host/x", "password-in-store-url"),
        ("store: s3://a::zip://b", "bad-store-url"),
        ("store: [a, b]", "bad-setting"),
        ("repository: ../../etc", "bad-setting"),
    ],
)
def test_a_bad_committed_setting_is_named(git_repo: Path, store: Path, text: str, kind: str) -> None:
    write_config(git_repo, text + "\n")
    repo = opened(git_repo)
    with pytest.raises(InvalidInputError) as caught:
        repo.stores.open()
        assert len(repo.stores.repository_id) == 32
    assert caught.value.kind == kind
    assert "geheim" not in str(caught.value)


def test_the_id_of_a_repository_is_one_for_all_its_clones_once_it_is_committed(
    git_repo: Path, store: Path, tmp_path: Path, git: Git
) -> None:
    own = opened(git_repo).stores.repository_id
    assert own == opened(git_repo).stores.repository_id
    assert opened(clone_of(git_repo, tmp_path / "one", git)).stores.repository_id != own
    assert not (git_repo / "gitruns.yaml").exists(), "nothing is written that nobody asked for"
    run_program(git_repo, "store", "set", "--shared", str(store))
    git(git_repo, "add", "gitruns.yaml")
    git(git_repo, "commit", "--quiet", "-m", "store")
    shared = opened(git_repo).stores.repository_id
    assert shared != own
    assert opened(clone_of(git_repo, tmp_path / "two", git)).stores.repository_id == shared


# The file


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# ours\nexperiment: digits  # the first\n\n# the team's\nstore: s3://old/x   # bucket of the team\n",
        "experiment: digits",
        'store: "s3://old#1"\nredact: [host, user]\n',
        "store: 's3://old/x' # bucket\nsnapshot:\n  mode: all\n  paths: [a]\n",
        "snapshot:\n  store: inner\n",
    ],
)
def test_a_line_is_put_into_the_file_and_the_rest_stays(git_repo: Path, text: str) -> None:
    write_config(git_repo, text)
    changed = set_in_file(git_repo, opened(git_repo).config, "s3://new/prefix")
    assert changed == ["store", "repository"]
    after = (git_repo / "gitruns.yaml").read_text()
    config = opened(git_repo).config
    assert config.store == "s3://new/prefix"
    assert config.repository is not None
    assert len(config.repository) == 32
    for line in text.splitlines():
        comment = line.partition("# ")[2]
        assert comment in after
        if not line.startswith("store:"):
            assert line in after.splitlines()
    assert set_in_file(git_repo, config, "s3://new/prefix") == []
    assert set_in_file(git_repo, config, "s3://x/y: z # no comment") == ["store"]
    assert opened(git_repo).config.store == "s3://x/y: z # no comment"


@pytest.mark.parametrize("text", ["{experiment: digits}\n", "store:\n  - a\n  - b\n", "store: |\n  long\n"])
def test_a_file_written_otherwise_is_left_alone(git_repo: Path, text: str) -> None:
    write_config(git_repo, text)
    with pytest.raises(InvalidInputError) as caught:
        set_in_file(git_repo, gitruns_config(), "s3://new/x")
    assert caught.value.kind == "cannot-edit-config"
    assert "store: s3://new/x" in str(caught.value.hint)
    assert (git_repo / "gitruns.yaml").read_text() == text


def gitruns_config() -> object:
    from gitruns.repo.config import Config

    return Config()


# Pending


def test_what_is_pending_goes_with_the_next_upload(git_repo: Path, store: Path) -> None:
    log_run(git_repo)
    report = push(opened(git_repo))
    assert (len(report.pending), report.advice) == (2, "git runs store set URL")
    assert report.pending_bytes > 300_000
    assert len(opened(git_repo).pending_artifacts()) == 2
    assert "pending: 2 files" in run_program(git_repo, "store")
    repo = opened(git_repo, GITRUNS_STORE=str(store))
    assert len(repo.upload_artifacts({}).uploaded) == 2
    assert repo.pending_artifacts() == {}
    assert repo.upload_artifacts({}) == UploadReport()


def test_what_waited_for_a_run_that_was_purged_is_not_uploaded(git_repo: Path, store: Path) -> None:
    purged, other = log_run(git_repo), log_run(git_repo)
    repo = opened(git_repo)
    assert len(push(repo).pending) == 4
    purge_runs(repo, [purged])
    repo = opened(git_repo, GITRUNS_STORE=str(store))
    assert len(repo.pending_artifacts()) == 2
    report = repo.upload_artifacts({})
    assert (len(report.uploaded), repo.pending_artifacts()) == (2, {})
    roots = [root for root in store.glob("r/*/*/*") if root.is_file()]
    (named,) = (root.read_text() for root in roots)
    assert f"run {other}\n" in named and purged not in named
    purge_runs(repo, [other])
    for _ in range(2):  # the first one only marks
        repo.stores.collect_store_garbage(dry_run=False, wait_s=0)
    assert not [path for path in store.glob("o/*/*") if path.is_file()]


def test_what_failed_is_pending_and_what_is_gone_is_missing(git_repo: Path, store: Path, tmp_path: Path) -> None:
    run_id = log_run(git_repo)
    repo = opened(git_repo, GITRUNS_STORE=str(tmp_path / "nowhere"))
    report = push(repo)
    assert len(report.pending) == 2
    assert [error.kind for error in report.problems] == ["store-not-found"]
    (model,) = [one for one in repo.get_run(run_id).artifacts if one.path == "models/model.bin"]
    repo.cache.path_of(model.digest).unlink()
    report = push(opened(git_repo, GITRUNS_STORE=str(store)))
    assert (report.missing, len(report.uploaded)) == ({model.digest}, 1)


# Typed


def test_a_team_types_it(git_repo: Path, store: Path, tmp_path: Path, git: Git) -> None:
    run_id = log_run(git_repo)
    assert "no store" in run_program(git_repo, "store")
    assert "no store" in run_program(git_repo, "store", "check", code=12)
    said = run_program(git_repo, "store", "set", "--shared", str(store))
    assert "wrote 'store' into gitruns.yaml" in said
    git(git_repo, "add", "gitruns.yaml")
    git(git_repo, "commit", "--quiet", "-m", "store")
    push(opened(git_repo))
    assert "packs" in run_program(git_repo, "store", "du")
    assert "2 objects" in run_program(git_repo, "store", "verify")
    clone = clone_of(git_repo, tmp_path / "clone", git)
    assert "not confirmed" in run_program(clone, "store")
    assert "git runs store check" in run_program(clone, "artifacts", "get", run_id, code=12)
    assert "--yes" in run_program(clone, "store", "check", code=2)
    assert "works" in run_program(clone, "store", "check", "--yes")
    run_program(clone, "artifacts", "get", run_id, "-o", "out")
    assert (clone / "out" / "models" / "model.bin").stat().st_size == 300_000
    (path,) = [path for path in (store / "o").rglob("*") if path.stat().st_size == 300_000]
    path.chmod(0o644)
    path.write_bytes(b"x" * 300_000)
    assert "its bytes have digest" in run_program(git_repo, "store", "verify", code=1)
    assert "mended" in run_program(git_repo, "store", "verify", "--repair")
    run_program(git_repo, "store", "verify")
    assert "live" in run_program(git_repo, "store", "gc", "--no-fetch")
    run_program(git_repo, "store", "set", code=2)
    run_program(git_repo, "store", "set", "--unset")
    assert "already" in run_program(git_repo, "store", "set", "--shared", str(store))
    assert "bad" not in run_program(git_repo, "store", "set", "../new-store")
    assert (tmp_path / "new-store").is_dir()
    assert git(git_repo, "config", "runs.store") == str(tmp_path / "new-store")
