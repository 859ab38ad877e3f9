"""A running MLflow server, of any version since 1.0: asked by HTTP, a page at a time.

Artifacts come through the server, wherever it keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from gitruns.entities.values import Point
from gitruns.errors import GitRunsError
from gitruns.exchange.foreign import Damage, ForeignExperiment, ForeignModel, ForeignRun
from gitruns.exchange.mlflow.answers import Opening, model_point, number_of, texts, walk
from gitruns.exchange.mlflow.http import MlflowHttp, path_part
from gitruns.exchange.mlflow.records import (
    COMMIT_TAG,
    NAMESPACE,
    ModelRecord,
    RunRecord,
    dataset_of,
    foreign_model,
    foreign_run,
    time_of,
)
from gitruns.exchange.mlflow.server_registry import read_models

_API = "/api/2.0/mlflow"
_PROXY = "/api/2.0/mlflow-artifacts/artifacts"
_PAGE = 1000
_POINTS = 25_000


class MlflowServer:
    """Reads what one server has."""

    namespace = NAMESPACE

    def __init__(self, address: str, environ: Mapping[str, str], others: Sequence[Path] = ()) -> None:
        self._http = MlflowHttp(address, environ)
        self._experiments: list[Mapping[str, Any]] | None = None
        self._runs: dict[str, Mapping[str, Any]] | None = None
        self._models: dict[str, Mapping[str, Any]] = {}

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    # Experiments

    def experiments(self) -> Iterator[ForeignExperiment | Damage]:
        """Yields the experiments, deleted ones too."""
        for given in self._listed_experiments():
            try:
                yield ForeignExperiment(
                    id=str(given["experiment_id"]),
                    name=str(given.get("name", given["experiment_id"])),
                    tags=texts(given.get("tags")),
                    created_ms=time_of(given.get("creation_time")),
                    updated_ms=time_of(given.get("last_update_time")),
                    deleted=given.get("lifecycle_stage") == "deleted",
                )
            except (GitRunsError, KeyError) as error:
                yield Damage(f"experiment {given.get('experiment_id')!s:.60}", str(error))

    def _listed_experiments(self) -> list[Mapping[str, Any]]:
        if self._experiments is None:
            how = {"view_type": "ALL", "max_results": _PAGE}
            found = list(self._pages(f"{_API}/experiments/search", how, "experiments", missing_ok=True))
            if not found:  # MLflow before 1.28
                answer = self._http.get(f"{_API}/experiments/list", {"view_type": "ALL"})
                found = list(answer.get("experiments", []))
            self._experiments = found
        return self._experiments

    def _pages(
        self, path: str, body: Mapping[str, Any], word: str, *, missing_ok: bool = False
    ) -> Iterator[Mapping[str, Any]]:
        token = ""
        while True:
            asked = {**body, "page_token": token} if token else body
            answer = self._http.post(path, asked, missing_ok=missing_ok)
            yield from answer.get(word, [])
            before, token = token, str(answer.get("next_page_token") or "")
            if not token or token == before:
                return

    # Runs and logged models

    def run_ids(self) -> list[str]:
        """Returns the ids of all runs, then those of logged models; what is known of them comes along."""
        if self._runs is None:
            self._runs = {}
            ids = [str(one["experiment_id"]) for one in self._listed_experiments()]
            body = {"experiment_ids": ids, "run_view_type": "ALL", "max_results": _PAGE, "order_by": ["start_time ASC"]}
            for run in self._pages(f"{_API}/runs/search", body, "runs"):
                info = run.get("info", {})
                self._runs[str(info.get("run_id") or info.get("run_uuid"))] = run
            for model in self._pages(
                f"{_API}/logged-models/search", {"experiment_ids": ids, "max_results": 50}, "models", missing_ok=True
            ):
                self._models[str(model.get("info", {}).get("model_id"))] = model
        return [*self._runs, *self._models]

    def read_runs(self, ids: Sequence[str]) -> Iterator[ForeignRun | Damage]:
        """Yields some runs and logged models in order, or why one cannot be read."""
        self.run_ids()
        for one in ids:
            try:
                yield self._model(one) if one in self._models else self._run(one)
            except (GitRunsError, KeyError, TypeError, ValueError, AttributeError) as error:
                yield Damage(f"run {one:.60}", str(error))

    def _run(self, run_id: str) -> ForeignRun:
        given = (self._runs or {})[run_id]
        info, data = given["info"], given.get("data", {})
        # A search leaves the logged models out that a run read.
        inputs = self._http.get(f"{_API}/runs/get", {"run_id": run_id, "run_uuid": run_id})["run"]
        keys = [str(one["key"]) for one in data.get("metrics", [])]
        models = inputs.get("inputs", {}).get("model_inputs", [])
        outputs = inputs.get("outputs", {}).get("model_outputs", [])
        return foreign_run(
            RunRecord(
                info=info,
                params=texts(data.get("params")),
                tags=texts(data.get("tags")),
                inputs=tuple(
                    dataset_of(one["dataset"], texts(one.get("tags")))
                    for one in inputs.get("inputs", {}).get("dataset_inputs", [])
                ),
                input_models=[str(one["model_id"]) for one in models],
                output_models=[(str(one["model_id"]), int(one.get("step", 0))) for one in outputs],
                points=lambda: self._points(run_id, keys),
                artifacts=lambda: walk(
                    lambda path: self._http.get(
                        f"{_API}/artifacts/list", {"run_id": run_id, "run_uuid": run_id, "path": path or None}
                    ),
                    self._opening(
                        str(info.get("artifact_uri", "")),
                        lambda path: self._http.stream(
                            "/get-artifact", {"run_id": run_id, "run_uuid": run_id, "path": path}
                        ),
                    ),
                    f"run {run_id}",
                ),
            )
        )

    def _points(self, run_id: str, keys: Sequence[str]) -> Iterator[Point]:
        for key in keys:
            token: str | None = None
            while True:
                answer = self._http.get(
                    f"{_API}/metrics/get-history",
                    {
                        "run_id": run_id,
                        "run_uuid": run_id,
                        "metric_key": key,
                        "max_results": _POINTS,
                        "page_token": token,
                    },
                )
                for one in answer.get("metrics", []):
                    yield Point(key, int(one.get("step", 0)), int(one.get("timestamp", 0)), number_of(one.get("value")))
                before, token = token, answer.get("next_page_token") or None
                if token is None or token == before:
                    break

    def _model(self, model_id: str) -> ForeignRun:
        given = self._models[model_id]
        info, data = given["info"], given.get("data", {})
        maker = str(info.get("source_run_id") or "")
        below = f"{_API}/logged-models/{path_part(model_id)}/artifacts"
        files = f"/ajax-api/2.0/mlflow/logged-models/{path_part(model_id)}/artifacts/files"
        return foreign_model(
            ModelRecord(
                info={
                    "creation_timestamp": info.get("creation_timestamp_ms"),
                    "last_updated_timestamp": info.get("last_updated_timestamp_ms"),
                    **info,
                },
                params=texts(data.get("params")),
                tags=texts(info.get("tags")),
                points=[model_point(one) for one in data.get("metrics", [])],
                artifacts=lambda: walk(
                    lambda path: self._http.get(f"{below}/directories", {"artifact_directory_path": path or None}),
                    self._opening(
                        str(info.get("artifact_uri", "")),
                        lambda path: self._http.stream(files, {"artifact_file_path": path}),
                    ),
                    f"model {model_id}",
                ),
            ),
            self._commit_of(maker),
        )

    def _opening(self, uri: str, otherwise: Opening) -> Opening:
        """Returns how files are had: what the server stores itself by its proxy, else as its own pages have them.

        Only the path of an address counts: no other host is asked because a server names it.
        """
        parts = urlsplit(uri)
        if parts.scheme != "mlflow-artifacts":
            return otherwise
        root = parts.path.strip("/")
        return lambda path: self._http.stream(f"{_PROXY}/{quote(f'{root}/{path}')}", {})

    def _commit_of(self, maker: str) -> Mapping[str, str | None]:
        run = (self._runs or {}).get(maker)
        return {} if run is None else {maker: texts(run.get("data", {}).get("tags")).get(COMMIT_TAG)}

    # The rest

    def models(self) -> Iterator[ForeignModel | Damage]:
        """Yields the registered models."""
        yield from read_models(self._http)

    def left_out(self) -> Mapping[str, int]:
        """Returns nothing: a server is not asked for what is not carried."""
        return {}
