"""The hand that writes in these tests: a journal, its writers and what they complained of."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gitruns.entities.ids import RunId, new_writer_id
from gitruns.entities.run import Identity, RunInfo
from gitruns.entities.values import Point
from gitruns.journal import (
    JournalReader,
    JournalWriter,
    LiveRun,
    Opening,
    ProcessMark,
    current_process_mark,
    read_points,
)

Forked = Callable[[Callable[[], object]], int]
"""Runs a function in a forked child and returns the child's process id."""


@dataclass
class Journal:
    """One run's journal in a folder of its own, and what its writers complained of."""

    root: Path
    run_id: RunId
    problems: list[BaseException] = field(default_factory=list)
    writers: list[JournalWriter] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where the writers' files are."""
        return self.root / self.run_id

    def opening(self, kind: Any = "start", **changes: Any) -> Opening:
        """Returns an opening record of this run."""
        info = RunInfo(id=self.run_id, name="bold-otter-1", writer=new_writer_id(), start_time_ms=1_000)
        given: dict[str, Any] = {
            "kind": kind,
            "info": info,
            "identity": Identity(name="Ada Lovelace", email="ada@example.org", utc_offset_minutes=60),
            "time_ms": time.time_ns() // 1_000_000,
            "process": current_process_mark(),
        }
        return Opening(**{**given, **changes})

    def writer(self, kind: Any = "start", **changes: Any) -> JournalWriter:
        """Opens a file of this run."""
        writer = JournalWriter.create(self.root, self.opening(kind, **changes), on_problem=self.problems.append)
        self.writers.append(writer)
        return writer

    def read(self, **options: Any) -> LiveRun:
        """Reads the run from scratch."""
        return JournalReader(self.folder).refresh(**options)

    def close(self) -> None:
        """Closes what is open."""
        for writer in self.writers:
            if writer.closed is None:
                writer.detach(durable=False)
            writer._release()

    def points(self) -> list[Point]:
        """All points that are there."""
        return list(read_points(self.folder))

    def steps(self) -> list[int]:
        """The steps of all points that are there."""
        return [point.step for point in self.points()]


def dead_process() -> ProcessMark:
    """Returns the mark of a process that is no more: this one's id, given out before."""
    return replace(current_process_mark(), pid_start=1)


def exit_code(pid: int) -> int:
    """Waits for a child and returns its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Waits until a condition holds; fails the test when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
