"""MLflow's own client on a git repository, held against its own SQLite store: runs and experiments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'gitruns[mlflow]'")
pytest.importorskip("sqlalchemy", reason="MLflow's SQLite store, which says what is right, needs the whole of MLflow")

from mlflow.entities import Metric, Param, RunTag, ViewType

from compat.transcript import Transcript

pytestmark = pytest.mark.filterwarnings("ignore")

Same = Callable[[Callable[[Any, Transcript], None]], None]


def test_a_script_with_nested_runs(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        transcript.experiment(mlflow.set_experiment("training").experiment_id)
        with mlflow.start_run(run_name="outer", description="what it is", tags={"kind": "sweep"}) as outer:
            mlflow.log_param("lr", 0.1)
            mlflow.log_params({"layers": 3, "big": 10**20, "none": None, "flag": True})
            for step in range(4):
                mlflow.log_metric("loss", 1 / (step + 1), step=step)
            mlflow.log_metrics({"acc": 0.5, "inf": float("inf"), "minus": float("-inf"), "nan": float("nan")}, step=2)
            mlflow.set_tags({"a": 1, "b": "text"})
            with mlflow.start_run(nested=True, run_name="inner") as inner:
                mlflow.log_metric("loss", 7)
        transcript.say("outer", mlflow.get_run(outer.info.run_id))
        transcript.say("inner", mlflow.get_run(inner.info.run_id))
        children = mlflow.search_runs(
            filter_string=f"tags.mlflow.parentRunId = '{outer.info.run_id}'", output_format="list"
        )
        transcript.say("children", [run.info.run_name for run in children])
        named = mlflow.search_runs(filter_string="tags.mlflow.runName LIKE 'out%'", output_format="list")
        transcript.say("named", [run.info.run_name for run in named])
        with mlflow.start_run(run_id=outer.info.run_id):
            mlflow.log_metric("later", 1)
            transcript.say("resumed", mlflow.active_run().info.status)
        transcript.say("ended again", mlflow.get_run(outer.info.run_id))
        frame = mlflow.search_runs(order_by=["metrics.loss DESC"])
        transcript.say("columns", sorted(name for name in frame.columns if "source" not in name and "user" not in name))
        transcript.say("values", frame[["params.lr", "metrics.acc", "tags.kind", "status"]].astype(str).values.tolist())
        with pytest.raises(RuntimeError), mlflow.start_run(run_name="bad") as bad:
            raise RuntimeError("as it happens")
        transcript.say("failed", mlflow.get_run(bad.info.run_id).info.status)

    same(scenario)


def test_a_client_that_names_runs(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        client = mlflow.MlflowClient()
        experiment = transcript.experiment(client.create_experiment("by hand", tags={"team": "red"}))
        transcript.say("experiment", {**dict(client.get_experiment(experiment)), "artifact_location": ""})
        run_id = client.create_run(experiment, run_name="first", start_time=1000, tags={"x": "1"}).info.run_id
        transcript.say("new", client.get_run(run_id))
        client.log_batch(
            run_id,
            metrics=[Metric("m", 1.0, 10, 0), Metric("m", 1.0, 10, 0), Metric("m", 3.0, 5, 1), Metric("n", 2, 7, 3)],
            params=[Param("p", "1"), Param("q", "x" * 6000)],
            tags=[RunTag("t", "1"), RunTag("t", "2"), RunTag("mlflow.runName", "renamed")],
        )
        for value, time_ms, step in ((5, 30, 2), (4, 20, 2), (9, 40, 1), (5, 30, 2)):
            client.log_metric(run_id, "m", value, time_ms, step)
        transcript.say("logged", client.get_run(run_id))
        history = client.get_metric_history(run_id, "m")
        transcript.say("history", [(one.timestamp, one.step, one.value) for one in history])
        transcript.say("no history", client.get_metric_history(run_id, "nothing"))
        client.log_param(run_id, "p", 1)
        transcript.refused("param again", client.log_param, run_id, "p", "2")
        transcript.refused("param in a batch", client.log_batch, run_id, params=[Param("p", "2"), Param("new", "1")])
        transcript.refused("twice in a batch", client.log_batch, run_id, params=[Param("z", "1"), Param("z", "1")])
        transcript.say("nothing of it", sorted(client.get_run(run_id).data.params))
        transcript.refused("long tag", client.set_tag, run_id, "k" * 251, "x", words=False)
        transcript.refused("odd key", client.log_metric, run_id, "it's", 1)
        transcript.refused("path", client.log_param, run_id, "../x", 1)
        transcript.refused("text", client.log_metric, run_id, "m", "high", words=False, over_http="TypeError")
        client.delete_tag(run_id, "x")
        transcript.refused("tag twice", client.delete_tag, run_id, "x")
        client.update_run(run_id, status="SCHEDULED")
        transcript.say("scheduled", client.get_run(run_id).info.status)
        client.update_run(run_id, name="third")
        client.set_tag(run_id, "mlflow.note.content", "a note")
        client.set_terminated(run_id, "KILLED", end_time=99_000)
        transcript.say("killed", client.get_run(run_id))
        client.log_metric(run_id, "late", 2.5, 1, 1)
        client.set_tag(run_id, "late", "yes")
        client.log_param(run_id, "late", "yes")
        transcript.say("late", client.get_run(run_id))
        client.delete_run(run_id)
        client.delete_run(run_id)
        transcript.say("deleted", client.get_run(run_id).info.lifecycle_stage)
        transcript.refused("log deleted", client.log_metric, run_id, "m", 1)
        transcript.refused("tag deleted", client.set_tag, run_id, "m", 1)
        transcript.refused("end deleted", client.set_terminated, run_id)
        for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL):
            transcript.say("view", [run.info.run_name for run in client.search_runs([experiment], "", view)])
        client.restore_run(run_id)
        transcript.say("restored", client.get_run(run_id).info.lifecycle_stage)
        nothing = "0" * 32
        transcript.refused("no run", client.get_run, nothing)
        transcript.refused("log nowhere", client.log_metric, nothing, "m", 1)
        transcript.refused("two names", client.create_run, experiment, run_name="a", tags={"mlflow.runName": "b"})
        transcript.refused("no experiment", client.create_run, "12345")
        transcript.refused("odd experiment", client.create_run, "abc")

    same(scenario)


def test_experiments(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        client = mlflow.MlflowClient()
        ids = [
            transcript.experiment(client.create_experiment(f"exp {number}", tags={"n": str(number % 2)}))
            for number in range(5)
        ]
        transcript.say("default", client.get_experiment("0").name)
        transcript.refused("twice", client.create_experiment, "exp 1", words=False)
        transcript.refused("empty name", client.create_experiment, "", over_http="INVALID_PARAMETER_VALUE")
        transcript.say("no such name", client.get_experiment_by_name("nothing"))
        transcript.refused("no such id", client.get_experiment, "123456")
        transcript.refused("odd id", client.get_experiment, "abc")
        run_id = client.create_run(ids[0], run_name="inside").info.run_id
        client.set_experiment_tag(ids[0], "tag", "v")
        client.delete_experiment_tag(ids[0], "tag")
        transcript.refused("tag twice", client.delete_experiment_tag, ids[0], "tag")
        client.delete_experiment(ids[0])
        transcript.refused("delete twice", client.delete_experiment, ids[0])
        transcript.say("its runs", client.get_run(run_id).info.lifecycle_stage)
        transcript.say("by name", client.get_experiment_by_name("exp 0").lifecycle_stage)
        transcript.refused("name is taken", client.create_experiment, "exp 0", words=False)
        transcript.refused("run in it", client.create_run, ids[0])
        transcript.refused("tag it", client.set_experiment_tag, ids[0], "a", "b")
        transcript.refused("rename it", client.rename_experiment, ids[0], "other", over_http="INTERNAL_ERROR")
        transcript.refused("use it", mlflow.set_experiment, "exp 0", words=False)
        for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL):
            found = client.search_experiments(view_type=view, filter_string="name LIKE 'exp%'", order_by=["name ASC"])
            transcript.say("view", [one.name for one in found])
        client.restore_experiment(ids[0])
        transcript.refused("restore twice", client.restore_experiment, ids[0])
        transcript.say("its runs again", client.get_run(run_id).info.lifecycle_stage)
        client.rename_experiment(ids[1], "renamed")
        transcript.say("renamed", client.get_experiment(ids[1]).name)
        for text in ("tags.n = '1'", "name ILIKE 'EXP%'", "name != 'exp 3' AND tags.n = '0'", "tags.n IS NULL"):
            found = client.search_experiments(filter_string=text, order_by=["name DESC"])
            transcript.say(text, [one.name for one in found if one.name != "unused"])
        for text in ("name = exp", "nothing = 'x'", "name > 'x'", "tags.n"):
            transcript.refused(text, client.search_experiments, filter_string=text, words=False)
        page = client.search_experiments(filter_string="name LIKE 'exp%'", order_by=["name"], max_results=2)
        transcript.say("page", [one.name for one in page])
        page = client.search_experiments(
            filter_string="name LIKE 'exp%'", order_by=["name"], max_results=2, page_token=page.token
        )
        transcript.say("last page", ([one.name for one in page], page.token))
        transcript.refused("no results", client.search_experiments, max_results=0)
        transcript.refused("too many", client.search_experiments, max_results=50_001)

    same(scenario)


FILTERS = [
    "metrics.acc > 0.4",
    "metrics.acc >= 0.5 and params.kind = 'b'",
    "metrics.`with space` < 3",
    "params.kind != 'a'",
    "params.kind LIKE 'a%'",
    "params.kind ILIKE 'A%'",
    "params.kind IS NULL",
    "params.kind IS NOT NULL",
    "tags.colour = 'red'",
    "tags.colour != 'red'",
    "tags.colour IS NOT NULL AND metrics.acc < 0.9",
    "attributes.status = 'FINISHED'",
    "status != 'FINISHED'",
    "attributes.run_name LIKE 'run 1%'",
    "run_name = 'run 3'",
    "`run name` = 'run 4'",
    "start_time > 3000",
    "start_time >= 2000 AND end_time < 9000",
    "attributes.user_id = 'nobody at all'",
    "datasets.name = 'iris'",
    "dataset.digest = 'd1'",
    "dataset.context = 'train'",
    "datasets.name LIKE '%ri%'",
    "attributes.artifact_uri LIKE '%/artifacts'",
    "tags.`mlflow.runName` = 'run 5'",
    "metrics.acc = 0.5",
    "metrics.nan = 1",
    "params.number = '10'",
    "metrics.missing > 0",
    "tags.mlflow.note.content LIKE '%note%'",
    # refused
    "metrics.acc > 'x'",
    "METRICS.acc > 1",
    "params.kind = a",
    "params.kind > 'a'",
    "acc > 1",
    "experiment_id = '1'",
    "lifecycle_stage = 'active'",
    "metrics.acc > 0.1 OR metrics.acc < 0.05",
    "metrics.acc",
    "tags.colour IN ('red')",
    "status IN ('FINISHED')",
    "datasets.source = 'x'",
    "run_id IN ()",
    "metrics.acc IS NULL",
]

ORDERS = [
    [],
    ["metrics.acc"],
    ["metrics.acc DESC"],
    ["metrics.nan ASC"],
    ["metrics.nan DESC"],
    ["params.kind DESC", "metrics.acc ASC"],
    ["params.number"],
    ["tags.colour", "start_time DESC"],
    ["start_time ASC"],
    ["attributes.run_name DESC"],
    ["end_time"],
    ["status", "run_name"],
    ["datasets.name"],
    ["nothing"],
    ["metrics.acc UP"],
]


def test_every_filter_and_order_finds_the_same_runs(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        client = mlflow.MlflowClient()
        experiment = transcript.experiment(client.create_experiment("searched"))
        special = (0.0, float("nan"), float("inf"), float("-inf"), 1.0)
        for number in range(12):
            run_id = client.create_run(experiment, run_name=f"run {number}", start_time=number * 500).info.run_id
            metrics = [Metric("acc", number / 10, 1, 0), Metric("with space", number % 5, 1, 0)]
            if number < 10:
                metrics.append(Metric("nan", special[number % 5], 1, 0))
            params = [Param("number", str(number))]
            if number % 3:
                params.append(Param("kind", "ab"[number % 2] + "x" * (number % 4)))
            tags = [RunTag("colour", ("red", "blue")[number % 2])] if number % 4 else []
            client.log_batch(run_id, metrics, params, [*tags, RunTag("mlflow.note.content", f"note {number}")])
            if number in (2, 7):
                dataset = Dataset(name=("iris", "wine")[number % 2], digest="d1", source_type="local", source="x")
                client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])])
            if number % 6:
                client.set_terminated(run_id, ("FINISHED", "FAILED")[number % 2], end_time=number * 1000)
        names = [run.info.run_name for run in client.search_runs([experiment])]
        transcript.say("all", names)
        for text in FILTERS:
            for order in (["start_time"], ["metrics.acc DESC"]):
                _found(transcript, client, experiment, text, order)
        for order in ORDERS:
            _found(transcript, client, experiment, "", order)
            _found(transcript, client, experiment, "metrics.acc > 0.25", order)
        token, pages = None, []
        while True:
            page = client.search_runs([experiment], "", order_by=["params.kind"], max_results=4, page_token=token)
            pages.append([run.info.run_name for run in page])
            token = page.token
            if not token:
                break
        transcript.say("pages", pages)
        first = client.search_runs([experiment], max_results=12)
        transcript.say("exactly full", (len(first), first.token))
        found = client.search_runs([experiment], "datasets.name = 'iris'")
        transcript.say("with inputs", found[0].inputs)
        transcript.say("no experiment", client.search_runs([]))
        transcript.refused("no results", client.search_runs, [experiment], max_results=0)
        transcript.refused("too many", client.search_runs, [experiment], max_results=50_001)
        transcript.refused("broken token", client.search_runs, [experiment], page_token="rubbish", words=False)  # noqa: S106
        transcript.refused("odd experiment", client.search_runs, ["abc"])

    same(scenario)


def _found(transcript: Transcript, client: Any, experiment: str, text: str, order: list[str]) -> None:
    def names() -> list[str]:
        return [run.info.run_name for run in client.search_runs([experiment], text, order_by=order)]

    transcript.refused(f"{text} by {order}", names, words=False)
