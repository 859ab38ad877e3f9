"""An index file of our own: what git would change in the user's, it changes here.

It begins as a copy of the user's, with what git remembers of each file, so that a look at the tree costs one stat of
each file and no reading.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import IO

from gitruns.entities.ids import ObjectId
from gitruns.errors import AccessDeniedError, GitRunsError
from gitruns.gitstore.program import GitProgram

_OPTIONS = (
    *("-c", "core.safecrlf=false"),  # a mixed file is captured, not refused
    *("-c", "core.splitIndex=false"),  # no second file beside the user's index
    *("-c", "core.untrackedCache=false"),
    *("-c", "advice.addEmbeddedRepo=false"),
    # What a run stands on is on disk when its start returns: one flush for all files, where git can.
    *("-c", "core.fsync=loose-object,pack", "-c", "core.fsyncMethod=batch", "-c", "core.fsyncObjectFiles=true"),
)


class PrivateIndex:
    """git on one private index file of a repository's work tree.

    `scratch` is a folder that takes new objects in place of the repository's own folder, `objects`.
    """

    def __init__(
        self, git: GitProgram, path: Path, work_tree: Path, *, objects: Path, scratch: Path | None = None
    ) -> None:
        self.git = git
        self.path = path
        self.work_tree = work_tree
        self._objects = scratch or objects
        self._env = {"GIT_INDEX_FILE": str(path), "GIT_LITERAL_PATHSPECS": "1"}
        if scratch is not None:
            quoted = '"' + str(objects).replace("\\", "\\\\").replace('"', '\\"') + '"'
            self._env |= {"GIT_OBJECT_DIRECTORY": str(scratch), "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted}

    def seed(self, index: Path) -> None:
        """Copies an index file, with its time: git tells by it which entries it cannot trust.

        A copy with a later time would hide a change made in the same instant in which the user's index was written
        (git's racy rule). Where there is no file yet, there is none after either.
        """
        self.path.unlink(missing_ok=True)
        with suppress(FileNotFoundError), index.open("rb") as source, self.path.open("xb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            found = os.fstat(source.fileno())
            os.utime(self.path, ns=(found.st_atime_ns, found.st_mtime_ns))

    def run(
        self,
        *args: str,
        input: bytes | None = None,  # noqa: A002  subprocess names it so
        env: Mapping[str, str] | None = None,
        ok: Collection[int] = (0,),
    ) -> bytes:
        """Returns what git prints, run at the root of the work tree with this index."""
        full_env = {**self._env, **(env or {})}
        try:
            return self.git.run(*_OPTIONS, *args, input=input, env=full_env, cwd=self.work_tree, ok=ok)
        except GitRunsError as error:
            raise _write_failed(error, self._objects) or error from None

    def stream(self, *args: str) -> AbstractContextManager[IO[bytes]]:
        """Gives git's output as a file while git runs."""
        return self.git.stream(*_OPTIONS, *args, env=self._env, cwd=self.work_tree)

    def look_at(self, assumed: Iterable[bytes], skipped: Iterable[bytes]) -> None:
        """Takes back what git was told not to look at: `assume-unchanged` and `skip-worktree`."""
        for option, paths in (("--no-assume-unchanged", assumed), ("--no-skip-worktree", skipped)):
            listed = _lines(paths)
            if listed:
                self.run("update-index", "-q", option, "-z", "--stdin", input=listed)

    def set_entries(self, entries: Iterable[tuple[int, str, bytes]]) -> None:
        """Sets paths to (mode, object id); mode 0 takes the path away."""
        lines = [f"{mode:06o} {oid}\t".encode() + path + b"\0" for mode, oid, path in entries]
        if lines:
            self.run("update-index", "-z", "--index-info", input=b"".join(lines))

    def add(self, paths: Iterable[bytes]) -> None:
        """Takes files as they are in the work tree, through the filters; one that is gone is taken away."""
        listed = _lines(paths)
        if listed:
            self.run("update-index", "--add", "--remove", "--replace", "-z", "--stdin", input=listed)

    def can_read(self, path: bytes) -> bool:
        """Returns whether git can read a file through its filters; nothing is written."""
        try:
            self.run("hash-object", "--", os.fsdecode(path))
        except GitRunsError:
            return False
        return True

    def write_tree(self) -> ObjectId:
        """Writes the trees of this index and returns the root's id."""
        return ObjectId(self.run("write-tree", "--missing-ok").decode().strip())


def _lines(paths: Iterable[bytes]) -> bytes:
    return b"".join(path + b"\0" for path in paths)


def _write_failed(error: GitRunsError, folder: Path) -> GitRunsError | None:
    """The error for what a disk or its permissions refused, told from git's words; None for any other."""
    said = str(error.facts.get("stderr", "")).lower()
    if "no space left" in said or "disk quota exceeded" in said:
        why, hint = f"cannot write the snapshot in '{folder}': no space left", "free some space there, then try again"
        return GitRunsError(why, kind="disk-full", hint=hint, stderr=said)
    if "insufficient permission for adding an object" in said or "read-only file system" in said:
        why = f"cannot write the snapshot in '{folder}': permission denied"
        return AccessDeniedError(why, kind="read-only", path=str(folder), stderr=said)
    return None
