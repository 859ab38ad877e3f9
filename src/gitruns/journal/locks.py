"""The lock that a writer holds on its file for as long as it lives: the kernel gives it back when the process dies."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl

    def lock_file(fd: int) -> bool:
        """Locks an open file until it is closed; returns whether the file system could."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def lock_is_held(path: Path) -> bool | None:
        """Returns whether somebody holds the lock on the file; None where that cannot be told."""
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError:
            return None
        try:
            # Shared, because NFS grants no exclusive lock to who only reads. Closing the file gives it back.
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return True if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
        finally:
            os.close(fd)
        return False

else:  # no lock that a reader could ask for without being in the way; process ids and the file's time must do

    def lock_file(fd: int) -> bool:
        """Returns False: there is no lock here."""
        return False

    def lock_is_held(path: Path) -> bool | None:
        """Returns None: there is no lock here."""
        return None
