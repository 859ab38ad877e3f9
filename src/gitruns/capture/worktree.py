"""What stands in a work tree that is not in HEAD, as git itself tells it.

Paths are bytes, relative to the work tree's root, with `/` between parts. Source: git-status(1), porcelain version 2.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitruns.capture.index_file import GITLINK_MODE
from gitruns.capture.private_index import PrivateIndex
from gitruns.capture.rules import NEVER_CAPTURED, VENV_MARK, SnapshotRules, is_within
from gitruns.entities.ids import ObjectId
from gitruns.errors import GitRunsError, InternalError
from gitruns.gitstore.program import GitProgram

_NESTED_DEPTH = 8


@dataclass(frozen=True, slots=True)
class TrackedChange:
    """One path of HEAD or of the index that is not as HEAD has it.

    `head_mode` is 0 where HEAD has no such path. `deleted`: it is not in the work tree. `submodule` is git's word for
    the state of a submodule (`SCMU`, dots where not), `N...` for anything else.
    """

    path: bytes
    head_mode: int
    head_oid: str
    deleted: bool
    submodule: str
    is_submodule: bool

    @property
    def as_in_head(self) -> tuple[int, str, bytes]:
        """The entry (mode, id, path) that HEAD has, mode 0 for none."""
        return (self.head_mode, self.head_oid, self.path) if self.head_mode else self.as_absent

    @property
    def as_absent(self) -> tuple[int, str, bytes]:
        """The entry that takes the path away."""
        return (0, "0" * len(self.head_oid), self.path)


@dataclass(frozen=True, slots=True)
class Changes:
    """All that differs from HEAD, each list sorted by path.

    `closed` are nested repositories that git may not read. `elsewhere` are entries (mode, id, path) of HEAD, mode 0 for
    none, for what is staged outside the paths that were looked at.
    """

    tracked: tuple[TrackedChange, ...]
    untracked: tuple[bytes, ...] = ()
    closed: tuple[bytes, ...] = ()
    elsewhere: tuple[tuple[int, str, bytes], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tracked or self.untracked or self.closed)


def list_changes(
    index: PrivateIndex,
    rules: SnapshotRules,
    written: Iterable[Path],
    *,
    head: ObjectId | None,
    outside: GitProgram,
    submodules: bool,
) -> Changes:
    """Returns what differs from HEAD within the rules' paths; files below `written` are left away.

    The look for untracked files runs beside the stat pass of the tracked ones. `submodules` says that there are some:
    git then also refreshes their index files when it may, so it may not. `outside` is git on no repository.
    """
    only = rules.roots
    elsewhere = _staged_elsewhere(index, only, head) if only else ()
    if rules.mode == "tracked":
        return Changes(_status(index, only, submodules=submodules), elsewhere=elsewhere)
    with index.stream(*_others_command(only)) as output:
        tracked = _status(index, only, submodules=submodules)
        others = output.read().split(b"\0")
    found, closed = _with_nested(outside, index.work_tree, sorted(path for path in others if path))
    ours = [os.fsencode(path) for path in _relative(index.work_tree, written)]
    return Changes(tracked, tuple(_without(found, ours)), tuple(closed), elsewhere)


def _staged_elsewhere(
    index: PrivateIndex, roots: Sequence[bytes], head: ObjectId | None
) -> tuple[tuple[int, str, bytes], ...]:
    """HEAD's entries for what is staged outside some paths: the source is HEAD's there."""
    base = head or index.run("hash-object", "-t", "tree", "--stdin", input=b"").decode().strip()
    fields = index.run("diff-index", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", base, "--").split(b"\0")
    entries = []
    for facts, path in zip(fields[0::2], fields[1::2], strict=False):
        mode, _, oid, _, _ = facts.lstrip(b":").split(b" ")
        if not is_within(path, roots):
            entries.append((int(mode, 8), oid.decode(), path))
    return tuple(dict.fromkeys(entries))


def _status(index: PrivateIndex, only: Sequence[bytes], *, submodules: bool) -> tuple[TrackedChange, ...]:
    output = index.run(
        "status",
        "--porcelain=v2",
        "-z",
        "--untracked-files=no",
        "--no-renames",
        "--ignore-submodules=none",
        "--no-ahead-behind",
        "--",
        *map(os.fsdecode, only),
        env={"GIT_OPTIONAL_LOCKS": "0" if submodules else "1"},
    )
    return tuple(sorted(_parse_status(output), key=lambda change: change.path))


def _parse_status(output: bytes) -> Iterable[TrackedChange]:
    for line in output.split(b"\0"):
        kind = line[:2]
        if kind == b"1 ":
            _, _, sub, head_mode, index_mode, mode, head_oid, _, path = line.split(b" ", 8)
        elif kind == b"u ":  # stage 2 of a conflict is what HEAD has
            _, _, sub, _, head_mode, index_mode, mode, _, head_oid, _, path = line.split(b" ", 10)
        elif not line or kind in (b"# ", b"? ", b"! "):
            continue
        else:
            raise InternalError(f"cannot read git's status: line '{line[:60].decode(errors='replace')}'")
        modes = [int(mode, 8) for mode in (head_mode, index_mode, mode)]
        yield TrackedChange(
            path=path,
            head_mode=modes[0],
            head_oid=head_oid.decode(),
            deleted=modes[2] == 0,
            submodule=sub.decode(),
            is_submodule=GITLINK_MODE in modes[1:] or (modes[2] == 0 and modes[0] == GITLINK_MODE),
        )


# Untracked files


def _others_command(only: Sequence[bytes]) -> list[str]:
    never = [f"--exclude={pattern}" for pattern in NEVER_CAPTURED]
    return ["ls-files", "-z", "--others", "--exclude-standard", *never, "--", *map(os.fsdecode, only)]


def _with_nested(
    git: GitProgram, work_tree: Path, paths: Sequence[bytes], depth: int = 0
) -> tuple[list[bytes], list[bytes]]:
    """Looks into repositories that lie untracked in this one: git stops at their door, but their files ran as well."""
    found: list[bytes] = []
    closed: list[bytes] = []
    for path in paths:
        if not path.endswith(b"/"):
            found.append(path)
            continue
        inside = _files_of_nested(git, work_tree, path) if depth < _NESTED_DEPTH else None
        if inside is None:
            closed.append(path)
            continue
        deeper, shut = _with_nested(git, work_tree, inside, depth + 1)
        found += deeper
        closed += shut
    return sorted(found), sorted(closed)


def _files_of_nested(git: GitProgram, work_tree: Path, folder: bytes) -> list[bytes] | None:
    """The files of a nested repository that it does not ignore, the folder's name before them; None: unreadable."""
    top = work_tree / os.fsdecode(folder)
    never = [f"--exclude={pattern}" for pattern in NEVER_CAPTURED]
    listing = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", *never)
    try:
        # Its own repository or none: a broken one must not be read as a part of the repository around it.
        output = git.run(*listing, cwd=top, env={"GIT_CEILING_DIRECTORIES": str(top.parent)})
    except GitRunsError:
        return None
    return [folder + path for path in dict.fromkeys(output.split(b"\0")) if _is_plain(path)]


