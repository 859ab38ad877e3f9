"""The fluent functions, as a training script uses them, in a real repository."""

from __future__ import annotations

import json
import math
import threading
import time
from pathlib import Path

import pytest

import gitruns
from gitruns.errors import GitRunsWarning, InvalidInputError, NotFoundError
from gitruns.repo import Repo
from gitruns.tracking import fluent


@pytest.fixture(autouse=True)
def fresh_process(git_repo: Path, monkeypatch: pytest.MonkeyPatch):
    """Each test is a script of its own, in the repository."""
    monkeypatch.chdir(git_repo)
    monkeypatch.setattr(fluent, "_experiment", None)
    monkeypatch.setattr(fluent, "_last_run", None)
    monkeypatch.setattr(fluent, "_environment_run_used", False)
    yield
    while gitruns.active_run() is not None:
        gitruns.end_run()
    fluent._close_sessions()
    fluent._sessions.clear()


def test_a_run_is_committed_with_all_that_was_logged(git_repo: Path, git) -> None:
    with gitruns.start_run(run_name="first", tags={"team": "vision"}, description="a try") as run:
        gitruns.log_params({"lr": 0.01, "layers": 3, "optimizer": "adam", "flag": True, "none": None})
        for step in range(5):
            gitruns.log_metric("loss", 1.0 / (step + 1), step=step)
        gitruns.log_metrics({"acc": 0.5, "f1": 0.25}, step=4)
        gitruns.log_text("hello\n", "notes/hello.txt")
        run_id = run.info.run_id
    found = gitruns.get_run(run_id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "first"
    assert found.data.params == {"lr": 0.01, "layers": 3, "optimizer": "adam", "flag": True, "none": None}
    assert found.data.metrics == {"loss": 0.2, "acc": 0.5, "f1": 0.25}
    assert found.metrics["loss"].count == 5
    assert found.metrics["loss"].max == 1.0
    assert found.data.tags == {"team": "vision", "mlflow.note.content": "a try"}
    assert [point.step for point in gitruns.get_metric_history(run_id, "loss")] == [0, 1, 2, 3, 4]
    assert found.info.source_commit == git(git_repo, "rev-parse", "HEAD")
    assert git(git_repo, "rev-parse", f"runs/{run_id}~2") == git(git_repo, "rev-parse", "HEAD")
    assert '"lr": 0.01' in git(git_repo, "show", f"runs/{run_id}:params.yaml")
    assert git(git_repo, "show", f"runs/{run_id}:artifacts/notes/hello.txt") == "hello"
    git(git_repo, "fsck", "--strict")


def test_a_live_run_is_seen_while_it_runs(git_repo: Path) -> None:
    with gitruns.start_run() as run:
        gitruns.log_metric("loss", 3.0)
        seen = Repo.open(git_repo).get_run(run.info.run_id)
        assert seen.live
        assert seen.info.status.value == "RUNNING"
        assert seen.metrics["loss"].last == 3.0


def test_a_log_call_without_a_run_starts_one() -> None:
    gitruns.log_metric("loss", 1.0)
    run = gitruns.active_run()
    assert run is not None
    gitruns.end_run()
    assert gitruns.get_run(run.info.run_id).data.metrics == {"loss": 1.0}


def test_an_exception_fails_the_run_and_its_text_is_kept() -> None:
    with pytest.raises(ZeroDivisionError), gitruns.start_run() as run:
        _ = 1 / 0
    found = gitruns.get_run(run.info.run_id)
    assert found.info.status == "FAILED"
    assert found.info.error == "ZeroDivisionError: division by zero"


def test_an_interrupt_kills_the_run() -> None:
    with pytest.raises(KeyboardInterrupt), gitruns.start_run() as run:
        raise KeyboardInterrupt
    assert gitruns.get_run(run.info.run_id).info.status == "KILLED"


def test_nested_runs_name_their_parent_and_a_second_plain_run_is_refused() -> None:
    with gitruns.start_run() as outer:
        with pytest.raises(InvalidInputError, match="is still active") as caught:
            gitruns.start_run()
        assert caught.value.kind == "run-already-active"
        with gitruns.start_run(nested=True) as inner:
            gitruns.log_param("depth", 1)
        gitruns.log_param("depth", 0)
    assert gitruns.get_run(inner.info.run_id).info.parent_run_id == outer.info.run_id
    assert gitruns.get_run(outer.info.run_id).data.params == {"depth": 0}


def test_a_param_is_write_once_and_the_same_value_again_is_fine() -> None:
    with gitruns.start_run():
        gitruns.log_param("lr", 1)
        gitruns.log_param("lr", "1")
        with pytest.raises(InvalidInputError, match=r"cannot change param 'lr' .* from '1' to '2'") as caught:
            gitruns.log_params({"other": 1, "lr": 2})
        assert caught.value.kind == "param-overwritten"
        run = gitruns.active_run()
        assert run is not None
        assert run.data.params == {"lr": 1}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gitruns.log_param("k" * 251, 1), r"param key 'k+…' is 251 characters long, at most 250 are allowed"),
        (lambda: gitruns.log_param("k", "v" * 6001), r"value of param 'k' 'v+…' is 6001 characters long, at most 6000"),
        (lambda: gitruns.set_tag("k", "v" * 8001), r"value of tag 'k' 'v+…' is 8001 characters long, at most 8000"),
        (lambda: gitruns.log_metric("m", "high"), r"metric 'm' must be a number, not str 'high'"),
        (lambda: gitruns.log_metric("m", 2**53 + 1), r"metric 'm' cannot hold 9007199254740993: float64 has no such"),
        (lambda: gitruns.log_metric("m", 1.0, step="one"), r"step of metric 'm' must be an integer"),
        (lambda: gitruns.log_metric("m\ud800", 1.0), r"metric key holds a lone surrogate .* U\+D800 at character 2"),
        (lambda: gitruns.log_text("x", "../x"), r"artifact path '../x' must name a file below the run"),
        (lambda: gitruns.delete_tag("nothing"), r"has no tag 'nothing'"),
    ],
)
def test_mistakes_raise_and_name_key_and_limit(call, message: str) -> None:
    with gitruns.start_run(), pytest.raises(InvalidInputError, match=message):
        call()


