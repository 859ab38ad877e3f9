"""Modes in shared repositories are those that git itself would set."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gitruns.gitstore import open_store
from gitruns.gitstore.permissions import parse_shared_mode


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o002])
@pytest.mark.parametrize("shared", ["umask", "group", "all", "true", "0640", "0660", "0600", "2", "nonsense"])
def test_a_shared_repository(tmp_path: Path, shared: str, umask: int) -> None:
    if shared == "nonsense":
        assert not parse_shared_mode(shared)
        return
    old = os.umask(umask)
    try:
        subprocess.run(["git", "init", "-q", f"--shared={shared}", tmp_path], check=True)
        run = {"cwd": tmp_path, "check": True, "capture_output": True}
        theirs = subprocess.run(["git", "hash-object", "-w", "--stdin"], input=b"theirs", **run)  # type: ignore[call-overload]
        store = open_store(tmp_path, environ=os.environ)
        ours = store.backend.write_object("blob", b"ours")
        tip = store.backend.write_object("commit", _commit(store.backend.write_object("tree", b"")))
        store.backend.update_ref("refs/runs/" + "a" * 32, tip, None)
        subprocess.run(["git", "update-ref", "refs/theirs/" + "a" * 32, tip], **run)  # type: ignore[call-overload]
    finally:
        os.umask(old)
    git_dir = tmp_path / ".git"
    oid = theirs.stdout.decode().strip()
    objects = git_dir / "objects"
    assert _mode(objects / ours[:2] / ours[2:]) == _mode(objects / oid[:2] / oid[2:])
    assert _mode(objects / ours[:2]) == _mode(objects / oid[:2])
    assert _mode(git_dir / "refs" / "runs") == _mode(git_dir / "refs" / "theirs")
    assert _mode(git_dir / "refs" / "runs" / ("a" * 32)) == _mode(git_dir / "refs" / "theirs" / ("a" * 32))


def _commit(tree: str) -> bytes:
    who = "Ada <ada@example.org> 1700000000 +0000"
    return f"tree {tree}\nauthor {who}\ncommitter {who}\n\nx\n".encode()


def _mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o7777)
