"""Carries runs where no network goes: in a file that `git bundle` and `git fetch` read as well.

A bundle has what a push would send: refs of runs, segments, experiments and models, and every commit that they need
and no remote is known to have. With artifacts it is a tar with the bundle, `runs.bundle`, and the objects of the store
beside it, each under the key that it has there.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gitruns.entities.ids import Digest, ObjectId, RunId
from gitruns.errors import AccessDeniedError, CorruptDataError, GitRunsError, InvalidInputError, NotFoundError
from gitruns.gitstore import refs
from gitruns.gitstore.transport import Progress, Transport
from gitruns.sync.joining import Joined, Joiner
from gitruns.sync.mirror import Mirror, is_ours
from gitruns.sync.records import blobs_in
from gitruns.sync.remotes import Remote
from gitruns.sync.report import FetchReport, Selection

if TYPE_CHECKING:
    from gitruns.artifacts import ArtifactCache
    from gitruns.repo import Repo

BUNDLE_NAME = "runs.bundle"
_KEY = re.compile(r"o/([0-9a-f]{2})/([0-9a-f]{62})\Z")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleReport:
    """What a bundle holds. `needs` are commits that whoever opens it must have; `missing` artifacts are not here."""

    path: Path
    runs: tuple[RunId, ...]
    refs: int
    needs: tuple[ObjectId, ...]
    size_bytes: int
    artifacts: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbundleReport:
    """What came out of a bundle: runs as by a fetch, artifacts, and those whose bytes are not what they should be."""

    fetched: FetchReport
    artifacts: int = 0
    bad_artifacts: int = 0


def write_bundle(
    repo: Repo,
    path: Path,
    *,
    selection: Selection | None = None,
    with_source: bool = False,
    with_artifacts: bool = False,
    progress: Progress | None = None,
) -> BundleReport:
    """Writes runs into a file; what stood there is replaced once all of it is on disk.

    Commits that a remote is known to have are left out, so the other side needs them, unless `with_source`. Raises
    `InvalidInputError` (kind `nothing-to-bundle`).
    """
    named, runs = _refs(repo, selection)
    if not named:
        raise InvalidInputError("there are no runs to put into a bundle", kind="nothing-to-bundle")
    with _replacing(path) as temporary:
        needs = _write_git_bundle(repo, temporary, named, with_source=with_source)
        artifacts = missing = 0
        if with_artifacts:
            blobs = blobs_in(repo, named, {})
            artifacts, missing = _pack_with_artifacts(repo, temporary, runs, blobs, progress)
        size = temporary.stat().st_size
    return BundleReport(
        path=path,
        runs=tuple(runs),
        refs=len(named),
        needs=needs,
        size_bytes=size,
        artifacts=artifacts,
        missing=missing,
    )


def _refs(repo: Repo, selection: Selection | None) -> tuple[dict[str, ObjectId], dict[RunId, ObjectId]]:
    """Returns the refs that the bundle shall have, and the runs that these stand for."""
    store = repo.store
    experiments = store.experiment_tips()
    if selection is not None:
        runs = {one: tip for one in sorted(selection.run_ids) if (tip := store.run_tip(one)) is not None}
        named = {refs.run_ref(one): tip for one, tip in runs.items()}
        wanted = {repo.get_run(one).info.experiment_id for one, tip in runs.items() if not store.is_tombstone(tip)}
        experiments = {one: tip for one, tip in experiments.items() if one in wanted}
    else:
        runs = store.run_tips()
        named = {refs.run_ref(one): tip for one, tip in store.loose_run_tips().items()}
        named.update({refs.archive_ref(one): oid for one, oid in store.segments().items()})
        if runs:
            named.update(store.backend.list_refs(refs.MODELS))
        repo.records.recover(force=True)
        named.update({refs.records_ref(one): tip for one, tip in store.records.tips().items()})
    if named:
        named.update({refs.experiment_ref(one): tip for one, tip in experiments.items()})
    return named, runs


def _write_git_bundle(
    repo: Repo, path: Path, named: Mapping[str, ObjectId], *, with_source: bool
) -> tuple[ObjectId, ...]:
    """Writes the bundle as git's `gitformat-bundle` describes it; git itself would want refs for what is archived."""
    git, backend = repo.store.git, repo.store.backend
    tips = "".join(f"{oid}\n" for oid in sorted(set(named.values())))
    without = () if with_source else ("--not", "--remotes")
    listed = git.run("rev-list", "--boundary", "--stdin", *without, input=tips.encode()).decode().split()
    needs = tuple(ObjectId(line[1:]) for line in listed if line.startswith("-"))
    head = ["# v2 git bundle"] if backend.object_format == "sha1" else ["# v3 git bundle", "@object-format=sha256"]
    head += [f"-{oid}" for oid in needs]
    head += [f"{oid} {ref}" for ref, oid in sorted(named.items())]
    revisions = tips + "".join(f"^{oid}\n" for oid in needs)
    with path.open("wb") as file:
        file.write(("\n".join(head) + "\n\n").encode())
        options = ("--revs", "--stdout", "--thin", "--delta-base-offset", "--quiet")
        with git.stream("pack-objects", *options, input=revisions.encode()) as pack:
            while chunk := pack.read(_CHUNK):
                file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return needs