def test_mistakes_are_warned_of_when_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITRUNS_ON_ERROR", "warn")
    with gitruns.start_run() as run:
        with pytest.warns(GitRunsWarning, match="must be a number"):
            gitruns.log_metric("m", "high")
        gitruns.log_metric("n", 1.0)
    assert gitruns.get_run(run.info.run_id).data.metrics == {"n": 1.0}


def test_outside_a_repository_the_ways_out_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFoundError) as caught:
        gitruns.start_run()
    assert caught.value.kind == "not-a-repository"
    for way in ("git init", "GITRUNS_REPO", "GITRUNS_JOURNAL"):
        assert way in str(caught.value.hint)
    monkeypatch.setenv("GITRUNS_ON_ERROR", "warn")
    with pytest.warns(GitRunsWarning, match="not recorded"), gitruns.start_run():
        gitruns.log_metric("m", 1.0)


def test_metrics_are_kept_bit_for_bit() -> None:
    values = [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan, 1e22, 2.0**53]
    with gitruns.start_run() as run:
        for step, value in enumerate(values):
            gitruns.log_metric("m", value, step=step)
    history = [point.value for point in gitruns.get_metric_history(run.info.run_id, "m")]
    assert [value.hex() for value in history] == [value.hex() for value in values]


def test_keys_may_hold_anything(git_repo: Path) -> None:
    keys = ["a/b", "..", "été", "🦦", "tab\there", 'quote"s', "a:b", "-", " x ", "line\nbreak", "\u2028"]
    with gitruns.start_run() as run:
        gitruns.log_params({key: key for key in keys})
        gitruns.log_metrics(dict.fromkeys(keys, 1.5), step=3)
        gitruns.set_tags({key: key for key in keys})
    found = Repo.open(git_repo).get_run(run.info.run_id)
    assert dict(found.params) == {key: key for key in keys}
    assert set(found.metrics) == set(keys)
    assert dict(found.tags) == {key: key for key in keys}
    assert {point.metric for point in Repo.open(git_repo).iter_points(run.info.run_id)} == set(keys)


def test_a_run_is_resumed_after_it_ended(git_repo: Path) -> None:
    with gitruns.start_run() as run:
        gitruns.log_param("lr", 1)
        gitruns.log_metric("loss", 2.0, step=0)
    run_id = run.info.run_id
    with gitruns.start_run(run_id):
        assert gitruns.get_run(run_id).info.status == "RUNNING"
        gitruns.log_metric("loss", 1.0, step=1)
        gitruns.log_param("more", 2)
        with pytest.raises(InvalidInputError, match="cannot change param"):
            gitruns.log_param("lr", 3)
    found = Repo.open(git_repo).get_run(run_id)
    assert found.info.status.value == "FINISHED"
    assert found.params == {"lr": 1, "more": 2}
    assert (found.metrics["loss"].count, found.metrics["loss"].first, found.metrics["loss"].last) == (2, 2.0, 1.0)
    assert len(found.parts) == 2
    assert len(Repo.open(git_repo).metric_history(run_id, "loss")) == 2


