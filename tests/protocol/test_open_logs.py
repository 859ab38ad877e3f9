"""The journals that a server has open: let go when idle, opened on write, never said to hold what they do not."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitruns.entities.ids import RunId
from gitruns.entities.run import RunStatus
from gitruns.errors import LockedError
from gitruns.protocol import logging, open_logs, quick, runs
from gitruns.protocol.checks import Measured
from gitruns.protocol.errors import ProtocolError, as_protocol_error, status_of
from gitruns.protocol.hub import Hub, serving_hub
from gitruns.server.given import GivenPoint
from gitruns.tracking.session import Session


@pytest.fixture
def hub(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(open_logs, "_TICK_S", 0.05)
    hub = serving_hub(Session.open(git_repo), "mlflow-artifacts:")
    yield hub
    hub.logs.close()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def point(step: int) -> Measured:
    return GivenPoint("m", step / 2, step, step)


def begin(hub: Hub) -> RunId:
    return runs.create_run(hub, "0").run.info.id


def journals(hub: Hub, run_id: RunId) -> list[Path]:
    return list((hub.repo.live_root / run_id).glob("*.log"))


def test_an_idle_run_is_sealed_as_it_stands_and_goes_on(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_logs, "SERVER_IDLE_S", 0.2)
    run_id = begin(hub)
    for round_number in range(3):
        logging.log_metric(hub, run_id, point(round_number))
        logging.set_tag(hub, run_id, "round", str(round_number))
        until(lambda: not journals(hub, run_id))
        sealed = hub.repo.get_run(run_id)
        assert sealed.commit is not None and not sealed.live
        assert sealed.info.status is RunStatus.RUNNING and sealed.info.end_time_ms is None
    assert len(hub.repo.run_history(run_id)) == 4, "a start, and one for each time that it was idle"
    runs.update_run(hub, run_id, status=RunStatus.FINISHED)
    ended = hub.repo.get_run(run_id)
    assert ended.info.status is RunStatus.FINISHED and ended.metrics["m"].count == 3 and ended.tags["round"] == "2"
    assert not list(hub.repo.verify())


def test_a_server_keeps_no_more_open_than_it_has_descriptors_for(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_logs, "MOST_OPEN", 3)
    begun = [begin(hub) for _ in range(8)]
    until(lambda: sum(hub.logs._open.__contains__(run_id) for run_id in begun) <= 3)
    for run_id in begun:
        logging.log_metric(hub, run_id, point(1))
    assert all(hub.repo.get_run(run_id).metrics["m"].count == 1 for run_id in begun)


def test_what_is_let_go_in_between_is_opened_again(hub: Hub) -> None:
    run_id = begin(hub)
    logs = [hub.logs.get(run_id)]

    def write(log: object) -> None:
        if len(logs) == 1:
            logs.append(log)  # type: ignore[arg-type]  # a log
            hub.logs.let_go(run_id)
        log.log_metric("m", 1.0, 1, 1)  # type: ignore[attr-defined]

    hub.logs.write(run_id, write)
    assert hub.repo.get_run(run_id).metrics["m"].count == 1


def test_log_calls_are_quick_once_the_run_was_looked_at(hub: Hub) -> None:
    run_id = begin(hub)
    assert not quick.log_metric(hub, "0" * 32, point(0))
    logging.log_metric(hub, run_id, point(0))
    time.sleep(0.05)  # file systems tell times in ticks
    logging.log_metric(hub, run_id, point(1))
    assert quick.log_metric(hub, run_id, point(2))
    assert quick.log_batch(hub, run_id, [point(3)], [], [])
    assert quick.log_param(hub, run_id, "p", "1") and quick.log_param(hub, run_id, "p", "1")
    assert quick.set_tag(hub, run_id, "t", "1") and not quick.set_tag(hub, run_id, "mlflow.runName", "x")
    with pytest.raises(ProtocolError, match="already logged with value='1'"):
        quick.log_param(hub, run_id, "p", "2")
    runs.delete_run(hub, run_id)
    assert not quick.log_metric(hub, run_id, point(4))
    run = hub.repo.get_run(run_id)
    assert run.metrics["m"].count == 4 and run.params == {"p": "1"} and run.tags == {"t": "1"}


def test_another_writer_makes_the_next_call_look(hub: Hub, git_repo: Path) -> None:
    run_id = begin(hub)
    time.sleep(0.05)
    logging.log_metric(hub, run_id, point(1))
    assert quick.log_param(hub, run_id, "a", "1")
    other = Session.open(git_repo).repo.open_log(run_id)
    other.log_params({"b": "2"})
    assert not quick.log_metric(hub, run_id, point(2))
    assert not quick.log_param(hub, run_id, "b", "3")
    with pytest.raises(ProtocolError, match="already logged with value='2'"):
        logging.log_param(hub, run_id, "b", "3")
    other.detach()


def test_nothing_is_said_to_be_logged_that_no_disk_took(hub: Hub) -> None:
    run_id = begin(hub)
    logging.log_metric(hub, run_id, point(0))
    (journal,) = journals(hub, run_id)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.stat().st_size, before[1]))
    try:
        with pytest.raises(LockedError) as caught, pytest.warns(UserWarning):
            logging.log_metric(hub, run_id, point(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert status_of(as_protocol_error(caught.value).code) == 503, "which clients try again"
    until(lambda: hub.logs.get(run_id)._writer.waiting == 0)
    logging.log_metric(hub, run_id, point(1))
    assert len(hub.repo.metric_history(run_id, "m")) >= 2
