"""Where a clone's artifacts are besides its own cache: a lab's shared cache, and the store that a team shares.

Reads fall through: cache, shared cache, store. Uploads come from `sync`. What could not be uploaded is **pending**: it
is remembered here, goes with the next upload, and its number is said until then.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.artifacts import ArtifactCache
from gitruns.artifacts.failures import writing
from gitruns.artifacts.remote import RemoteStore, RootedAs, deadline_in
from gitruns.artifacts.remote_gc import StoreGarbage
from gitruns.artifacts.sharing import can_write
from gitruns.artifacts.store_check import StoreCheck, StoreUsage, check_store, store_usage
from gitruns.artifacts.store_url import StoreUrl, parse_store_url
from gitruns.artifacts.store_verify import StoreVerification, verify_store
from gitruns.artifacts.transfer import OnProgress as OnProgress
from gitruns.artifacts.upload import Uploaded
from gitruns.entities.artifact import Artifact
from gitruns.entities.ids import Digest, RunId, is_digest, is_run_id
from gitruns.entities.run import Run
from gitruns.errors import GitRunsError, InvalidInputError, NotFoundError
from gitruns.repo.needed import Needed, joined_needs
from gitruns.repo.store_setting import (
    GIT_KEY,
    VARIABLE,
    StoreSetting,
    confirm_store,
    find_store,
    parse_shared,
    repository_id,
    set_in_file,
    set_in_git,
)

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

PENDING_FILE = "pending-artifacts"
NO_STORE_HINT = "git runs store set URL"
CONFIRM_HINT = "git runs store check"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadReport:
    """What came of an upload; each object is in exactly one of the four sets.

    `uploaded` and `present` are in the store now. `missing` are neither there nor here. `pending` are only here; with
    `advice`, the one line to type. `bytes` were sent, `pending_bytes` wait. `problems` are what the store said.
    """

    uploaded: frozenset[Digest] = frozenset()
    present: frozenset[Digest] = frozenset()
    missing: frozenset[Digest] = frozenset()
    pending: frozenset[Digest] = frozenset()
    bytes: int = 0
    pending_bytes: int = 0
    advice: str = ""
    problems: tuple[GitRunsError, ...] = ()


class Stores:
    """The stores of one repository. Nothing is asked of a network before it is needed."""

    def __init__(self, repo: Repo, environ: Mapping[str, str]) -> None:
        self._repo = repo
        self._environ = environ
        self._opened: dict[str, RemoteStore] = {}

    # Which

    @property
    def setting(self) -> StoreSetting | None:
        """The store in force, None where none is named."""
        return find_store(self._repo.store, self._repo.config, self._environ, self._repo.folder)

    def open(self, *, confirm: Callable[[str], bool] | None = None) -> RemoteStore | None:
        """Returns the store, None where there is none or it may not be used.

        One that only a committed file names is used when it was confirmed in this clone; else `confirm` is asked with
        its address, and without it the store is not used.
        """
        setting = self.setting
        if setting is None:
            return None
        if not setting.confirmed:
            if confirm is None or not confirm(setting.url.shown):
                return None
            self.confirm(setting.url)
        return self.at(setting.url)

    def at(self, url: StoreUrl) -> RemoteStore:
        """Returns the store at an address."""
        name = hashlib.sha256(url.text.encode()).hexdigest()[:16]
        if name not in self._opened:
            self._opened[name] = RemoteStore(url, state=self._repo.folder / "stores" / name)
        return self._opened[name]

    def confirm(self, url: StoreUrl) -> None:
        """Records that a store may be used in this clone."""
        confirm_store(self._repo.folder, url)

    @cached_property
    def shared_cache(self) -> ArtifactCache | None:
        """The cache that several clones share (`GITRUNS_CACHE`, `runs.cache`), None where none is set."""
        named = self._environ.get("GITRUNS_CACHE") or self._repo.store.config("runs.cache")
        if not named:
            return None
        base = self._repo.store.paths.work_tree or self._repo.store.paths.common_dir
        return ArtifactCache(base / Path(named).expanduser())

    @cached_property
    def repository_id(self) -> str:
        """In whose name this clone roots what it uploads."""
        return repository_id(self._repo.config, self._repo.folder)

    # Reading

    def beyond(self, digest: Digest) -> ArtifactCache:
        """Returns a cache of this machine that has an object which the clone's own has not, fetching it if need be.

        Raises `NotFoundError`, kind `artifact-missing`, saying what to type to have it.
        """
        shared = self.shared_cache
        if shared is not None and shared.has(digest):
            return shared
        store = self.open()
        if store is None:
            raise self._not_here(digest)
        target = self._download_cache()
        result = store.download([digest], target)
        if digest in result.problems:
            raise result.problems[digest]
        if digest not in result.fetched:
            raise self._not_here(digest)
        return target

    def bring(self, run: Run, artifacts: Collection[Artifact], progress: OnProgress | None = None) -> None:
        """Brings the bytes of artifacts to this machine: from the tree, or all at once from the store.

        Raises `NotFoundError`, kind `artifact-missing`, for those that are nowhere to be had.
        """
        cache, shared = self._repo.cache, self.shared_cache
        absent = {
            one.digest: one
            for one in artifacts
            if not cache.has(one.digest) and (shared is None or not shared.has(one.digest))
        }
        for one in list(absent.values()):
            if one.in_git and run.commit is not None:
                data = self._repo.store.read_file(run.commit, f"artifacts/{one.path}")
                if data is not None and cache.put_bytes(data)[0] == one.digest:
                    del absent[one.digest]
        store = self.open() if absent else None
        if store is not None:
            sizes = {digest: one.size_bytes for digest, one in absent.items()}
            result = store.download(absent, self._download_cache(), sizes=sizes, progress=progress)
            for error in result.problems.values():
                raise error
            for digest in result.fetched:
                del absent[digest]
        for digest, one in absent.items():
            raise self._not_here(digest, one.path)

    def _not_here(self, digest: Digest, path: str | None = None) -> NotFoundError:
        named = f"'{digest}'" if path is None else f"'{path}' ({digest[:12]})"
        return NotFoundError(
            f"cannot find artifact {named}: its bytes are not on this machine",
            kind="artifact-missing",
            hint=self.where_else(),
            digest=digest,
        )

    def where_else(self) -> str:
        """Returns the hint for bytes that are not on this machine: what to type to have them."""
        try:
            setting = self.setting
        except GitRunsError as error:
            return str(error)
        if setting is None:
            return f"no store is set: {NO_STORE_HINT}"
        if not setting.confirmed:
            return f"the store '{setting.url.shown}' is not confirmed in this clone: {CONFIRM_HINT}"
        return f"the store '{setting.url.shown}' does not have them: git runs push, where they were logged"

    def _download_cache(self) -> ArtifactCache:
        shared = self.shared_cache
        return shared if shared is not None and can_write(shared.root) else self._repo.cache

    def absent(self, digests: Iterable[Digest]) -> set[Digest]:
        """Returns those that neither this machine nor the store has."""
        shared = self.shared_cache
        rest = {
            digest
            for digest in digests
            if not self._repo.cache.has(digest) and (shared is None or not shared.has(digest))
        }
        store = self.open() if rest else None
        return rest if store is None else rest.difference(store.sizes(rest))

    # Writing

    def upload(
        self,
        needed: Mapping[Digest, int],
        *,
        progress: OnProgress | None = None,
        jobs: int | None = None,
        deadline_s: float | None = None,
        confirm: Callable[[str], bool] | None = None,
    ) -> UploadReport:
        """Uploads what is needed and what has been pending since earlier; never raises for a fault of the store.

        What has waited for runs that were purged meanwhile, and for no others, waits no longer.
        """
        waiting = self._waiting()
        before = self._still_wanted(waiting)
        if isinstance(needed, Needed):
            before = joined_needs(before, needed)
        objects = {**before.sizes, **needed}
        if not objects:
            self._remember(before, waiting)
            return UploadReport()
        store = self.open(confirm=confirm)
        if store is None:
            result, sent = self._nothing_uploaded(objects), 0
        else:
            result, sent = self._upload(store, objects, before, progress, jobs, deadline_s)
        left = Needed({digest: objects[digest] for digest in result.pending}, before.by_run)
        self._remember(left, waiting)
        return UploadReport(
            uploaded=frozenset(result.uploaded),
            present=frozenset(result.present),
            missing=frozenset(result.missing),
            pending=frozenset(result.pending),
            bytes=sent,
            pending_bytes=sum(objects[digest] for digest in result.pending),
            advice=self._advice(result, store),
            problems=tuple(result.problems),
        )

    def pending(self) -> dict[Digest, int]:
        """Returns what was to be uploaded and could not be: digest → size."""
        return dict(self._still_wanted(self._waiting()).sizes)

    def _waiting(self) -> Needed:
        """Returns what is noted as pending, and for which runs."""
        sizes: dict[Digest, int] = {}
        by_run: dict[RunId, set[Digest]] = {}
        with suppress(OSError, ValueError):
            for line in (self._repo.folder / PENDING_FILE).read_text(encoding="ascii").splitlines():
                digest, size, *run_ids = line.split(" ")
                if is_digest(digest) and size.isdigit():
                    sizes[Digest(digest)] = int(size)
                    for run_id in filter(is_run_id, run_ids):
                        by_run.setdefault(RunId(run_id), set()).add(Digest(digest))
        return Needed(sizes, {run_id: frozenset(named) for run_id, named in by_run.items()})

    def _still_wanted(self, waiting: Needed) -> Needed:
        """Returns it without what only runs name that are deleted for good; what names no run stays."""
        purged = {run_id for run_id in waiting.by_run if self._repo.is_purged(run_id)}
        if not purged:
            return waiting
        kept = {run_id: named for run_id, named in waiting.by_run.items() if run_id not in purged}
        gone = frozenset().union(*(waiting.by_run[run_id] for run_id in purged)).difference(*kept.values())
        return Needed({digest: size for digest, size in waiting.sizes.items() if digest not in gone}, kept)

    def _upload(
        self,
        store: RemoteStore,
        objects: Mapping[Digest, int],
        needed: Needed,
        progress: OnProgress | None,
        jobs: int | None,
        deadline_s: float | None,
    ) -> tuple[Uploaded, int]:
        named: dict[RunId | None, Collection[Digest]] = {}
        named.update(needed.by_run.items())
        rest = set(objects).difference(*named.values())
        if rest:
            named[None] = rest
        rooted = RootedAs(repository=self.repository_id, writer=self._repo.writer, named=named)
        cache, shared = self._repo.cache, self.shared_cache
        lent = {
            digest: size
            for digest, size in objects.items()
            if shared is not None and not cache.has(digest) and shared.has(digest)
        }
        own = {digest: size for digest, size in objects.items() if digest not in lent}
        deadline = deadline_in(deadline_s)
        result, sent = store.upload(own, cache, rooted=rooted, progress=progress, jobs=jobs, deadline=deadline)
        if lent and shared is not None:
            more, also = store.upload(lent, shared, rooted=rooted, progress=progress, jobs=jobs, deadline=deadline)
            sent += also
            for mine, others in (
                (result.uploaded, more.uploaded),
                (result.present, more.present),
                (result.missing, more.missing),
                (result.pending, more.pending),
            ):
                mine |= others
            result.problems += more.problems
        return result, sent

    def _nothing_uploaded(self, objects: Mapping[Digest, int]) -> Uploaded:
        shared = self.shared_cache
        here = {
            digest for digest in objects if self._repo.cache.has(digest) or (shared is not None and shared.has(digest))
        }
        return Uploaded(pending=here, missing=set(objects) - here)

    def _advice(self, result: Uploaded, store: RemoteStore | None) -> str:
        if not result.pending:
            return ""
        if store is None:
            return NO_STORE_HINT if self.setting is None else CONFIRM_HINT
        return "git runs push" if not result.problems else CONFIRM_HINT

    def _remember(self, pending: Needed, before: Needed) -> None:
        lines = _lines(pending)
        if lines == _lines(before):
            return
        path = self._repo.folder / PENDING_FILE
        temporary = path.with_name(f".{PENDING_FILE}.{secrets.token_hex(4)}")
        with suppress(OSError):
            temporary.write_text("".join(lines))
            temporary.replace(path)

    # The store itself

    def required(self, *, confirm: Callable[[str], bool] | None = None) -> RemoteStore:
        """Returns the store; raises `NotFoundError`, kinds `no-store` and `store-not-confirmed`."""
        store = self.open(confirm=confirm)
        if store is not None:
            return store
        setting = self.setting
        if setting is None:
            raise NotFoundError("this repository has no store", kind="no-store", hint=NO_STORE_HINT)
        raise NotFoundError(
            f"the store '{setting.url.shown}' that {setting.named_by} names is not confirmed in this clone",
            kind="store-not-confirmed",
            hint=f"{CONFIRM_HINT} --yes",
        )

    def parse(self, text: str, *, shared: bool) -> StoreUrl:
        """Returns the address that a person typed; a `shared` one stands in a committed file, so without password."""
        base = self._repo.store.paths.work_tree or self._repo.store.paths.common_dir
        return parse_shared(text, base) if shared else parse_store_url(text, base)

    def make_folder(self, url: StoreUrl) -> bool:
        """Makes the folder of a new store, if only that is missing; returns whether it did."""
        path = Path(url.path)
        if not url.is_folder or path.exists() or not path.parent.is_dir():
            return False
        with writing("make the store", path.parent):
            path.mkdir()
        return True

    def set(self, text: str, url: StoreUrl, *, shared: bool) -> list[str]:
        """Names the store for this clone, or for everybody; returns what was done, a line each."""
        work_tree = self._repo.store.paths.work_tree
        if not shared:
            set_in_git(self._repo.store, url.path if url.is_folder else text)
            return [f"git config runs.store is '{url.shown}'"]
        if work_tree is None:
            raise InvalidInputError(
                "cannot write gitruns.yaml: this repository has no work tree",
                kind="no-work-tree",
                hint="without --shared the store is set for this clone",
            )
        changed = set_in_file(work_tree, self._repo.config, text)
        self.confirm(url)
        lines = [f"wrote '{key}' into gitruns.yaml" for key in changed] or ["gitruns.yaml says so already"]
        if self._environ.get(VARIABLE) or self._repo.store.config(GIT_KEY):
            lines.append("in this clone another one is in force: see git runs store")
        return [*lines, "commit it, so that others have it: git add gitruns.yaml; git commit"] if changed else lines

    def unset(self) -> None:
        """Takes the store out of this clone's git config."""
        set_in_git(self._repo.store, None)

    def check(self, store: RemoteStore) -> StoreCheck:
        """Writes, reads, lists and removes a small object and says how long each took."""
        return check_store(store.bucket)

    def usage(self, store: RemoteStore) -> StoreUsage:
        """Returns how much lies in the store."""
        return store_usage(store.bucket, store.catalog)

    def verify(
        self,
        store: RemoteStore,
        *,
        sample: int | None,
        repair: bool,
        progress: OnProgress | None = None,
    ) -> StoreVerification:
        """Reads objects of the store again, all or some by chance, and hashes them."""
        return verify_store(store, self._repo.cache if repair else None, sample=sample, progress=progress)

    def collect_store_garbage(
        self,
        *,
        dry_run: bool = True,
        wait_s: float | None = None,
        confirm: Callable[[str], bool] | None = None,
    ) -> StoreGarbage | None:
        """Collects what no root in the store names; None where there is no store to use. Call it after a fetch.

        Roots of this repository cease to name runs that are purged here. Deleted is what was marked `wait_s` seconds
        ago (14 days, or `runs.storeGraceDays`) and is dead still.
        """
        store = self.open(confirm=confirm)
        if store is None:
            return None
        if wait_s is None:
            wait_s = _days(self._repo.store.config("runs.storeGraceDays")) * 86400
        collector = store.collector(self.repository_id, self._repo.writer)
        return collector.run(self._repo.is_purged, dry_run=dry_run, wait_s=wait_s)


def _lines(pending: Needed) -> list[str]:
    """Returns a line for each object: digest, size, and the runs that name it."""
    runs: dict[Digest, list[RunId]] = {}
    for run_id, named in sorted(pending.by_run.items()):
        for digest in named & pending.sizes.keys():
            runs.setdefault(digest, []).append(run_id)
    return [
        " ".join((digest, str(size), *runs.get(digest, ()))) + "\n" for digest, size in sorted(pending.sizes.items())
    ]


def _days(text: str | None) -> float:
    try:
        return max(float(text), 0.0) if text else 14.0
    except ValueError:
        return 14.0
