"""Refs as files: one small file a ref, many in `packed-refs`, moved under git's own lock files.

Compare and set happen while `<ref>.lock` is held, as every git process does it, so the set is atomic against all of
them. Neither libgit2 nor dulwich is used for it: libgit2 checks "must be absent" before it takes the lock and rewrites
`packed-refs` from what it read without one, so of two creators both win and a concurrent `git pack-refs` can lose
refs; and both write reflogs when `core.logAllRefUpdates` is `always`.
Source: git's `gitrepository-layout`, `refs/files-backend.c`; libgit2's `refdb_fs.c`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from gitruns.entities.ids import ObjectId
from gitruns.errors import ConflictError, CorruptDataError, LockedError
from gitruns.gitstore.durability import sync_paths
from gitruns.gitstore.failures import writing
from gitruns.gitstore.git_config import GitConfig
from gitruns.gitstore.lockfile import LockFile
from gitruns.gitstore.packed_refs import PackedRefs
from gitruns.gitstore.paths import RepoPaths

_MAX_REF_BYTES = 4096
_SYMREF_DEPTH = 5


class FileRefs:
    """The refs of a repository in the `files` format, object ids of `hex_length` digits."""

    def __init__(self, paths: RepoPaths, hex_length: int, config: GitConfig) -> None:
        self._git_dir = paths.git_dir
        self._root = paths.common_dir
        self._packed = PackedRefs(paths.common_dir / "packed-refs", hex_length)
        self._object_id = re.compile(rf"[0-9a-f]{{{hex_length}}}\Z")
        self._config = config

    def read_ref(self, name: str) -> ObjectId | None:
        """Returns what a ref holds, symbolic ones followed, None when there is no such ref.

        Raises `CorruptDataError` (kind `bad-ref`) for a ref whose file holds something else.
        """
        for _ in range(_SYMREF_DEPTH):
            text = self._read_loose(self._root / name)
            if text is None:
                return self._packed.get(name)
            if not text.startswith("ref:"):
                return self._parsed(name, text)
            name = text.removeprefix("ref:").strip()
            if not _is_safe(name):
                break
        raise CorruptDataError(f"cannot read ref '{name}': it is symbolic without end", kind="bad-ref", ref=name)

    def list_refs(self, prefix: str) -> dict[str, ObjectId]:
        """Returns the refs below `prefix` by name; broken and symbolic ones are left out."""
        # Loose before packed: a ref that moves from loose to packed while we look is then seen in one of the two.
        loose = dict(self._loose_refs(prefix.rstrip("/")))
        found = {name: oid for name, oid in self._packed.below(prefix).items() if name not in loose}
        return found | self._plain(loose)

    def list_packed_refs(self, prefix: str) -> dict[str, ObjectId]:
        """Returns what `packed-refs` says of the refs below `prefix`."""
        return self._packed.below(prefix)

    def list_unpacked_refs(self, prefix: str) -> dict[str, ObjectId]:
        """Returns the refs below `prefix` that have a file of their own."""
        return self._plain(dict(self._loose_refs(prefix.rstrip("/"))))

    def _plain(self, loose: Mapping[str, str]) -> dict[str, ObjectId]:
        return {name: ObjectId(text) for name, text in loose.items() if self._object_id.match(text)}

    def update_ref(self, name: str, new: ObjectId | None, old: ObjectId | None) -> None:
        """Moves a ref by compare-and-set; see `RefStore.update_ref`. The file is written, not synced."""
        if not _is_safe(name):
            raise CorruptDataError(f"cannot write ref '{name}': it is no legal name", kind="bad-ref", ref=name)
        path = self._root / name
        with writing(f"ref '{name}'", self._root), LockFile(path, f"ref '{name}'", self._make_folder) as lock:
            current = self._read_under_lock(name, path)
            if current != old:
                raise moved(name, expected=old, found=current)
            if new is not None:
                lock.commit(new.encode() + b"\n", prepare=self._config.shared_mode().apply_to_file)
                return
            # Packed first: a reader sees the old value until both are gone, never an older one from `packed-refs`.
            with (
                self._packed.without(name, self._make_folder),
                suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError),
            ):
                path.unlink()

    def delete_refs(self, expected: Mapping[str, ObjectId]) -> set[str]:
        """Deletes those of many refs that are at the values given for them; see `RefStore.delete_refs`.

        `packed-refs` is written once. Then each file goes under its own lock, one lock at a time, so that a kill leaves
        one behind at most. Packed before loose, as in `update_ref`.
        """
        wanted = {name: oid for name, oid in expected.items() if _is_safe(name)}
        with writing("refs", self._root):
            # Of a ref that is packed and loose, the loose one is what it holds: both go, or neither.
            at = {name for name, oid in wanted.items() if self._read_loose(self._root / name) == oid}
            packed = self._packed.drop(
                lambda name, oid: name in at or (wanted.get(name) == oid and not (self._root / name).exists()),
                self._make_folder,
            )
            gone = {name for name in at if self._delete_loose(name, wanted[name])}
            gone |= packed.keys() - at
        for name in gone:
            with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
                (self._root / "logs" / name).unlink()
        return gone

    def _delete_loose(self, name: str, expected: ObjectId) -> bool:
        path = self._root / name
        try:
            with LockFile(path, f"ref '{name}'", self._make_folder, patience_s=0):
                if self._read_loose(path) != expected:
                    return False
                path.unlink()
                return True
        except LockedError:
            return False

    def read_head(self) -> tuple[str | None, ObjectId | None]:
        """Returns the branch (None: detached) and the commit (None: no commit yet) that HEAD names."""
        text = self._read_loose(self._git_dir / "HEAD")
        if text is None:
            raise CorruptDataError("cannot read 'HEAD': it is missing or empty", kind="bad-ref", ref="HEAD")
        if not text.startswith("ref:"):
            return None, self._parsed("HEAD", text)
        target = text.removeprefix("ref:").strip()
        branch = target.removeprefix("refs/heads/")
        return (branch if branch != target else None), (self.read_ref(target) if _is_safe(target) else None)

    def sync_refs(self, names: Collection[str]) -> None:
        """Makes the named refs durable, `packed-refs` too where one of them is only there."""
        paths = {self._root / name for name in names}
        loose = {path for path in paths if path.is_file()}
        sync_paths(loose, self._root / "refs")
        if loose != paths and self._packed.path.is_file():
            sync_paths({self._packed.path}, self._root)

    def _read_under_lock(self, name: str, path: Path) -> ObjectId | None:
        """Returns the value from the disk, not from what is remembered of it."""
        text = self._read_loose(path)
        return self._packed.get_now(name) if text is None else self._parsed(name, text)

    def _parsed(self, name: str, text: str) -> ObjectId:
        if self._object_id.match(text) is None:
            raise CorruptDataError(f"cannot read ref '{name}': it holds {text[:60]!r}", kind="bad-ref", ref=name)
        return ObjectId(text)

    def _read_loose(self, path: Path) -> str | None:
        """Returns the text of a ref's file, None when it is not there.

        A file that is empty or all zeros is what a power cut leaves of a write that was never synced: not there either.
        """
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            data = os.read(fd, _MAX_REF_BYTES)
        except IsADirectoryError:
            return None
        finally:
            os.close(fd)
        return data.strip(b"\0").decode(errors="replace").strip() or None

    def _loose_refs(self, folder: str) -> Iterator[tuple[str, str]]:
        try:
            entries = list(os.scandir(self._root / folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            name = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from self._loose_refs(name)
            elif not name.endswith(".lock"):
                text = self._read_loose(Path(entry.path))
                if text is not None:
                    yield name, text

    def _make_folder(self, folder: Path) -> None:
        missing = [parent for parent in (folder, *folder.parents) if not parent.is_dir()]
        for path in reversed(missing):
            with suppress(FileExistsError, FileNotFoundError):  # others make and remove the same ones
                path.mkdir()
                self._config.shared_mode().apply_to_folder(path)


def moved(name: str, *, expected: ObjectId | None, found: ObjectId | None) -> ConflictError:
    """Returns the error for a ref that is not where its mover last saw it."""
    return ConflictError(
        f"cannot move ref '{name}': it is {_shown(found)}, not {_shown(expected)}",
        kind="ref-moved",
        ref=name,
        expected=expected,
        found=found,
    )


def _shown(oid: ObjectId | None) -> str:
    return "absent" if oid is None else f"at {oid[:12]}"


def _is_safe(name: str) -> bool:
    """Returns whether a ref's name, as it stands, stays below `refs/`; git's own rules are stricter still."""
    return name.startswith("refs/") and all(
        part not in ("", ".", "..") and not part.endswith(".lock") for part in name.split("/")
    )
