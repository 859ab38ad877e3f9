"""Refs of a repository in the `reftable` format, read and moved by the `git` program.

dulwich reads such tables, but writes them without a lock and replaces tables that another process has just added; only
git itself is atomic against git. A listing is kept while `tables.list` stays the same: names of tables never return.
Source: git's `reftable` technical documentation.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from gitruns.entities.ids import ObjectId
from gitruns.errors import LockedError
from gitruns.gitstore import lockfile
from gitruns.gitstore.file_refs import moved
from gitruns.gitstore.paths import RepoPaths
from gitruns.gitstore.program import GitProgram, git_failed

_LINE = "%(objectname) %(refname) %(symref)"  # no name of a ref holds a space


class ReftableRefs:
    """See `RefStore`. git syncs what it writes to the disk, as `core.fsync` says (references are among its default)."""

    def __init__(self, paths: RepoPaths, git: GitProgram) -> None:
        self._git = git
        self._tables = paths.common_dir / "reftable" / "tables.list"
        self._state = b""
        self._listed: dict[str, dict[str, ObjectId]] = {}
        self._symbolic: dict[str, set[str]] = {}

    def read_ref(self, name: str) -> ObjectId | None:
        """Returns what a ref holds."""
        self._forget_if_changed()
        for prefix, listed in self._listed.items():
            if name.startswith(prefix):
                return listed.get(name)
        code, out, stderr = self._git.run_raw("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        if code not in (0, 1):
            raise git_failed(("rev-parse",), code, stderr)
        return ObjectId(out.decode().strip()) if code == 0 else None

    def list_refs(self, prefix: str) -> dict[str, ObjectId]:
        """Returns the refs below a prefix."""
        self._forget_if_changed()
        if prefix not in self._listed:
            out = self._git.run("for-each-ref", f"--format={_LINE}", prefix)
            lines = [line.split(" ") for line in out.decode(errors="surrogateescape").splitlines()]
            self._listed[prefix] = {name: ObjectId(oid) for oid, name, _ in lines}
            self._symbolic[prefix] = {name for _, name, target in lines if target}
        symbolic = self._symbolic[prefix]
        return {name: oid for name, oid in self._listed[prefix].items() if name not in symbolic}

    def list_packed_refs(self, prefix: str) -> dict[str, ObjectId]:
        """Returns none: there is no such file."""
        return {}

    def list_unpacked_refs(self, prefix: str) -> dict[str, ObjectId]:
        """Returns all refs below a prefix."""
        return self.list_refs(prefix)

    def update_ref(self, name: str, new: ObjectId | None, old: ObjectId | None) -> None:
        """Moves a ref by compare-and-set."""
        if new is None and old is None:
            if (found := self.read_ref(name)) is not None:
                raise moved(name, expected=None, found=found)
            return
        deadline = time.monotonic() + lockfile.PATIENCE_S
        while True:
            code, stderr = self._try_update(name, new, old)
            if code == 0:
                return
            current = self.read_ref(name)
            if current != old:
                raise moved(name, expected=old, found=current)
            if "lock" not in stderr:
                raise git_failed(("update-ref",), code, stderr)
            if time.monotonic() > deadline:
                raise LockedError(
                    f"cannot lock ref '{name}': {stderr}",
                    kind="ref-locked",
                    hint=f"if no git is running here, remove what a crash has left: rm '{self._tables}.lock'",
                    ref=name,
                )
            time.sleep(0.005)

    def delete_refs(self, expected: Mapping[str, ObjectId]) -> set[str]:
        """Deletes those of many refs that are at the values given for them, as one transaction of git's."""
        wanted = dict(expected)
        deadline = time.monotonic() + lockfile.PATIENCE_S
        while wanted:
            lines = "".join(f"delete {name} {oid}\n" for name, oid in wanted.items())
            code, stderr = self._update(lines)
            if code == 0:
                return set(wanted)
            if time.monotonic() > deadline:
                break
            # One that has moved fails them all: what is left is tried again.
            held = self.list_refs("refs/")
            still = {name: oid for name, oid in wanted.items() if held.get(name) == oid}
            if still == wanted and "lock" not in stderr:
                raise git_failed(("update-ref",), code, stderr)
            wanted = still
            time.sleep(0.005)
        return set()

    def read_head(self) -> tuple[str | None, ObjectId | None]:
        """Returns branch and commit of HEAD."""
        target = self._git.run("symbolic-ref", "--quiet", "HEAD", ok=(0, 1)).decode(errors="surrogateescape").strip()
        branch = target.removeprefix("refs/heads/")
        commit = self._git.run("rev-parse", "--verify", "--quiet", "HEAD", ok=(0, 1)).decode().strip()
        return (branch if branch != target else None), (ObjectId(commit) if commit else None)

    def sync_refs(self, names: Collection[str]) -> None:
        """Does nothing: git has synced the table with the update."""

    def _try_update(self, name: str, new: ObjectId | None, old: ObjectId | None) -> tuple[int, str]:
        if new is None:
            command = f"delete {name} {old}\n"
        elif old is None:
            command = f"create {name} {new}\n"
        else:
            command = f"update {name} {new} {old}\n"
        return self._update(command)

    def _update(self, commands: str) -> tuple[int, str]:
        code, _, stderr = self._git.run_raw(
            "-c",
            "core.logAllRefUpdates=false",
            "-c",
            "core.fsync=all",
            "update-ref",
            "--no-deref",
            "--stdin",
            input=commands.encode(),
        )
        return code, stderr

    def _forget_if_changed(self) -> None:
        try:
            state = self._tables.read_bytes()
        except FileNotFoundError:
            state = b""
        if state != self._state or not state:
            self._state = state
            self._listed.clear()
