"""The `packed-refs` file: many refs in one file, one `<id> <name>` line each.

Source: git's `refs/packed-backend.c`. A line that begins with `^` is what the tag on the line before it peels to.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gitruns.entities.ids import ObjectId
from gitruns.gitstore.lockfile import LockFile

_RACY_NS = 100_000_000
"""A file younger than this when it was read may change again without its stat telling so."""


class PackedRefs:
    """Reads one `packed-refs`, remembering its bytes while its stat says that it is the same file."""

    def __init__(self, path: Path, hex_length: int) -> None:
        self.path = path
        self._line = rf"^([0-9a-f]{{{hex_length}}}) (%s[^\n]*)$"
        self._hex_length = hex_length
        # Stat and bytes together: threads may read at once, and none may pair the one with the other's.
        self._known: tuple[tuple[int, ...] | None, bytes] = (None, b"")

    def get(self, name: str) -> ObjectId | None:
        """Returns what the file says a ref holds, None when it says nothing."""
        return self._find(self._read(), name)

    def get_now(self, name: str) -> ObjectId | None:
        """Returns the same, read from the disk whatever the stat says."""
        return self._find(self._read(anew=True), name)

    def below(self, prefix: str) -> dict[str, ObjectId]:
        """Returns the refs whose names begin with `prefix`."""
        data = self._read()
        # Git keeps the file sorted, so they lie side by side; were it not, more lines than these would be looked at.
        wanted = b" " + prefix.encode(errors="surrogateescape")
        first = data.find(wanted)
        if first < 0:
            return {}
        end = data.find(b"\n", data.rfind(wanted))
        lines = data[max(first - self._hex_length, 0) : len(data) if end < 0 else end + 1]
        pattern = (self._line % re.escape(prefix)).encode(errors="surrogateescape")
        return {
            match[2].decode(errors="surrogateescape"): ObjectId(match[1].decode())
            for match in re.finditer(pattern, lines, re.MULTILINE)
        }

    @contextmanager
    def without(self, name: str, make_folder: Callable[[Path], None]) -> Iterator[None]:
        """Takes a ref out of the file and keeps the file locked for the length of a block, in which the loose one goes.

        Without the lock a `git pack-refs` that has read the loose ref could put it back, also after it has gone.
        """
        target = self.path.resolve()  # git lets it be a symbolic link
        with LockFile(target, "'packed-refs'", make_folder):
            data = self._read(anew=True)
            if self._find(data, name) is not None:
                pattern = rf"^[0-9a-f]{{{self._hex_length}}} {re.escape(name)}\n(?:\^[0-9a-f]+\n)?"
                self._replace(target, re.sub(pattern.encode(), b"", data, flags=re.MULTILINE))
            yield

    def drop(self, gone: Callable[[str, ObjectId], bool], make_folder: Callable[[Path], None]) -> dict[str, ObjectId]:
        """Takes all refs out of the file that `gone` says yes to, in one rewrite, and returns them."""
        dropped: dict[str, ObjectId] = {}
        target = self.path.resolve()
        with LockFile(target, "'packed-refs'", make_folder):
            kept: list[bytes] = []
            keeping = True
            for line in self._read(anew=True).splitlines(keepends=True):
                if not line.startswith(b"^"):  # what a tag peels to goes with the tag
                    keeping = True
                    text = line.decode(errors="surrogateescape").rstrip("\n")
                    oid, _, name = text.partition(" ")
                    if not line.startswith(b"#") and gone(name, ObjectId(oid)):
                        keeping = False
                        dropped[name] = ObjectId(oid)
                if keeping:
                    kept.append(line)
            if dropped:
                self._replace(target, b"".join(kept))
        return dropped

    def _replace(self, target: Path, data: bytes) -> None:
        """Writes the file anew under its lock, in git's own way: beside the lock, which stays."""
        new = target.with_name(f"{target.name}.new")
        try:
            new.unlink(missing_ok=True)  # of somebody who has crashed, for the lock is ours
            with new.open("xb") as file:
                file.write(data)
            self._keep_mode(new)
            new.rename(target)
        except BaseException:
            new.unlink(missing_ok=True)
            raise

    def _keep_mode(self, new: Path) -> None:
        mode = self.path.stat().st_mode & 0o777
        if new.stat().st_mode & 0o777 != mode:
            new.chmod(mode)

    def _find(self, data: bytes, name: str) -> ObjectId | None:
        place = data.find(b" " + name.encode(errors="surrogateescape") + b"\n", self._hex_length)
        if place < 0:
            return None
        text = data[place - self._hex_length : place]
        return ObjectId(text.decode()) if re.fullmatch(rb"[0-9a-f]+", text) else None

    def _read(self, *, anew: bool = False) -> bytes:
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                key = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
                known, data = self._known
                if anew or key != known:
                    data = file.read()
                    # Within the clock's grain a rewrite may leave inode, size and times equal.
                    self._known = (key if time.time_ns() - found.st_ctime_ns > _RACY_NS else None, data)
                return data
        except FileNotFoundError:
            return b""
