"""Runs started in the cells of a real notebook kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from gitruns.repo import Repo

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")


@pytest.fixture
def run_cell(git_repo: Path):
    """The function that executes one cell in a kernel that works in the repository; it returns the error, or None."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(git_repo))

    def run(code: str) -> str | None:
        reply = client.execute_interactive(code, timeout=60, output_hook=lambda _: None)
        return reply["content"].get("evalue")

    yield run
    client.stop_channels()
    manager.shutdown_kernel()


def test_a_run_left_open_ends_when_the_next_one_starts_and_cells_are_kept(git_repo: Path, run_cell) -> None:
    assert run_cell("import gitruns\nlr = 0.1") is None
    assert run_cell("run = gitruns.start_run(run_name='first')\ngitruns.log_param('lr', lr)") is None
    assert run_cell("gitruns.start_run(run_name='second')") is None
    assert run_cell("gitruns.log_metric('loss', 1.0)\ngitruns.end_run()") is None
    runs = {run.info.name: run for run in Repo.open(git_repo).list_runs()}
    assert runs["first"].info.status.value == "FINISHED"
    assert runs["first"].tags == {"gitruns.ended_by": "the next run of the notebook"}
    assert runs["second"].metrics["loss"].last == 1.0
    with Repo.open(git_repo).open_artifact(runs["second"].info.id, "notebook/cells.py") as file:
        cells = file.read().decode()
    assert "# In [1]\nimport gitruns\nlr = 0.1\n" in cells
    assert "gitruns.log_metric('loss', 1.0)" in cells


def test_an_error_in_a_cell_of_a_block_fails_the_run(git_repo: Path, run_cell) -> None:
    assert run_cell("import gitruns\nwith gitruns.start_run():\n    raise ValueError('no')") == "no"
    (run,) = Repo.open(git_repo).list_runs()
    assert (run.info.status.value, run.info.error) == ("FAILED", "ValueError: no")
