"""What every artifact store must hold: inherit `ArtifactStoreContract` and say how to make and break yours.

class TestMyStore(ArtifactStoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return MyStore(tmp_path / "store")

    def tamper(self, store, digest, data):
        ...
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitruns.artifacts import ArtifactStore
from gitruns.entities.ids import Digest
from gitruns.errors import CorruptDataError, InvalidInputError, NotFoundError

ABSENT = Digest("0" * 64)
CONTENTS = [
    pytest.param(b"", id="empty"),
    pytest.param(b"hello\n", id="text"),
    pytest.param(bytes(range(256)) * 300, id="binary"),
    pytest.param(b"\0" * 70_000, id="zeros"),
    pytest.param(b"0123456789abcdef" * 600_000, id="9-megabytes"),
]


class ArtifactStoreContract:
    """The suite. Tests use nothing but the interface, and `tamper`."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ArtifactStore:
        """Returns a new, empty store."""
        raise NotImplementedError

    def tamper(self, store: ArtifactStore, digest: Digest, data: bytes) -> None:
        """Puts other bytes where the store keeps an object, behind its back."""
        raise NotImplementedError

    @pytest.mark.parametrize("data", CONTENTS)
    @pytest.mark.parametrize("way", ["file", "bytes", "stream"])
    def test_what_was_put_comes_back(self, store: ArtifactStore, tmp_path: Path, data: bytes, way: str) -> None:
        put = self._put(store, tmp_path, data, way)
        digest = Digest(hashlib.sha256(data).hexdigest())
        assert put == (digest, len(data))
        assert store.has(digest)
        assert store.size(digest) == len(data)
        target = store.get(digest, tmp_path / "new" / "folder" / "target")
        assert target == tmp_path / "new" / "folder" / "target"
        assert target.read_bytes() == data
        with store.open(digest) as file:
            assert file.read() == data
        store.verify(digest)
        assert list(store.iter_digests()) == [digest]

    def test_equal_bytes_are_kept_once(self, store: ArtifactStore, tmp_path: Path) -> None:
        results = {self._put(store, tmp_path, b"same", way) for way in ("file", "bytes", "stream", "bytes")}
        assert len(results) == 1
        assert len(list(store.iter_digests())) == 1

    def test_digests_are_listed_in_order(self, store: ArtifactStore) -> None:
        digests = [store.put_bytes(bytes([number]))[0] for number in range(20)]
        assert list(store.iter_digests()) == sorted(digests)

    def test_an_empty_store_has_nothing(self, store: ArtifactStore, tmp_path: Path) -> None:
        assert not store.has(ABSENT)
        assert list(store.iter_digests()) == []
        for ask in self._ways_to_read(store, tmp_path / "target"):
            with pytest.raises(NotFoundError) as caught:
                ask(ABSENT)
            assert caught.value.kind == "artifact-missing"
            assert ABSENT in str(caught.value)
        assert not (tmp_path / "target").exists()

    @pytest.mark.parametrize(
        "name", ["", "abc", "../../../etc/passwd", "A" * 64, "0" * 63 + "\n", "0" * 65, "/" * 64, "..", "0" * 62 + "/."]
    )
    def test_what_is_no_digest_is_refused(self, store: ArtifactStore, tmp_path: Path, name: str) -> None:
        digest = Digest(name)
        for ask in (store.has, *self._ways_to_read(store, tmp_path / "target")):
            with pytest.raises(InvalidInputError) as caught:
                ask(digest)
            assert caught.value.kind == "bad-digest"

    def test_a_tampered_object_is_never_served(self, store: ArtifactStore, tmp_path: Path) -> None:
        for number, ask in enumerate(self._ways_to_read(store, tmp_path / "target")[1:]):
            digest, _ = store.put_bytes(b"right %d" % number)
            self.tamper(store, digest, b"wrong %d" % number)
            with pytest.raises(CorruptDataError) as caught:
                ask(digest)
            assert caught.value.kind == "artifact-corrupt"
            assert digest in str(caught.value)
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".gitruns", "target"))] == []

    def test_a_tampered_object_is_healed_by_the_next_put(self, store: ArtifactStore, tmp_path: Path) -> None:
        digest, _ = store.put_bytes(b"right")
        self.tamper(store, digest, b"wrong")
        with pytest.raises(CorruptDataError):
            store.verify(digest)
        assert store.put_bytes(b"right") == (digest, 5)
        store.verify(digest)
        assert store.get(digest, tmp_path / "target").read_bytes() == b"right"

    def test_an_object_cut_short_is_healed_by_a_put(self, store: ArtifactStore) -> None:
        digest, _ = store.put_bytes(b"right")
        self.tamper(store, digest, b"rig")
        store.put_bytes(b"right")
        store.verify(digest)

    def test_get_replaces_what_is_there(self, store: ArtifactStore, tmp_path: Path) -> None:
        digest, _ = store.put_bytes(b"new")
        precious = tmp_path / "precious"
        precious.write_bytes(b"precious")
        target = tmp_path / "target"
        target.symlink_to(precious)
        store.get(digest, target)
        assert target.read_bytes() == b"new"
        assert precious.read_bytes() == b"precious"

    def test_what_was_got_can_be_changed_without_harm(self, store: ArtifactStore, tmp_path: Path) -> None:
        digest, _ = store.put_bytes(b"kept")
        target = store.get(digest, tmp_path / "target")
        with target.open("r+b") as file:
            file.write(b"gone")
        store.verify(digest)

    def test_get_refuses_a_folder(self, store: ArtifactStore, tmp_path: Path) -> None:
        digest, _ = store.put_bytes(b"x")
        with pytest.raises(InvalidInputError, match="it is a folder"):
            store.get(digest, tmp_path)

    def test_a_stream_that_breaks_leaves_nothing(self, store: ArtifactStore) -> None:
        def broken() -> Iterator[bytes]:
            yield b"half" * 1_000_000
            raise ConnectionError("cable cut")

        with pytest.raises(ConnectionError):
            store.put_stream(broken())
        assert list(store.iter_digests()) == []

    def test_many_threads_put_the_same_bytes(self, store: ArtifactStore, tmp_path: Path) -> None:
        data = os.urandom(300_000)
        with ThreadPoolExecutor(8) as pool:
            results = set(pool.map(lambda _: store.put_bytes(data), range(40)))
        assert len(results) == 1
        assert store.get(results.pop()[0], tmp_path / "target").read_bytes() == data

    @pytest.mark.parametrize("name", ["a b", "größe", "two\nlines", "😀", "-rf", "x" * 255, b"\xff\xfe"])
    def test_a_file_of_any_name_is_taken(self, store: ArtifactStore, tmp_path: Path, name: str | bytes) -> None:
        path = tmp_path / os.fsdecode(name)
        try:
            path.write_bytes(b"content")
        except OSError:
            pytest.skip("this file system has no such name")
        digest, _ = store.put_file(path)
        store.get(digest, path)
        assert path.read_bytes() == b"content"

    def _ways_to_read(self, store: ArtifactStore, target: Path) -> list[Callable[[Digest], object]]:
        return [store.size, store.open, store.verify, lambda digest: store.get(digest, target)]

    def _put(self, store: ArtifactStore, folder: Path, data: bytes, way: str) -> tuple[Digest, int]:
        if way == "bytes":
            return store.put_bytes(data)
        if way == "file":
            path = folder / "source"
            path.write_bytes(data)
            return store.put_file(path)
        file = io.BytesIO(data)
        return store.put_stream(iter(lambda: file.read(100_000), b""))
