"""A store in a folder that a lab shares: several users, no rights, no space, a disk that is not there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gitruns.artifacts import ArtifactCache, folder_bucket
from gitruns.artifacts.digest import object_key
from gitruns.artifacts.folder_bucket import FolderBucket
from gitruns.entities.ids import Digest
from gitruns.errors import AccessDeniedError, GitRunsError, NotFoundError
from stores.conftest import open_store
from stores.test_faults import make_objects, rooted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    path.mkdir()
    return path


@pytest.mark.parametrize(("root_mode", "folder_mode", "file_mode"), [(0o2775, 0o2775, 0o444), (0o770, 0o770, 0o440)])
def test_what_one_user_makes_the_others_can_use(
    folder: Path, tmp_path: Path, root_mode: int, folder_mode: int, file_mode: int
) -> None:
    folder.chmod(root_mode)
    before = os.umask(0o077)
    try:
        source = ArtifactCache(tmp_path / "source")
        objects = make_objects(source, [10] * 20 + [200_000])
        open_store(folder).upload(objects, source, rooted=rooted(objects))
    finally:
        os.umask(before)
    for path in folder.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (folder_mode if path.is_dir() else file_mode), path


def test_a_folder_of_ones_own_follows_the_umask(folder: Path) -> None:
    folder.chmod(0o700)
    FolderBucket(folder).write("o/00/a", b"x")
    assert stat.S_IMODE((folder / "o").stat().st_mode) & 0o022 == 0


def test_a_shared_cache_is_shared(folder: Path) -> None:
    folder.chmod(0o2770)
    before = os.umask(0o077)
    try:
        digest, _ = ArtifactCache(folder).put_bytes(b"x" * 100)
    finally:
        os.umask(before)
    path = folder / object_key(digest)
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    for above in (path.parent, path.parent.parent, folder / "tmp"):
        assert stat.S_IMODE(above.stat().st_mode) == 0o2770


def test_a_disk_that_is_not_mounted_is_no_store(tmp_path: Path) -> None:
    source = ArtifactCache(tmp_path / "source")
    objects = make_objects(source, [10, 200_000])
    store = open_store(tmp_path / "nowhere")
    result, _ = store.upload(objects, source, rooted=rooted(objects))
    assert result.pending == set(objects)
    assert result.problems[0].kind == "store-not-found"
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(NotFoundError):
        store.has(next(iter(objects)))


AS_NOBODY = """
import concurrent.futures.thread, os, sys
from pathlib import Path
from gitruns.artifacts import ArtifactCache, open_bucket
from gitruns.artifacts.remote import RemoteStore, RootedAs
from gitruns.artifacts.store_url import parse_store_url
open_bucket.open_bucket(parse_store_url("/", Path("/")))
os.setgid(65534); os.setuid(65534)  # Python itself may lie where nobody may look
store = RemoteStore(parse_store_url(sys.argv[1], Path("/")))
digest = sys.argv[2]
with store.open(digest) as file:
    print(len(file.read()))
