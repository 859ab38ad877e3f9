"""Git's lock files: `<file>.lock`, made by one process only, renamed to the file or removed."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from gitruns.errors import LockedError

PATIENCE_S = 2.0
"""How long a lock is waited for; whoever holds one does so for well below a millisecond."""


class LockFile:
    """Holds `<path>.lock` for the length of a block; what is written to it becomes `path` by `commit`.

    Raises `LockedError` (kind `ref-locked`) when another process holds it for longer than `patience_s`, by default
    `PATIENCE_S`. `make_folder`
    is called when the folder is not there: git removes a folder of refs when the last one in it goes.
    """

    def __init__(
        self, path: Path, what: str, make_folder: Callable[[Path], None], *, patience_s: float | None = None
    ) -> None:
        self._patience_s = PATIENCE_S if patience_s is None else patience_s
        self._path = path
        self._lock = path.with_name(path.name + ".lock")
        self._what = what
        self._make_folder = make_folder
        self._fd = -1
        self._held = False

    def __enter__(self) -> LockFile:
        deadline = time.monotonic() + self._patience_s
        pause_s = 0.0005
        while True:
            try:
                self._fd = os.open(self._lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            except FileNotFoundError:
                self._make_folder(self._lock.parent)
            except FileExistsError:
                if time.monotonic() >= deadline:
                    raise self._locked() from None
                time.sleep(pause_s * (0.5 + random.random()))  # noqa: S311  only spreads those who wait
                pause_s = min(pause_s * 2, 0.05)
            else:
                self._held = True
                return self

    def commit(self, data: bytes, *, prepare: Callable[[Path], None] | None = None) -> None:
        """Writes `data`, lets `prepare` set the new file's mode, and puts it in place; the lock is free then."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        if prepare is not None:
            prepare(self._lock)
        self._lock.rename(self._path)
        self._held = False  # a lock of that name is somebody else's from now on

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)
        if self._held:
            self._held = False
            self._lock.unlink()

    def _locked(self) -> LockedError:
        return LockedError(
            f"cannot lock {self._what}: another process holds it",
            kind="ref-locked",
            hint=f"if no git is running here, remove what a crash has left: rm '{self._lock}'",
            path=str(self._lock),
        )
