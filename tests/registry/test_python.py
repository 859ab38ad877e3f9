"""The Python doors: `register_model`, calls with MLflow's names, addresses wherever artifacts are named."""

from __future__ import annotations

from pathlib import Path

import pytest

import gitruns
from gitruns.errors import ConflictError, InvalidInputError, NotFoundError
from registry.conftest import MakeRun


def test_a_model_goes_from_a_run_to_production(make_run: MakeRun, tmp_path: Path) -> None:
    run_id = make_run()
    made = gitruns.register_model(f"runs:/{run_id}/model", "digits", tags={"a": "b"}, aliases=["champion"])
    assert (made.version, made.run_id, made.path, made.status, made.confirmed) == ("1", run_id, "model", "READY", True)
    client = gitruns.Client()
    assert client.get_model_version("digits", "1") == made
    moved = client.transition_model_version_stage("digits", 1, "production", archive_existing_versions=True)
    assert moved.current_stage == "Production"
    assert [one.version for one in client.get_latest_versions("digits", ["Production"])] == ["1"]
    assert client.get_model_version_by_alias("digits", "champion").version == "1"
    assert client.get_model_version_download_uri("digits", 1) == f"runs:/{run_id}/model"
    model = client.get_registered_model("digits")
    assert (model.aliases, [one.version for one in model.latest_versions]) == ({"champion": "1"}, ["1"])
    for address in (
        "models:/digits/1",
        "models:/digits@champion",
        "models:/digits/Production",
        "models:/digits/latest",
    ):
        folder = gitruns.download_artifacts(address, dst_path=tmp_path / address.replace("/", "_"))
        assert (Path(folder) / "weights.txt").read_text() == "weights"
    assert [one.path for one in gitruns.list_artifacts("models:/digits/1")] == ["model/MLmodel", "model/weights.txt"]
    file = gitruns.download_artifacts("models:/digits@champion/weights.txt", dst_path=tmp_path / "one")
    assert Path(file).read_text() == "weights"
    assert Path(gitruns.download_artifacts(f"runs:/{run_id}/model/MLmodel", dst_path=tmp_path / "x")).is_file()


def test_a_path_on_disk_becomes_a_run(make_run: MakeRun, tmp_path: Path) -> None:
    make_run()
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "weights.bin").write_bytes(b"\0\1")
    made = gitruns.register_model(tmp_path / "saved", "digits")
    assert made.run_id is not None
    run = gitruns.get_run(made.run_id)
    assert (run.info.run_name, run.info.status) == ("register digits", "FINISHED")
    assert [one.path for one in gitruns.list_artifacts("models:/digits/1")] == ["model/weights.bin"]
    single = gitruns.register_model(str(tmp_path / "saved" / "weights.bin"), "digits")
    assert (single.version, single.path) == ("2", "weights.bin")
    with pytest.raises(NotFoundError, match="neither a file"):
        gitruns.register_model(tmp_path / "nothing", "digits")


def test_the_rest_of_the_client(make_run: MakeRun) -> None:
    run_id, client = make_run(), gitruns.Client()
    client.create_registered_model("digits", tags={"team": "vision"}, description="of ten")
    client.create_model_version("digits", f"runs:/{run_id}/model", run_id, tags={"k": 1}, description="first")
    client.update_model_version("digits", 1, "better")
    client.set_model_version_tag("digits", "1", "x", "y")
    client.delete_model_version_tag("digits", "1", "k")
    client.delete_model_version_tag("digits", "1", "not there")
    client.set_registered_model_tag("digits", "z", 1)
    client.delete_registered_model_tag("digits", "team")
    client.update_registered_model("digits", "all ten")
    version, model = client.get_model_version("digits", 1), client.get_registered_model("digits")
    assert (version.description, dict(version.tags)) == ("better", {"x": "y"})
    assert (model.description, dict(model.tags)) == ("all ten", {"z": "1"})
    assert client.copy_model_version("models:/digits/1", "copy").source == "models:/digits/1"
    client.set_registered_model_alias("digits", "best", "1", expected=None)
    with pytest.raises(ConflictError):
        client.set_registered_model_alias("digits", "best", 1, expected=7)
    client.delete_registered_model_alias("digits", "best")
    client.delete_registered_model_alias("digits", "best")
    client.delete_model_version("digits", 1)
    client.restore_model_version("digits", 1)
    assert client.rename_registered_model("digits", "numbers").name == "numbers"
    client.delete_registered_model("numbers")
    assert [one.name for one in client.search_registered_models()] == ["copy"]
    assert client.restore_registered_model("numbers").latest_versions[0].version == "1"
    assert [one.name for one in gitruns.search_registered_models("name like 'num%'")] == ["numbers"]
    assert [one.name for one in gitruns.search_model_versions(f"run_id = '{run_id}'")] == ["numbers", "copy"]


def test_a_source_of_another_run_is_refused(make_run: MakeRun) -> None:
    one, other, client = make_run(), make_run(), gitruns.Client()
    client.create_registered_model("digits")
    with pytest.raises(InvalidInputError) as error:
        client.create_model_version("digits", f"runs:/{one}/model", other)
    assert error.value.kind == "source-of-another-run"
    with pytest.raises(InvalidInputError, match="names no version"):
        gitruns.download_artifacts("models:/digits")