source = ArtifactCache(Path(sys.argv[3]))
objects = {source.put_bytes(b"new" * 50_000)[0]: 150_000}
rooted = RootedAs(repository="a" * 32, writer="b" * 16, named={None: objects})
result, _ = store.upload(objects, source, rooted=rooted)
print(len(result.pending), result.problems[0].kind)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_who_may_only_read_reads_and_is_told(folder: Path, tmp_path: Path) -> None:
    digest, _ = open_store(folder).put_bytes(b"x" * 1000)
    for path in (folder, *folder.parents):
        if path != Path(path.anchor) and path.is_relative_to("/tmp") and path != Path("/tmp"):
            path.chmod(path.stat().st_mode | 0o055)
    own = tmp_path / "own"
    own.mkdir(mode=0o777)
    own.chmod(0o777)
    command = [sys.executable, "-c", AS_NOBODY, str(folder), digest, str(own)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", env={"HOME": str(own)})
    assert result.stdout.split() == ["1000", "1", "read-only"], result.stderr


def test_a_full_disk_is_said_and_leaves_nothing_half(folder: Path, tmp_path: Path) -> None:
    source = ArtifactCache(tmp_path / "source")
    objects = make_objects(source, [200_000] * 3)
    original = os.fsync

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    folder_bucket.os.fsync = full  # type: ignore[attr-defined]
    try:
        result, _ = open_store(folder).upload(objects, source)
    finally:
        folder_bucket.os.fsync = original  # type: ignore[attr-defined]
    assert result.pending == set(objects)
    assert {error.kind for error in result.problems} == {"disk-full"}
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")
def test_a_disk_that_is_really_full(folder: Path, tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("cannot mount here")
    try:
        source = ArtifactCache(tmp_path / "source")
        objects = make_objects(source, [200_000] * 8)
        result, _ = open_store(folder).upload(objects, source, rooted=rooted(objects))
        assert result.uploaded
        assert result.pending
        assert result.problems[0].kind == "disk-full"
        got = open_store(folder).download(objects, ArtifactCache(tmp_path / "target"))
        assert got.fetched == result.uploaded
        assert got.missing == result.pending
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_rename_whose_answer_was_lost_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system does it, loses the answer, does it again, and says that there is nothing to rename."""
    replace = Path.replace

    def twice(self: Path, target: Path) -> Path:
        replace(self, target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", twice)
    bucket = FolderBucket(folder)
    bucket.write("o/00/a", b"data")
    assert bucket.read("o/00/a", 0, 4) == b"data"


def test_a_link_whose_answer_was_lost_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", twice)
    FolderBucket(folder).write("r/a", b"data", create=True)
    monkeypatch.setattr(os, "link", link)
    with pytest.raises(FileExistsError):
        FolderBucket(folder).write("r/a", b"other", create=True)


def test_strange_files_beside_the_objects_are_no_objects(folder: Path) -> None:
    store = open_store(folder)
    digest, _ = store.put_bytes(b"x")
    (folder / "o" / "README").write_text("hello")
    (folder / "o" / digest[:2] / ".nfs0001").write_text("open elsewhere")
    (folder / "o" / digest[:2] / "Thumbs.db").write_text("")
    (folder / "o" / "zz").symlink_to("/etc")
    (folder / "lost+found").mkdir()
    assert list(store.iter_digests()) == [digest]
    report = store.collector("a" * 32, "b" * 16).run(dry_run=True)
    assert (report.live, report.marked) == (0, 1)


def test_an_object_of_another_length_is_not_even_read(folder: Path, tmp_path: Path) -> None:
    store = open_store(folder)
    digest, _ = store.put_bytes(b"x" * 10)
    path = folder / object_key(digest)
    path.chmod(0o644)
    os.truncate(path, 1 << 40)  # a hole of a tebibyte
    target = ArtifactCache(tmp_path / "target")
    result = open_store(folder).download([digest], target, sizes={digest: 10})
    assert result.problems[digest].kind == "artifact-corrupt"
    assert list(target.iter_digests()) == []


def test_a_symlink_in_the_place_of_an_object_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    digest, _ = open_store(folder).put_bytes(b"x" * 200_000)
    path = folder / object_key(digest)
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(GitRunsError):
        open_store(folder).open(digest)


PUSH = """
import sys
from pathlib import Path
folder, root, number, tests = *map(Path, sys.argv[1:3]), *sys.argv[3:]
sys.path.insert(0, tests)
from gitruns.artifacts import ArtifactCache
from stores.conftest import open_store
from stores.test_faults import make_objects, rooted
source = ArtifactCache(root / f"source{number}")
shared = {source.put_bytes(bytes([count]) * 150_000)[0]: 150_000 for count in range(10)}
objects = {**shared, **make_objects(source, [500] * 40 + [200_000] * 3)}
result, _ = open_store(folder, root / f"state{number}").upload(objects, source, rooted=rooted(objects))
assert not result.pending, result.problems
print(*objects)
"""


def test_many_processes_push_at_once(folder: Path, tmp_path: Path) -> None:
    tests = str(Path(__file__).parent.parent)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PUSH, str(folder), str(tmp_path), str(number), tests],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    wanted = {Digest(word) for process in processes for word in process.communicate()[0].split()}
    assert len(wanted) == 10 + 3 * 43
    assert open_store(folder).download(wanted, ArtifactCache(tmp_path / "target")).fetched == wanted
    assert list(FolderBucket(folder).leftovers(0)) == []


def test_an_unreadable_object_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest, _ = open_store(folder).put_bytes(b"x" * 10)
    opened = os.open

    def denied(path: Any, *arguments: Any, **named: Any) -> int:
        if str(path).endswith(object_key(digest)):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **named)

    store = open_store(folder)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", denied)
        with pytest.raises(AccessDeniedError) as caught:
            store.bucket.read(object_key(digest), 0, 1)
    assert caught.value.kind == "store-denied"
