"""Each kind of store holds what every artifact store must hold, and each kind of bucket what every bucket must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gitruns.artifacts import ArtifactStore, RemoteStore
from gitruns.artifacts.bucket import Bucket
from gitruns.artifacts.digest import object_key
from gitruns.artifacts.folder_bucket import FolderBucket
from gitruns.artifacts.fsspec_bucket import FsspecBucket
from gitruns.artifacts.open_bucket import open_bucket
from gitruns.artifacts.store_url import StoreUrl, parse_store_url
from gitruns.entities.ids import Digest
from gitruns.testing.store import ArtifactStoreContract, BucketContract
from stores.conftest import open_store


class RemoteContract(ArtifactStoreContract):
    def tamper(self, store: ArtifactStore, digest: Digest, data: bytes) -> None:
        assert isinstance(store, RemoteStore)
        store.bucket.write(object_key(digest), data)


class TestFolder(RemoteContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> RemoteStore:
        (tmp_path / "store").mkdir()
        return open_store(tmp_path / "store")


class TestMemory(RemoteContract):
    """What fsspec knows and we do not, here a store in memory."""

    @pytest.fixture
    def store(self) -> Any:
        fsspec = pytest.importorskip("fsspec")
        yield open_store("memory://bucket/prefix")
        fsspec.filesystem("memory").store.clear()


@pytest.mark.slow
class TestS3(RemoteContract):
    @pytest.fixture
    def store(self, s3: str) -> RemoteStore:
        return open_store(s3.replace("?", "/some/prefix?"))


class TestFolderBucket(BucketContract):
    @pytest.fixture
    def bucket(self, tmp_path: Path) -> Bucket:
        (tmp_path / "store").mkdir()
        return FolderBucket(tmp_path / "store")


class TestMemoryBucket(BucketContract):
    @pytest.fixture
    def bucket(self) -> Any:
        fsspec = pytest.importorskip("fsspec")
        yield open_bucket(parse_store_url("memory://bucket/prefix", Path("/")))
        fsspec.filesystem("memory").store.clear()


class TestFileSystemBucket(BucketContract):
    """A file system behind fsspec: what is written gets another name first, as over SFTP."""

    @pytest.fixture
    def bucket(self, tmp_path: Path) -> Bucket:
        fsspec = pytest.importorskip("fsspec")
        url = StoreUrl(protocol="sftp", path=str(tmp_path / "store"), text="sftp://host/store")
        return FsspecBucket(url, fsspec.filesystem("file"), str(tmp_path / "store"))


class TestS3Bucket(BucketContract):
    @pytest.fixture
    def bucket(self, s3: str) -> Bucket:
        return open_bucket(parse_store_url(s3.replace("?", "/some/prefix?"), Path("/")))
