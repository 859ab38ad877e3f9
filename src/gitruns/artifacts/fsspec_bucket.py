"""A store behind any file system that fsspec knows: Google Cloud Storage, Azure, SFTP and more.

Object stores put an object whole or not at all. On what is a file system in truth (SFTP, SMB) the bytes are written
under a temporary name in the same folder, then renamed.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from gitruns.artifacts.bucket import Entry, OnBytes, check_key
from gitruns.artifacts.remote_retry import WrongAnswerError, with_retries
from gitruns.artifacts.store_url import StoreUrl
from gitruns.errors import InvalidInputError

T = TypeVar("T")

PACKAGES = {
    "s3": "gitruns[s3]",
    "gs": "gcsfs",
    "az": "adlfs",
    "sftp": "paramiko",
    "smb": "smbprotocol",
    "oss": "ossfs",
    "oci": "ocifs",
    "webdav": "webdav4[fsspec]",
    "webdavs": "webdav4[fsspec]",
    "hdfs": "pyarrow",
    "hf": "huggingface-hub",
}
"""What to install for a protocol, where it is not fsspec itself."""

_PUTS_WHOLE = {"s3", "gs", "az", "oss", "oci", "memory", "hf"}
_TEMPORARY = "part-"
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


class FsspecBucket:
    """Keys below a prefix of an fsspec file system; `file_system` is made from the address if it is not given."""

    jobs = 4

    def __init__(self, url: StoreUrl, file_system: Any = None, prefix: str | None = None) -> None:
        if file_system is None:
            file_system, prefix = open_file_system(url)
        self.kind = url.protocol
        self.shown = url.shown
        self._fs = file_system
        self._prefix = (url.path if prefix is None else prefix).rstrip("/")

    def stat(self, key: str) -> Entry | None:
        """Returns size and time of a key."""
        found = self._info(key)
        return None if found is None else self._entry(key, found)

    def read(self, key: str, start: int, end: int) -> bytes:
        """Returns some bytes of a key."""
        if start >= end:
            return b""
        data: bytes = self._try(lambda: self._fs.cat_file(self._path(key), start=start, end=end), f"read '{key}'")
        return data

    def write(self, key: str, data: bytes, *, create: bool = False) -> None:
        """Puts some bytes. Nobody here can promise to create only, so what is there is looked for first."""
        if create and self.stat(key) is not None:
            raise FileExistsError(key)

        def put() -> None:
            self._put(key, lambda place: self._fs.pipe_file(place, data))
            self._check(key, len(data), hashlib.md5(data, usedforsecurity=False).digest())

        self._try(put, f"write '{key}'")

    def write_file(self, key: str, path: Path, size: int, on_bytes: OnBytes) -> None:
        """Puts the bytes of a file, by what the file system has for that."""

        def put() -> None:
            self._put(key, lambda place: self._fs.put_file(str(path), place))
            self._check(key, size, None)

        self._try(put, f"write '{key}'")
        on_bytes(size)

    def holds(self, key: str, path: Path, size: int) -> bool:
        """Returns whether a key has so many bytes: nothing half-written ever gets a key."""
        found = self.stat(key)
        return found is not None and found.size_bytes == size

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yields what is below a prefix."""

        def find() -> dict[str, dict[str, Any]]:
            self._fs.invalidate_cache()
            with suppress(FileNotFoundError):
                found: dict[str, dict[str, Any]] = self._fs.find(self._path(prefix.rstrip("/")), detail=True)
                return found
            return {}

        start = len(self._prefix) + 1
        for place, info in sorted(self._try(find, f"list '{prefix}'").items()):
            key = place.lstrip("/")[start:] if not self._prefix.startswith("/") else place[start:]
            if not key.rpartition("/")[2].startswith(_TEMPORARY):
                yield self._entry(key, info)

    def remove(self, keys: Iterable[str]) -> None:
        """Removes keys."""
        for key in keys:
            with suppress(FileNotFoundError):
                self._try(lambda key=key: self._fs.rm_file(self._path(key)), f"remove '{key}'")  # type: ignore[misc]

    def leftovers(self, older_than_s: float) -> Iterator[str]:
        """Yields temporary files that were last written to so long ago."""
        if self.kind in _PUTS_WHOLE:
            return
        latest = time.time() - older_than_s
        for place, info in self._try(lambda: self._fs.find(self._prefix, detail=True), "list leftovers").items():
            if place.rpartition("/")[2].startswith(_TEMPORARY) and _modified_s(info) <= latest:
                yield place

    def remove_leftover(self, name: str) -> None:
        """Removes a temporary file."""
        with suppress(FileNotFoundError):
            self._try(lambda: self._fs.rm_file(name), "remove leftovers")

    def _try(self, do: Callable[[], T], what: str) -> T:
        return with_retries(do, what, self.shown)

    def _path(self, key: str) -> str:
        return f"{self._prefix}/{check_key(key)}"

    def _info(self, key: str) -> dict[str, Any] | None:
        def ask() -> dict[str, Any] | None:
            self._fs.invalidate_cache()
            try:
                found: dict[str, Any] = self._fs.info(self._path(key))
            except FileNotFoundError:
                return None
            return found if found.get("type", "file") == "file" else None

        return self._try(ask, f"look for '{key}'")

    def _put(self, key: str, write: Callable[[str], object]) -> None:
        path = self._path(key)
        if self.kind in _PUTS_WHOLE:
            write(path)
            return
        folder = path.rpartition("/")[0]
        temporary = f"{folder}/{_TEMPORARY}{secrets.token_hex(8)}"
        self._fs.makedirs(folder, exist_ok=True)
        try:
            write(temporary)
            self._fs.mv(temporary, path)
        except BaseException:
            with suppress(Exception):
                self._fs.rm_file(temporary)
            raise

    def _check(self, key: str, size: int, md5: bytes | None) -> None:
        """Looks at what the store has now; some stores know the MD5 of it."""
        info = self._info(key)
        found = -1 if info is None else int(info["size"])
        if found != size:
            raise WrongAnswerError(f"it has {found} of {size} bytes after the write")
        known = info.get("md5Hash") if info is not None else None
        if md5 is not None and isinstance(known, str) and base64.b64decode(known) != md5:
            raise WrongAnswerError("it has other bytes than were written")

    def _entry(self, key: str, info: dict[str, Any]) -> Entry:
        return Entry(key=key, size_bytes=int(info["size"]), modified_s=_modified_s(info))


def open_file_system(url: StoreUrl, **options: Any) -> tuple[Any, str]:
    """Returns fsspec's file system for an address, and the path of the address in it.

    Raises `InvalidInputError`: kind `extra-missing` naming the package to install, `bad-store-url`.
    """
    try:
        import fsspec
        from fsspec.core import url_to_fs

        fsspec.get_filesystem_class(url.protocol)
        file_system, path = url_to_fs(url.text, **options)
    except ImportError as error:
        package = PACKAGES.get(url.protocol, "fsspec")
        raise InvalidInputError(
            f"cannot use the store '{url.shown}': '{package}' is not installed",
            kind="extra-missing",
            hint=f"pip install '{package}'" + ("" if package.startswith("gitruns") else " 'gitruns[store]'"),
            package=package,
        ) from error
    except ValueError as error:
        raise InvalidInputError(f"cannot use the store '{url.shown}': {error}", kind="bad-store-url") from error
    return file_system, str(path)


def _modified_s(info: dict[str, Any]) -> float:
    for name in _TIMES:
        value = info.get(name)
        if isinstance(value, (int, float)):
            return float(value)
        if isinstance(value, str):
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
    return 0.0
