"""Threads that read one journal at once see each point once."""

from __future__ import annotations

import threading
from pathlib import Path

from gitruns.repo import Repo
from gitruns.tracking.client import Client


def test_threads_that_read_while_others_log_count_no_point_twice(git_repo: Path) -> None:
    client = Client(git_repo)
    run_id = client.create_run().info.run_id
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            client.get_run(run_id)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for step in range(400):
        client.log_metric(run_id, "m", step, step=step)
    done.set()
    for reader in readers:
        reader.join()
    client.set_terminated(run_id)

    assert Repo.open(git_repo).get_run(client.repo.resolve_run(run_id)).metrics["m"].count == 400
