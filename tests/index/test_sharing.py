"""Many threads and forked children use one index; every answer is of one state."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from gitruns.index import Index, Search
from gitruns.query import format_query, parse
from index.sources import MemorySource, make_run, run_id


@pytest.mark.parametrize("in_memory", [False, True], ids=["file", "memory"])
def test_threads_read_while_one_writes(tmp_path: Path, in_memory: bool) -> None:
    source = MemorySource(make_run(number, metrics={"acc": 0.5}) for number in range(20))
    index = Index(None if in_memory else tmp_path / "index.db", source)
    index.refresh()
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                low = index.count_runs(Search(filter="acc >= 0"))
                page, _ = index.list_runs(Search(filter="acc >= 0"))
                # Each run is put with a metric that says how many runs there are with it.
                assert low <= len(page) and {one.run.metrics["acc"].last for one in page} <= {0.5, 0.75}
        except BaseException as error:  # whatever it is belongs to the test
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(20, 60):
        source.put(make_run(number, metrics={"acc": 0.75}))
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert index.count_runs(Search(filter="acc = 0.75")) == 40


def test_whoever_put_a_run_finds_it(tmp_path: Path) -> None:
    """Also when others refresh from what they saw before."""
    source = MemorySource(make_run(number) for number in range(5))
    failures: list[str] = []

    def log_and_look(first: int) -> None:
        index = Index(tmp_path / "index.db", source)
        for number in range(first, first + 15):
            source.put(make_run(number))
            if run_id(number) not in index.search_runs(Search()).run_ids:
                failures.append(f"run {number} was not found by who put it")

    threads = [threading.Thread(target=log_and_look, args=(100 * (one + 1),)) for one in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("in_memory", [False, True], ids=["file", "memory"])
def test_a_forked_child_opens_its_own(tmp_path: Path, in_memory: bool) -> None:
    source = MemorySource(make_run(number, metrics={"acc": number / 10}) for number in range(10))
    index = Index(None if in_memory else tmp_path / "index.db", source)
    assert index.count_runs(Search(filter="acc > 0.55")) == 4
    child = os.fork()
    if child == 0:
        status = 1
        try:
            source.put(make_run(20, metrics={"acc": 0.9}))
            status = 0 if index.count_runs(Search(filter="acc > 0.55")) == 5 else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert index.count_runs(Search(filter="acc > 0.55")) == 4
    index.close()


def test_parsing_has_no_state() -> None:
    texts = [f"acc > {number} and not (lr = {number} or model = 'm{number}')" for number in range(50)]
    found: list[list[str]] = []

    def read() -> None:
        found.append([format_query(parse(text)) for text in texts])

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(one == found[0] for one in found)
