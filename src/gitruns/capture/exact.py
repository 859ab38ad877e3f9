"""Which files would not come back byte for byte, though git calls them unchanged or has taken them in.

git may change bytes on the way in (CRLF to LF, a filter that strips outputs) and something else on the way out. A file
is exact when what git would write for its blob is what stands in the work tree. That is asked of git itself, once a
file: what was found exact is remembered by path, object id, time and size.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gitruns.capture.attributes import Conversions
from gitruns.capture.index_file import IndexEntry
from gitruns.capture.private_index import PrivateIndex

_KEY_BYTES = 8
_REGULAR_FILES = (0o100644, 0o100755)
_ARGUMENTS = 500
"""Paths of one command line."""

_LARGEST_TO_FILTER = 1 << 20
"""A filter's program is started once a file; what it makes of a larger one is not tried."""


@dataclass(frozen=True, slots=True)
class Inexact:
    """`raw`: only their own bytes give them back. `filtered`: a filter takes something away, on purpose."""

    raw: tuple[IndexEntry, ...]
    filtered: tuple[IndexEntry, ...]


class ExactFiles:
    """The files that were found exact under some rules of conversion, kept in one small file between runs."""

    def __init__(self, path: Path, conversions: Conversions) -> None:
        self._path = path
        self._state = conversions.state
        self._conversions = conversions
        self._known = self._load()
        self._fresh: set[bytes] = set()

    def _load(self) -> set[bytes]:
        try:
            data = self._path.read_bytes()
        except OSError:
            return set()
        start = len(self._state)
        if data[:start] != self._state:
            return set()
        return {data[at : at + _KEY_BYTES] for at in range(start, len(data), _KEY_BYTES)}

    def save(self) -> None:
        """Keeps what was learned; a folder that cannot be written costs time, nothing else."""
        if not self._fresh:
            return
        with suppress(OSError):
            descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix="exact.")
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(self._state + b"".join(self._fresh))
            Path(name).replace(self._path)

    def knows_all(self, entries: Iterable[IndexEntry], work_tree: Path) -> bool:
        """Returns whether every file stands as git remembers it and was found exact like that."""
        root = os.fsencode(work_tree) + b"/"
        for entry in entries:
            if not _is_checkable(entry):
                continue
            if _key(entry) not in self._known:
                return False
            try:
                found = os.lstat(root + entry.path)
            except OSError:
                return False
            if found.st_mtime_ns != entry.mtime_ns or found.st_size & 0xFFFFFFFF != entry.size:
                return False
        return True

    def check(self, index: PrivateIndex, entries: Iterable[IndexEntry]) -> Inexact:
        """Returns which of the entries of a refreshed index are not exact."""
        unknown = []
        for entry in entries:
            if _is_checkable(entry):
                key = _key(entry)
                self._fresh.add(key)
                if key not in self._known:
                    unknown.append(entry)
        filtered, unknown_text = self._check_filters(index, unknown)
        raw = self._check_text(index, unknown_text) if self._conversions.text else []
        for entry in [*filtered, *raw]:
            self._fresh.discard(_key(entry))
        if self._fresh == self._known:
            self._fresh = set()
        return Inexact(tuple(raw), tuple(filtered))

    def _check_filters(
        self, index: PrivateIndex, entries: Sequence[IndexEntry]
    ) -> tuple[list[IndexEntry], list[IndexEntry]]:
        """The files that do not come back through their filter, and those that no filter touches."""
        if not self._conversions.filters or not entries:
            return [], list(entries)
        drivers = _filters_of(index, entries)
        free = [entry for entry in entries if entry.path not in drivers]
        largest = {driver: _largest_to_try(index, driver) for driver in set(drivers.values())}
        tried = [entry for entry in entries if entry.path in drivers and entry.size <= largest[drivers[entry.path]]]
        return _not_given_back(index, tried), free

    def _check_text(self, index: PrivateIndex, entries: Sequence[IndexEntry]) -> list[IndexEntry]:
        """The files that git would write otherwise than they stand."""
        if self._conversions.grows:
            return _not_given_back(index, entries)
        # Nothing grows on the way out, so a blob as long as its file went through unchanged.
        sizes = _blob_sizes(index, [entry.oid.hex() for entry in entries])
        odd = [entry for entry, size in zip(entries, sizes, strict=True) if size & 0xFFFFFFFF != entry.size]
        return _not_given_back(index, odd)


def _not_given_back(index: PrivateIndex, entries: Sequence[IndexEntry]) -> list[IndexEntry]:
    """Lets git write the files as a restore would, and returns those that come out otherwise than they stand."""
    if not entries:
        return []
    with tempfile.TemporaryDirectory(dir=index.path.parent) as folder:
        paths = b"".join(entry.path + b"\0" for entry in entries)
        index.run("checkout-index", "--quiet", "--force", f"--prefix={folder}/", "-z", "--stdin", input=paths)
        return [entry for entry in entries if not _same_bytes(index.work_tree, Path(folder), entry.path)]


def write_raw(index: PrivateIndex, entries: Sequence[IndexEntry]) -> None:
    """Puts the files' own bytes, no filter applied, into the index."""
    oids = _raw_blob_ids(index, [entry.path for entry in entries], "-w", "--no-filters")
    index.set_entries((entry.mode, oid, entry.path) for entry, oid in zip(entries, oids, strict=True))


def _raw_blob_ids(index: PrivateIndex, paths: Sequence[bytes], *options: str) -> list[str]:
    oids: list[str] = []
    for start in range(0, len(paths), _ARGUMENTS):
        some = map(os.fsdecode, paths[start : start + _ARGUMENTS])
        oids += index.run("hash-object", *options, "--", *some).decode().split()
    return oids


def _is_checkable(entry: IndexEntry) -> bool:
    return entry.mode in _REGULAR_FILES and not entry.stage and not entry.skip_worktree and not entry.intent_to_add


def _key(entry: IndexEntry) -> bytes:
    text = b"%b\0%b%d %d" % (entry.path, entry.oid, entry.mtime_ns, entry.size)
    return hashlib.blake2b(text, digest_size=_KEY_BYTES).digest()


def _blob_sizes(index: PrivateIndex, oids: Sequence[str]) -> list[int]:
    if not oids:
        return []
    output = index.run("cat-file", "--batch-check=%(objectsize)", input="\n".join(oids).encode() + b"\n")
    return [int(line) if line.isdigit() else -1 for line in output.split(b"\n")[: len(oids)]]


def _filters_of(index: PrivateIndex, entries: Sequence[IndexEntry]) -> dict[bytes, str]:
    paths = b"".join(entry.path + b"\0" for entry in entries)
    fields = index.run("check-attr", "-z", "--stdin", "filter", input=paths).split(b"\0")
    rows = zip(fields[0::3], fields[2::3], strict=False)
    return {path: value.decode() for path, value in rows if value not in (b"unspecified", b"unset", b"set", b"")}


def _largest_to_try(index: PrivateIndex, driver: str) -> int:
    """The size up to which a filter's way out is tried; above, or where it may mean a download (LFS), it is trusted."""

    def setting(name: str) -> str:
        return index.git.run("config", "--get", f"filter.{driver}.{name}", ok=(0, 1)).decode().strip()

    if setting("process"):
        return -1
    return _LARGEST_TO_FILTER if setting("smudge") not in ("", "cat") else sys.maxsize


def _same_bytes(one: Path, other: Path, path: bytes) -> bool:
    name = os.fsdecode(path)
    try:
        return filecmp.cmp(one / name, other / name, shallow=False)
    except OSError:
        return False
