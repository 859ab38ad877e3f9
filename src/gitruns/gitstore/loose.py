"""Loose objects: one compressed file each, named by its id.

Written here and not by libgit2 or dulwich, in the same time: both engines share it, the operating system's own error
tells a full disk from a read-only one, and modes follow `core.sharedRepository`, which libgit2 does not know.
Source: git's `gitrepository-layout`, `object-file.c`.
"""

from __future__ import annotations

import os
import secrets
import zlib
from contextlib import suppress
from pathlib import Path

from gitruns.entities.ids import ObjectId
from gitruns.gitstore.failures import write_failed
from gitruns.gitstore.git_config import GitConfig

_COMPRESSION = 1
"""Run trees are small and short-lived as loose objects: gc packs them again with its own level."""


class LooseObjects:
    """Writes loose objects below `<objects>/`."""

    def __init__(self, objects: Path, config: GitConfig) -> None:
        self._root = objects
        self._config = config

    def path(self, oid: ObjectId) -> Path:
        """Returns where an object is, when it is loose."""
        return self._root / oid[:2] / oid[2:]

    def freshen(self, oid: ObjectId) -> bool:
        """Makes a loose object young again, so that a gc running now keeps it; returns whether there is one."""
        try:
            os.utime(self.path(oid))
        except FileNotFoundError:
            return False
        except OSError:  # another user's object, or a read-only disk: its age is not ours to change
            return self.path(oid).exists()
        return True

    def write(self, oid: ObjectId, kind: str, data: bytes) -> None:
        """Writes one object under its name; it is complete when it can be seen, but not yet synced."""
        path = self.path(oid)
        packed = zlib.compress(b"%s %d\0%s" % (kind.encode(), len(data), data), _COMPRESSION)
        temporary = path.with_name(f"tmp_obj_{secrets.token_hex(6)}")
        try:
            self._write_new(temporary, packed)
            try:
                self._config.shared_mode().apply_to_file(temporary)
                temporary.rename(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise write_failed("an object", self._root, error) from error

    def _write_new(self, path: Path, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0o444)
        except FileNotFoundError:
            with suppress(FileExistsError):
                path.parent.mkdir()
                self._config.shared_mode().apply_to_folder(path.parent)
            fd = os.open(path, flags, 0o444)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
