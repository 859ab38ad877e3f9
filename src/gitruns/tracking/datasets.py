"""Datasets as inputs of a run: named, fingerprinted and described; the data itself is never copied.

The fields have MLflow's meanings and shapes (`mlflow.data`), so its clients read them. Digests are ours: MLflow's
look at the first 10,000 rows only.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from gitruns.entities.dataset import DatasetInput
from gitruns.errors import GitRunsError, InvalidInputError
from gitruns.tracking.dataset_digest import (
    WHOLE_BYTES,
    add_array,
    add_file,
    add_folder,
    add_frame,
    digest_of_text,
    new_hasher,
    short_digest,
)
from gitruns.tracking.dataset_schema import array_schema, frame_schema

DEFAULT_NAME = "dataset"


def from_pandas(
    frame: Any,
    *,
    source: str | os.PathLike[str] | None = None,
    name: str | None = None,
    context: str | None = None,
    digest: str | None = None,
) -> DatasetInput:
    """Returns the description of a pandas DataFrame or Series.

    `source` is where it came from, a path or an address; None says: from the code of the run. `context` is what it
    is used for (`training`, `eval`…).
    """
    if hasattr(frame, "to_frame") and not hasattr(frame, "columns"):
        frame = frame.to_frame()
    if not hasattr(frame, "iloc") or not hasattr(frame, "columns"):
        raise InvalidInputError(f"'{type(frame).__name__}' is no pandas DataFrame", kind="wrong-type")
    if digest is None:
        hasher = new_hasher()
        add_frame(hasher, frame)
        digest = short_digest(hasher)
    profile = {"num_rows": len(frame), "num_elements": int(frame.size)}
    return _described(source, name, context, digest, schema=frame_schema(frame), profile=profile)


def from_numpy(
    features: Any,
    *,
    targets: Any = None,
    source: str | os.PathLike[str] | None = None,
    name: str | None = None,
    context: str | None = None,
    digest: str | None = None,
) -> DatasetInput:
    """Returns the description of a numpy array, or a dict of named arrays, and its targets.

    `source` and `context` are those of `from_pandas`.
    """
    features, targets = _arrays(features), None if targets is None else _arrays(targets)
    if digest is None:
        digest = _arrays_digest(features, targets)
    profile = _array_profile("features", features)
    if targets is not None:
        profile.update(_array_profile("targets", targets))
    return _described(source, name, context, digest, schema=array_schema(features, targets), profile=profile)


def from_path(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    context: str | None = None,
    digest: str | None = None,
) -> DatasetInput:
    """Returns the description of a file, of all files below a folder, or of an address, which is not opened.

    The digest of a file of up to 256 MiB is the start of its SHA-256. That of an address is the address's own. Raises
    `NotFoundError` when there is no such file.
    """
    text = os.fspath(path)
    local = _local_path(text)
    if local is None:
        address = _without_credentials(text)
        name = name or urlsplit(address).path.rstrip("/").rpartition("/")[2] or None
        return _described(text, name, context, digest or digest_of_text(address), schema=None, profile=None)
    hasher = new_hasher()
    try:
        files, size = add_folder(hasher, local) if local.is_dir() else (1, add_file(hasher, local))
    except OSError as error:
        raise GitRunsError(f"cannot read dataset '{text}': {error.strerror or error}", kind="io-error") from error
    profile = {"num_files": files, "num_bytes": size, "hashed_whole": size <= WHOLE_BYTES}
    name = name or local.resolve().name
    return _described(text, name, context, digest or short_digest(hasher), schema=None, profile=profile)


def from_any(dataset: Any, *, name: str | None = None, context: str | None = None) -> DatasetInput:
    """Returns the description of what `log_input` is given.

    That is a `DatasetInput`, a pandas DataFrame or Series, a numpy array or what converts to one, a dict of arrays, a
    path or an address, or a dataset of `mlflow.data`. Raises `InvalidInputError` for anything else.
    """
    if isinstance(dataset, DatasetInput):
        return dataclasses.replace(dataset, name=name or dataset.name, context=context or dataset.context)
    if isinstance(dataset, (str, os.PathLike)):
        return from_path(dataset, name=name, context=context)
    if hasattr(dataset, "iloc"):
        return from_pandas(dataset, name=name, context=context)
    if callable(getattr(dataset, "to_dict", None)) and hasattr(dataset, "digest"):
        return _from_mlflow(dataset.to_dict(), name, context)
    if isinstance(dataset, Mapping) or hasattr(dataset, "__array__"):
        return from_numpy(dataset, name=name, context=context)
    raise InvalidInputError(
        f"cannot describe a '{type(dataset).__name__}' as a dataset",
        kind="wrong-type",
        hint="pass a DataFrame, an array, a dict of arrays or a path; or a DatasetInput with a digest of your own",
    )


def _from_mlflow(fields: Mapping[str, Any], name: str | None, context: str | None) -> DatasetInput:
    return DatasetInput(
        name=name or str(fields["name"]),
        digest=str(fields["digest"]),
        source=_without_credentials(str(fields["source"])),
        source_type=str(fields["source_type"]),
        schema=fields.get("schema"),
        profile=fields.get("profile"),
        context=context,
    )


def _described(
    source: str | os.PathLike[str] | None,
    name: str | None,
    context: str | None,
    digest: str,
    *,
    schema: str | None,
    profile: Mapping[str, Any] | None,
) -> DatasetInput:
    kind, where = _source(source)
    return DatasetInput(
        name=name or DEFAULT_NAME,
        digest=digest,
        source=where,
        source_type=kind,
        schema=schema,
        profile=None if profile is None else json.dumps(profile),
        context=context,
    )


def _source(source: str | os.PathLike[str] | None) -> tuple[str, str]:
    """Returns MLflow's type and JSON of a source."""
    if source is None:  # made by the code, which the run itself names
        return "code", json.dumps({"tags": {}})
    text = os.fspath(source)
    local = _local_path(text)
    if local is not None:
        return "local", json.dumps({"uri": _shown_path(local)}, ensure_ascii=False)
    scheme = urlsplit(text).scheme.lower()
    if scheme in ("http", "https"):
        return "http", json.dumps({"url": _without_credentials(text)}, ensure_ascii=False)
    return scheme, json.dumps({"uri": _without_credentials(text)}, ensure_ascii=False)


