"""Writes the files of an MLflow file store: `meta.yaml`, and a file for each value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from gitruns.artifacts import safe_join
from gitruns.errors import InvalidInputError
from gitruns.exchange.mlflow.names_there import is_key

OnProblem = Callable[[str, object], None]
"""Told what could not be written, and why."""

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def write_meta(folder: Path, values: Mapping[str, Any]) -> None:
    """Writes `meta.yaml` as MLflow does; folders on the way are made."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "meta.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(dict(values), file, Dumper=_DUMPER, default_flow_style=False, allow_unicode=True, sort_keys=True)


def write_values(folder: Path, values: Mapping[str, str], of: str, tell: OnProblem) -> None:
    """Writes a file a value; a name that MLflow does not take is told, and left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for key, text in values.items():
        try:
            with value_file(folder, key).open("w", encoding="utf-8", newline="") as file:
                file.write(text)
        except (InvalidInputError, OSError) as error:
            tell(f"{folder.name[:-1]} '{key:.60}' of {of}", error)


def value_file(folder: Path, key: str) -> Path:
    """Returns the file of a value; raises `InvalidInputError` for a name that MLflow does not take."""
    if not is_key(key):
        raise InvalidInputError("MLflow does not take such a name", kind="bad-export")
    path = safe_join(folder, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
