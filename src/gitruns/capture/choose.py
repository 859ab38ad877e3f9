"""What of a dirty tree goes into the snapshot and what is left out, decided before git writes a single object.

A secret that became a git object stays one, so contents are searched first, by us.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from gitruns.capture.rules import SnapshotRules
from gitruns.capture.secrets import find_secrets, scan_stream
from gitruns.capture.worktree import Changes, TrackedChange
from gitruns.entities.source import LeftOut

_CODE_SUFFIXES = frozenset(
    b".py .pyi .pyx .ipynb .toml .yaml .yml .json .cfg .ini .sh .bash .c .h .cc .cpp .hpp .cu .cuh .rs .go .java .jl "
    b".r .R .m .lua .js .ts .sql .proto .tf .gin .md .rst .dockerfile .mk .cmake".split()
)
_CODE_NAMES = frozenset((b"Makefile", b"Dockerfile", b"MLproject", b"requirements.txt"))

ReadBlob = Callable[[str], "bytes | None"]
"""Gives a blob of HEAD, None when it is not at hand."""


@dataclass(slots=True)
class Choice:
    """`take` and `take_untracked` go in as they are; `restore` are entries (mode, id, path) as HEAD has them, mode 0
    where it has none, for what must not go in or is not there."""

    take: list[bytes] = field(default_factory=list)
    take_untracked: list[bytes] = field(default_factory=list)
    restore: list[tuple[int, str, bytes]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def choose(changes: Changes, work_tree: Path, rules: SnapshotRules, read_blob: ReadBlob) -> Choice:
    """Returns what is taken of some changes, by the rules' limits and lists."""
    choice = Choice()
    root = os.fsencode(work_tree)
    for change in changes.tracked:
        _choose_tracked(choice, change, root, rules, read_blob)
    _choose_untracked(choice, changes.untracked, root, rules)
    choice.left_out += [left(path, "nested-repository") for path in changes.closed]
    return choice


def left(path: bytes, reason: str, size: int | None = None) -> LeftOut:
    """Returns the note of a file that is left out; a name that is no UTF-8 is told with its odd bytes escaped."""
    return LeftOut(path=path.decode("utf-8", "backslashreplace"), reason=reason, size=size)


# Tracked files


def _choose_tracked(
    choice: Choice, change: TrackedChange, root: bytes, rules: SnapshotRules, read_blob: ReadBlob
) -> None:
    if change.deleted:
        choice.restore.append(change.as_absent)
        return
    if change.is_submodule:
        choice.take.append(change.path)
        if "M" in change.submodule or "U" in change.submodule[1:]:
            choice.left_out.append(left(change.path, "submodule-changes"))
        return
    reason, size = _why_not_tracked(change, root, rules, read_blob)
    if reason is None:
        choice.take.append(change.path)
        return
    choice.restore.append(change.as_absent if reason == "special" else change.as_in_head)
    choice.left_out.append(left(change.path, reason, size))


def _why_not_tracked(
    change: TrackedChange, root: bytes, rules: SnapshotRules, read_blob: ReadBlob
) -> tuple[str | None, int | None]:
    place = root + b"/" + change.path
    try:
        found = os.lstat(place)
    except OSError:  # gone since git looked: git will find the same
        return None, None
    if stat.S_ISLNK(found.st_mode) or stat.S_ISDIR(found.st_mode):
        return None, None
    if not stat.S_ISREG(found.st_mode):
        return "special", None
    if rules.denies(os.fsdecode(change.path)):
        return "deny-list", found.st_size
    if found.st_size > rules.max_tracked_bytes:
        return "too-large", found.st_size
    secrets = _secrets_in(place)
    if secrets is None:
        return "unreadable", found.st_size
    if secrets and change.head_mode:
        known = read_blob(change.head_oid) or b""
        secrets = {secret for secret in secrets if secret not in known}
    return ("secret", found.st_size) if secrets else (None, None)


