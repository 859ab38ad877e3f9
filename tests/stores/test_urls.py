"""Addresses come from committed files, which is to say from anybody."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gitruns.artifacts.fsspec_bucket import open_file_system
from gitruns.artifacts.open_bucket import open_bucket
from gitruns.artifacts.store_url import parse_store_url, without_password
from gitruns.errors import InvalidInputError
from gitruns.repo.store_setting import parse_shared


@pytest.mark.parametrize(
    ("text", "protocol", "path"),
    [
        ("/mnt/lab", "file", "/mnt/lab"),
        ("../store", "file", "/base/store"),
        ("a/b", "file", "/base/repo/a/b"),
        ("file:///mnt/lab", "file", "/mnt/lab"),
        ("file://localhost/mnt/lab", "file", "/mnt/lab"),
        ("s3://bucket", "s3", "bucket"),
        ("s3a://bucket/x//y/", "s3", "bucket/x/y"),
        ("gs://bucket/x", "gs", "bucket/x"),
        ("abfs://container/x", "az", "container/x"),
        ("ssh://user@host/x", "sftp", "user@host/x"),
    ],
)
def test_what_an_address_names(text: str, protocol: str, path: str) -> None:
    url = parse_store_url(text, Path("/base/repo"))
    assert (url.protocol, url.path) == (protocol, path)


def test_options_of_a_bucket() -> None:
    url = parse_store_url("s3://bucket/x?endpoint_url=http://minio:9000&region=eu&profile=lab", Path("/"))
    assert url.options == {"endpoint_url": "http://minio:9000", "region": "eu", "profile": "lab"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "s3://",
        "s3:///x",
        "s3://key:secret@bucket/x",
        "s3://bucket/../other",
        "s3://bucket?key=AKIA",
        "s3://bucket?secret=x&endpoint_url=y",
        "s3://bucket#x",
        "s3://bucket?x",
        "simplecache::s3://bucket",
        "zip://x::s3://bucket",
        "reference://x",
        "http://host/x",
        "https://host/x",
        "github://x",
        "file://host/x",
        "file://x",
        "s3://bucket/\n",
        "s3://bucket/\x1b[31m",
        "~nobody-of-that-name/x",
    ],
)
def test_what_no_store_can_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_store_url(text, Path("/base"))
    assert caught.value.kind == "bad-store-url"
    assert "secret" not in str(caught.value) or "key:secret@" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_password_is_never_shown_nor_taken_from_a_committed_file() -> None:
    url = parse_store_url("sftp://ada:geheim@host/x", Path("/"))
    assert url.shown == "sftp://ada@host/x"
    with pytest.raises(InvalidInputError) as caught:
        parse_shared("sftp://ada:geheim@host/x", Path("/"))
    assert caught.value.kind == "password-in-store-url"
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("text", ["sftp://ada:pass:word@host:22/x?y#z", "x://a:b@[broken", "//a:b@c/d"])
def test_passwords_go_from_broken_addresses_too(text: str) -> None:
    assert "b@" not in without_password(text)
    assert "pass" not in without_password(text)


@pytest.mark.parametrize(
    ("text", "package"), [("gs://bucket", "gcsfs"), ("az://container", "adlfs"), ("s3://bucket", "gitruns[s3]")]
)
def test_what_to_install_is_said(text: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gcsfs", "adlfs", "s3fs"):
        monkeypatch.setitem(sys.modules, name, None)
    pytest.importorskip("fsspec")
    known = sys.modules["fsspec.registry"]._registry
    for protocol in ("gs", "az", "s3"):
        monkeypatch.delitem(known, protocol, raising=False)
    with pytest.raises(InvalidInputError) as caught:
        open_bucket(parse_store_url(text, Path("/")))
    assert caught.value.kind == "extra-missing"
    assert package in str(caught.value)
    assert package in str(caught.value.hint)


def test_without_fsspec_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(InvalidInputError) as caught:
        open_file_system(parse_store_url("memory://x", Path("/")))
    assert caught.value.kind == "extra-missing"
    open_bucket(parse_store_url("/mnt/lab", Path("/"))).entries("o/")  # a folder needs nothing


def test_what_nobody_knows_is_refused() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(InvalidInputError) as caught:
        open_bucket(parse_store_url("carrier-pigeon://roof", Path("/")))
    assert caught.value.kind == "bad-store-url"
