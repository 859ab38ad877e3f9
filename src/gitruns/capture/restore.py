"""Brings the source of a run back: into a folder, or as a diff against the work tree.

git writes the files, with the line ends that the run's machine had, so filters act as in any checkout; then what only
raw bytes give back is written as it is. Nothing is ever written outside the target.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.artifacts.paths import safe_join
from gitruns.capture.index_file import GITLINK_MODE, IndexEntry, IndexReader
from gitruns.capture.look import Look, read_head_facts
from gitruns.capture.message import parse_message
from gitruns.capture.rules import SnapshotRules
from gitruns.capture.workspace import Workspace
from gitruns.entities.ids import ObjectId
from gitruns.entities.source import LeftOut, Source
from gitruns.errors import AccessDeniedError, CorruptDataError, GitRunsError, InvalidInputError, NotFoundError
from gitruns.gitstore.program import GitProgram

if TYPE_CHECKING:
    from gitruns.gitstore import GitStore

_SUBMODULE_DEPTH = 8

_AUTOCRLF = ("true", "input", "false", "yes", "no", "on", "off", "1", "0")
_EOL = ("lf", "crlf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore wrote: how many files, and what is not there.

    `left_out` is what the source never held; `missing_submodules` are those whose commit is not in this clone.
    """

    commit: ObjectId
    target: Path
    files: int
    left_out: tuple[LeftOut, ...] = ()
    missing_submodules: tuple[str, ...] = ()


