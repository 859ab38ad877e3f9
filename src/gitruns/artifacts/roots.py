"""Roots: what a repository names in a store, written before it is uploaded, so that nobody collects it.

A root at `r/<repository id>/<writer>/<n>` is text: a header, then for each run a line `run <run id>` and its digests;
digests before the first such line belong to no run that is known. It never changes. What a root names is live.
Source: docs/format.md, "The store".
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gitruns.artifacts.bucket import Bucket, Entry
from gitruns.artifacts.key_text import decode_text, encode_text, read_text
from gitruns.entities.ids import Digest, RunId, is_digest, is_run_id
from gitruns.errors import CorruptDataError, GitRunsError

HEADER = "gitruns root 1"
MAX_ROOT_BYTES = 256 << 20
_LISTINGS = 10

Named = Mapping["RunId | None", Collection[Digest]]
"""Digests by the run that names them; None for those of no known run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """One root: where it lies and what it names."""

    key: str
    named: Named

    @property
    def repository(self) -> str:
        """The id of the repository whose root it is."""
        return self.key.split("/")[1]

    def digests(self) -> set[Digest]:
        """Returns all that it names."""
        return {digest for digests in self.named.values() for digest in digests}


def root_key(repository: str, writer: str) -> str:
    """Returns a new key: the clock first, so that they stand in order, and chance, so that none is given twice."""
    return f"r/{repository}/{writer}/{time.time_ns() // 1_000_000:013d}-{secrets.token_hex(4)}"


def encode_root(named: Named) -> bytes:
    """Returns the text of a root."""
    lines: list[str] = sorted(named.get(None, ()))
    for run_id in sorted(run_id for run_id in named if run_id is not None):
        lines += [f"run {run_id}", *sorted(named[run_id])]
    return encode_text(HEADER, lines)


def decode_root(data: bytes, key: str) -> Root:
    """Returns the root that a text is; raises `CorruptDataError` (kind `bad-store-text`) for what is none.

    A root that cannot be understood stops whoever collects: what it names could be anything.
    """
    named: dict[RunId | None, set[Digest]] = {}
    run_id: RunId | None = None
    for line in decode_text(data, HEADER, key):
        if is_digest(line):
            named.setdefault(run_id, set()).add(Digest(line))
        elif line.startswith("run ") and is_run_id(line[4:]):
            run_id = RunId(line[4:])
        else:
            raise CorruptDataError(
                f"cannot use '{key}' of the store: '{line!s:.100}' is no line of a root", kind="bad-store-text", key=key
            )
    return Root(key=key, named=named)


def write_root(bucket: Bucket, repository: str, writer: str, named: Named, kept: Path | None) -> str:
    """Writes a root and returns its key; a copy in `kept` tells this clone what it has rooted already."""
    key = root_key(repository, writer)
    data = encode_root(named)
    bucket.write(key, data, create=True)
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        (kept / key.replace("/", "+")).write_bytes(data)
    return key


def rooted_already(bucket: Bucket, repository: str, writer: str, kept: Path | None) -> dict[RunId | None, set[Digest]]:
    """Returns what this clone's own roots name that are in the store still, as far as copies are here."""
    found: dict[RunId | None, set[Digest]] = {}
    if kept is None or not kept.is_dir():
        return found
    there = {entry.key for entry in bucket.entries(f"r/{repository}/{writer}/")}
    for path in kept.iterdir():
        key = path.name.replace("+", "/")
        if key not in there:
            path.unlink(missing_ok=True)
            continue
        try:
            root = decode_root(path.read_bytes(), key)
        except (CorruptDataError, OSError):
            continue
        for run_id, digests in root.named.items():
            found.setdefault(run_id, set()).update(digests)
    return found


def read_roots(bucket: Bucket) -> list[Root]:
    """Returns all roots of all repositories, such as they stood together at one moment.

    A root may be written in the place of others while they are read. So they are listed again afterwards, until two
    lists in a row are the same. Raises `CorruptDataError` for a root that cannot be understood.
    """
    known: dict[str, Root] = {}
    before: list[Entry] | None = None
    for _ in range(_LISTINGS):
        entries = list(bucket.entries("r/"))
        if entries == before:
            return [known[entry.key] for entry in entries]
        before = entries
        for entry in entries:
            if entry.key not in known:
                try:
                    known[entry.key] = _read(bucket, entry)
                except FileNotFoundError:
                    before = None  # gone meanwhile
    raise GitRunsError(
        f"cannot read the roots in the store '{bucket.shown}': they change all the time", kind="store-busy"
    )


def without_runs(named: Named, runs: Collection[RunId]) -> dict[RunId | None, set[Digest]]:
    """Returns what is named when some runs are not."""
    return {run_id: set(digests) for run_id, digests in named.items() if run_id not in runs or run_id is None}


def joined(roots: Iterable[Named]) -> dict[RunId | None, set[Digest]]:
    """Returns what several roots name together."""
    found: dict[RunId | None, set[Digest]] = {}
    for named in roots:
        for run_id, digests in named.items():
            found.setdefault(run_id, set()).update(digests)
    return found


def _read(bucket: Bucket, entry: Entry) -> Root:
    return decode_root(read_text(bucket, entry, HEADER, MAX_ROOT_BYTES), entry.key)
