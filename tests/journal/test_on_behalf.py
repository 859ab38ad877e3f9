"""Who writes for a program elsewhere says nothing of it by dying; of two words on an end the later one stands."""

from __future__ import annotations

import time

from gitruns.entities.run import RunStatus
from gitruns.journal import WriterState
from gitruns.journal.record import decode_opening, decode_record, encode_opening
from journal.hand import Journal, dead_process


def killed(journal: Journal, kind: str = "start", *, on_behalf: bool) -> None:
    """Leaves the file of a writer that was killed."""
    writer = journal.writer(kind, process=dead_process(), on_behalf=on_behalf)
    writer.log_metric("m", 1.0, 1, 1)
    writer._release()


def test_the_opening_says_so_only_where_it_is_so(journal: Journal) -> None:
    for opening in (journal.opening(), journal.opening(on_behalf=True)):
        line = encode_opening(opening)
        record = decode_record(line[:-1])
        assert record is not None and decode_opening(record) == opening
        assert (b"on_behalf" in line) is opening.on_behalf


def test_a_killed_server_leaves_its_runs_open(journal: Journal) -> None:
    killed(journal, on_behalf=True)
    live = journal.read()
    assert [writer.state for writer in live.writers] == [WriterState.DEAD]
    assert live.abandoned and live.detached


def test_a_killed_program_does_not_although_a_server_wrote_too(journal: Journal) -> None:
    killed(journal, on_behalf=False)
    killed(journal, "join", on_behalf=True)
    live = journal.read()
    assert live.abandoned and not live.detached


def test_the_later_word_on_the_end_stands(journal: Journal) -> None:
    owner, other = journal.writer(time_ms=1), journal.writer("join", time_ms=2)
    other.set_fields({"status": "FAILED", "end_time_ms": 5})
    assert journal.read().run.info.status is RunStatus.FAILED
    time.sleep(0.002)
    owner.end(RunStatus.FINISHED, 6)
    live = journal.read()
    assert (live.run.info.status, live.end and live.end.end_time_ms) == (RunStatus.FINISHED, 6)
    time.sleep(0.002)
    other.set_fields({"status": "RUNNING", "end_time_ms": None})
    live = journal.read()
    assert (live.run.info.status, live.run.info.end_time_ms, live.end) == (RunStatus.RUNNING, None, None)
