"""What the records of W&B say of a run. Source: wandb/proto/wandb_internal.proto."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gitruns.entities.values import Point, Scalar
from gitruns.exchange.wire import messages, read_fields, signed, text_of

_HISTORY, _SUMMARY, _CONFIG, _STATS, _RUN, _EXIT = 2, 3, 5, 7, 17, 18
_TIME_KEY = "_timestamp"
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(slots=True)
class Found:
    """What the records of one run, file after file, come to. `others` counts values that are no numbers."""

    run_id: str = ""
    entity: str = ""
    project: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    start_ms: int | None = None
    last_ms: int = 0
    last_step: int = 0
    exit_code: int | None = None
    ended: bool = False
    others: int = 0

    def take(self, record: bytes) -> None:
        """Adds a record."""
        for number, value in read_fields(record):
            if isinstance(value, bytes):
                if number == _HISTORY:
                    self._take_history(value)
                elif number == _SUMMARY:
                    self.summary |= dict(_items(value, 1))
                elif number == _CONFIG:
                    self.config |= dict(_items(value, 1))
                elif number == _STATS:
                    self._take_stats(value)
                elif number == _RUN:
                    self._take_run(value)
                elif number == _EXIT:
                    self._take_exit(value)

    def _take_run(self, data: bytes) -> None:
        words = {6: "group", 7: "job_type", 8: "name", 9: "notes", 12: "sweep", 13: "host"}
        self.run_id = text_of(data, 1) or self.run_id
        self.entity = text_of(data, 2) or self.entity
        self.project = text_of(data, 3) or self.project
        for number, word in words.items():
            text = text_of(data, number)
            if text:
                self.facts[word] = text
        for config in messages(data, 4):
            self.config |= dict(_items(config, 1))
        for git in messages(data, 21):
            self.facts |= {"remote": text_of(git, 1), "commit": text_of(git, 2)}
        self.tags = [tag.decode("utf-8", "replace") for tag in messages(data, 10)] or self.tags
        for moment in messages(data, 17):
            numbers = dict(read_fields(moment))
            seconds, nanos = numbers.get(1, 0), numbers.get(2, 0)
            if isinstance(seconds, int) and isinstance(nanos, int):
                started = signed(seconds) * 1000 + nanos // 1_000_000
                self.start_ms = started if self.start_ms is None else min(self.start_ms, started)
                self.last_ms = max(self.last_ms, started)

    def _take_history(self, data: bytes) -> None:
        items = dict(_items(data, 1))
        step = items.get("_step", self.last_step)
        for place in messages(data, 2):
            number = dict(read_fields(place)).get(1, 0)
            step = signed(number) if isinstance(number, int) else step
        self.last_step = int(step) if isinstance(step, (int, float)) else self.last_step
        time_s = items.get(_TIME_KEY)
        if isinstance(time_s, (int, float)) and 0 <= time_s < 2**42:
            self.last_ms = max(self.last_ms, int(time_s * 1000))
        for key, value in flat(items):
            if key.startswith("_"):
                continue
            number_of = as_number(value)
            if number_of is None:
                self.others += 1
            else:
                self.points.append(Point(key, self.last_step, self.last_ms, number_of))

    def _take_stats(self, data: bytes) -> None:
        for key, value in _items(data, 3):
            number = as_number(value)
            if number is not None:
                self.points.append(Point(f"system/{key}", self.last_step, self.last_ms, number))

    def _take_exit(self, data: bytes) -> None:
        numbers = dict(read_fields(data))
        code = numbers.get(1, 0)
        self.ended = True
        self.exit_code = signed(code) if isinstance(code, int) else 0

    def final_points(self) -> Iterator[Point]:
        """Yields the numbers of the summary that no history has."""
        known = {point.metric for point in self.points}
        for key, value in flat(self.summary):
            number = as_number(value)
            if number is not None and key not in known and not key.startswith("_"):
                yield Point(key, self.last_step, self.last_ms, number)

    def params(self) -> dict[str, Scalar]:
        """Returns the config, nested keys joined by dots."""
        return {
            key: value if value is None or isinstance(value, (bool, int, float, str)) else json.dumps(value)
            for key, value in flat(self.config)
            if not key.startswith("_wandb")
        }


def flat(values: dict[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yields keys and values, those of nested mappings under keys with dots; W&B's own media stay whole."""
    for key, value in values.items():
        if isinstance(value, dict) and value and "_type" not in value and depth < 20:
            yield from flat(value, f"{prefix}{key}.", depth + 1)
        else:
            yield prefix + key, value


def as_number(value: object) -> float | None:
    """Returns a value as a metric has it, None for what is no number; JSON has names for those that are not finite."""
    if isinstance(value, (int, float)):  # truth values too, as W&B draws them
        try:
            return float(value)
        except OverflowError:
            return None
    return (
        {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(value) if isinstance(value, str) else None
    )


def _items(data: bytes, wanted: int) -> Iterator[tuple[str, Any]]:
    """Yields the items of a history, summary, config or statistics."""
    for item in messages(data, wanted):
        fields = list(read_fields(item))
        nested = [
            value.decode("utf-8", "replace") for number, value in fields if number == 2 and isinstance(value, bytes)
        ]
        key = text_of(item, 1) or ".".join(nested)
        if key:
            yield key, _item_value(fields)


def _item_value(fields: list[tuple[int, int | bytes]]) -> Any:
    for number, value in fields:
        if number in (8, 16) and isinstance(value, bytes):
            try:
                return json.loads(value)
            except (ValueError, RecursionError):
                return value.decode("utf-8", "replace")
        if number == 4:
            return bool(value)
        if number == 5 and isinstance(value, int):
            return signed(value)
        if number == 6 and isinstance(value, bytes) and len(value) == 8:
            return struct.unpack("<d", value)[0]
        if number == 7 and isinstance(value, bytes):
            return value.decode("utf-8", "replace")
    return None