def restore_source(
    store: GitStore,
    source: Source,
    target: Path,
    *,
    overwrite: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Restored:
    """Writes the source into a folder, byte for byte as it was; the folder is made when it is not there.

    A folder that holds anything is refused unless `overwrite`; then files of the source replace those in their way
    and all others stay. The repository's index and work tree are not touched. `environ` None is the process's own.
    Raises `NotFoundError` (kind `no-source`, `object-missing`), `InvalidInputError` (kind `target-not-empty`,
    `target-is-work-tree`, `not-a-folder`).
    """
    commit = commit_of(store, source)
    place = _prepared(store, target, overwrite=overwrite)
    settings = _line_ends(source)
    with tempfile.TemporaryDirectory(prefix="gitruns-restore-") as folder:
        entries = _check_out(store.git, commit, place, Path(folder) / "index", settings, overwrite=overwrite)
        raw = parse_message(_message(store, commit))
        _write_raw(store, place, raw, {entry.path: entry for entry in entries})
        submodules = _Submodules(os.environ if environ is None else environ, settings, Path(folder))
        homes = [store.paths.work_tree] if store.paths.work_tree else []
        missing = submodules.restore(homes, place, entries)
    return Restored(
        commit=commit,
        target=place,
        files=sum(entry.mode != GITLINK_MODE for entry in entries),
        left_out=source.left_out,
        missing_submodules=tuple(sorted(missing)),
    )


def commit_of(store: GitStore, source: Source) -> ObjectId:
    """Returns the commit that holds a source; raises `NotFoundError` when there is none, or not here."""
    commit = source.commit
    if commit is None:
        raise NotFoundError("this run has no source: none was captured when it started", kind="no-source")
    if not store.backend.has_object(commit):
        raise NotFoundError(
            f"the source commit '{commit}' is not in this repository",
            kind="object-missing",
            hint=f"git fetch origin {commit}",
            oid=commit,
        )
    return commit


def _prepared(store: GitStore, target: Path, *, overwrite: bool) -> Path:
    """The real path of the target, made and looked at."""
    place = Path(os.path.realpath(target))
    own = [store.paths.git_dir, store.paths.common_dir, store.paths.work_tree]
    for folder in [Path(os.path.realpath(path)) for path in own if path is not None]:
        inside_git = folder != store.paths.work_tree and place.is_relative_to(folder)
        if place == folder or inside_git or folder.is_relative_to(place):
            raise InvalidInputError(
                f"cannot restore into '{target}': it is, or holds, the repository itself",
                kind="target-is-work-tree",
                hint="name a new folder",
            )
    try:
        place.mkdir(parents=True, exist_ok=True)
        with os.scandir(place) as entries:
            empty = next(entries, None) is None
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidInputError(f"cannot restore into '{target}': it is not a folder", kind="not-a-folder") from error
    except OSError as error:
        raise AccessDeniedError(f"cannot restore into '{target}': {error.strerror}", kind="read-only") from error
    if not empty and not overwrite:
        raise InvalidInputError(
            f"cannot restore into '{target}': the folder is not empty",
            kind="target-not-empty",
            hint="name a new folder",
        )
    return place


def _line_ends(source: Source) -> tuple[str, ...]:
    """The run's settings in place of ours, so that the same bytes come out on every machine."""
    autocrlf, eol = (source.autocrlf or "").lower(), (source.eol or "").lower()
    return (
        *("-c", f"core.autocrlf={autocrlf if autocrlf in _AUTOCRLF else 'false'}"),
        *("-c", f"core.eol={eol if eol in _EOL else 'lf'}"),
        *("-c", "core.sparseCheckout=false", "-c", "core.splitIndex=false"),
    )


def _check_out(
    git: GitProgram, commit: str, place: Path, index: Path, settings: Sequence[str], *, overwrite: bool
) -> tuple[IndexEntry, ...]:
    """Lets git write a commit's files into the place; returns what it wrote, submodules included."""
    env = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(place)}
    mode = "--reset" if overwrite else "-m"
    git.run(*settings, "read-tree", mode, "-u", "--end-of-options", f"{commit}^{{tree}}", env=env, cwd=place)
    if not index.exists():  # an empty tree
        return ()
    return tuple(IndexReader(index.read_bytes(), oid_bytes=len(commit) // 2))


def _message(store: GitStore, commit: ObjectId) -> bytes:
    return store.backend.read_object(commit)[1].partition(b"\n\n")[2]


def _write_raw(store: GitStore, place: Path, paths: Collection[bytes], entries: Mapping[bytes, IndexEntry]) -> None:
    """Writes files as their blobs are, where git would convert them; the paths come from outside."""
    for path in paths:
        entry = entries.get(path)
        if entry is None or entry.mode not in (0o100644, 0o100755):
            raise CorruptDataError(
                f"cannot restore '{path.decode(errors='backslashreplace')}': the snapshot has no such file",
                kind="corrupt-source",
            )
        data = store.backend.read_object(ObjectId(entry.oid.hex()))[1]
        file = safe_join(place, os.fsdecode(path))
        # A new file in the place of git's: a link that stands there is replaced, never followed.
        file.unlink(missing_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o777 & entry.mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)


# Submodules


class _Submodules:
    """Writes each submodule at its commit, from the repositories in this clone."""

    def __init__(self, environ: Mapping[str, str], settings: Sequence[str], folder: Path) -> None:
        self._environ = environ
        self._settings = settings
        self._folder = folder
        self._count = 0

    def restore(self, homes: Sequence[Path], place: Path, entries: Sequence[IndexEntry], depth: int = 0) -> list[str]:
        """Restores the submodules among some entries; returns the paths of those whose commit is not here.

        `homes` are the folders in which submodules may stand checked out, under the same paths.
        """
        missing: list[str] = []
        for entry in entries:
            if entry.mode != GITLINK_MODE:
                continue
            name = os.fsdecode(entry.path)
            git_dir = self._repository(homes, name, entry.oid.hex()) if depth < _SUBMODULE_DEPTH else None
            if git_dir is None:
                missing.append(entry.path.decode("utf-8", "backslashreplace"))
                continue
            inner = safe_join(place, name)
            inner.mkdir(parents=True, exist_ok=True)
            found = self._check_out(git_dir, entry.oid.hex(), inner)
            deeper = self.restore([home / name for home in homes], inner, found, depth + 1)
            missing += [f"{name}/{path}" for path in deeper]
        return missing

    def _check_out(self, git_dir: Path, commit: str, inner: Path) -> tuple[IndexEntry, ...]:
        self._count += 1
        index = self._folder / f"index-{self._count}"
        git = GitProgram(git_dir, inner, self._environ)
        return _check_out(git, commit, inner, index, self._settings, overwrite=True)

    def _repository(self, homes: Sequence[Path], name: str, commit: str) -> Path | None:
        """The git folder of a submodule that has the commit: that of the submodule as it is checked out here."""
        for home in homes:
            top = home / name
            if not (top / ".git").exists():
                continue
            try:
                text = GitProgram(None, None, self._environ).run("rev-parse", "--absolute-git-dir", cwd=top)
                git_dir = Path(os.fsdecode(text.rstrip(b"\n")))
                GitProgram(git_dir, None, self._environ).run("cat-file", "-e", f"{commit}^{{commit}}", cwd=top)
            except GitRunsError:
                continue
            return git_dir
        return None


# Diff


def diff_source(
    store: GitStore,
    source: Source,
    rules: SnapshotRules | None = None,
    *,
    options: Sequence[str] = (),
    paths: Sequence[str] = (),
    written: Collection[Path] = (),
    environ: Mapping[str, str] | None = None,
) -> bytes:
    """Returns git's own diff from a source to the work tree as it stands, empty when they are the same.

    The work tree is seen as a snapshot would take it, untracked files included; nothing is kept of that look.
    `options` go to `git diff` (`--stat`, `--color=always`), `paths` limit it. Without a work tree: `InvalidInputError`.
    """
    commit = commit_of(store, source)
    work_tree = store.paths.work_tree
    if work_tree is None:
        raise InvalidInputError("cannot compare with the work tree: a bare repository has none", kind="no-work-tree")
    space = Workspace(store, work_tree, os.environ if environ is None else environ)
    head = store.head().commit
    with space.temporary() as folder:
        facts = read_head_facts(space, head) if head else None
        look = Look(space, facts, rules or SnapshotRules(), written, folder, scratch=True)
        look.key()  # brings the private index up to date
        now = look.make_trees().snapshot_tree
        return look.index.run("diff", *options, f"{commit}^{{tree}}", now, "--", *paths)
