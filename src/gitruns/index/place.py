"""Where the file of the index lies."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

FILE_NAME = "index.db"

_NETWORK = frozenset(
    "nfs nfs3 nfs4 cifs smb smb2 smb3 smbfs afs ncpfs 9p ceph lustre gpfs beegfs pvfs2 orangefs glusterfs panfs wekafs "
    "fuse.sshfs fuse.glusterfs fuse.ceph fuse.s3fs fuse.gcsfuse fuse.rclone fuse.juicefs fuse.cvmfs2 fuse.weka davfs "
    "fuse.davfs2 virtiofs afpfs webdav".split()
)
"""File systems whose locks or shared memory SQLite cannot trust between machines. Source: sqlite.org/wal.html, 1."""


def index_path(folder: Path, cache_folder: Path | None) -> Path | None:
    """Returns where the index of a repository lies: `index.db` in its `folder`, or in the user's cache folder.

    The cache folder serves where `folder` is on a network file system. None when there is no good place: the index is
    then kept in memory.
    """
    if not is_on_network(folder):
        return folder / FILE_NAME
    if cache_folder is None or is_on_network(cache_folder):
        return None
    name = hashlib.sha256(os.fsencode(_real(folder))).hexdigest()[:24]
    return cache_folder / "gitruns" / "index" / f"{name}.db"


def is_on_network(path: Path, mounts: str | None = None) -> bool:
    """Returns whether a path lies on a network file system, as far as the system tells; `mounts` is its own table."""
    table = _mounts() if mounts is None else mounts
    real = _real(path)
    longest, kind = -1, ""
    for line in table.splitlines():
        fields = line.split(" ")
        if len(fields) < 10 or "-" not in fields:
            continue
        point = _unescaped(fields[4])
        # Of equal ones the last covers the others.
        if len(point) >= longest and (real == point or real.startswith(point.rstrip("/") + "/")):
            longest, kind = len(point), fields[fields.index("-") + 1]
    return kind in _NETWORK


def _mounts() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # not Linux: nothing to ask
        return ""


def _real(path: Path) -> str:
    return os.path.realpath(path)


def _unescaped(point: str) -> str:
    """Returns a mount point as a path: spaces, tabs, line ends and backslashes are octal there."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(escape, character)
    return point