def _is_plain(path: bytes) -> bool:
    """Whether a path stays below its folder: git does not check the names in an index that it only lists."""
    parts = path.removesuffix(b"/").split(b"/")
    return not any(part in (b"", b".", b"..") or part.lower() == b".git" for part in parts)


def _relative(work_tree: Path, paths: Iterable[Path]) -> list[str]:
    root = os.path.realpath(work_tree)
    found = []
    for path in paths:
        place = os.path.realpath(path if path.is_absolute() else work_tree / path)
        if place.startswith(root + os.sep):
            found.append(place[len(root) + 1 :])
    return found


def _without(paths: Sequence[bytes], written: Sequence[bytes]) -> list[bytes]:
    """Takes away what runs wrote, and every folder that is a virtual environment."""
    files = set(written)
    folders = {path + b"/" for path in written}
    for path in paths:
        if path.rpartition(b"/")[2] == VENV_MARK and b"/" in path:
            folders.add(path[: -len(VENV_MARK)])
    return [path for path in paths if path not in files and not _is_below(path, folders)]


def _is_below(path: bytes, folders: set[bytes]) -> bool:
    if not folders:
        return False
    end = path.find(b"/")
    while end >= 0:
        if path[: end + 1] in folders:
            return True
        end = path.find(b"/", end + 1)
    return False