def _pack_with_artifacts(
    repo: Repo,
    path: Path,
    runs: Mapping[RunId, ObjectId],
    blobs: Mapping[Digest, int],
    progress: Progress | None,
) -> tuple[int, int]:
    """Puts the bundle and the artifacts of its runs into one tar in its place; returns how many, and how many lack."""
    found = []
    for tip in runs.values():
        with suppress(NotFoundError):  # purged
            found.append(repo.store.read_run(tip))
    needed = {**repo.needed_digests(found), **blobs}
    done = missing = 0
    tar_path = path.with_name(path.name + ".tar")
    try:
        with tarfile.open(tar_path, "w", format=tarfile.PAX_FORMAT) as tar:
            with path.open("rb") as bundle:
                _add(tar, BUNDLE_NAME, bundle, path.stat().st_size)
            for number, digest in enumerate(sorted(needed)):
                if progress is not None:
                    progress("packing artifacts", number, len(needed))
                cache = repo.cache if repo.cache.has(digest) else _beyond(repo, digest)
                if cache is None:
                    missing += 1
                    continue
                with cache.open(digest) as file:
                    _add(tar, f"o/{digest[:2]}/{digest[2:]}", file, cache.size(digest))
                done += 1
        tar_path.replace(path)
    finally:
        tar_path.unlink(missing_ok=True)
    return done, missing


def _beyond(repo: Repo, digest: Digest) -> ArtifactCache | None:
    try:
        return repo.stores.beyond(digest)
    except GitRunsError:
        return None


def _add(tar: tarfile.TarFile, name: str, file: IO[bytes], size: int) -> None:
    facts = tarfile.TarInfo(name)
    facts.size, facts.mode = size, 0o644
    tar.addfile(facts, file)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise AccessDeniedError(f"cannot write '{path}': {error.strerror or error}", kind="read-only") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


# Opening


def read_bundle(repo: Repo, path: Path, *, progress: Progress | None = None) -> UnbundleReport:
    """Takes in what a bundle holds, looked at and merged as by a fetch; twice is once.

    Raises `NotFoundError` (kind `bundle-not-found`), `InvalidInputError` (kind `no-bundle`, `bundle-needs`).
    """
    if not path.is_file():
        raise NotFoundError(f"there is no file '{path}'", kind="bundle-not-found", path=str(path))
    with path.open("rb") as file:
        is_plain = file.read(5) == b"# v2 " or (file.seek(0) == 0 and file.read(5) == b"# v3 ")
    if is_plain:
        return UnbundleReport(fetched=_fetch(repo, path.absolute(), str(path), progress))
    if not tarfile.is_tarfile(path):
        raise InvalidInputError(f"'{path}' is no bundle of runs", kind="no-bundle", path=str(path))
    return _read_tar(repo, path, progress)


def _read_tar(repo: Repo, path: Path, progress: Progress | None) -> UnbundleReport:
    """Opens a tar: nothing in it is written under a name of its own, bytes go to the cache by what they are."""
    fetched, artifacts, bad = None, 0, 0
    repo.folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                key = _KEY.match(member.name)
                if content is None:
                    bad += 1
                elif member.name == BUNDLE_NAME and fetched is None:
                    with tempfile.NamedTemporaryFile(dir=repo.folder, prefix="bundle-") as file:
                        for chunk in _chunks(content):
                            file.write(chunk)
                        file.flush()
                        fetched = _fetch(repo, Path(file.name), str(path), progress)
                elif key is not None:
                    digest, _ = repo.cache.put_stream(_chunks(content))
                    artifacts += digest == key[1] + key[2]
                    bad += digest != key[1] + key[2]
                if progress is not None:
                    progress("reading artifacts", artifacts, None)
    except (tarfile.TarError, EOFError) as error:
        raise CorruptDataError(f"cannot read '{path}': {error}", kind="no-bundle", path=str(path)) from error
    if fetched is None:
        raise InvalidInputError(f"'{path}' is no bundle of runs", kind="no-bundle", path=str(path))
    return UnbundleReport(fetched=fetched, artifacts=artifacts, bad_artifacts=bad)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _fetch(repo: Repo, bundle: Path, shown: str, progress: Progress | None) -> FetchReport:
    store = repo.store
    name = "bundle-" + hashlib.sha256(os.fsencode(bundle)).hexdigest()[:16]
    source = Remote(address=str(bundle), url=str(bundle), mirror=name, tracking=())
    transport = Transport(store.git, store.config, str(bundle), progress=progress)
    _check_needs(repo, bundle, shown)
    mirror = Mirror(store, source, transport, may_cut=False)
    there = {ref: oid for ref, oid in transport.list_refs().items() if is_ours(ref)}
    try:
        mirror.bring(there)
        joiner = Joiner(repo, mirror, time.time_ns() // 1_000_000, progress)
        joined = joiner.join({ref: oid for ref, oid in mirror.refs().items() if there.get(ref) == oid})
    finally:
        mirror.note(dict.fromkeys(mirror.refs()), mirror.refs())
    return _report(shown, joined)


def _check_needs(repo: Repo, bundle: Path, shown: str) -> None:
    missing = [oid for oid in _needs_of(bundle) if not repo.store.backend.has_object(ObjectId(oid))]
    if missing:
        raise InvalidInputError(
            f"cannot open '{shown}': it builds on {len(missing)} commits that are not here ({missing[0][:12]}…)",
            kind="bundle-needs",
            hint="git fetch first; or make the bundle with --with-source",
            missing=missing[:100],
        )


def _needs_of(bundle: Path) -> list[str]:
    found = []
    with bundle.open("rb") as file:
        for line in file:
            if line == b"\n":
                break
            if line.startswith(b"-"):
                found.append(line[1:].split()[0].decode(errors="replace"))
    return found


def _report(shown: str, joined: Joined) -> FetchReport:
    return FetchReport(
        remote=shown,
        new=tuple(joined.new),
        changed=tuple(joined.changed),
        purged=tuple(joined.purged),
        segments=joined.segments,
        experiments=joined.experiments,
        models=joined.models,
        records=joined.records,
        quarantined=tuple(joined.bad),
        waiting=tuple(joined.waiting),
    )
