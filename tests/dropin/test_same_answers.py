"""Each scenario that the plugin is held against, through the drop-in: it answers as MLflow on its own SQLite store."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow", minversion="3")

import mlflow

import gitruns.mlflow
from compat import test_mlflow_models as models
from compat import test_mlflow_registry as registry
from compat import test_mlflow_runs as runs
from compat.conftest import Scenario, _leave, _right, empty_database, theirs
from compat.transcript import Transcript
from dropin.conftest import leave

pytestmark = pytest.mark.filterwarnings("ignore")  # as where the scenarios are

__all__ = ["empty_database", "theirs"]


BETTER = {"outside"}
"""What is said in another way: a path that leaves the run is a wrong parameter here, an internal error there."""


class OurTranscript(Transcript):
    """Writes down our refusals as MLflow's, without what we hint at."""

    def _write_refusal(
        self, what: str, call: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any], *, words: bool
    ) -> None:
        from mlflow.exceptions import MlflowException
        from mlflow.protos import databricks_pb2

        def calling(*args: Any, **named: Any) -> Any:
            try:
                return call(*args, **named)
            except gitruns.mlflow.MlflowException as error:
                code = getattr(databricks_pb2, error.error_code)
                raise MlflowException(error.message.partition(" (hint: ")[0], code) from error

        super()._write_refusal(what, calling, args, named, words=words)


@pytest.fixture
def same(
    request: pytest.FixtureRequest, theirs: str, tmp_path: Path, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Scenario], None]:
    """Runs a scenario with MLflow and with the drop-in, and compares what it saw, line by line."""

    def right(scenario: Scenario, name: str) -> list[tuple[str, Any]]:
        if name not in _right:  # the plugin's tests may have asked before
            monkeypatch.chdir(tmp_path / "theirs")
            mlflow.set_tracking_uri(theirs)
            transcript = Transcript(str(tmp_path / "theirs"))
            transcript.experiment("0")
            scenario(mlflow, transcript)
            _right[name] = transcript.lines
        return _right[name]

    def compare(scenario: Scenario) -> None:
        _leave()
        expected_lines = right(scenario, request.getfixturevalue("scenario").__name__)
        _leave()
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(inside)
        leave()
        found = OurTranscript(str(inside))
        found.experiment("0")
        scenario(gitruns.mlflow, found)
        for (what, expected), (_, our) in zip(expected_lines, found.lines, strict=False):
            assert what in BETTER or _written_alike(our) == _written_alike(expected), what
        assert len(found.lines) == len(expected_lines)

    return compare


def _written_alike(seen: Any) -> Any:
    """Leaves the sizes of JSON files out: ours end their last line, and have a row of a table a line.

    And what MLflow's client has to say to a refusal of its store.
    """
    if isinstance(seen, tuple) and seen and isinstance(seen[-1], str):
        return (*seen[:-1], seen[-1].partition("\n\n")[0])
    if isinstance(seen, list):
        return [one[:2] if isinstance(one, list) and str(one[0]).endswith(".json") else one for one in seen]
    return seen


SCENARIOS = [
    runs.test_a_script_with_nested_runs,
    runs.test_a_client_that_names_runs,
    runs.test_experiments,
    runs.test_every_filter_and_order_finds_the_same_runs,
    registry.test_models_versions_aliases_and_stages,
    registry.test_searches_of_the_registry,
    models.test_artifacts_of_every_sort,
    models.test_logged_models_by_hand,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda test: test.__name__)
def test_the_drop_in_answers_as_mlflow(
    scenario: Callable[..., None], same: Callable[[Scenario], None], tmp_path: Path
) -> None:
    known = {"same": same, "tmp_path": tmp_path}
    scenario(**{name: known[name] for name in inspect.signature(scenario).parameters})
