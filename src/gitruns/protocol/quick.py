"""Log calls of a server in microseconds: into a run that is open here and was looked at within the last second.

Each returns whether that was possible; where it was not, the call of `logging` does it, in as long as it takes. They
are called in the event loop: they wait for no lock, read nothing, and write with one `write(2)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gitruns.entities.ids import RunId
from gitruns.protocol import checks
from gitruns.protocol.checks import Measured, Named
from gitruns.protocol.hub import Hub
from gitruns.protocol.logging import points_of, refuse_changed
from gitruns.protocol.shown import PARENT_TAG, RUN_NAME_TAG
from gitruns.repo import LogClosedError, ServedLog

_FACTS = frozenset({RUN_NAME_TAG, PARENT_TAG})
"""Tags that are facts of the run here."""


def log_metric(hub: Hub, run_id: str, metric: Measured) -> bool:
    """Logs one point."""
    log = _ready(hub, run_id)
    if log is None:
        return False
    checks.check_metric(metric)
    try:
        log.log_metric(metric.key, metric.value, metric.step, metric.timestamp)
    except LogClosedError:
        return False
    return True


def log_batch(
    hub: Hub, run_id: str, metrics: Sequence[Measured], params: Iterable[Named], tags: Iterable[Named]
) -> bool:
    """Logs points, params and tags; when a param is refused nothing is logged."""
    log = _ready(hub, run_id)
    if log is None:
        return False
    named, tagged = checks.check_batch(metrics, params, tags)
    if tagged and not _takes_tags(hub, run_id, (key for key, _ in tagged)):
        return False
    try:
        if named and not _add_params(hub, log, dict(named), in_batch=True):
            return False
        if metrics:
            log.write_points(points_of(metrics))
        if tagged:
            log.write_tags(dict(tagged))
    except LogClosedError:
        return False
    return True


def log_param(hub: Hub, run_id: str, key: str, value: str) -> bool:
    """Logs a param; the same value again is fine, another one is refused."""
    log = _ready(hub, run_id)
    if log is None:
        return False
    try:
        return _add_params(hub, log, dict([checks.check_param(key, value)]))
    except LogClosedError:
        return False


def set_tag(hub: Hub, run_id: str, key: str, value: str) -> bool:
    """Sets a tag."""
    log = _ready(hub, run_id)
    if log is None or not _takes_tags(hub, run_id, (key,)):
        return False
    try:
        log.write_tags(dict([checks.check_tag(key, value)]))
    except LogClosedError:
        return False
    return True


def _ready(hub: Hub, run_id: str) -> ServedLog | None:
    log = hub.logs.ready(RunId(run_id))
    return log if isinstance(log, ServedLog) else None


def _takes_tags(hub: Hub, run_id: str, keys: Iterable[str]) -> bool:
    """Returns whether tags are only that, and nobody else writes them at the same time."""
    return hub.logs.seen_alone(RunId(run_id)) and _FACTS.isdisjoint(keys)


def _add_params(hub: Hub, log: ServedLog, params: Mapping[str, str], *, in_batch: bool = False) -> bool:
    """Adds checked params when what this log knows of is all that there are."""
    with hub.logs.params_of(log.run_id, wait=False) as held:
        if not held or not hub.logs.is_alone(log.run_id):
            return False
        known = log.known_params
        refuse_changed(log.run_id, known, params, in_batch=in_batch)
        fresh = {key: value for key, value in params.items() if key not in known}
        if fresh:
            log.log_params(fresh)
    return True
