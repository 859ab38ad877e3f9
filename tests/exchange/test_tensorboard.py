"""TensorBoard's event files, written by a real writer of them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from gitruns.entities.run import Run
from gitruns.errors import InvalidInputError
from gitruns.exchange.foreign import IMPORTED_ID_TAG
from gitruns.exchange.importing import import_all
from gitruns.exchange.report import ImportReport
from gitruns.exchange.tensorboard.framing import masked_crc32c
from gitruns.exchange.tensorboard.store import TensorBoardFolder
from gitruns.exchange.wire import read_fields
from gitruns.repo import Repo

writing = pytest.importorskip("tensorboardX")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Two runs: one with all that there is, one below it."""
    import numpy as np

    folder = tmp_path / "logs"
    with writing.SummaryWriter(str(folder / "first")) as writer:
        for step in range(5):
            writer.add_scalar("loss/train", 1.0 / (step + 1), step, walltime=1700000000 + step)
        writer.add_text("note", "what *it* is", 1)
        writer.add_image("digit", np.zeros((3, 4, 4), dtype=np.uint8), 2)
        writer.add_histogram("weights", np.arange(10.0), 3)
        writer.add_hparams({"lr": 0.1, "layers": 3, "opt": "adam", "bn": True}, {"acc": 0.9}, name="trial")
    with writing.SummaryWriter(str(folder / "first" / "eval")) as writer:
        writer.add_scalar("loss", float("nan"), -1)
    return folder


def bring(project: Path, folder: Path) -> tuple[dict[str, Run], ImportReport, Repo]:
    repo = Repo.open(project)
    report = import_all(repo, TensorBoardFolder(folder))
    return {run.info.name: repo.get_run(run.info.id) for run in repo.list_runs()}, report, repo


def test_scalars_become_metrics_and_the_rest_what_fits(logs: Path, project: Path) -> None:
    runs, report, repo = bring(project, logs)
    assert sorted(runs) == ["first", "first/eval", "first/trial"] and report.problems == []
    first = runs["first"]
    points = [(one.step, one.time_ms, round(one.value, 6)) for one in repo.metric_history(first.info.id, "loss/train")]
    assert points == [(step, 1700000000000 + 1000 * step, round(1.0 / (step + 1), 6)) for step in range(5)]
    assert [one.path for one in first.artifacts] == ["images/digit/2.png", "text/note/text_summary/1.md"]
    with repo.open_artifact(first.info.id, "text/note/text_summary/1.md") as file:
        assert file.read() == b"what *it* is"
    assert first.info.start_time_ms == 1700000000000
    assert report.left_out["values that are no scalar, text or image"] >= 1
    assert repo.get_experiment(first.info.experiment_id).name == "logs"
    assert runs["first/eval"].metrics["loss"].nan == 1
    trial = runs["first/trial"]
    assert dict(trial.params) == {"lr": 0.1, "layers": 3, "opt": "adam", "bn": True}
    assert trial.tags[IMPORTED_ID_TAG].startswith("first/trial@events.out.tfevents.")


def test_twice_is_once_also_from_another_place(logs: Path, project: Path, tmp_path: Path) -> None:
    _, before, _ = bring(project, logs)
    moved = logs.rename(tmp_path / "moved")
    _, after, _ = bring(project, moved)
    assert len(before.runs) == 3 and after.runs == [] and after.known == 3


def test_a_file_that_is_still_written_ends_where_it_is_whole(logs: Path, project: Path) -> None:
    (path,) = (logs / "first").glob("events*")
    path.write_bytes(path.read_bytes()[:-3])
    runs, report, _ = bring(project, logs)
    assert report.problems == [] and runs["first"].metrics["loss/train"].count == 5


def test_a_damaged_file_is_named_and_the_rest_goes_on(logs: Path, project: Path) -> None:
    (path,) = (logs / "first").glob("events*")
    data = bytearray(path.read_bytes())
    data[0] ^= 0xFF
    path.write_bytes(bytes(data))
    runs, report, _ = bring(project, logs)
    assert sorted(runs) == ["first/eval", "first/trial"] and "no event file" in report.problems[0].why


def test_hostile_records_are_damage(tmp_path: Path, project: Path) -> None:
    folder = tmp_path / "logs"
    for number, data in enumerate((b"\x0a\xff\xff\xff\xff\x0f", b"\xff" * 40, b"\x2a\x05\x0a\x7f" + b"x" * 3, b"\x0b")):
        (folder / str(number)).mkdir(parents=True)
        head = struct.pack("<Q", len(data))
        record = head + struct.pack("<I", masked_crc32c(head)) + data + b"\0" * 4
        (folder / str(number) / "events.out.tfevents.1.host").write_bytes(record)
    (folder / "4").symlink_to("/etc")
    runs, report, _ = bring(project, folder)
    assert runs == {} and len(report.problems) == 4


def test_a_folder_without_event_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        TensorBoardFolder(tmp_path)
    assert caught.value.kind == "bad-source"


def test_the_checksum_is_the_one_of_tfrecord() -> None:
    crc = 0xE3069283  # of these digits, as RFC 3720 has it
    assert masked_crc32c(b"123456789") == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    assert list(read_fields(b"\x08\x96\x01")) == [(1, 150)]
