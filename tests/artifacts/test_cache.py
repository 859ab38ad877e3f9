"""The cache holds the contract of every store, and what it promises of the disk."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitruns.artifacts import ArtifactCache, ArtifactStore
from gitruns.artifacts import batch as batch_module
from gitruns.artifacts.digest import digest_of, object_path
from gitruns.entities.ids import Digest
from gitruns.errors import AccessDeniedError, CorruptDataError, GitRunsError, InvalidInputError, NotFoundError
from gitruns.testing.artifact_store import ArtifactStoreContract

BIG = batch_module.SMALL_BYTES + 12_345


def everything(root: Path) -> list[str]:
    """Returns the files below a folder, relative, sorted."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


@pytest.fixture
def cache(tmp_path: Path) -> ArtifactCache:
    return ArtifactCache(tmp_path / "cache")


def big_file(folder: Path, *, seed: int = 0, size: int = BIG) -> Path:
    path = folder / f"big-{seed}"
    path.write_bytes(hashlib.shake_128(seed.to_bytes(8, "big")).digest(size))
    return path


@contextmanager
def unprivileged(folder: Path) -> Iterator[Path]:
    """A folder in which this process has to ask for rights, also when it is root's."""
    if os.geteuid() != 0:
        yield folder
        return
    os.chown(folder, 65534, 65534)
    os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(0)


