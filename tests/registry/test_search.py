"""Searches of models and versions, in MLflow's language and ours; the plain evaluator against the index."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from gitruns.entities.model import RegisteredModel
from gitruns.errors import InvalidInputError
from gitruns.query import EXPERIMENTS, Dialect, evaluate, read_query
from gitruns.registry import Registry, search_models, search_versions
from gitruns.registry.search import PROMPT_TAG
from gitruns.repo import Repo
from registry.conftest import MakeRun


@pytest.fixture
def filled(registry: Registry, make_run: MakeRun) -> Registry:
    """Three models: two of vision with versions, and a prompt."""
    first, second = make_run("one"), make_run("two")
    registry.create_model("digits", tags={"team": "vision", "size": "10"}, description="Reads digits")
    registry.create_model("Letters", tags={"team": "vision", "size": "9"})
    registry.create_model("greeting", tags={PROMPT_TAG: "true"})
    registry.create_version("digits", f"runs:/{first}/model", tags={"reviewed": "yes"})
    registry.create_version("digits", f"runs:/{second}/model", aliases=["champion", "best"])
    registry.create_version("Letters", f"runs:/{second}/model/weights.txt")
    registry.transition_stage("digits", 2, "Production")
    return registry


def names(registry: Registry, text: str, **how: Any) -> list[str]:
    return [model.name for model in search_models(registry, text, **how).items]


def numbers(registry: Registry, text: str, **how: Any) -> list[str]:
    return [f"{one.model.name}/{one.version.number}" for one in search_versions(registry, text, **how).items]


def test_models_by_mlflows_filters(filled: Registry) -> None:
    mlflow = {"dialect": Dialect.MLFLOW}
    assert names(filled, "", **mlflow) == ["Letters", "digits"]
    assert names(filled, "name = 'digits'", **mlflow) == ["digits"]
    assert names(filled, "name LIKE '%tt%'", **mlflow) == ["Letters"]
    assert names(filled, "name ILIKE 'LET%' AND tags.team = 'vision'", **mlflow) == ["Letters"]
    assert names(filled, "tags.`team` != 'vision'", **mlflow) == []
    assert names(filled, "name IN ('digits', 'x')", **mlflow) == ["digits"]
    for asked in ("= 'true'", "!= 'false'"):
        assert names(filled, f"tags.`{PROMPT_TAG}` {asked}", **mlflow) == ["greeting"]
    for asked in ("!= 'true'", "= 'false'"):
        assert names(filled, f"tags.`{PROMPT_TAG}` {asked}", **mlflow) == ["Letters", "digits"]
    assert names(filled, "", order_by=["name DESC"], **mlflow) == ["digits", "Letters"]
    assert names(filled, "", order_by=["last_updated_timestamp DESC"], **mlflow) == ["digits", "Letters"]
    for refused in ("name > 'a'", "status = 'x'", "version_number = 1", "name = 1", "name = 'a' OR name = 'b'"):
        with pytest.raises(InvalidInputError):
            names(filled, refused, **mlflow)
    for refused in ("tags.team", "run_id", "name UP"):
        with pytest.raises(InvalidInputError):
            names(filled, "", order_by=[refused], **mlflow)


def test_versions_by_mlflows_filters(filled: Registry) -> None:
    mlflow = {"dialect": Dialect.MLFLOW}
    run_id = filled.get_version("digits", 2).version.run_id
    assert numbers(filled, "", **mlflow) == ["digits/2", "Letters/1", "digits/1"]
    assert numbers(filled, f"run_id = '{run_id}'", **mlflow) == ["digits/2", "Letters/1"]
    assert numbers(filled, f"run_id IN ('{run_id}') and name = 'digits'", **mlflow) == ["digits/2"]
    assert numbers(filled, "version_number >= 2", **mlflow) == ["digits/2"]
    assert numbers(filled, "version_number = '1'", order_by=["name ASC"], **mlflow) == ["Letters/1", "digits/1"]
    assert numbers(filled, "source_path LIKE 'runs:/%weights.txt'", **mlflow) == ["Letters/1"]
    assert numbers(filled, "tags.reviewed = 'yes'", **mlflow) == ["digits/1"]
    for refused in ("stage = 'Production'", "source_path IN ('a')", "run_id > 'a'", "version_number LIKE '1'"):
        with pytest.raises(InvalidInputError):
            numbers(filled, refused, **mlflow)


def test_our_own_language_says_more(filled: Registry) -> None:
    assert names(filled, "tags.size > 9") == ["digits"]
    assert names(filled, "versions >= 1 and not (name like 'd%')") == ["Letters"]
    assert names(filled, "description is null") == ["Letters", "greeting"]
    assert names(filled, "created > -1d", order_by=["-tags.size"]) == ["digits", "Letters", "greeting"]
    assert names(filled, "created > 2999-01-01") == []
    assert numbers(filled, "stage = production or tags.reviewed = 'yes'") == ["digits/2", "digits/1"]
    assert numbers(filled, "alias = champion") == numbers(filled, "alias in ('best')") == ["digits/2"]
    assert numbers(filled, "version between 1 and 1 and model = digits") == ["digits/1"]
    assert numbers(filled, "confirmed and user = 'Ada Lovelace'", order_by=["model, -version"]) == [
        "Letters/1",
        "digits/2",
        "digits/1",
    ]
    with pytest.raises(InvalidInputError, match="is never"):
        numbers(filled, "stage = live")
    with pytest.raises(InvalidInputError, match="REGEXP cannot be asked"):
        names(filled, "name regexp '(a+)+$'")


def test_pages(filled: Registry) -> None:
    first = search_versions(filled, "", max_results=2)
    second = search_versions(filled, "", max_results=2, page_token=first.next_token)
    assert (len(first.items), len(second.items), second.next_token) == (2, 1, "")
    assert search_versions(filled, "", max_results=3).next_token == ""
    for token in ("x", "ey", first.next_token[:-4]):
        with pytest.raises(InvalidInputError, match="page token"):
            search_versions(filled, "", page_token=token)
    with pytest.raises(InvalidInputError, match="page token"):
        search_versions(filled, "name = 'a'", page_token=first.next_token)
    for wrong in (0, -1, 200_001):
        with pytest.raises(InvalidInputError, match="max_results"):
            search_versions(filled, "", max_results=wrong)


QUERIES = [
    "name = 'a'",
    "name != 'a'",
    "name like '%A%'",
    "name ilike '%A%'",
    "name > 'b'",
    "name in ('a', 'c') or tags.k is null",
    "tags.k = 1",
    "tags.k != 1",
    "tags.k > 1.5",
    "tags.k between 1 and 2",
    "tags.k not between 1 and 2",
    "tags.k is nan",
    "tags.k + 1 > 2",
    "-tags.k < -1",
    "tags.k = true",
    "tags.k not in ('1', 'x')",
    "tags.k = tags.j",
    "k = 'x'",
    "not tags.k = '1'",
    "creation_time > 2001-01-01",
    "creation_time = 1970-01-01",
    "lifecycle = active",
    "tags.k like '_' and not name = 'c'",
]
TAGS: list[dict[str, str]] = [{}, *({"k": text} for text in ("1", "x", "nan", "TRUE", "2")), {"k": "1.0", "j": "1"}]


@pytest.mark.parametrize("text", QUERIES)
def test_the_evaluator_answers_as_the_index_does(text: str, git_repo: Path) -> None:
    repo = Repo.open(git_repo)
    for place, tags in enumerate(TAGS):
        repo.create_experiment("aAbcÄßz"[place] * (place % 2 + 1), tags)
    indexed = {one.name for one in repo.search_experiments(text).experiments}
    tree, now = read_query(text, subject=EXPERIMENTS), datetime.now(timezone.utc)
    looked_at = {
        one.name
        for one in repo.list_experiments()
        if evaluate(
            tree,
            {
                "name": one.name,
                "experiment_id": one.id,
                "creation_time": one.creation_time_ms,
                "last_update_time": one.last_update_time_ms,
                "lifecycle_stage": one.lifecycle.value,
            },
            one.tags,
            EXPERIMENTS,
            now,
        )
    }
    assert looked_at == indexed


def test_a_pattern_cannot_take_long(registry: Registry) -> None:
    registry.create_model("a" * 250)
    assert names(registry, f"name like '{'%a' * 60}b'") == []
    assert isinstance(registry.get_model("a" * 250), RegisteredModel)
