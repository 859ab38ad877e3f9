"""SIGKILL at any instant: every record that was acknowledged is there, whole, and the run is known to be dead."""

from __future__ import annotations

import os
import random
import signal
import struct
import time
from collections import Counter

import pytest

from gitruns.entities.artifact import Artifact
from gitruns.entities.ids import Digest, new_run_id
from gitruns.entities.run import RunStatus
from gitruns.entities.values import Point
from gitruns.errors import NotFoundError
from gitruns.journal import JournalWriter, WriterState, list_live, spool_points, sweep
from journal.hand import Forked, Journal, exit_code

RECORDS = 3_000
KINDS = 6


def log(writer: JournalWriter, number: int) -> None:
    """Logs record `number`; which kind it is follows from the number."""
    kind = number % KINDS
    if kind == 0:
        writer.log_points([Point("batch", number, 1, 0.5), Point("batch", number, 2, 0.5)])
    elif kind == 1:
        writer.log_params({f"p{number}": number})
    elif kind == 2:
        writer.set_tags({f"t{number}": str(number)})
    elif kind == 3 and number % 5 == 0:
        writer.add_artifacts([Artifact(path=f"a/{number}", digest=Digest("ab" * 32), size_bytes=number)])
    else:
        writer.log_metric("loss", number / 3, number, number)


def found(journal: Journal) -> set[int]:
    """The numbers of the records that are there, whole."""
    run = journal.read().run
    points = journal.points()
    batches = Counter(point.step for point in points if point.metric == "batch")
    assert set(batches.values()) <= {2}  # all of a record or nothing of it
    assert all(point.value == point.step / 3 for point in points if point.metric == "loss")
    assert all(value == int(key[1:]) for key, value in run.params.items())
    return (
        {point.step for point in points}
        | {int(key[1:]) for key in run.params}
        | {int(key[1:]) for key in run.tags}
        | {artifact.size_bytes for artifact in run.artifacts}
    )


def kill_while_logging(journal: Journal, forked: Forked, delay_s: float) -> int:
    """Forks a child that logs and acknowledges, kills it after that time, checks, and returns what it had logged."""
    reads, writes = os.pipe()

    def child() -> None:
        os.close(reads)
        writer = journal.writer()
        os.write(writes, struct.pack("i", -1))
        for number in range(RECORDS):
            log(writer, number)
            os.write(writes, struct.pack("i", number))
        writer.end(RunStatus.FINISHED, 5)
        os.write(writes, struct.pack("i", RECORDS))

    pid = forked(child)
    os.close(writes)
    time.sleep(delay_s)
    os.kill(pid, signal.SIGKILL)
    said = b""
    while more := os.read(reads, 65536):
        said += more
    os.close(reads)
    assert exit_code(pid) in (0, -signal.SIGKILL)
    acknowledged = len(said) // 4 - 1  # -1 when not even the opening was
    check(journal, acknowledged)
    return acknowledged


def check(journal: Journal, acknowledged: int) -> None:
    """Holds the journal against what was acknowledged: that many records, or the opening alone, or nothing (-1)."""
    try:
        live = journal.read()
    except NotFoundError:
        assert acknowledged < 0
        return
    numbers = found(journal)
    records = min(acknowledged, RECORDS)
    assert numbers in (set(range(records)), set(range(records + 1)))
    assert live.torn_lines <= 1 and not live.alive  # the kernel may be stopped between two pages
    if acknowledged > RECORDS:
        assert live.finished
    else:
        assert live.finished or (live.abandoned and [w.state for w in live.writers] == [WriterState.DEAD])
    with spool_points(journal.folder, spill_dir=journal.folder) as spool:
        assert sum(summary.count for summary in spool.summaries.values()) == len(journal.points())


def storm(journal: Journal, forked: Forked, kills: int) -> None:
    """Kills that many children, each with a journal of its own."""
    chance = random.Random(kills)
    logged = []
    for _ in range(kills):
        delay_s = chance.choice([chance.uniform(0, 0.003), chance.uniform(0, 0.03)])
        logged.append(kill_while_logging(Journal(journal.root, new_run_id()), forked, delay_s))
    assert any(0 < count < RECORDS for count in logged), "no kill met a writer at work"
    sweep(journal.root)
    assert sorted(list_live(journal.root)) == sorted(path.name for path in journal.root.iterdir())


def test_what_was_acknowledged_survives_a_kill(journal: Journal, forked: Forked) -> None:
    storm(journal, forked, 25)


@pytest.mark.slow
def test_what_was_acknowledged_survives_hundreds_of_kills(journal: Journal, forked: Forked) -> None:
    storm(journal, forked, 500)
