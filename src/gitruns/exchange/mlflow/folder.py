"""The files that an MLflow file store is made of: `meta.yaml`, and a file for each value."""

from __future__ import annotations

import os
from pathlib import Path

from gitruns.errors import CorruptDataError
from gitruns.exchange.folders import files_below, read_text


def read_meta(folder: Path) -> dict[str, object]:
    """Returns the mapping in `meta.yaml`; raises `NotFoundError` when there is none, and `CorruptDataError`."""
    from gitruns.gitstore.yaml_text import read_config

    path = folder / "meta.yaml"
    text = read_text(path)
    found = read_config(text.encode(), "meta.yaml")
    if not found:
        raise CorruptDataError("'meta.yaml' is empty", kind="bad-source")
    return dict(found)


def has_meta(folder: Path) -> bool:
    """Returns whether a folder has a `meta.yaml`, or may have one that cannot be seen: who reads it says so."""
    try:
        os.lstat(folder / "meta.yaml")
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def values_in(folder: Path) -> dict[str, str]:
    """Returns the texts of the files below a folder, by name: params and tags are kept so."""
    return {name: read_text(path) for name, path, _ in files_below(folder)}