def _local_path(text: str) -> Path | None:
    """Returns the path that a source names; None for an address elsewhere."""
    if text.startswith("file://"):
        return Path(unquote(urlsplit(text).path))
    return None if "://" in text else Path(text)


def _shown_path(path: Path) -> str:
    """Returns the path as it is recorded: short, and without the name of the user in it."""
    if not path.is_absolute():
        return path.as_posix()
    for base, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path != base and path.is_relative_to(base):
            return prefix + path.relative_to(base).as_posix()
    return path.as_posix()


def _without_credentials(text: str) -> str:
    from gitruns.capture import strip_credentials

    return strip_credentials(text)


def _arrays(given: Any) -> Any:
    """Returns what is given as an array, or as a dict of arrays."""
    import numpy as np

    if isinstance(given, Mapping):
        return {str(name): _arrays(value) for name, value in given.items()}
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidInputError(
            f"cannot read a '{type(given).__name__}' as an array: {error}",
            kind="wrong-type",
            hint="a tensor on a GPU becomes an array with 'tensor.cpu().numpy()'",
        ) from error
    if array.dtype.hasobject and array.ndim == 0:
        raise InvalidInputError(f"'{type(given).__name__}' is no array", kind="wrong-type")
    return array


def _arrays_digest(features: Any, targets: Any) -> str:
    hasher = new_hasher()
    for part in (features, targets):
        hasher.update(b"part\n")
        for name, array in _named(part):
            hasher.update(f"{json.dumps(name)}\n".encode())
            add_array(hasher, array)
    return short_digest(hasher)


def _named(arrays: Any) -> list[tuple[str | None, Any]]:
    if arrays is None:
        return []
    return sorted(arrays.items()) if isinstance(arrays, Mapping) else [(None, arrays)]


def _array_profile(part: str, arrays: Any) -> dict[str, Any]:
    facts: dict[str, Callable[[Any], object]] = {
        "shape": lambda array: list(array.shape),
        "size": lambda array: int(array.size),
        "nbytes": lambda array: int(array.nbytes),
    }
    if isinstance(arrays, Mapping):
        return {f"{part}_{fact}": {name: of(array) for name, array in arrays.items()} for fact, of in facts.items()}
    return {f"{part}_{fact}": of(arrays) for fact, of in facts.items()}