class TestCacheIsAStore(ArtifactStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ArtifactStore:
        return ArtifactCache(tmp_path / "cache")

    def tamper(self, store: ArtifactStore, digest: Digest, data: bytes) -> None:
        assert isinstance(store, ArtifactCache)
        path = object_path(store.root, digest)
        path.chmod(0o644)
        path.write_bytes(data)


class TestObjects:
    def test_it_lies_under_its_digest_and_is_read_only(self, cache: ArtifactCache) -> None:
        digest, _ = cache.put_bytes(b"x")
        assert everything(cache.root) == [f"o/{digest[:2]}/{digest[2:]}"]
        assert object_path(cache.root, digest).stat().st_mode & 0o777 == 0o444
        assert list((cache.root / "tmp").iterdir()) == []

    def test_a_big_file_is_read_only_too_and_leaves_one_sketch(self, cache: ArtifactCache, tmp_path: Path) -> None:
        digest, size = cache.put_file(big_file(tmp_path))
        assert size == BIG
        assert object_path(cache.root, digest).stat().st_mode & 0o777 == 0o444
        assert len(list((cache.root / "seen").iterdir())) == 1

    def test_names_are_safe_where_case_is_lost(self, cache: ArtifactCache, tmp_path: Path) -> None:
        for name in ("A", "a", "É", "é"):
            (tmp_path / name).write_text(name)
            cache.put_file(tmp_path / name)
        names = everything(cache.root / "o")
        assert len({name.casefold() for name in names}) == len(names) == 4
        assert all(name.isascii() for name in names)

    def test_what_others_left_among_the_objects_is_no_object(self, cache: ArtifactCache) -> None:
        digest, _ = cache.put_bytes(b"x")
        (cache.root / "o" / "README").write_text("hello")
        (cache.root / "o" / digest[:2] / "junk").write_text("hello")
        (cache.root / "o" / "zz").mkdir()
        assert list(cache.iter_digests()) == [digest]
        assert cache.total_bytes() == 1

    def test_a_broken_object_is_set_aside_not_deleted(self, cache: ArtifactCache) -> None:
        digest, _ = cache.put_bytes(b"right")
        TestCacheIsAStore().tamper(cache, digest, b"wrong")
        with pytest.raises(CorruptDataError, match=digest):
            cache.verify(digest)
        assert (cache.root / "corrupt" / digest).read_bytes() == b"wrong"
        assert not cache.has(digest)

    def test_a_broken_big_object_is_noticed(self, cache: ArtifactCache, tmp_path: Path) -> None:
        digest, _ = cache.put_file(big_file(tmp_path))
        path = object_path(cache.root, digest)
        path.chmod(0o644)
        with open(path, "r+b") as file:
            file.seek(BIG - 1)
            last = file.read(1)
            file.seek(BIG - 1)
            file.write(bytes([last[0] ^ 1]))
        with pytest.raises(CorruptDataError):
            cache.get(digest, tmp_path / "target")
        assert not (tmp_path / "target").exists()

    def test_open_checks_again_after_the_object_changed(self, cache: ArtifactCache) -> None:
        digest, _ = cache.put_bytes(b"right")
        cache.open(digest).close()
        TestCacheIsAStore().tamper(cache, digest, b"wrong")
        with pytest.raises(CorruptDataError):
            cache.open(digest)

    def test_open_hashes_once_a_process(self, cache: ArtifactCache, monkeypatch: pytest.MonkeyPatch) -> None:
        digest, _ = cache.put_bytes(b"right")
        cache.open(digest).close()
        monkeypatch.setattr("gitruns.artifacts.cache.hash_source", None)
        with cache.open(digest) as file:
            assert file.read() == b"right"

    def test_a_symlink_in_an_object_s_place_is_not_followed(self, cache: ArtifactCache, tmp_path: Path) -> None:
        digest = digest_of(b"x")
        (tmp_path / "elsewhere").write_bytes(b"x")
        path = object_path(cache.root, digest)
        path.parent.mkdir(parents=True)
        path.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(InvalidInputError):
            cache.open(digest)
        cache.put_bytes(b"x")
        assert not path.is_symlink()
        with cache.open(digest) as file:
            assert file.read() == b"x"

    def test_a_put_again_freshens_the_object(self, cache: ArtifactCache) -> None:
        digest, _ = cache.put_bytes(b"x")
        path = object_path(cache.root, digest)
        os.utime(path, (1, 1))
        cache.put_bytes(b"x")
        assert path.stat().st_mtime > time.time() - 60


class TestSources:
    def test_special_files_are_refused_by_name(self, cache: ArtifactCache, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        (tmp_path / "link").symlink_to("file")
        (tmp_path / "dangling").symlink_to("nowhere")
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "folder").mkdir()
        with socket.socket(socket.AF_UNIX) as listening:
            here = Path.cwd()
            os.chdir(tmp_path)  # a socket's path may only be short
            listening.bind("socket")
            os.chdir(here)
            for path, kind in {
                tmp_path / "link": "a symbolic link",
                tmp_path / "dangling": "a symbolic link",
                tmp_path / "pipe": "a named pipe",
                tmp_path / "socket": "a socket",
                tmp_path / "folder": "a folder",
                Path("/dev/null"): "a character device",
            }.items():
                with pytest.raises(InvalidInputError, match=rf"cannot store '.*{path.name}': it is {kind}") as caught:
                    cache.put_file(path)
                assert caught.value.kind == "not-a-regular-file"
        assert not cache.root.exists()

    def test_the_hint_for_a_symlink_names_its_target(self, cache: ArtifactCache, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("model.bin")
        with pytest.raises(InvalidInputError) as caught:
            cache.put_file(tmp_path / "link")
        assert str(tmp_path / "model.bin") in (caught.value.hint or "")

    def test_a_missing_file(self, cache: ArtifactCache, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match=r"cannot find file '.*two\\nlines'") as caught:
            cache.put_file(tmp_path / "two\nlines")
        assert caught.value.kind == "file-not-found"

    def test_a_file_that_does_not_know_its_size(self, cache: ArtifactCache) -> None:
        path = Path("/proc/self/limits")
        if not path.exists():
            pytest.skip("no /proc here")
        digest, size = cache.put_file(path)
        assert size > 0
        with cache.open(digest) as file:
            assert file.read() == path.read_bytes()

    @pytest.mark.parametrize("size", [1000, BIG])
    def test_a_file_that_never_rests_is_refused(
        self, cache: ArtifactCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        """The writer strikes between the last read and the look at the file's mark, each time."""
        path = big_file(tmp_path, size=size)
        real = batch_module.SourceFile.read

        def read_then_write(self: batch_module.SourceFile, length: int, offset: int) -> bytes:
            data = real(self, length, offset)
            if self.path == path:
                with open(path, "r+b") as file:
                    file.write(os.urandom(8))
            return data

        monkeypatch.setattr(batch_module.SourceFile, "read", read_then_write)
        with pytest.raises(InvalidInputError, match="it changed while it was read") as caught:
            cache.put_file(path)
        assert caught.value.kind == "file-changed"
        assert [name for name in everything(cache.root) if name.startswith(("o/", "tmp/"))] == []

    def test_a_file_that_rests_in_time_is_taken(self, cache: ArtifactCache, tmp_path: Path) -> None:
        path = tmp_path / "log"
        path.write_bytes(b"")
        stop = threading.Event()

        def write() -> None:
            with open(path, "ab", buffering=0) as file:
                while not stop.wait(0.02):
                    file.write(b"line\n")

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(20):
                digest, size = cache.put_file(path)
                with cache.open(digest) as file:
                    assert file.read() == b"line\n" * (size // 5)
        finally:
            stop.set()
            writer.join()

    def test_a_file_replaced_while_read_is_the_old_one_whole(
        self, cache: ArtifactCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = big_file(tmp_path)
        new = big_file(tmp_path, seed=1)
        expected = {digest_of(path.read_bytes()), digest_of(new.read_bytes())}
        real = batch_module.SourceFile.read

        def read_then_replace(self: batch_module.SourceFile, length: int, offset: int) -> bytes:
            if new.exists():
                new.replace(path)
            return real(self, length, offset)

        monkeypatch.setattr(batch_module.SourceFile, "read", read_then_replace)
        digest, _ = cache.put_file(path)
        assert digest in expected
        cache.verify(digest)


class TestBigFiles:
    def test_equal_start_and_end_do_not_make_files_equal(self, cache: ArtifactCache, tmp_path: Path) -> None:
        """Sketches only guess: a file that differs from a stored one outside of the samples is stored as itself."""
        one = bytearray(big_file(tmp_path).read_bytes())
        first, _ = cache.put_file(tmp_path / "big-0")
        one[5000] ^= 1
        (tmp_path / "other").write_bytes(one)
        second, _ = cache.put_file(tmp_path / "other")
        assert first != second
        assert len(list((cache.root / "seen").iterdir())) == 1
        cache.verify(first)
        cache.verify(second)

    def test_a_second_put_writes_nothing(
        self, cache: ArtifactCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = big_file(tmp_path)
        first = cache.put_file(path)
        monkeypatch.setattr(batch_module.TemporaryArea, "create", None)
        assert cache.put_file(path) == first

    def test_without_the_sketch_a_second_put_still_keeps_one(self, cache: ArtifactCache, tmp_path: Path) -> None:
        path = big_file(tmp_path)
        first = cache.put_file(path)
        for sketch in (cache.root / "seen").iterdir():
            sketch.unlink()
        assert cache.put_file(path) == first
        assert len(list(cache.iter_digests())) == 1
        assert list((cache.root / "tmp").iterdir()) == []

    def test_what_was_cloned_is_hashed_after(
        self, cache: ArtifactCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Stands in for a file system with reflinks, on which the rest of this suite shows the real thing."""

        def clone(source: batch_module.SourceFile, target_fd: int) -> bool:
            os.pwrite(target_fd, source.path.read_bytes(), 0)
            return True

        monkeypatch.setattr("gitruns.artifacts.copying.clone", clone)
        monkeypatch.setattr("gitruns.artifacts.copying._write_blocks", None)
        path = big_file(tmp_path)
        digest, size = cache.put_file(path)
        assert (digest, size) == (digest_of(path.read_bytes()), BIG)
        assert cache.get(digest, tmp_path / "target").read_bytes() == path.read_bytes()
        TestCacheIsAStore().tamper(cache, digest, b"wrong")
        with pytest.raises(CorruptDataError):
            cache.get(digest, tmp_path / "target")

    def test_a_sketch_whose_object_is_gone_does_no_harm(self, cache: ArtifactCache, tmp_path: Path) -> None:
        path = big_file(tmp_path)
        digest, _ = cache.put_file(path)
        object_path(cache.root, digest).unlink()
        assert cache.put_file(path) == (digest, BIG)
        cache.verify(digest)

    @settings(max_examples=15, deadline=None)
    @given(
        pieces=st.lists(
            st.tuples(st.booleans(), st.integers(1, 40)),
            min_size=1,
            max_size=8,
        )
    )
    def test_holes_anywhere_come_back(
        self, pieces: list[tuple[bool, int]], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        folder = tmp_path_factory.mktemp("sparse")
        cache = ArtifactCache(folder / "cache")
        path = folder / "sparse"
        with open(path, "wb") as file:
            for is_hole, blocks in pieces:
                if is_hole:
                    file.seek(blocks * 20_000, os.SEEK_CUR)
                else:
                    file.write(os.urandom(4096) * blocks)
            file.truncate(file.tell() + BIG)
        digest, size = cache.put_file(path)
        expected = path.read_bytes()
        assert (digest, size) == (digest_of(expected), len(expected))
        assert cache.get(digest, folder / "target").read_bytes() == expected

    def test_a_sparse_file_stays_sparse(self, cache: ArtifactCache, tmp_path: Path) -> None:
        self._sparse(cache, tmp_path, 256 << 20)

    @pytest.mark.slow
    def test_a_sparse_file_of_4_gib_stays_sparse_and_quick(self, cache: ArtifactCache, tmp_path: Path) -> None:
        began = time.perf_counter()
        self._sparse(cache, tmp_path, 4 << 30)
        assert time.perf_counter() - began < 60  # hashed four times; reading and writing it would add 16 GiB

    def _sparse(self, cache: ArtifactCache, folder: Path, size: int) -> None:
        path = folder / "sparse"
        with open(path, "wb") as file:
            file.write(b"head")
            file.seek(size // 2)
            file.write(b"middle")
            file.truncate(size)
        digest, found = cache.put_file(path)
        assert found == size
        stored = object_path(cache.root, digest)
        target = cache.get(digest, folder / "target")
        for copy in (stored, target):
            status = copy.stat()
            assert status.st_size == size
            assert status.st_blocks * 512 < 1 << 20
            with open(copy, "rb") as file:
                assert file.read(6) == b"head\0\0"
                file.seek(size // 2)
                assert file.read(8) == b"middle\0\0"
        cache.verify(digest)


class TestTrouble:
    def test_a_batch_that_fails_keeps_nothing(self, cache: ArtifactCache, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError), cache.batch() as batch:
            batch.put_bytes(b"x")
            batch.put_file(big_file(tmp_path))
            batch.put_file(tmp_path / "missing")
        assert everything(cache.root) == []

    def test_a_batch_shows_nothing_before_its_end(self, cache: ArtifactCache) -> None:
        with cache.batch() as batch:
            digest, _ = batch.put_bytes(b"x")
            assert batch.put_bytes(b"x") == (digest, 1)
            assert not cache.has(digest)
        assert cache.has(digest)

    def test_a_cache_of_which_a_file_is_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "cache").write_text("a file")
        cache = ArtifactCache(tmp_path / "cache")
        with pytest.raises(GitRunsError, match=r"cannot keep artifacts in '.*cache'") as caught:
            cache.put_bytes(b"x")
        assert caught.value.kind == "io-error"
        assert not cache.has(digest_of(b"x"))

    def test_a_cache_that_may_only_be_read(self) -> None:
        with tempfile.TemporaryDirectory() as name, unprivileged(Path(name)) as folder:
            cache = ArtifactCache(folder / "cache")
            digest, _ = cache.put_bytes(b"x")
            for part in ("tmp", "", f"o/{digest[:2]}"):
                (cache.root / part).chmod(0o555)
            assert cache.get(digest, folder / "target").read_bytes() == b"x"
            assert cache.put_bytes(b"x") == (digest, 1)
            with pytest.raises(AccessDeniedError, match=r"cannot keep artifacts in '.*cache'") as caught:
                cache.put_bytes(b"y")
            assert caught.value.kind == "read-only"
            TestCacheIsAStore().tamper(cache, digest, b"y")
            with pytest.raises(CorruptDataError):  # though it cannot be set aside
                cache.verify(digest)
            assert cache.has(digest)
            for part in ("tmp", "", f"o/{digest[:2]}"):
                (cache.root / part).chmod(0o755)

    def test_a_file_that_may_not_be_read(self) -> None:
        with tempfile.TemporaryDirectory() as name, unprivileged(Path(name)) as folder:
            (folder / "secret").write_text("x")
            (folder / "secret").chmod(0)
            with pytest.raises(AccessDeniedError, match=r"cannot read '.*secret': Permission denied") as caught:
                ArtifactCache(folder / "cache").put_file(folder / "secret")
            assert caught.value.kind == "unreadable-file"

    def test_artifacts_can_be_kept_while_python_shuts_down(self, tmp_path: Path) -> None:
        """Runs are sealed by atexit, when much of Python is gone already: no thread can be started, for one."""
        path = big_file(tmp_path)
        program = (
            "import atexit, sys\n"
            "from pathlib import Path\n"
            "from gitruns.artifacts import ArtifactCache\n"
            "cache = ArtifactCache(Path(sys.argv[1]))\n"
            "atexit.register(lambda: print(*cache.put_file(Path(sys.argv[2]))))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "cache"), str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stderr, done.stdout.split()) == ("", [digest_of(path.read_bytes()), str(BIG)])
