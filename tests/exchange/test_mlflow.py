"""MLflow's stores: what MLflow itself has written comes in whole, goes out again, and is the same."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pwd
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import run_git
from exchange.conftest import make_project
from exchange.round_trip import comparable, differences, dump, gitruns, run_python, write
from gitruns.entities.ids import RunId
from gitruns.entities.run import MODEL_KIND, Lifecycle, RunStatus
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.exchange.foreign import IMPORTED_ID_TAG, Damage, ForeignRun, run_id_of
from gitruns.exchange.importing import import_all
from gitruns.exchange.incoming_runs import listed_artifacts
from gitruns.exchange.mlflow.exporting import export_file_store
from gitruns.exchange.mlflow.opening import open_mlflow
from gitruns.exchange.report import ImportReport
from gitruns.repo import Repo


def bring(project: Path, source: Path | str, *artifacts: Path, **how: object) -> tuple[Repo, ImportReport]:
    """Imports from a store."""
    repo = Repo.open(project)
    store = open_mlflow(str(source), artifacts=artifacts, environ={})
    try:
        return repo, import_all(repo, store, **how)  # type: ignore[arg-type]
    finally:
        store.close()


def all_refs(project: Path) -> str:
    """Every ref with what it is at."""
    return run_git(project, "for-each-ref")


def first_run(mlruns: Path, *, with_end: bool = True) -> Path:
    """The folder of some run that is not deleted."""
    for meta in sorted(mlruns.glob("*/*/meta.yaml")):
        text = meta.read_text()
        if "run_id:" in text and "lifecycle_stage: active" in text and ("end_time: null" in text) != with_end:
            return meta.parent
    raise AssertionError("no such run")


# The whole way


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_what_mlflow_wrote_comes_back_the_same(
    kind: str, written: Callable[[str], Path], project: Path, tmp_path: Path
) -> None:
    round_trip(written(kind), kind, project, tmp_path / "after")


@pytest.fixture
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL of its own, which nobody else can reach."""
    if shutil.which("initdb") is None or shutil.which("pg_ctl") is None:
        pytest.skip("there is no PostgreSQL on this machine")
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a socket's path must be short
    as_nobody = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
    if as_nobody:
        shutil.chown(folder, "nobody")

    def run(*words: str) -> None:
        subprocess.run([*as_nobody, *words], check=True, stdout=subprocess.DEVNULL, cwd=folder)

    run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    run("pg_ctl", "-D", str(folder / "data"), "-o", options, "-w", "-l", str(folder / "log"), "start")
    yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    run("pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.mark.slow
def test_a_postgresql_comes_back_the_same(postgres: str, project: Path, tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "after").mkdir()
    run_python(sys.executable, "write_mlflow.py", tmp_path / "before", postgres, "12")
    gitruns(project, "import", "mlflow", postgres, "--artifacts", tmp_path / "before" / "mlruns")
    assert "nothing new" in gitruns(project, "import", "mlflow", postgres.replace("+psycopg", ""))
    gitruns(project, "export", "--to", f"mlflow:{tmp_path / 'after' / 'mlruns'}")
    there = comparable(dump(tmp_path / "before", postgres), kind="sql")
    assert len(there["runs"]) == 12
    assert differences(there, comparable(dump(tmp_path / "after", "file"), kind="file")) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_a_thousand_runs_come_back_the_same(kind: str, project: Path, tmp_path: Path) -> None:
    write(tmp_path / "before", kind, 1000)
    round_trip(tmp_path / "before", kind, project, tmp_path / "after")


def round_trip(before: Path, kind: str, project: Path, after: Path) -> None:
    """Imports, exports, and holds what MLflow reads there against what it reads here."""
    after.mkdir()
    source = before / ("mlruns" if kind == "file" else "mlflow.db")
    gitruns(project, "import", "mlflow", source)
    refs = all_refs(project)
    assert "nothing new" in gitruns(project, "import", "mlflow", source)
    assert all_refs(project) == refs
    gitruns(project, "export", "--to", f"mlflow:{after / 'mlruns'}")
    there = comparable(dump(before, kind), kind=kind)
    assert there["runs"] and there["models"] and there["logged"]
    assert differences(there, comparable(dump(after, "file"), kind="file")) == []


def test_verify_finds_nothing_wrong(mlruns: Path, project: Path) -> None:
    repo, _ = bring(project, mlruns)
    assert list(repo.verify()) == []
    run_git(project, "fsck", "--strict")


def test_importing_twice_changes_nothing(mlruns: Path, project: Path) -> None:
    bring(project, mlruns)
    before = all_refs(project)
    _, report = bring(project, mlruns)
    assert report.runs == [] and report.known == 23 and report.experiments == report.models == report.versions == 0
    assert all_refs(project) == before


def test_equal_stores_give_equal_trees(project: Path, written: Callable[[str], Path], tmp_path: Path) -> None:
    make_project(tmp_path / "other")
    (first, _), (second, _) = bring(project, written("file") / "mlruns"), bring(tmp_path / "other", written("file"))
    assert trees_of(first) == trees_of(second)


def trees_of(repo: Repo) -> dict[RunId, object]:
    """The files of each run."""
    return {one: repo.store.list_tree_files(tip) for one, tip in repo.store.run_tips().items()}


def test_sqlalchemy_reads_what_sqlite_reads(project: Path, written: Callable[[str], Path], tmp_path: Path) -> None:
    make_project(tmp_path / "other")
    folder = written("sqlite")
    first, _ = bring(project, folder / "mlflow.db")
    second, _ = bring(tmp_path / "other", f"sqlite+pysqlite:///{folder / 'mlflow.db'}", folder / "mlruns")
    assert trees_of(first) == trees_of(second)


def test_a_server_hands_out_all_that_it_has(project: Path, mlruns: Path, tmp_path: Path) -> None:
    make_project(tmp_path / "other")
    first, report = bring(project, mlruns)
    with served(project) as address:
        second, again = bring(tmp_path / "other", address)
    assert again.problems == [] and again.versions == report.versions
    assert len(again.logged_models) == len(report.logged_models) - 1  # a server does not list deleted ones
    for run_id in report.runs:
        one, other = first.get_run(run_id), second.get_run(run_id)
        assert (one.params, one.tags, one.info) == (other.params, other.tags, other.info)
        assert (one.artifacts, one.inputs) == (other.artifacts, other.inputs)
        # MLflow's protocol has no infinite numbers.
        assert repr(list(first.iter_points(run_id))).replace("inf", "1.7976931348623157e+308") == repr(
            list(second.iter_points(run_id))
        )


@contextlib.contextmanager
def served(project: Path) -> Iterator[str]:
    """Serves a repository, and gives the address."""
    words = [sys.executable, "-m", "gitruns.cli.start", "server", "start", "--port", "0", "--no-access-log"]
    with (project.parent / "served.txt").open("w+") as said:
        process = subprocess.Popen(words, cwd=project, stdout=said, stderr=said)
        try:
            for _ in range(600):
                found = re.search(r"http://127\.0\.0\.1:\d+", (project.parent / "served.txt").read_text())
                if found or process.poll() is not None:
                    break
                time.sleep(0.1)
            assert found, (project.parent / "served.txt").read_text()
            yield found[0]
        finally:
            process.terminate()
            process.wait()


def test_a_dry_run_writes_nothing(mlruns: Path, project: Path) -> None:
    before = all_refs(project)
    repo, report = bring(project, mlruns, dry_run=True)
    assert len(report.runs) == 20 and report.experiments == 3 and report.models == 2 and report.artifacts == 46
    assert all_refs(project) == before
    assert repo.list_runs(lifecycle=None) == [] and not (repo.folder / "cache" / "o").exists()
    _, real = bring(project, mlruns)
    assert (real.runs, real.artifacts, real.versions) == (report.runs, report.artifacts, report.versions)


# What it is here


def test_runs_keep_what_they_are(mlruns: Path, project: Path) -> None:
    repo, _ = bring(project, mlruns)
    runs = repo.list_runs(lifecycle=None)
    named = {run.info.name: run for run in runs}
    run = repo.get_run(named["run-4"].info.id)
    assert run.info.start_time_ms == 1600000240000 and run.info.end_time_ms == 1600000240100
    assert run.info.user == "ada" and run.info.entry_point == "train.py" and run.info.status is RunStatus.FINISHED
    assert run.info.parent_run_id == named["run-3"].info.id
    assert run.params == {"lr": "0.4", "group/name": "text 4", "nothing": "None"}
    assert run.metrics["loss"].count == 3 and run.metrics["bad"].nan == 1
    assert {one.path for one in run.artifacts} == {"model/MLmodel", "a b ü.bin"}
    assert {(one.name, one.context) for one in run.inputs} == {("digits", "training"), ("other", None)}
    assert named["run-7"].info.lifecycle is Lifecycle.DELETED
    assert repo.find_experiment("given up").lifecycle is Lifecycle.DELETED  # type: ignore[union-attr]
    assert "mlflow.runName" not in run.tags and IMPORTED_ID_TAG not in run.tags


def test_logged_models_are_records_of_their_kind(mlruns: Path, project: Path) -> None:
    repo, report = bring(project, mlruns)
    models = repo.list_runs(kind=MODEL_KIND)
    assert len(report.logged_models) == 3 and len(models) == 2
    ready = next(one for one in models if one.info.name == "model-0")
    assert repo.get_run(ready.info.parent_run_id or RunId("")).info.name == "run-1"
    assert len(repo.get_run(ready.info.id).artifacts) == 2


def test_versions_keep_their_numbers(mlruns: Path, project: Path) -> None:
    repo, _ = bring(project, mlruns)
    model = repo.models.find("digits")
    assert model is not None and model.description == "all of it" and model.tags == {"team": "vision"}
    by_number = {one.number: one for one in model.versions.values()}
    assert sorted(by_number) == [1, 2, 3] and by_number[2].lifecycle is Lifecycle.DELETED
    assert by_number[1].stage.value == "Production" and by_number[1].path == "model"
    assert model.aliases == {"champion": by_number[3].id}
    assert run_git(project, "rev-parse", "models/digits/v1^{}")


def test_with_a_remote_numbers_are_claims(mlruns: Path, project: Path, tmp_path: Path) -> None:
    run_git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    run_git(project, "remote", "add", "origin", str(tmp_path / "remote.git"))
    run_git(project, "push", "--quiet", "origin", "HEAD")
    repo, _ = bring(project, mlruns)
    model = repo.models.find("digits")
    assert model is not None and sorted(one.claim or 0 for one in model.versions.values()) == [1, 2, 3]
    assert not any(one.confirmed for one in model.versions.values())


def test_a_number_that_is_taken_is_not_given_again(mlruns: Path, project: Path) -> None:
    from gitruns.registry import Registry

    repo = Repo.open(project)
    Registry(repo).create_model("digits")
    Registry(repo).create_version("digits", "s3://bucket/mine")
    _, report = bring(project, mlruns)
    assert report.renumbered == {"digits v1": 2, "digits v2": 3, "digits v3": 4}
    refs = all_refs(project)
    bring(project, mlruns)
    assert all_refs(project) == refs


def test_models_of_one_name_in_two_stores_are_both_here(mlruns: Path, project: Path) -> None:
    bring(project, mlruns)
    for meta in mlruns.glob("models/digits/version-*/meta.yaml"):
        meta.write_text(re.sub(r"creation_timestamp: \d+", "creation_timestamp: 1500000000000", meta.read_text()))
    repo, report = bring(project, mlruns)
    assert report.versions == 2 and report.renumbered == {"digits v1": 4, "digits v2": 5, "digits v3": 6}
    model = repo.models.find("digits")
    assert model is not None and len(model.versions) == 6
    assert model.versions[model.aliases["champion"]].number == 3  # an alias that names something stays


def test_runs_are_children_of_the_commit_that_they_name(project: Path, tmp_path: Path) -> None:
    commit = run_git(project, "rev-parse", "HEAD")
    write(tmp_path / "store", "file", 8, commit)
    repo, report = bring(project, tmp_path / "store")
    assert report.linked == 4 + 3  # the models of a linked run are of its code
    run = next(run for run in repo.list_runs() if run.info.name == "run-1")
    assert run_git(project, "rev-parse", f"runs/{run.info.id}~2") == commit
    # In a repository that does not have the commit the run says which it is, and has no parent.
    make_project(tmp_path / "other")
    run_git(tmp_path / "other", "commit", "--quiet", "--allow-empty", "--amend", "-m", "another")
    other, report = bring(tmp_path / "other", tmp_path / "store")
    assert report.linked == 0 and other.get_run(run.info.id).info.source.commit == commit
    assert run_git(tmp_path / "other", "rev-list", "--count", f"runs/{run.info.id}") == "2"
    assert list(other.verify()) == []


def test_ids_of_another_form_become_ids_and_stay_known(mlruns: Path, project: Path, tmp_path: Path) -> None:
    folder = first_run(mlruns)
    odd = folder.rename(folder.with_name("6f1c9e1c-old-form"))
    meta = (odd / "meta.yaml").read_text().replace(folder.name, odd.name)
    (odd / "meta.yaml").write_text(meta)
    repo, report = bring(project, mlruns)
    run = repo.get_run(run_id_of("mlflow", odd.name))
    assert run.info.id in report.runs and run.tags[IMPORTED_ID_TAG] == odd.name
    assert bring(project, mlruns)[1].runs == []
    export_file_store(repo, tmp_path / "out", [run.info.id], everything=False, progress=lambda done, total: None)
    assert (tmp_path / "out" / odd.parent.name / odd.name / "meta.yaml").exists()


# What is not as it should be


def test_a_damaged_run_is_named_and_the_rest_goes_on(mlruns: Path, project: Path) -> None:
    runs = [meta.parent for meta in sorted(mlruns.glob("*/*/meta.yaml")) if "run_id:" in meta.read_text()]
    (runs[0] / "meta.yaml").write_text("a: [b\n")
    (runs[1] / "meta.yaml").write_text("")
    (runs[2] / "metrics" / "loss").write_text("1600000000000 what 1\n")
    (runs[3] / "meta.yaml").unlink()
    (runs[4] / "params" / "lr").write_bytes(b"\xff\xfe")
    (runs[5] / "meta.yaml").write_text((runs[6] / "meta.yaml").read_text())
    repo, report = bring(project, mlruns)
    named = " ".join(one.what for one in report.problems)
    assert all(run.name in named for run in runs[:6])
    assert len(report.runs) == 20 - 6
    assert not {RunId(run.name) for run in runs[:6]} & set(repo.store.run_tips())


def test_metrics_of_every_form_are_read(mlruns: Path, project: Path) -> None:
    folder = first_run(mlruns)
    (folder / "metrics" / "old").write_text("1550000000 0.5\n1600000000000 0.25\n")
    (folder / "metrics" / "deep" / "er").parent.mkdir()
    (folder / "metrics" / "deep" / "er").write_text("1600000000000 inf 7 data set d1\n\n1600000000001 -1e-05 -8\r\n")
    repo, _ = bring(project, mlruns)
    points = {(one.metric, one.step, one.time_ms, one.value) for one in repo.iter_points(RunId(folder.name))}
    assert {("old", 0, 1550000000000, 0.5), ("old", 0, 1600000000000, 0.25)} <= points
    assert {("deep/er", 7, 1600000000000, float("inf")), ("deep/er", -8, 1600000000001, -1e-05)} <= points


def test_nothing_is_followed_out_of_the_store(mlruns: Path, project: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.txt").write_text("PRIVATE")
    folder = first_run(mlruns)
    (folder / "artifacts" / "link.txt").symlink_to(secret / "key.txt")
    (folder / "artifacts" / "folder").symlink_to(secret)
    others = [one for one in mlruns.glob("*/*/meta.yaml") if "run_id:" in one.read_text() and one.parent != folder]
    (others[0].parent / "params" / "leak").symlink_to(secret / "key.txt")
    for target, address in zip(others[1:4], (f"file://{secret}", f"{mlruns}/../secret", str(secret)), strict=True):
        shutil.rmtree(target.parent / "artifacts")
        lines = [line for line in target.read_text().splitlines() if not line.startswith("artifact_uri")]
        target.write_text("\n".join([*lines, f"artifact_uri: {address}"]) + "\n")
    os.remove(others[4])
    others[4].symlink_to(secret / "key.txt")
    repo, report = bring(project, mlruns)
    told = " ".join(f"{one.what}: {one.why}" for one in report.problems)
    assert "link.txt" in told and "'folder'" in told and told.count("not below the store") == 3
    for path in (repo.folder / "cache" / "o").rglob("*"):
        assert not path.is_file() or b"PRIVATE" not in path.read_bytes()
    # What a person names may be read.
    make_project(tmp_path / "again")
    again, _ = bring(tmp_path / "again", mlruns, secret)
    assert [one.path for one in again.get_run(RunId(others[1].parent.name)).artifacts] == ["key.txt"]


@pytest.mark.skipif(os.geteuid() != 0, reason="takes the rights of another user")
def test_what_may_not_be_read_is_named(mlruns: Path) -> None:
    place = Path(tempfile.mkdtemp(prefix="rights-"))
    try:
        shutil.copytree(mlruns, place / "mlruns")
        runs = [one.parent for one in (place / "mlruns").glob("*/*/meta.yaml") if "run_id:" in one.read_text()]
        for path in (place, *place.rglob("*")):
            shutil.chown(path, "nobody")
        (runs[0] / "artifacts" / "model").chmod(0)
        (runs[1] / "params").chmod(0)
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
        try:
            store = open_mlflow(str(place / "mlruns"), environ={})
            first, second = store.read_runs([runs[0].name, runs[1].name])
            assert isinstance(first, ForeignRun) and isinstance(second, Damage)
            listed = list(listed_artifacts(first))
        finally:
            os.seteuid(0)
        assert "Permission denied" in second.why
        assert isinstance(listed[-1], Damage) and "Permission denied" in listed[-1].why
    finally:
        shutil.rmtree(place)


def test_a_hostile_meta_file_is_no_more_than_damage(mlruns: Path, project: Path) -> None:
    folder = first_run(mlruns)
    (folder / "meta.yaml").write_text("a: !!python/object/apply:os.system ['touch /tmp/owned']\n")
    names = "abcdefghij"
    lines = [f"{name}: &{name} [{', '.join(['*' + before] * 9)}]" for before, name in itertools.pairwise(names)]
    bomb = "\n".join(["a: &a [x, x, x, x, x, x, x, x, x]", *lines, ""])
    other = next(one for one in mlruns.glob("*/*/meta.yaml") if one.parent != folder and "run_id:" in one.read_text())
    other.write_text(bomb)
    _, report = bring(project, mlruns)
    assert len(report.runs) == 18 and len(report.problems) == 2


ODD_ROWS = (
    "UPDATE metrics SET step = 'many' WHERE run_uuid = {0}",
    "UPDATE metrics SET value = 'high' WHERE run_uuid = {1}",
    "UPDATE runs SET start_time = 'long ago' WHERE run_uuid = {2}",
    "UPDATE runs SET status = 'DANCING' WHERE run_uuid = {3}",
    "UPDATE runs SET end_time = -9223372036854775808 WHERE run_uuid = {4}",
    "UPDATE metrics SET step = 99999999999999999999999 WHERE run_uuid = {5}",
)
ODD_BUT_GOOD = (
    "UPDATE params SET value = CAST(x'ff00fe' AS TEXT) WHERE run_uuid = {6} AND key = 'lr'",
    "UPDATE runs SET name = NULL, user_id = NULL, source_name = NULL, artifact_uri = NULL WHERE run_uuid = {6}",
    "UPDATE tags SET key = '../../../etc/passwd' WHERE run_uuid = {6} AND key = 'late'",
    "UPDATE runs SET artifact_uri = 'file:///etc' WHERE run_uuid = {7}",
    "UPDATE runs SET artifact_uri = '/proc/self' WHERE run_uuid = {8}",
    "UPDATE runs SET experiment_id = 987654 WHERE run_uuid = {9}",
    "INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (5, ' ', 'active')",
    "UPDATE registered_models SET name = 'a/../b' WHERE name = 'empty'",
    "UPDATE model_versions SET source = 'file:///etc/passwd', current_stage = 'Nowhere' WHERE version = 1",
)


def test_a_hostile_database_is_no_more_than_damage(
    written: Callable[[str], Path], project: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mlflow.db"
    shutil.copy(written("sqlite") / "mlflow.db", path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        runs = [row[0] for row in connection.execute("SELECT run_uuid FROM runs ORDER BY start_time")]
        for line in (*ODD_ROWS, *ODD_BUT_GOOD):
            connection.execute(line.format(*(f"'{run_id}'" for run_id in runs)))
    repo, report = bring(project, path, written("sqlite") / "mlruns")
    assert len(report.runs) == 20 - len(ODD_ROWS)
    told = " ".join(f"{one.what}: {one.why}" for one in report.problems)
    assert all(f"run {run_id}" in told for run_id in runs[:6])
    odd = repo.get_run(RunId(runs[6]))
    assert odd.info.name == "run-6" and odd.tags["../../../etc/passwd"] == "yes"
    for number in (7, 8):
        names = {one.path for one in repo.get_run(RunId(runs[number])).artifacts}
        assert names in (set(), {"a b ü.bin", "model/MLmodel"})  # never what lies at that address
    assert repo.get_run(RunId(runs[9])).info.experiment_id == "0"
    assert "registered model 'a/../b'" in told and "stage of v1" in told
    assert list(repo.verify()) == []
    run_git(project, "fsck", "--strict")


def test_values_that_are_too_long_are_cut_and_said(mlruns: Path, project: Path) -> None:
    folder = first_run(mlruns)
    (folder / "params" / "long").write_text("x" * 7000)
    (folder / "tags" / "long").write_text("y" * 9000)
    repo, report = bring(project, mlruns)
    run = repo.get_run(RunId(folder.name))
    assert len(str(run.params["long"])) == 6000 and len(run.tags["long"]) == 8000
    assert len(report.problems) == 2 and all("cut to" in one.why for one in report.problems)


def test_what_is_no_store_is_refused(project: Path, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE t (a)").connection.close()
    for name in ("file.txt", "empty"):
        with pytest.raises(InvalidInputError) as caught:
            open_mlflow(str(tmp_path / name), environ={})
        assert caught.value.kind == "bad-source"
    with pytest.raises(NotFoundError):
        open_mlflow(str(tmp_path / "nowhere"), environ={})
    assert "no database of MLflow" in failed(project, "import", "mlflow", str(tmp_path / "other.db"))


def failed(project: Path, *args: str) -> str:
    """What a command says that fails."""
    done = subprocess.run(
        [sys.executable, "-m", "gitruns.cli.start", *args], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode not in (0, 70) and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def test_what_cannot_be_reached_says_so_and_keeps_passwords(project: Path) -> None:
    for source in ("http://ada:SECRET@127.0.0.1:9", "postgresql://ada:SECRET@127.0.0.1:9/mlflow"):
        said = failed(project, "import", "mlflow", source)
        assert "127.0.0.1:9" in said and "SECRET" not in said and said.startswith("error: cannot ")


# Stopped


def test_an_import_that_is_killed_goes_on(written: Callable[[str], Path], project: Path, tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from gitruns.repo import Repo; from gitruns.exchange.importing import import_all\n"
        "from gitruns.exchange.mlflow.opening import open_mlflow\n"
        "store = open_mlflow(sys.argv[2], environ={})\n"
        "def tell(done, total):\n    print(done, flush=True); time.sleep(0.03)\n"
        "import_all(Repo.open(Path(sys.argv[1])), store, progress=tell, at_once=3)\n"
    )
    words = [sys.executable, "-c", program, str(project), str(written("file") / "mlruns")]
    for wanted in (5, 14):
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= wanted:
                process.send_signal(signal.SIGKILL)
                break
        process.wait()
        process.stdout.close()
        time.sleep(0.05)
    half = len(Repo.open(project).store.run_tips())
    assert 0 < half < 23
    repo, report = bring(project, written("file"))
    assert report.known == half and len(report.runs) + len(report.logged_models) == 23 - half
    make_project(tmp_path / "whole")
    whole, _ = bring(tmp_path / "whole", written("file"))
    assert trees_of(repo) == trees_of(whole) and list(repo.verify()) == []
    assert len(repo.models.find("digits").versions) == 3  # type: ignore[union-attr]


def test_many_runs_go_straight_to_the_archive(project: Path, tmp_path: Path) -> None:
    mlruns = tmp_path / "mlruns"
    for number in range(230):
        folder = mlruns / "0" / f"{number:032x}"
        (folder / "metrics").mkdir(parents=True)
        status = 1 if number == 7 else 3
        (folder / "meta.yaml").write_text(
            f"run_id: '{number:032x}'\nexperiment_id: 0\nname: n{number}\nstatus: {status}\n"
            "start_time: 1600000000000\nend_time: 1600000001000\nuser_id: ada\nlifecycle_stage: active\n"
        )
        (folder / "metrics" / "acc").write_text(f"1600000000000 0.{number} 1\n")
    (mlruns / "0" / "meta.yaml").write_text("experiment_id: 0\nname: Default\nlifecycle_stage: active\n")
    repo, report = bring(project, mlruns)
    assert len(report.runs) == 230 and len(repo.store.segments()) == 1
    assert list(repo.store.loose_run_tips()) == [f"{7:032x}"]
    assert repo.count_runs("acc >= 0.0") == 230
    assert list(repo.verify()) == []


def test_a_run_that_went_on_is_brought_up_to_date(mlruns: Path, project: Path) -> None:
    folder = first_run(mlruns, with_end=False)
    run_id = RunId(folder.name)
    bring(project, mlruns)
    repo = Repo.open(project)
    before = repo.get_run(run_id)
    with repo.edit(run_id) as edit:
        edit.set_tag("late", "edited here")
    with (folder / "metrics" / "loss").open("a") as file:
        file.write("1600000001000 0.125 3\n1600000001000 0.125 3\n")
    (folder / "tags" / "late").write_text("edited there")
    (folder / "tags" / "new").write_text("one")
    (folder / "params" / "more").write_text("1")
    (folder / "artifacts" / "late.txt").write_text("late")
    _, report = bring(project, mlruns)
    assert report.updated == [run_id] and report.runs == [] and report.points == 2
    meta = (folder / "meta.yaml").read_text().replace("end_time: null", "end_time: 1600000002000")
    (folder / "meta.yaml").write_text(meta.replace("status: 1", "status: 3"))
    (folder / "tags" / "new").write_text("two")
    repo, report = bring(project, mlruns)
    assert report.updated == [run_id] and report.points == 0
    run = repo.get_run(run_id)
    assert run.info.status is RunStatus.FINISHED and run.info.end_time_ms == 1600000002000
    assert run.metrics["loss"].count == before.metrics["loss"].count + 2 and run.metrics["loss"].last == 0.125
    assert (run.tags["late"], run.tags["new"], run.params["more"]) == ("edited here", "two", "1")
    assert "late.txt" in {one.path for one in run.artifacts}
    assert sorted(one.value for one in repo.metric_history(run_id, "loss"))[:2] == [0.125, 0.125]
    refs = all_refs(project)
    assert bring(project, mlruns)[1].updated == [] and all_refs(project) == refs and list(repo.verify()) == []


@pytest.mark.parametrize("how", ["--object-format=sha256", "--bare"])
def test_other_forms_of_repositories(how: str, mlruns: Path, tmp_path: Path) -> None:
    run_git(tmp_path, "init", "--quiet", how, "other")
    repo, report = bring(tmp_path / "other", mlruns)
    assert len(report.runs) == 20 and report.problems == []
    assert bring(tmp_path / "other", mlruns)[1].runs == [] and list(repo.verify()) == []


def test_where_commits_are_signed_imported_ones_are_too(mlruns: Path, project: Path, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    settings = {"gpg.format": "ssh", "user.signingkey": str(tmp_path / "key.pub"), "commit.gpgsign": "true"}
    for key, value in settings.items():
        run_git(project, "config", key, value)
    _, report = bring(project, mlruns)
    for run_id in report.runs:
        assert "gpgsig" in run_git(project, "cat-file", "-p", f"refs/runs/{run_id}")


# The command


def test_the_command_says_what_it_did(mlruns: Path, project: Path) -> None:
    said = gitruns(project, "import", "mlflow", mlruns, "--dry-run")
    assert "would import 20 runs, 3 logged models, 3 experiments, 2 registered models, 2 versions" in said
    done = subprocess.run(
        [sys.executable, "-m", "gitruns.cli.start", "import", "mlflow", str(mlruns), "--json"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    record = json.loads(done.stdout)
    assert len(record["runs"]) == 20 and record["problems"] == [] and record["left_out"] == {}
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    documented = page.split("\n## Import\n")[1].split("\n## ")[0]
    assert set(record) == set(re.findall(r"^\| `([a-z_]+)` \|", documented, re.MULTILINE))


def test_an_export_replaces_nothing(mlruns: Path, project: Path, tmp_path: Path) -> None:
    bring(project, mlruns)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("mine")
    assert "is there already" in failed(project, "export", "--to", f"mlflow:{tmp_path / 'there'}")
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".there")] == []


def test_a_query_says_which_runs_are_exported(mlruns: Path, project: Path, tmp_path: Path) -> None:
    bring(project, mlruns)
    gitruns(project, "export", "--to", f"mlflow:{tmp_path / 'some'}", "name = 'run-1'")
    runs = [meta for meta in (tmp_path / "some").glob("*/*/meta.yaml") if "run_id:" in meta.read_text()]
    assert len(runs) == 2 or len([one for one in runs if one.parent.parent.name != "models"]) == 1


@pytest.fixture(autouse=True)
def no_leftovers(project: Path) -> Iterator[None]:
    """No half-written file may stay behind."""
    yield
    spills = list((project / ".git" / "gitruns" / "tmp").glob("*"))
    assert spills == []
