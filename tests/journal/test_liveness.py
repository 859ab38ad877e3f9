"""Who is alive: asked of the kernel with real processes here, of the file's time elsewhere."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gitruns.entities.run import RunStatus
from gitruns.journal import ProcessMark, WriterState, current_process_mark, writer_state
from gitruns.journal.locks import lock_is_held
from journal.hand import Forked, Journal, dead_process, exit_code, until

HERE = current_process_mark()


def state_of(journal: Journal, **options: float) -> WriterState:
    (writer,) = journal.read(**options).writers
    return writer.state


def lone_file(journal: Journal, mark: ProcessMark, *, age_s: float, locked: bool = True) -> None:
    """A file whose writer is nowhere to be seen, last touched so long ago."""
    writer = journal.writer(process=mark)
    writer._release()
    if not locked:
        content = writer.path.read_bytes()
        opening = writer._opening_line(locked=False, again=False)
        writer.path.write_bytes(opening + content[content.index(b"\n") + 1 :])
    touched = time.time() - age_s
    os.utime(writer.path, (touched, touched))


def test_this_process_is_known_by_more_than_its_id() -> None:
    assert HERE.host == socket.gethostname() and HERE.pid == os.getpid()
    if sys.platform == "linux":
        assert HERE.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert HERE.pid_start is not None and HERE.pid_namespace is not None
    assert current_process_mark() == HERE


def test_a_forked_child_has_its_own_mark(forked: Forked) -> None:
    def check() -> None:
        mark = current_process_mark()
        assert mark.pid == os.getpid() != HERE.pid and mark.boot_id == HERE.boot_id

    assert exit_code(forked(check)) == 0


def test_a_writer_of_another_process_lives_until_that_is_killed(journal: Journal, forked: Forked) -> None:
    def write() -> None:
        journal.writer().log_metric("loss", 1.0, 1, 1)
        time.sleep(60)

    child = forked(write)
    until(lambda: journal.folder.exists() and any(journal.folder.glob("*.log")) and journal.steps() == [1])
    assert state_of(journal) is WriterState.ALIVE
    os.kill(child, signal.SIGSTOP)
    assert state_of(journal) is WriterState.ALIVE  # stopped, not dead
    os.kill(child, signal.SIGKILL)
    assert exit_code(child) == -signal.SIGKILL
    live = journal.read()
    assert [writer.state for writer in live.writers] == [WriterState.DEAD]
    assert live.abandoned and not live.detached


def test_a_writer_that_said_goodbye_is_closed(journal: Journal, forked: Forked) -> None:
    assert exit_code(forked(lambda: journal.writer().end(RunStatus.FINISHED, 1))) == 0
    assert state_of(journal) is WriterState.CLOSED


def test_a_killed_writer_whose_forked_child_lives_is_dead(journal: Journal, forked: Forked) -> None:
    def write_and_fork() -> None:
        journal.writer()
        if os.fork() == 0:
            time.sleep(1)
            os._exit(0)
        time.sleep(60)

    child = forked(write_and_fork)
    until(lambda: journal.folder.exists() and any(journal.folder.glob("*.log")))
    time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    exit_code(child)
    assert state_of(journal) is WriterState.DEAD


def test_a_killed_writer_whose_subprocess_lives_is_dead(journal: Journal, forked: Forked) -> None:
    reads, writes = os.pipe()

    def write_and_spawn() -> None:
        journal.writer()
        sleeper = subprocess.Popen(["sleep", "5"])
        os.write(writes, b"%d" % sleeper.pid)
        time.sleep(60)

    child = forked(write_and_spawn)
    sleeper = int(os.read(reads, 20))
    os.close(reads)
    os.close(writes)
    os.kill(child, signal.SIGKILL)
    exit_code(child)
    assert Path(f"/proc/{sleeper}").exists() or sys.platform != "linux"
    assert state_of(journal) is WriterState.DEAD
    os.kill(sleeper, signal.SIGKILL)


def test_the_lock_is_seen_by_every_process_and_goes_with_the_file(journal: Journal, forked: Forked) -> None:
    writer = journal.writer()
    assert lock_is_held(writer.path) is True

    def see(held: bool) -> int:
        def check() -> None:
            assert lock_is_held(writer.path) is held

        return exit_code(forked(check))

    assert see(True) == 0
    assert lock_is_held(writer.path) is True  # asking takes nothing away
    writer.detach()
    assert lock_is_held(writer.path) is False and see(False) == 0
    assert lock_is_held(journal.folder / "nothing") is None


def test_the_lock_alone_says_that_a_writer_lives(journal: Journal) -> None:
    writer = journal.writer(process=replace(HERE, host="elsewhere", boot_id="other"))
    os.utime(writer.path, (1, 1))
    assert state_of(journal) is WriterState.ALIVE


def test_a_living_process_that_lost_its_lock_is_alive(journal: Journal) -> None:
    lone_file(journal, HERE, age_s=10_000)
    assert state_of(journal) is WriterState.ALIVE


def test_a_process_id_given_again_is_not_the_writer(journal: Journal) -> None:
    lone_file(journal, dead_process(), age_s=0)
    assert state_of(journal) is WriterState.DEAD


def test_in_another_container_only_the_lock_counts(journal: Journal) -> None:
    lone_file(journal, replace(HERE, pid_namespace="pid:[1]"), age_s=0)
    assert state_of(journal) is WriterState.DEAD


def test_where_the_start_of_a_process_is_not_told_the_lock_counts(journal: Journal) -> None:
    lone_file(journal, replace(HERE, pid_start=None), age_s=0)
    assert state_of(journal) is WriterState.DEAD


FOREIGN = replace(HERE, host="node17", boot_id="11111111-2222-3333-4444-555555555555")
REBOOTED = replace(HERE, boot_id="11111111-2222-3333-4444-555555555555")
UNKNOWN = replace(HERE, host="node17", boot_id=None)


@pytest.mark.parametrize(
    ("mark", "age_s", "state"),
    [
        (FOREIGN, 0, WriterState.ALIVE),
        (FOREIGN, 590, WriterState.ALIVE),
        (FOREIGN, 610, WriterState.DEAD),
        (FOREIGN, -3_600, WriterState.ALIVE),  # its clock is ahead
        (UNKNOWN, 590, WriterState.ALIVE),
        (UNKNOWN, 610, WriterState.DEAD),
        (REBOOTED, 0, WriterState.ALIVE),
        (REBOOTED, 110, WriterState.ALIVE),
        (REBOOTED, 130, WriterState.DEAD),
    ],
)
def test_elsewhere_the_time_of_the_file_counts(
    journal: Journal, mark: ProcessMark, age_s: float, state: WriterState
) -> None:
    lone_file(journal, mark, age_s=age_s)
    assert state_of(journal) is state


def test_a_file_that_could_not_be_locked_is_judged_by_process_and_time(journal: Journal) -> None:
    lone_file(journal, replace(REBOOTED, pid_namespace="x"), age_s=300, locked=False)
    assert state_of(journal) is WriterState.ALIVE
    assert state_of(journal, now_s=time.time() + 400) is WriterState.DEAD


def test_an_unlocked_file_on_this_machine_dies_with_its_process(journal: Journal) -> None:
    lone_file(journal, dead_process(), age_s=0, locked=False)
    assert state_of(journal) is WriterState.DEAD


def test_a_foreign_writer_that_closed_is_closed_at_once(journal: Journal) -> None:
    journal.writer(process=FOREIGN).detach()
    assert state_of(journal) is WriterState.CLOSED


def test_a_file_that_is_gone_has_no_living_writer(journal: Journal, tmp_path: Path) -> None:
    assert writer_state(tmp_path / "gone.log", journal.opening(process=FOREIGN)) is WriterState.DEAD
