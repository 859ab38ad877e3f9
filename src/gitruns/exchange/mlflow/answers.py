"""What an MLflow server answers, in our words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gitruns.errors import GitRunsError
from gitruns.exchange.foreign import Damage, ForeignFile
from gitruns.exchange.mlflow.records import ModelPoint

_DEEPEST = 50
Listing = Callable[[str], Mapping[str, Any]]
Opening = Callable[[str], Iterator[bytes]]


def number_of(value: object) -> float:
    """Returns a number as it stands in MLflow's JSON; `NaN` and infinities are text there."""
    return math.nan if value is None else float(str(value))


def model_point(one: Mapping[str, Any]) -> ModelPoint:
    return ModelPoint(
        metric=str(one["key"]),
        step=int(one.get("step", 0)),
        time_ms=int(one.get("timestamp", 0)),
        value=number_of(one.get("value")),
        run=one.get("run_id") or None,
        dataset=one.get("dataset_name") or None,
        digest=one.get("dataset_digest") or None,
    )


def texts(listed: object) -> dict[str, str]:
    """Returns a mapping from MLflow's list of `{key, value}`; an empty value is left out there."""
    if not isinstance(listed, list):
        return {}
    return {str(one["key"]): str(one.get("value", "")) for one in listed}


def walk(listing: Listing, opening: Opening, of: str) -> Iterator[ForeignFile | Damage]:
    """Yields the artifacts that listings name, folder by folder."""
    waiting = [""]
    seen = set(waiting)
    while waiting:
        folder = waiting.pop()
        try:
            listed = listing(folder).get("files", [])
        except GitRunsError as error:
            yield Damage(f"artifacts of {of}", str(error))
            return
        for one in listed:
            path = str(one.get("path", ""))
            if path in seen or (folder and not path.startswith(folder + "/")) or path.count("/") > _DEEPEST:
                continue  # a listing that leads nowhere new
            seen.add(path)
            if one.get("is_dir"):
                waiting.append(path)
            else:
                size = one.get("file_size")
                yield ForeignFile(path, None if size is None else int(size), _opener(opening, path))


def _opener(opening: Opening, path: str) -> Callable[[], Iterator[bytes]]:
    return lambda: opening(path)