def _secrets_in(place: bytes) -> set[bytes] | None:
    """The suspected secrets in a file; None: it cannot be read."""
    try:
        with _opened(place) as stream:
            return scan_stream(stream)
    except OSError:
        return None


def _opened(place: bytes) -> BinaryIO:
    # A pipe put in the file's place meanwhile would block; a link would lead elsewhere.
    return os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


# Untracked files


def _choose_untracked(choice: Choice, paths: Sequence[bytes], root: bytes, rules: SnapshotRules) -> None:
    sized = _with_sizes(choice, paths, root, rules)
    remaining = rules.max_untracked_total_bytes
    # Code first, then what is small: a folder of logs must not push the new module out of the budget.
    for number, (_, size, path) in enumerate(sorted(sized)):
        if number >= rules.max_untracked_files:
            reason: str | None = "too-many"
        elif size > remaining:
            reason = "total-size"
        else:
            reason = _why_not_content(root + b"/" + path, size)
        if reason is None:
            remaining -= max(size, 0)
            choice.take_untracked.append(path)
        else:
            choice.left_out.append(left(path, reason, size))
    choice.take_untracked.sort()


def _with_sizes(
    choice: Choice, paths: Iterable[bytes], root: bytes, rules: SnapshotRules
) -> list[tuple[bool, int, bytes]]:
    """The files whose name and size allow them; a symbolic link counts as -1, its target is never looked at."""
    sized = []
    for path in paths:
        try:
            found = os.lstat(root + b"/" + path)
        except OSError:  # gone since git looked
            continue
        if stat.S_ISLNK(found.st_mode):
            sized.append((False, -1, path))
        elif not stat.S_ISREG(found.st_mode):
            choice.left_out.append(left(path, "special"))
        elif rules.denies(os.fsdecode(path)):
            choice.left_out.append(left(path, "deny-list", found.st_size))
        elif found.st_size > rules.max_untracked_bytes:
            choice.left_out.append(left(path, "too-large", found.st_size))
        else:
            sized.append((not _is_code(path), found.st_size, path))
    return sized


def _is_code(path: bytes) -> bool:
    name = path.rpartition(b"/")[2]
    stem, dot, suffix = name.rpartition(b".")
    return (bool(stem) and dot + suffix in _CODE_SUFFIXES) or name in _CODE_NAMES


def _why_not_content(place: bytes, size: int) -> str | None:
    if size < 0:
        return None
    data = None
    with suppress(OSError), _opened(place) as stream:
        data = stream.read(size + 1)
    if data is None:
        return "unreadable"
    if b"\0" in data:
        return "binary"
    return "secret" if next(find_secrets(data), None) else None


# The list of what was left out

_FOLD_ABOVE = 20
_LONGEST_LIST = 1000


def fold_left_out(left_out: Iterable[LeftOut]) -> tuple[LeftOut, ...]:
    """Returns the list by path, with folders in place of the many files in them that were left out for one reason.

    A folder's path ends in `/` and its size is the sum. Up to 20 files of a folder are told one by one.
    """
    told = sorted(left_out, key=_order)
    told = _folded(told, lambda path: path.rpartition("/")[0], _FOLD_ABOVE)
    if len(told) > _LONGEST_LIST:
        told = _folded(told, lambda path: path.rstrip("/").partition("/")[0], 1)
    return tuple(told)


def _order(item: LeftOut) -> tuple[str, str]:
    return item.path, item.reason


def _folded(items: Sequence[LeftOut], folder_of: Callable[[str], str], above: int) -> list[LeftOut]:
    groups: dict[tuple[str, str], list[LeftOut]] = {}
    for item in items:
        groups.setdefault((folder_of(item.path), item.reason), []).append(item)
    folded = []
    for (folder, reason), group in groups.items():
        if len(group) <= above:
            folded += group
        else:
            folded.append(
                LeftOut(path=(folder or ".") + "/", reason=reason, size=sum(item.size or 0 for item in group))
            )
    return sorted(folded, key=_order)
