"""Fingerprints of data: 16 hex digits that differ when the data does, and are the same in every process.

What a dataset holds is hashed whole up to `WHOLE_BYTES`; of more, evenly spread blocks are hashed, first and last
among them, with the exact shape or size of all. So a digest takes a fraction of a second whatever it is of, and a
change in a dataset larger than that may go unnoticed when it is outside of the blocks.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gitruns.errors import AccessDeniedError, InvalidInputError, NotFoundError

WHOLE_BYTES = 256 << 20
"""Data up to this size is hashed whole: about 0.2 s."""

WHOLE_VALUES = 1_000_000
"""Values that are no plain numbers (text, objects) are hashed all, up to so many."""

_BLOCKS = 256
_COPIED_BYTES = 4 << 20
_FILES_READ = 10_000
_DEPTH = 50
_DIGITS = 16


def new_hasher() -> Any:
    """Returns a hash to give to the functions here; `short_digest` reads it."""
    return hashlib.sha256()


def short_digest(hasher: Any) -> str:
    """Returns the digest as datasets have it."""
    digits: str = hasher.hexdigest()
    return digits[:_DIGITS]


def digest_of_text(text: str) -> str:
    """Returns the digest of some text."""
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:_DIGITS]


def _spans(length: int, whole: int) -> Iterator[tuple[int, int]]:
    """Yields (start, end) of the parts of `length` items that are hashed, when at most `whole` of them are to be."""
    if length <= whole:
        yield 0, length
        return
    width = max(1, whole // _BLOCKS)
    count = max(2, whole // width)
    for number in range(count):
        start = (length - width) * number // (count - 1)
        yield start, start + width


def add_array(hasher: Any, array: Any, whole_bytes: int = WHOLE_BYTES) -> None:
    """Adds a numpy array: its type, shape and values in C order, whatever its layout in memory and byte order."""
    import numpy as np

    array = np.asarray(array)
    if array.dtype.hasobject:
        add_values(hasher, array.reshape(-1), array.shape)
        return
    dtype = array.dtype.newbyteorder("<")
    hasher.update(f"array {dtype.str} {array.shape}\n".encode())
    if not array.size or not dtype.itemsize:
        return
    # `flat` copies, a part at a time, and knows C order for every layout.
    items = array.reshape(-1) if array.flags.c_contiguous else array.flat
    step = max(1, _COPIED_BYTES // dtype.itemsize)
    for start, end in _spans(array.size, max(1, whole_bytes // dtype.itemsize)):
        for first in range(start, end, step):
            part = np.ascontiguousarray(items[first : min(first + step, end)], dtype=dtype)
            hasher.update(part.view(np.uint8))


def add_values(hasher: Any, values: Any, shape: tuple[int, ...] | None = None) -> None:
    """Adds a sequence of any values: text, missing ones, lists, dates; equal values give equal digests."""
    hasher.update(f"values {shape or (len(values),)}\n".encode())
    for start, end in _spans(len(values), WHOLE_VALUES):
        for first in range(start, end, 100_000):
            part = values[first : min(first + 100_000, end)]
            hasher.update(_text_of(part.tolist() if hasattr(part, "tolist") else list(part)).encode())


def _text_of(values: list[Any]) -> str:
    try:
        return json.dumps(values, default=_as_plain, sort_keys=True)
    except (TypeError, ValueError, RecursionError):  # keys that JSON has not, or a value that holds itself
        return json.dumps([_as_plain(value) for value in values])


_TELLING_TYPES = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    complex,
    enum.Enum,
    os.PathLike,
)


def _as_plain(value: Any, depth: int = 0) -> Any:
    """Returns what stands for a value; never its `repr`, which may name an address in memory."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (list, tuple)) and depth < _DEPTH:
        return [_as_plain(item, depth + 1) for item in value]
    if isinstance(value, _TELLING_TYPES):
        return [type(value).__name__, str(value)]
    if isinstance(value, (bytes, bytearray)):
        return ["bytes", hashlib.sha256(value).hexdigest()]
    if isinstance(value, (set, frozenset)):
        return ["set", sorted(json.dumps(_as_plain(item, depth + 1)) for item in value)]
    if isinstance(value, Mapping) and depth < _DEPTH:
        return ["mapping", sorted((str(key), json.dumps(_as_plain(value[key], depth + 1))) for key in value)]
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return value.tolist()
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    return [type(value).__qualname__]


def add_frame(hasher: Any, frame: Any) -> None:
    """Adds a pandas DataFrame: names of the columns in order, each column's values, the index."""
    hasher.update(f"frame {_text_of([str(name) for name in frame.columns])}\n".encode())
    whole = WHOLE_BYTES // max(1, frame.shape[1])
    for place in range(frame.shape[1]):
        _add_series(hasher, frame.iloc[:, place], whole)
    _add_series(hasher, frame.index.to_series(), whole)


def _add_series(hasher: Any, series: Any, whole_bytes: int) -> None:
    import numpy as np

    if getattr(series.dtype, "tz", None) is not None:
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    if isinstance(series.dtype, np.dtype) and not series.dtype.hasobject:
        add_array(hasher, series.to_numpy(), whole_bytes)
    else:
        add_values(hasher, series.array)


def add_file(hasher: Any, path: Path, whole_bytes: int = WHOLE_BYTES) -> int:
    """Adds the content of a file; returns its size. A file that is hashed whole has the first digits of its SHA-256."""
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > whole_bytes:
            hasher.update(f"file {size}\n".encode())
        for start, end in _spans(size, whole_bytes):
            file.seek(start)
            while start < end:
                block = file.read(min(1 << 20, end - start))
                if not block:
                    break
                hasher.update(block)
                start += len(block)
    return size


def add_folder(hasher: Any, folder: Path) -> tuple[int, int]:
    """Adds names, sizes and contents of all files below a folder; returns how many they are, and their bytes.

    Symlinks are added as what they say, never followed; special files by name. Of more than 256 MiB the contents of
    10,000 files at most are looked into.
    """
    files = [(name, path, path.lstat()) for name, path in sorted(_files(folder))]
    total = sum(status.st_size for _, _, status in files)
    every = 1 if total <= WHOLE_BYTES else -(-len(files) // _FILES_READ)
    for number, (name, path, status) in enumerate(files):
        hasher.update(f"{json.dumps(name)} {status.st_size}\n".encode())
        if stat.S_ISLNK(status.st_mode):
            hasher.update(os.fsencode(path.readlink()))
        elif stat.S_ISREG(status.st_mode) and number % every == 0:
            share = every * WHOLE_BYTES * status.st_size // total if total > WHOLE_BYTES else status.st_size
            add_file(hasher, path, max(share, 4096))
    return len(files), total


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    def refuse(error: OSError) -> None:
        raise AccessDeniedError(f"cannot read '{error.filename}': {error.strerror}", kind="unreadable-file") from error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in (*names, *links):
            path = Path(parent, name)
            yield path.relative_to(folder).as_posix(), path


def _open(path: Path) -> Any:
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for its writer
            raise InvalidInputError(f"dataset '{path}' is neither a file nor a folder", kind="not-a-regular-file")
        return path.open("rb")
    except FileNotFoundError as error:
        raise NotFoundError(f"cannot find dataset '{path}'", kind="file-not-found") from error
    except PermissionError as error:
        raise AccessDeniedError(f"cannot read '{path}': {error.strerror}", kind="unreadable-file") from error
