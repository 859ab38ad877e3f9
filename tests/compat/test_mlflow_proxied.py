"""Artifacts of MLflow's own client through the server: large ones, in parts, many at once, whole folders."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'gitruns[mlflow]'")

pytestmark = pytest.mark.filterwarnings("ignore")

MIB = 1 << 20


@pytest.fixture
def client(served: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of a server of ours."""
    import mlflow

    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri(served)
    return mlflow.MlflowClient()


def random_file(folder: Path, name: str, size: int) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path


def digest(path: Path | str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_fifty_megabytes_at_once_and_in_parts(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = random_file(tmp_path, "large.bin", 50 * MIB + 1)
    run_id = client.create_run("0").info.run_id
    client.log_artifact(run_id, str(large))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(6 * MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(6 * MIB))
    client.log_artifact(run_id, str(large), "in parts")  # the client asks the server whether it takes parts

    for path in ("large.bin", "in parts/large.bin"):
        (tmp_path / "there").mkdir(exist_ok=True)
        assert digest(client.download_artifacts(run_id, path, str(tmp_path / "there"))) == digest(large)
    assert [one.file_size for one in client.list_artifacts(run_id, "in parts")] == [50 * MIB + 1]


def test_parts_are_really_used_when_the_server_says_so(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

    if not hasattr(HttpArtifactRepository, "_is_multipart_upload_enabled"):
        pytest.skip("this MLflow does not ask the server")
    used = []
    monkeypatch.setattr(
        HttpArtifactRepository,
        "_upload_part",
        staticmethod(_counting(HttpArtifactRepository._upload_part, used)),
    )
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(6 * MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(6 * MIB))
    run_id = client.create_run("0").info.run_id
    client.log_artifact(run_id, str(random_file(tmp_path, "a.bin", 13 * MIB)))
    assert len(used) == 3


def _counting(function: Any, used: list[int]) -> Any:
    def call(*args: Any, **named: Any) -> Any:
        used.append(1)
        return function(*args, **named)

    return call


def test_folders_and_many_threads(client: Any, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for number in range(40):
        random_file(folder, f"ordner {number % 4}/ä {number}.bin", number * 1000)
    run_id = client.create_run("0").info.run_id
    client.log_artifacts(run_id, str(folder))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: client.log_text(run_id, str(number), f"texts/{number}.txt"), range(40)))

    there = Path(client.download_artifacts(run_id, "", str(tmp_path)))
    found = {str(path.relative_to(there)): digest(path) for path in there.rglob("*.bin") if folder not in path.parents}
    assert found == {str(path.relative_to(folder)): digest(path) for path in folder.rglob("*.bin")}
    assert sorted(int(path.read_text()) for path in (there / "texts").iterdir()) == list(range(40))


def test_artifacts_after_the_end_and_deleting(client: Any) -> None:
    from mlflow.artifacts import load_text
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    run = client.create_run("0")
    run_id = run.info.run_id
    client.log_text(run_id, "one", "a/1.txt")
    client.set_terminated(run_id)
    client.log_text(run_id, "two", "a/2.txt")
    client.log_text(run_id, "other", "a/1.txt")
    assert client.get_run(run_id).info.status == "FINISHED"
    assert [load_text(f"runs:/{run_id}/a/{number}.txt") for number in (1, 2)] == ["other", "two"]
    get_artifact_repository(run.info.artifact_uri).delete_artifacts("a/1.txt")
    assert [one.path for one in client.list_artifacts(run_id, "a")] == ["a/2.txt"]
    assert client.get_run(run_id).info.status == "FINISHED"
