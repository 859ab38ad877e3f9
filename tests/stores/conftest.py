"""Stores to test with: folders, and a real S3-compatible server that all tests of a session share."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitruns.artifacts import RemoteStore
from gitruns.artifacts.store_url import parse_store_url
from stores.s3_server import CREDENTIALS, FaultyProxy, S3Server, s3_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The server."""
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    with s3_server(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture
def s3(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a store in a new bucket; credentials are in the environment, as users have them."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return server.make_bucket(f"bucket-{secrets.token_hex(6)}")


@pytest.fixture
def proxy(server: S3Server) -> Iterator[FaultyProxy]:
    """A proxy before the server that does no harm until it is told to."""
    found = FaultyProxy(server)
    yield found
    found.close()


def open_store(address: str | Path, state: Path | None = None) -> RemoteStore:
    """A store at an address, as one clone sees it."""
    return RemoteStore(parse_store_url(str(address), Path("/")), state=state)
