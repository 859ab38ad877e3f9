"""A training script with workers: `method root run_id workers points`. The owner logs between starting and joining."""

from __future__ import annotations

import multiprocessing
import sys
import time
from pathlib import Path

from gitruns.entities.ids import RunId, WriterId
from gitruns.entities.run import Identity, RunInfo, RunStatus
from gitruns.journal import JournalWriter, Opening, OpeningKind, current_process_mark


def open_writer(root: Path, run_id: RunId, kind: OpeningKind) -> JournalWriter:
    """Opens a file of the run for this process."""
    info = RunInfo(id=run_id, name="x", writer=WriterId("00" * 8), start_time_ms=1)
    opening = Opening(
        kind=kind,
        info=info,
        identity=Identity(name="Ada", email="ada@example.org"),
        time_ms=time.time_ns() // 1_000_000,
        process=current_process_mark(),
    )

    def fail(problem: BaseException) -> None:
        raise SystemExit(f"problem: {problem}")

    return JournalWriter.create(root, opening, on_problem=fail)


def work(root: Path, run_id: RunId, points: int) -> None:
    """What a worker does."""
    writer = open_writer(root, run_id, "join")
    for step in range(points):
        writer.log_metric("loss", 1.0, step, 1)
    writer.detach()


def main() -> None:
    """Starts the workers and logs beside them."""
    method, root, run_id = sys.argv[1], Path(sys.argv[2]), RunId(sys.argv[3])
    writer = open_writer(root, run_id, "start")
    context = multiprocessing.get_context(method)
    workers = [context.Process(target=work, args=(root, run_id, int(sys.argv[5]))) for _ in range(int(sys.argv[4]))]
    writer.log_metric("loss", 1.0, 0, 1)
    for worker in workers:
        worker.start()
    writer.log_metric("loss", 1.0, 1, 1)
    for worker in workers:
        worker.join()
    writer.end(RunStatus.FINISHED, 2)


if __name__ == "__main__":
    main()
