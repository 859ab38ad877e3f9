"""Killed, full, crowded: what the cache shows is whole, and what is not is cleared away."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitruns.artifacts import ArtifactCache, batch, copying, ingest_folder
from gitruns.errors import GitRunsError

PUT_FOREVER = """
import os, sys
from pathlib import Path
from gitruns.artifacts import ArtifactCache, ingest_folder
cache, folder = ArtifactCache(Path(sys.argv[1])), Path(sys.argv[2])
print("ready", flush=True)
while True:
    for number in range(3):
        (folder / f"small-{number}").write_bytes(os.urandom(100_000))
    (folder / "big").write_bytes(os.urandom(12 << 20))
    for artifact in ingest_folder(cache, folder):
        print(artifact.digest, flush=True)
"""

PUT_ONCE = """
import sys
from pathlib import Path
from gitruns.artifacts import ArtifactCache
sys.stdin.readline()
print(*ArtifactCache(Path(sys.argv[1])).put_file(Path(sys.argv[2])))
"""

FILL = """
import sys
from pathlib import Path
from gitruns.artifacts import ArtifactCache, ingest_folder
from gitruns.errors import GitRunsError
cache = ArtifactCache(Path(sys.argv[1]) / "cache")
kept, _ = cache.put_bytes(b"kept")
for put in (
    lambda: ingest_folder(cache, Path(sys.argv[2])),
    lambda: cache.put_file(Path(sys.argv[2]) / "big"),
    lambda: cache.put_bytes(bytes(5 << 20)),
    lambda: cache.put_stream(bytes(1 << 20) for _ in range(5)),
):
    try:
        put()
    except GitRunsError as error:
        print(error.kind, error)
    assert list(cache.iter_digests()) == [kept], list(cache.iter_digests())
    assert list((cache.root / "tmp").iterdir()) == []
    cache.verify(kept)
"""


def python(program: str, *args: Path) -> list[str]:
    return [sys.executable, "-c", program, *map(str, args)]


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_a_killed_put_leaves_no_half_object(tmp_path: Path, kills: int) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    cache = ArtifactCache(tmp_path / "cache")
    litter = 0
    for number in range(kills):
        child = subprocess.Popen(python(PUT_FOREVER, cache.root, folder), stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        while not list((cache.root / "tmp").glob("*/lock")):  # it is in the middle of a put
            assert child.poll() is None
        time.sleep(0.1 * number / kills)
        child.send_signal(signal.SIGKILL)
        acknowledged = child.stdout.read().split("\n")[:-1]
        child.wait()
        child.stdout.close()
        for digest in acknowledged:
            assert cache.has(digest)  # type: ignore[arg-type] # a digest as text
        for found in cache.iter_digests():
            cache.verify(found)
        litter += len(list((cache.root / "tmp").glob("*/lock")))
        cache.put_bytes(b"put number %d" % number)
        assert list((cache.root / "tmp").glob("*/lock")) == []
    assert litter > 0, "no put was hit: the test shows nothing"


@pytest.mark.parametrize("size", [1_000, batch.SMALL_BYTES + 1])
def test_processes_put_the_same_file_at_once(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    path = tmp_path / "file"
    path.write_bytes(data)
    cache = ArtifactCache(tmp_path / "cache")
    children = [
        subprocess.Popen(
            python(PUT_ONCE, cache.root, path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(6)
    ]
    time.sleep(0.3)  # all have started and wait for the line
    results = {child.communicate(b"go\n", timeout=60) for child in children}
    assert len(results) == 1, results
    output, complaints = results.pop()
    assert complaints == b""
    (digest,) = cache.iter_digests()
    assert output.decode().split() == [digest, str(size)]
    assert cache.get(digest, tmp_path / "target").read_bytes() == data
    assert list((cache.root / "tmp").iterdir()) == []


def test_a_full_disk(tmp_path: Path) -> None:
    """A file system of 3 MiB, in a mount namespace of its own."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(5):
        (folder / f"small-{number}").write_bytes(os.urandom(1 << 20))
    (folder / "big").write_bytes(os.urandom(12 << 20))
    (tmp_path / "disk").mkdir()
    mount = 'mount -t tmpfs -o size=3m none "$0" && exec "$@"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(tmp_path / "disk")]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this system lets us mount nothing")
    done = subprocess.run(
        [*command, *python(FILL, tmp_path / "disk", folder)], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    for line in lines:
        assert line.startswith("disk-full cannot keep ")
        assert line.endswith("/disk/cache': No space left on device")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("after", [0, 5])
def test_a_disk_that_fills_up_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, after: int
) -> None:
    path = tmp_path / "big"
    path.write_bytes(os.urandom(12 << 20))
    cache = ArtifactCache(tmp_path / "cache")
    real = os.pwrite
    calls = iter(range(1000))

    def full(fd: int, data: bytes, offset: int) -> int:
        if next(calls) >= after:
            raise OSError(number, os.strerror(number))
        return real(fd, data, offset)

    monkeypatch.setattr(copying, "clone", lambda source, target_fd: False)
    monkeypatch.setattr(copying.os, "pwrite", full)
    with pytest.raises(GitRunsError, match=r"cannot keep '.*big' in '.*cache'") as caught:
        cache.put_file(path)
    assert (caught.value.kind, bool(caught.value.hint)) == ("disk-full", True)
    assert list(cache.iter_digests()) == []
    assert list((cache.root / "tmp").iterdir()) == []


def test_a_full_disk_under_the_target_of_a_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ArtifactCache(tmp_path / "cache")
    digest, _ = cache.put_bytes(b"x")
    (tmp_path / "target").write_bytes(b"old")

    def full(fd: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(copying, "clone", lambda source, target_fd: False)
    monkeypatch.setattr(copying.os, "pwrite", full)
    with pytest.raises(GitRunsError, match="cannot write 'target' in ") as caught:
        cache.get(digest, tmp_path / "target")
    assert caught.value.kind == "disk-full"
    assert (tmp_path / "target").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "target"]


def test_an_error_at_the_sync_gives_no_object_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    cache = ArtifactCache(tmp_path / "cache")
    monkeypatch.setattr("gitruns.artifacts.durable.os.fsync", broken)
    with pytest.raises(GitRunsError, match="Input/output error"):
        cache.put_bytes(b"x")
    assert list(cache.iter_digests()) == []


def test_many_files_are_synced_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above 64 files one `syncfs` comes before the first name is given, and one after; no fsync a file."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(200):
        (folder / str(number)).write_bytes(b"%d" % number)
    events: list[str] = []
    real_sync, real_rename, real_fsync = batch.sync_files, Path.rename, os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("fsync"), real_fsync(fd))[1])
    monkeypatch.setattr(batch, "sync_files", lambda *a, **k: (real_sync(*a, **k), events.append("synced"))[0])
    monkeypatch.setattr(Path, "rename", lambda self, to: (events.append("named"), real_rename(self, to))[1])
    ingest_folder(ArtifactCache(tmp_path / "cache"), folder)
    assert events.index("synced") < events.index("named")
    assert events.count("named") >= 200
    if sys.platform.startswith("linux"):
        assert events.count("fsync") <= 64
