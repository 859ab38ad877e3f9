"""Files and folders become objects and entries."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from gitruns.artifacts import ArtifactCache, ingest_file, ingest_folder
from gitruns.artifacts.digest import digest_of
from gitruns.entities.artifact import Artifact
from gitruns.errors import InvalidInputError, NotFoundError


@pytest.fixture
def cache(tmp_path: Path) -> ArtifactCache:
    return ArtifactCache(tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


def test_a_file(cache: ArtifactCache, folder: Path) -> None:
    (folder / "f").write_bytes(b"x")
    assert ingest_file(cache, folder / "f", "models/f.bin") == Artifact(
        path="models/f.bin", digest=digest_of(b"x"), size_bytes=1
    )


@pytest.mark.parametrize("name", ["../f", "/f", "", "a/../../f", ".gitruns/f", "nul\0"])
def test_a_file_under_a_name_that_is_none(cache: ArtifactCache, folder: Path, name: str) -> None:
    (folder / "f").write_bytes(b"x")
    with pytest.raises(InvalidInputError):
        ingest_file(cache, folder / "f", name)
    assert not cache.root.exists()


def test_a_folder(cache: ArtifactCache, folder: Path) -> None:
    contents = {
        "b": b"1",
        "a b": b"2",
        "ü/größe.txt": b"",
        "two\nlines": b"3",
        "ü/deep/er/x": b"1",
        "A": b"4",
        "a": b"5",
    }
    for name, data in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "empty").mkdir()
    done: list[int] = []
    artifacts = ingest_folder(cache, folder, "out", progress=done.append)
    assert [artifact.path for artifact in artifacts] == sorted("out/" + name for name in contents)
    assert {artifact.path[4:]: artifact.digest for artifact in artifacts} == {
        name: digest_of(data) for name, data in contents.items()
    }
    assert done == list(range(1, len(contents) + 1))
    assert len(list(cache.iter_digests())) == 6
    for artifact in artifacts:
        cache.verify(artifact.digest)


def test_a_folder_at_the_root_and_one_without_files(cache: ArtifactCache, folder: Path) -> None:
    assert ingest_folder(cache, folder) == []
    (folder / "f").write_bytes(b"x")
    assert [artifact.path for artifact in ingest_folder(cache, folder)] == ["f"]
    assert [artifact.path for artifact in ingest_folder(cache, folder, "a/")] == ["a/f"]


def test_what_is_no_file_is_refused_before_anything_is_kept(cache: ArtifactCache, folder: Path) -> None:
    (folder / "a").write_bytes(b"x")
    (folder / "sub").mkdir()
    odd = folder / "sub" / "odd"

    def refused(kind: str) -> None:
        with pytest.raises(InvalidInputError, match=f"cannot store '.*sub/odd': it is {kind}") as caught:
            ingest_folder(cache, folder)
        assert caught.value.kind == "not-a-regular-file"
        odd.unlink()

    odd.symlink_to(folder / "a")
    refused("a symbolic link")
    odd.symlink_to(folder)  # a way round in circles
    refused("a symbolic link")
    os.mkfifo(odd)
    refused("a named pipe")
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(odd.parent)
        listening.bind(odd.name)
        os.chdir(here)
        refused("a socket")
    if os.geteuid() == 0:
        os.mknod(odd, 0o600 | 0o020000, os.makedev(1, 3))
        refused("a character device")
    assert not cache.root.exists()


def test_a_name_that_cannot_be_written_down_is_refused(cache: ArtifactCache, folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff")).write_bytes(b"x")
    with pytest.raises(InvalidInputError, match=r"cannot store '.*bad\\udcff': .*lone surrogate") as caught:
        ingest_folder(cache, folder)
    assert str(caught.value).isprintable()


def test_what_is_no_folder(cache: ArtifactCache, folder: Path) -> None:
    (folder / "f").write_bytes(b"x")
    (folder / "link").symlink_to(folder)
    with pytest.raises(InvalidInputError, match="it is not a folder"):
        ingest_folder(cache, folder / "f")
    with pytest.raises(InvalidInputError, match="it is a symbolic link"):
        ingest_folder(cache, folder / "link")
    with pytest.raises(NotFoundError):
        ingest_folder(cache, folder / "missing")


def test_a_folder_that_holds_the_cache_is_refused(cache: ArtifactCache, tmp_path: Path) -> None:
    cache.put_bytes(b"x")
    (tmp_path / "f").write_bytes(b"y")
    with pytest.raises(InvalidInputError, match="it holds the artifact cache itself") as caught:
        ingest_folder(cache, tmp_path)
    assert caught.value.kind == "holds-the-cache"
    assert len(list(cache.iter_digests())) == 1


@pytest.mark.parametrize("count", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_folder_of_many_files(cache: ArtifactCache, folder: Path, count: int) -> None:
    for number in range(count):
        if number % 1000 == 0:
            (folder / str(number // 1000)).mkdir()
        (folder / str(number // 1000) / f"{number}.txt").write_bytes(b"%d" % number)
    began = time.perf_counter()
    artifacts = ingest_folder(cache, folder)
    took_s = time.perf_counter() - began
    assert len({artifact.digest for artifact in artifacts}) == count
    assert sum(1 for _ in cache.iter_digests()) == count
    assert list((cache.root / "tmp").iterdir()) == []
    assert took_s < count * 0.002, "an fsync a file would take longer than this on most disks"
    assert ingest_folder(cache, folder) == artifacts