def test_threads_without_a_run_of_their_own_log_into_the_scripts_run() -> None:
    with gitruns.start_run() as run:
        threads = [
            threading.Thread(
                target=lambda worker=worker: [gitruns.log_metric(f"m{worker}", i, step=i) for i in range(200)]
            )
            for worker in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(summary.count for summary in gitruns.get_run(run.info.run_id).metrics.values()) == 1600


def test_experiments_group_runs() -> None:
    experiment = gitruns.set_experiment("digits")
    assert experiment is not None
    with gitruns.start_run() as run:
        pass
    assert gitruns.get_run(run.info.run_id).info.experiment_id == experiment.experiment_id
    assert [one.name for one in gitruns.search_experiments()] == ["digits", "Default"]
    gitruns.rename_experiment(experiment.experiment_id, "letters")
    assert gitruns.get_experiment(experiment.experiment_id).name == "letters"
    gitruns.delete_experiment(experiment.experiment_id)
    assert gitruns.get_experiment(experiment.experiment_id).lifecycle_stage == "deleted"
    with pytest.raises(InvalidInputError, match="it is deleted"):
        gitruns.set_experiment("letters")
    gitruns.restore_experiment(experiment.experiment_id)
    assert gitruns.get_experiment_by_name("letters") is not None


def test_delete_and_restore(git_repo: Path) -> None:
    with gitruns.start_run() as run:
        pass
    gitruns.delete_run(run.info.run_id)
    assert Repo.open(git_repo).list_runs() == []
    gitruns.restore_run(run.info.run_id)
    assert [one.info.id for one in Repo.open(git_repo).list_runs()] == [run.info.run_id]


def test_artifacts_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "b.bin").write_bytes(bytes(range(256)) * 1000)
    (folder / "a.txt").write_text("a")
    with gitruns.start_run() as run:
        gitruns.log_artifacts(folder, "data")
        gitruns.log_artifact(folder / "a.txt")
        gitruns.log_dict({"b": [1, 2]}, "conf.yaml")
    run_id = run.info.run_id
    assert [(entry.path, entry.is_dir) for entry in gitruns.list_artifacts(run_id)] == [
        ("a.txt", False),
        ("conf.yaml", False),
        ("data", True),
    ]
    place = Path(gitruns.download_artifacts(run_id, "data", tmp_path / "back"))
    assert (place / "deep" / "b.bin").read_bytes() == bytes(range(256)) * 1000
    with pytest.raises(NotFoundError, match="no artifact 'nothing'"):
        gitruns.download_artifacts(run_id, "nothing")


def test_numpy_scalars_are_values(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    with gitruns.start_run() as run:
        gitruns.log_params({"f32": np.float32(0.5), "i": np.int64(7), "b": np.bool_(True), "s": np.str_("x")})
        gitruns.log_metric("m", np.float32(0.1), step=np.int32(4))
        gitruns.log_metric("zero_d", np.array(3.0))
        with pytest.raises(InvalidInputError, match="must be a number"):
            gitruns.log_metric("m", np.array([1.0, 2.0]))
    found = gitruns.get_run(run.info.run_id)
    assert found.data.params == {"f32": 0.5, "i": 7, "b": True, "s": "x"}
    assert found.data.metrics == {"m": float(np.float32(0.1)), "zero_d": 3.0}
    assert found.metrics["m"].step == 4


def test_system_metrics_are_sampled_into_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psutil")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    with gitruns.start_run(log_system_metrics=True) as run:
        deadline = time.monotonic() + 20
        while "system/system_memory_usage_percentage" not in run.data.metrics and time.monotonic() < deadline:
            time.sleep(0.05)
    found = gitruns.get_run(run.info.run_id).metrics
    assert 0 < found["system/system_memory_usage_percentage"].last < 100
    assert "system/cpu_utilization_percentage" in found


def test_figures_images_tables_and_data(git_repo: Path) -> None:
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    plt = pytest.importorskip("matplotlib.pyplot")
    pytest.importorskip("PIL")
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    with gitruns.start_run() as run:
        gitruns.log_figure(figure, "plot.png")
        gitruns.log_image(np.zeros((4, 4, 3), dtype="uint8"), "black.png")
        gitruns.log_image(np.ones((4, 4)), key="a/b", step=3)
        gitruns.log_table({"a": [1, 2]}, "table.json")
        gitruns.log_table(pd.DataFrame({"a": [3]}), "table.json")
        described = gitruns.log_input(pd.DataFrame({"x": [1.0]}), context="training", name="frame")
    plt.close(figure)
    stored = Repo.open(git_repo).get_run(run.info.run_id)
    paths = {artifact.path for artifact in stored.artifacts}
    assert {"plot.png", "black.png", "table.json"} < paths
    stepped = sorted(path for path in paths if path.startswith("images/a~b+step+3+timestamp+"))
    assert [path.rpartition(".")[2] for path in stepped] == ["webp", "png"]
    with Repo.open(git_repo).open_artifact(run.info.run_id, "table.json") as file:
        assert json.load(file)["data"] == [[1], [2], [3]]
    assert stored.inputs == (described,)


def test_the_run_of_the_environment_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with gitruns.start_run() as run:
        pass
    monkeypatch.setenv("GITRUNS_RUN_ID", run.info.run_id)
    fluent._sessions.clear()
    with gitruns.start_run() as joined:
        pass
    with gitruns.start_run() as another:
        pass
    assert joined.info.run_id == run.info.run_id
    assert another.info.run_id != run.info.run_id


def test_the_schedulers_ids_are_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    fluent._sessions.clear()
    with gitruns.start_run(tags={"team": "vision"}) as run:
        pass
    assert gitruns.get_run(run.info.run_id).data.tags == {"slurm_job_id": "4711", "team": "vision"}
