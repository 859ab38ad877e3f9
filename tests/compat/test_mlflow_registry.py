"""MLflow's model registry and prompts on a git repository, held against its own SQLite store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'gitruns[mlflow]'")
pytest.importorskip("sqlalchemy", reason="MLflow's SQLite store, which says what is right, needs the whole of MLflow")

from compat.transcript import Transcript
from conftest import run_git

pytestmark = pytest.mark.filterwarnings("ignore")

Same = Callable[[Callable[[Any, Transcript], None]], None]


def _without_source(version: Any) -> dict[str, Any]:
    return {key: value for key, value in dict(version).items() if key not in ("source", "run_link")}


def _from_elsewhere(client: Any) -> Any:
    client.create_registered_model("elsewhere")
    made = client.create_model_version("elsewhere", "s3://bucket/elsewhere")
    return int(made.version), made.source, client.get_model_version_download_uri("elsewhere", 1)


def test_models_versions_aliases_and_stages(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        client = mlflow.MlflowClient()
        transcript.say("created", client.create_registered_model("digits", tags={"a": "1"}, description="numbers"))
        transcript.refused("twice", client.create_registered_model, "digits")
        for name in ("", "a/b", "a:b", None):
            transcript.refused(f"name {name}", client.create_registered_model, name, words=False)
        with mlflow.start_run() as run:
            mlflow.log_text("weights", "model/w.txt")
        run_id = run.info.run_id
        for number in range(4):
            version = client.create_model_version(
                "digits", f"runs:/{run_id}/model", run_id, tags={"n": str(number)}, description=f"number {number}"
            )
            transcript.say("version", {**_without_source(version), "version": int(version.version)})
        client.set_registered_model_alias("digits", "champion", 2)
        client.set_registered_model_alias("digits", "challenger", 3)
        client.set_registered_model_alias("digits", "champion", 3)
        transcript.say("by alias", int(client.get_model_version_by_alias("digits", "champion").version))
        transcript.say("aliases", sorted(client.get_model_version("digits", 3).aliases))
        aliases = client.get_registered_model("digits").aliases
        transcript.say("of the model", {alias: int(version) for alias, version in aliases.items()})
        for alias in ("latest", "v1", "a b", ""):
            transcript.refused(f"alias {alias}", client.set_registered_model_alias, "digits", alias, 1, words=False)
        transcript.refused("no alias", client.get_model_version_by_alias, "digits", "nobody")
        transcript.refused("alias of nothing", client.get_model_version_by_alias, "nothing", "x")
        client.delete_registered_model_alias("digits", "challenger")
        client.delete_registered_model_alias("digits", "challenger")
        for version, stage in ((1, "staging"), (2, "Production"), (3, "production")):
            transcript.say("stage", client.transition_model_version_stage("digits", version, stage).current_stage)
        client.transition_model_version_stage("digits", 4, "Production", archive_existing_versions=True)
        stages = [client.get_model_version("digits", number).current_stage for number in range(1, 5)]
        transcript.say("stages", stages)
        transcript.refused(
            "archive",
            client.transition_model_version_stage,
            "digits",
            4,
            "None",
            archive_existing_versions=True,
            over_http="INTERNAL_ERROR",
        )
        transcript.refused("odd stage", client.transition_model_version_stage, "digits", 4, "Attic")
        latest = client.get_latest_versions("digits")
        transcript.say("latest", sorted((one.current_stage, int(one.version)) for one in latest))
        transcript.say(
            "latest staging", [int(one.version) for one in client.get_latest_versions("digits", ["Staging"])]
        )
        client.update_model_version("digits", 1, "better words")
        client.set_model_version_tag("digits", 1, "kind", "good")
        client.delete_model_version_tag("digits", 1, "n")
        client.delete_model_version_tag("digits", 1, "n")
        changed = client.get_model_version("digits", 1)
        transcript.say("changed", (changed.description, changed.tags))
        client.set_registered_model_tag("digits", "b", "2")
        client.delete_registered_model_tag("digits", "a")
        client.delete_registered_model_tag("digits", "a")
        client.update_registered_model("digits", "other words")
        model = client.get_registered_model("digits")
        transcript.say("model", (model.description, model.tags))
        client.delete_model_version("digits", 3)
        transcript.refused("deleted version", client.get_model_version, "digits", 3)
        transcript.refused("delete it twice", client.delete_model_version, "digits", 3)
        transcript.refused("its alias", client.get_model_version_by_alias, "digits", "champion")
        transcript.refused("odd version", client.get_model_version, "digits", "three", words=False)
        transcript.say("next number", int(client.create_model_version("digits", f"runs:/{run_id}/model").version))
        client.rename_registered_model("digits", "numbers")
        transcript.refused("old name", client.get_registered_model, "digits")
        transcript.say("new name", int(client.get_model_version("numbers", 4).version))
        copied = client.copy_model_version("models:/numbers/4", "copies")
        transcript.say("copied", (copied.name, int(copied.version), copied.source, copied.tags))
        client.delete_registered_model("numbers")
        linked = client.create_model_version("copies", f"runs:/{run_id}/model", run_id, run_link="http://x")
        transcript.say("link", (int(linked.version), linked.run_link))
        transcript.refused(
            "elsewhere", _from_elsewhere, client, words=False, over_http="INVALID_PARAMETER_VALUE"
        )  # a server keeps no place that a client makes up
        transcript.refused("delete a model twice", client.delete_registered_model, "numbers")
        transcript.refused("nothing", client.get_registered_model, "numbers")

    same(scenario)


def test_searches_of_the_registry(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        client = mlflow.MlflowClient()
        with mlflow.start_run() as run:
            mlflow.log_text("weights", "model/w.txt")
        run_id = run.info.run_id
        for name in ("b", "a", "Cee", "dee"):
            client.create_registered_model(name, tags={"size": str(len(name))})
            for number in range(2):
                client.create_model_version(name, f"runs:/{run_id}/model", run_id, tags={"n": str(number)})
        for text in ("", "name = 'a'", "name LIKE '%e'", "name ILIKE 'c%'", "tags.size = '1'", "tags.size != '1'"):
            found = client.search_registered_models(text)
            transcript.say(text, [one.name for one in found])
        for order in (["name DESC"], ["name ASC"], ["last_updated_timestamp DESC"], ["timestamp ASC"]):
            transcript.say(str(order), [one.name for one in client.search_registered_models(order_by=order)])
        for text in ("size > 1", "tags.size > '1'", "name", "description = 'x'"):
            transcript.refused(text, client.search_registered_models, text, words=False)
        page = client.search_registered_models(max_results=3)
        transcript.say("page", [one.name for one in page])
        page = client.search_registered_models(max_results=3, page_token=page.token)
        transcript.say("last page", ([one.name for one in page], page.token or None))
        transcript.refused(
            "too many", client.search_registered_models, max_results=1001, over_http="INVALID_PARAMETER_VALUE"
        )
        for text in (
            "name = 'a'",
            f"run_id = '{run_id}' AND name = 'b'",
            f"run_id IN ('{run_id}') and name ILIKE 'd%'",
            "version_number > 1 and name = 'dee'",
            "tags.n = '0' AND name LIKE '%e'",
            "source_path LIKE 'runs%' AND name = 'a'",
        ):
            found = client.search_model_versions(text, order_by=["name", "version_number DESC"])
            transcript.say(text, [(one.name, int(one.version)) for one in found])
        for text in ("stage = 'None'", "nothing = 'x'", "version_number = 'x'"):
            transcript.refused(text, client.search_model_versions, text, words=False)
        found = client.search_model_versions("", order_by=["version_number", "name DESC"], max_results=3)
        transcript.say("three", [(one.name, int(one.version)) for one in found])

    same(scenario)


def test_prompts(same: Same) -> None:
    def scenario(mlflow: Any, transcript: Transcript) -> None:
        register = getattr(mlflow, "genai", mlflow).register_prompt
        load = getattr(mlflow, "genai", mlflow).load_prompt
        first = register("greet", "hello {{name}}", commit_message="first", tags={"by": "ada"})
        second = register("greet", "good day {{name}}")
        transcript.say("registered", [(one.name, int(one.version), one.template) for one in (first, second)])
        client = mlflow.MlflowClient()
        client.set_prompt_alias("greet", "live", 1)
        for address in ("prompts:/greet/2", "prompts:/greet@live"):
            found = load(address)
            transcript.say(address, (found.template, found.variables, found.commit_message))
        transcript.say("filled", load("prompts:/greet/1").format(name="you"))
        transcript.say("no model", [one.name for one in client.search_registered_models()])
        prompts = getattr(mlflow, "genai", mlflow).search_prompts()
        transcript.say("prompts", [(one.name, one.tags) for one in prompts])
        transcript.refused("a model of that name", client.create_registered_model, "greet")

    same(scenario)


def test_a_version_is_a_git_tag_at_the_code_of_its_run(ours: str, project: Path) -> None:
    import mlflow

    mlflow.set_tracking_uri(ours)
    client = mlflow.MlflowClient()
    with mlflow.start_run() as run:
        mlflow.log_text("weights", "model/w.txt")
    client.create_registered_model("digits")
    made = client.create_model_version("digits", f"{run.info.artifact_uri}/model", run.info.run_id)

    assert made.source == f"runs:/{run.info.run_id}/model", "no place on this machine"
    assert run_git(project, "tag", "--list") == "models/digits/v1"
    assert run_git(project, "show", "models/digits/v1:train.py") == "print('training')"
