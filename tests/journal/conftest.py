"""A journal to write into, and children to write with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitruns.entities.ids import new_run_id
from gitruns.journal import syncing
from journal.hand import Forked, Journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A run without a writer yet; writers that the test leaves open are closed after it."""
    journal = Journal(tmp_path / "gitruns" / "live", new_run_id())
    yield journal
    journal.close()


@pytest.fixture(autouse=True)
def own_syncer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Counts files and threads of this test alone: the journal of records stays open as long as its process."""
    syncing.syncer().stop()
    monkeypatch.setattr(syncing, "_syncer", syncing.Syncer())
    yield
    syncing.syncer().stop()


@pytest.fixture
def quick_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the syncer look every 20 milliseconds instead of every second."""
    monkeypatch.setattr(syncing, "SYNC_INTERVAL_S", 0.02)


@pytest.fixture
def forked() -> Iterator[Forked]:
    """The function that runs another in a forked child and returns the child's id; children are killed at the end."""
    children: list[int] = []

    def fork(action: Callable[[], object]) -> int:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                action()
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
        return pid

    yield fork
    for pid in children:
        try:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue
