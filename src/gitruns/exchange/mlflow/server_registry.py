"""The model registry of a running MLflow server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gitruns.errors import GitRunsError
from gitruns.exchange.foreign import Damage, ForeignModel, ForeignVersion
from gitruns.exchange.mlflow.answers import texts
from gitruns.exchange.mlflow.file_registry import version_of
from gitruns.exchange.mlflow.http import MlflowHttp
from gitruns.exchange.mlflow.records import time_of

_API = "/api/2.0/mlflow"


def read_models(http: MlflowHttp) -> Iterator[ForeignModel | Damage]:
    """Yields the registered models, prompts too; nothing from a server that has no registry.

    A deleted version is not told of: the numbers that are missing were given.
    """
    for name in dict.fromkeys(_names(http)):
        try:
            given = http.get(f"{_API}/registered-models/get", {"name": name})["registered_model"]
            yield _model(http, given, name)
        except (GitRunsError, KeyError, TypeError, ValueError) as error:
            yield Damage(f"registered model '{name:.60}'", str(error))


def _names(http: MlflowHttp) -> Iterator[str]:
    # A plain search leaves prompts out, which are models with a tag of MLflow's own.
    for condition in (None, "tags.`mlflow.prompt.is_prompt` = 'true'"):
        for one in _pages(http, "registered-models/search", {"filter": condition, "max_results": 100}):
            yield str(one["name"])


def _pages(http: MlflowHttp, call: str, fields: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    word = "registered_models" if call.startswith("registered") else "model_versions"
    token = None
    while True:
        try:
            answer = http.get(f"{_API}/{call}", {**fields, "page_token": token}, missing_ok=True)
        except GitRunsError:
            if fields.get("filter") is None:
                raise
            return  # a version of MLflow that cannot search by tags has no prompts
        yield from answer.get(word, [])
        before, token = token, answer.get("next_page_token") or None
        if token is None or token == before:
            return


def _model(http: MlflowHttp, given: Mapping[str, Any], name: str) -> ForeignModel:
    quoted = name.replace("'", "''") if '"' in name else name
    condition = f"name='{quoted}'" if "'" not in name else f'name="{name}"'
    versions: list[ForeignVersion] = [
        version_of(one, int(one["version"]), texts(one.get("tags")))
        for one in _pages(http, "model-versions/search", {"filter": condition, "max_results": 1000})
    ]
    aliases = {str(one["alias"]): int(one["version"]) for one in given.get("aliases", [])}
    return ForeignModel(
        name=name,
        description=str(given.get("description") or ""),
        created_ms=time_of(given.get("creation_timestamp")),
        updated_ms=time_of(given.get("last_updated_timestamp")),
        tags=texts(given.get("tags")),
        aliases=aliases,
        versions=tuple(versions),
    )
