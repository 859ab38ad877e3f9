"""Removes from this clone what no run needs any more: `git runs gc`.

An artifact goes in two steps. When no run, journal or model names it, that is noted; when nobody has named or put it
for two weeks from then, it is deleted. What a purged run was goes two weeks after its purge came here. Nothing is
deleted while anything cannot be read that might name it. Objects of git are git's: refs that held them go, and git's
own gc removes them. The store that a team shares is `Repo.stores`' matter.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.artifacts.discard import CacheEntry, discard, entries, put_back_all
from gitruns.entities.ids import Digest, ObjectId, RunId, is_digest
from gitruns.entities.merge import all_manifests
from gitruns.entities.run import Run
from gitruns.errors import GitRunsError, LockedError, NotFoundError
from gitruns.gitstore import refs
from gitruns.gitstore.holding import Held
from gitruns.journal import remove
from gitruns.repo.archiving import archive_runs
from gitruns.repo.manifest import listed
from gitruns.repo.private_lock import only_one

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

GRACE_S = 14 * 24 * 3600.0
"""How long after nobody names it an artifact stays, and how long after its purge a run is held."""

LEAST_AGE_S = 3600.0
"""What was put less long ago always stays: whoever put it may be about to name it."""

MARKS_FILE = "unnamed-artifacts.json"
_ARTIFACTS_FILE = "artifacts.yaml"


@dataclass(slots=True, kw_only=True)
class GarbageReport:
    """What a clean-up did, or after a dry run would do.

    `deleted` artifacts with `deleted_bytes` went; `waiting` ones with `waiting_bytes` are named by nothing and go
    later. `released` runs were purged and are held no more; `held` ones still are, each until a time (milliseconds
    UTC). `redundant` is how many refs the archive held already, `segments` how many were made redundant or anew.
    `leftovers` is how many half-written files of killed processes went. `problems` say what could not be read: while
    there are any, no artifact is deleted.
    """

    dry_run: bool
    artifacts: int = 0
    artifact_bytes: int = 0
    deleted: int = 0
    deleted_bytes: int = 0
    waiting: int = 0
    waiting_bytes: int = 0
    released: list[RunId] = field(default_factory=list)
    held: dict[RunId, int] = field(default_factory=dict)
    redundant: int = 0
    segments: int = 0
    leftovers: int = 0
    problems: list[str] = field(default_factory=list)


def collect_garbage(
    repo: Repo, *, dry_run: bool = True, grace_s: float = GRACE_S, now_s: float | None = None
) -> GarbageReport:
    """Removes what no run needs any more; raises `LockedError` (kind `gc-running`) while another process does so.

    `grace_s` is how long things wait; what was put within the hour stays all the same.
    """
    with only_one(repo.folder / "gc.lock") as mine:
        if not mine:
            raise LockedError("cannot clean up: another process does so", kind="gc-running", hint="try again later")
        return _Garbage(repo, dry_run, grace_s, time.time() if now_s is None else now_s).run()


def mark_unnamed(repo: Repo, digests: Iterable[Digest]) -> None:
    """Notes of artifacts that they may go with the next clean-up, should nothing name them then."""
    _write_marks(repo.folder, {**_read_marks(repo.folder), **dict.fromkeys(digests, 0.0)})


class _Garbage:
    """One clean-up of one repository."""

    def __init__(self, repo: Repo, dry_run: bool, grace_s: float, now_s: float) -> None:
        self._repo = repo
        self._store = repo.store
        self._grace_s = grace_s
        self._now_s = now_s
        self._report = GarbageReport(dry_run=dry_run)

    def run(self) -> GarbageReport:
        """Cleans up and returns what was done."""
        # What is in the cache first, who names it after: what comes meanwhile is then no candidate.
        if not self._report.dry_run:
            put_back_all(self._repo.cache.root)
        cached = list(entries(self._repo.cache.root))
        self._report.artifacts = len(cached)
        self._report.artifact_bytes = sum(entry.size_bytes for entry in cached)
        over = self._holds()
        named = self._named(set(self._report.held))
        self._artifacts(cached, named, self._named_by(over))
        self._tidy()
        return self._report

    # Purged runs and records

    def _holds(self) -> list[Held]:
        """Lets go of purged runs whose time is over, and returns what they were."""
        kept = self._store.holding.all_kept()
        over: list[Held] = []
        for run_id, held in sorted(self._store.holding.all_held().items()):
            until_s = held.since_ms / 1000 + self._grace_s
            if run_id in kept or until_s <= self._now_s:
                over.append(held)
            else:
                self._report.held[run_id] = int(until_s * 1000)
        self._report.released = [held.run_id for held in over if held.run_id not in kept]
        if not self._report.dry_run:
            self._store.holding.release([held.run_id for held in over])
            self._forget_journals()
            with self._noting("records"):
                self._repo.records.drop_purged()
        return over

    def _forget_journals(self) -> None:
        for run_id in self._repo.live_ids():
            with suppress(GitRunsError, OSError):
                if self._repo.is_purged(run_id):
                    remove(self._repo.live_root / run_id)

    # Who names what

    def _named(self, still_held: set[RunId]) -> set[Digest]:
        """Returns every digest that anything here names. What cannot be read is a problem."""
        named: set[Digest] = set()
        for (
            run_id
        ) in self._repo.live_ids():  # journals before refs: a run that is sealed meanwhile is seen once at least
            with self._noting(f"journal of run '{run_id[:8]}'"):
                live = self._repo.live(run_id)
                if live is not None:
                    named |= self._of(live.run)
        for segment_id in self._store.segments():
            with self._noting(f"archive segment '{segment_id[:12]}'"):
                self._store.read_segment(segment_id)
        for run_id, tip in self._store.run_tips().items():
            with self._noting(f"run '{run_id[:8]}'"):
                named |= self._at(tip)
        holding = self._store.holding
        for held in holding.all_held().values():
            if held.run_id in still_held:
                for tip in held.tips:
                    with self._noting(f"run '{held.run_id[:8]}'"):
                        named |= self._at(tip)
        for run_id, tip in holding.all_kept().items():
            with self._noting(f"run '{run_id[:8]}'"):
                named |= self._at(tip)
        with self._noting("registered models"):
            models = self._repo.models.all()
            named |= {one.digest for model in models for one in model.versions.values() if one.digest is not None}
        with self._noting("records"):
            named |= self._repo.records.needed_digests().keys()
            for oid, reason in self._repo.records.index.unreadable().items():
                self._report.problems.append(f"records at '{oid[:12]}': {reason}")
        return named | self._named_by_mirrors()

    def _named_by_mirrors(self) -> set[Digest]:
        """Returns what fetched tips name that are not taken in yet; nobody has looked at them, so they may be bad."""
        known = set(self._store.loose_run_tips().values())
        named: set[Digest] = set()
        for name, oid in self._store.backend.list_refs(refs.MIRRORS).items():
            there = refs.RUNS + name.removeprefix(refs.MIRRORS).partition("/")[2]
            if refs.run_id_of(there) is not None and oid not in known:
                with suppress(GitRunsError):
                    named |= self._at(oid)
            elif refs.records_writer_of(there) is not None:
                with suppress(GitRunsError):
                    named |= self._repo.records.blobs_at(oid).keys()
        return named

    def _named_by(self, over: Iterable[Held]) -> dict[Digest, float]:
        """Returns what runs named that are held no more, and since when they are purged."""
        named: dict[Digest, float] = {}
        for held in over:
            for tip in held.tips:
                with suppress(GitRunsError):
                    named.update(dict.fromkeys(self._at(tip), held.since_ms / 1000))
        return named

    def _at(self, tip: ObjectId) -> set[Digest]:
        if self._store.read_file(tip, _ARTIFACTS_FILE) is None:
            return set()
        return self._of(self._store.read_run(tip))

    def _of(self, run: Run) -> set[Digest]:
        named = {artifact.digest for artifact in (*run.artifacts, *all_manifests(run))}
        named |= {part.stored_as.digest for part in run.parts if part.stored_as is not None}
        # A long list that is not on this machine came without its artifacts: they are in the store.
        with suppress(NotFoundError):
            named |= {artifact.digest for artifact in listed(self._repo.cache, run)}
        return named

    def _noting(self, what: str) -> _Noting:
        return _Noting(self._report.problems, what)

    # Artifacts

    def _artifacts(self, cached: list[CacheEntry], named: set[Digest], purged: Mapping[Digest, float]) -> None:
        before = _read_marks(self._repo.folder)
        marks: dict[Digest, float] = {}
        for entry in cached:
            if entry.digest in named:
                continue
            since_s = min(before.get(entry.digest, self._now_s), purged.get(entry.digest, self._now_s))
            if not self._report.problems and self._may_go(entry, since_s) and self._delete(entry):
                continue
            marks[entry.digest] = since_s
            self._report.waiting += 1
            self._report.waiting_bytes += entry.size_bytes
        if not self._report.dry_run:
            _write_marks(self._repo.folder, marks)

    def _may_go(self, entry: CacheEntry, since_s: float) -> bool:
        return since_s <= self._now_s - self._grace_s and entry.put_s < self._put_before_s

    @property
    def _put_before_s(self) -> float:
        return self._now_s - max(self._grace_s, LEAST_AGE_S)

    def _delete(self, entry: CacheEntry) -> bool:
        if not self._report.dry_run and not discard(
            self._repo.cache.root, entry.digest, put_before_s=self._put_before_s
        ):
            return entry.size_bytes == 0
        self._report.deleted += 1
        self._report.deleted_bytes += entry.size_bytes
        return True

    # What else

    def _tidy(self) -> None:
        with suppress(LockedError):
            tidied = archive_runs(self._repo, (), dry_run=self._report.dry_run)
            self._report.redundant, self._report.segments = len(tidied.redundant), len(tidied.replaced)
        if not self._report.dry_run:
            self._report.leftovers = self._repo.cache.clean_up() + sum(1 for _ in self._old_bundles())

    def _old_bundles(self) -> Iterator[Path]:
        for path in self._repo.folder.glob("bundle-*"):
            with suppress(OSError):
                if path.is_file() and path.stat().st_mtime < self._now_s - GRACE_S:
                    path.unlink()
                    yield path


class _Noting:
    """Keeps a problem instead of raising it."""

    def __init__(self, problems: list[str], what: str) -> None:
        self._problems = problems
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, (GitRunsError, OSError)):
            return False
        if not (isinstance(error, GitRunsError) and error.kind == "run-purged"):
            self._problems.append(f"{self._what}: {error}")
        return True


def _read_marks(folder: Path) -> dict[Digest, float]:
    """Returns since when artifacts are named by nothing; what is damaged counts as nothing known."""
    try:
        found = json.loads((folder / MARKS_FILE).read_bytes())
        return {Digest(key): float(value) for key, value in found.items() if is_digest(key)}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write_marks(folder: Path, marks: Mapping[Digest, float]) -> None:
    path = folder / MARKS_FILE
    if not marks:
        path.unlink(missing_ok=True)
        return
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(dict(sorted(marks.items())), indent=0))
    new.replace(path)
