"""Merges what `run.yaml` holds: each field by its stamp, and how the run ended as one decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from gitruns.entities.canonical import encode_value
from gitruns.entities.merge.fields import Stamped, greatest, merge_fields, stamp_order
from gitruns.entities.run import RunInfo, RunStatus
from gitruns.entities.source import Source
from gitruns.entities.stamp import Stamp

_PREFIX = "run/"

_PLAIN = {
    "command": "command",
    "entry_point": "entry_point",
    "experiment_id": "experiment_id",
    "host": "host",
    "kind": "kind",
    "lifecycle": "lifecycle",
    "name": "name",
    "parent_run_id": "parent_run_id",
    "start_time": "start_time_ms",
    "user": "user",
}
"""Keys of `run.yaml` that are merged one by one, and the field of `RunInfo` that each is."""

_OUTCOME = {
    "end_time": "end_time_ms",
    "error": "error",
    "exit_code": "exit_code",
    "status": "status",
    "writer": "writer",
}
"""Who owns the log data and how it ended: one decision, or a run would be FINISHED with the exit code of a kill."""

_PLAIN_STAMPS = frozenset(_PREFIX + key for key in _PLAIN)
_OUTCOME_STAMPS = frozenset(_PREFIX + key for key in _OUTCOME)


def merge_infos(states: Sequence[tuple[RunInfo, Mapping[str, Stamp]]]) -> tuple[RunInfo, dict[str, Stamp]]:
    """Returns the facts about a run and the stamps of `run/…`, from those of all its states."""
    merged = merge_fields(
        (Stamped(_plain_values(info), _only(stamps, _PLAIN_STAMPS.__contains__)) for info, stamps in states),
        prefix=_PREFIX,
    )
    ended, end_stamps = greatest(
        ((info, _only(stamps, _OUTCOME_STAMPS.__contains__)) for info, stamps in states), _outcome_order
    )
    source, source_stamps = greatest(((info, _only(stamps, _is_source)) for info, stamps in states), _source_order)
    info = replace(
        ended,
        **{field: merged.values.get(key, () if key == "command" else None) for key, field in _PLAIN.items()},
        source=source.source,
        dropped=max(info.dropped for info, _ in states),
    )
    return info, {**merged.stamps, **end_stamps, **source_stamps}


def is_info_stamp(name: str) -> bool:
    """Returns whether the stamp of that name is of a fact that `merge_infos` merges."""
    return name in _PLAIN_STAMPS or name in _OUTCOME_STAMPS or _is_source(name)


def _plain_values(info: RunInfo) -> dict[str, Any]:
    found = {key: getattr(info, field) for key, field in _PLAIN.items()}
    return {key: value for key, value in found.items() if value is not None and value != ()}


def _only(stamps: Mapping[str, Stamp], wanted: Callable[[str], bool]) -> dict[str, Stamp]:
    return {name: stamp for name, stamp in stamps.items() if wanted(name)}


def _is_source(name: str) -> bool:
    return name == "run/source" or name.startswith("run/source_")


def _outcome_order(one: tuple[RunInfo, Mapping[str, Stamp]]) -> tuple[Any, ...]:
    """Orders by when the owner last decided, then an end before none and the owner's own before one said of it."""
    info, stamps = one
    said = stamps.get("run/status")
    owned = stamps.get("run/writer")
    by_another = said is not None and said.writer != info.writer
    decided = max(stamp_order(owned), stamp_order(None if by_another and info.status is RunStatus.KILLED else said))
    return (decided, _end_rank(info, by_another), stamp_order(said), info.end_time_ms or 0, _outcome_text(info, stamps))


def _end_rank(info: RunInfo, by_another: bool) -> int:
    if not info.status.ended:
        return 0
    lost = info.status is RunStatus.KILLED and (by_another or (info.exit_code is None and info.error is None))
    return 1 if lost else 2


def _outcome_text(info: RunInfo, stamps: Mapping[str, Stamp]) -> str:
    return encode_value([[getattr(info, field) for field in _OUTCOME.values()], _stamp_texts(stamps)])


def _source_order(one: tuple[RunInfo, Mapping[str, Stamp]]) -> tuple[Any, ...]:
    info, stamps = one
    newest = max((stamp_order(stamp) for stamp in stamps.values()), default=stamp_order(None))
    return (newest, info.source.commit is not None, encode_value([_source_values(info.source), _stamp_texts(stamps)]))


def _source_values(source: Source) -> dict[str, Any]:
    """Returns the keys `source_…` as `run.yaml` has them."""
    values = {f"source_{key}": value for key, value in asdict(source).items() if value not in (None, False, ())}
    if source.left_out:
        values["source_left_out"] = [
            {key: value for key, value in asdict(one).items() if value is not None} for one in source.left_out
        ]
    return values


def _stamp_texts(stamps: Mapping[str, Stamp]) -> dict[str, list[Any]]:
    return {name: list(stamp_order(stamp)) for name, stamp in stamps.items()}
