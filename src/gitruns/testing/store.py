"""What stores must hold: `ArtifactStoreContract` for whole stores, `BucketContract` for what they are made of.

class TestMyBucket(BucketContract):
    @pytest.fixture
    def bucket(self):
        return MyBucket(...)
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitruns.artifacts.bucket import Bucket
from gitruns.errors import InvalidInputError
from gitruns.testing.artifact_store import ArtifactStoreContract as ArtifactStoreContract

__all__ = ["ArtifactStoreContract", "BucketContract"]


class BucketContract:
    """The suite for buckets."""

    @pytest.fixture
    def bucket(self) -> Bucket:
        """Returns a new, empty bucket."""
        raise NotImplementedError

    def test_a_new_bucket_is_empty(self, bucket: Bucket) -> None:
        assert bucket.stat("o/a") is None
        assert list(bucket.entries("o/")) == []
        with pytest.raises(FileNotFoundError):
            bucket.read("o/a", 0, 1)
        bucket.remove(["o/a"])
        assert list(bucket.leftovers(0)) == []

    @pytest.mark.parametrize("data", [b"", b"text", bytes(range(256)) * 1000])
    def test_what_was_written_is_read(self, bucket: Bucket, data: bytes) -> None:
        before = time.time()
        bucket.write("gc/marks/1-a", data)
        entry = bucket.stat("gc/marks/1-a")
        assert entry is not None
        assert (entry.key, entry.size_bytes) == ("gc/marks/1-a", len(data))
        assert before - 5 <= entry.modified_s <= time.time() + 5
        assert bucket.read("gc/marks/1-a", 0, len(data)) == data
        assert bucket.read("gc/marks/1-a", 1, 3) == data[1:3]
        assert list(bucket.entries("gc/marks/")) == [entry]

    def test_a_write_takes_the_place_of_what_is_there(self, bucket: Bucket) -> None:
        bucket.write("o/a", b"old text")
        bucket.write("o/a", b"new")
        assert bucket.read("o/a", 0, 3) == b"new"
        assert [entry.size_bytes for entry in bucket.entries("o/")] == [3]

    def test_create_leaves_what_is_there(self, bucket: Bucket) -> None:
        bucket.write("r/a", b"first", create=True)
        with pytest.raises(FileExistsError):
            bucket.write("r/a", b"other", create=True)
        assert bucket.read("r/a", 0, 5) == b"first"

    @pytest.mark.parametrize("size", [0, 1, 70_000, 20 << 20])
    def test_a_file_of_any_length(self, bucket: Bucket, tmp_path: Path, size: int) -> None:
        path = tmp_path / "file"
        data = os.urandom(size)
        path.write_bytes(data)
        counted: list[int] = []
        bucket.write_file("o/file", path, size, counted.append)
        assert sum(counted) == size
        step = 8 << 20
        assert b"".join(bucket.read("o/file", start, start + step) for start in range(0, size, step)) == data
        assert bucket.holds("o/file", path, size)
        assert not bucket.holds("o/other", path, size)
        assert list(bucket.leftovers(0)) == []

    def test_keys_are_listed_in_order_and_by_prefix(self, bucket: Bucket) -> None:
        keys = ["o/00/b", "o/00/a", "o/01", "o/0.", "i/c", "o/00.a", "o/0/z", "p/a"]
        for key in keys:
            bucket.write(key, b"x")
        assert [entry.key for entry in bucket.entries("o/")] == sorted(key for key in keys if key.startswith("o/"))
        assert [entry.key for entry in bucket.entries("o/00/")] == ["o/00/a", "o/00/b"]

    def test_what_is_removed_is_gone(self, bucket: Bucket) -> None:
        for number in range(5):
            bucket.write(f"o/{number}", b"x")
        bucket.remove(["o/1", "o/3", "o/absent"])
        assert [entry.key for entry in bucket.entries("o/")] == ["o/0", "o/2", "o/4"]

    @pytest.mark.parametrize("key", ["", "/a", "../a", "a/../b", "a//b", "A", "a b", ".a", "a/", "ä", "a\n"])
    def test_what_is_no_key_is_refused(self, bucket: Bucket, key: str) -> None:
        with pytest.raises(InvalidInputError):
            bucket.write(key, b"x")
        with pytest.raises(InvalidInputError):
            bucket.read(key, 0, 1)

    def test_many_write_the_same_key(self, bucket: Bucket) -> None:
        data = os.urandom(100_000)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: bucket.write("o/same", data), range(16)))
        assert bucket.read("o/same", 0, len(data)) == data
        assert len(list(bucket.entries("o/"))) == 1
