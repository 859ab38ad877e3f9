"""Upload to and download from a store: one big file, and many small ones; a folder, and S3 as moto's server has it.

    python benchmarks/stores.py [--mebibytes 1024] [--files 10000] [--only folder|s3] [--folder DIR]

Prints a JSON line a figure: seconds, those of the peer in the same run, their ratio, and the greatest memory of the
process so far. Peers: hashing, copying and one fsync for a folder; s3fs putting and getting the same files for S3.
Moto is Python too and takes its share of the processor.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gitruns.artifacts import ArtifactCache, RemoteStore
from gitruns.artifacts.remote import RootedAs
from gitruns.artifacts.store_url import parse_store_url
from gitruns.entities.ids import Digest

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": "us-east-1"}


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def say(what: str, work: Callable[[], object], do_peer: Callable[[], object] | None, peer: str, **more: object) -> None:
    found_s = seconds(work)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    try:
        peer_s = None if do_peer is None else seconds(do_peer)
    except OSError as error:  # s3fs does not get 1 GiB through to moto each time
        peer_s, peer = None, f"{peer}: failed with {error}"
    ratio = round(found_s / peer_s, 2) if peer_s else None
    figures = {"what": what, "seconds": round(found_s, 2), "peer": peer, "peer_s": peer_s and round(peer_s, 2)}
    print(json.dumps({**figures, "ratio": ratio, "max_memory_mib": memory, **more}), flush=True)


def copy_synced(source: Path, target: Path) -> None:
    hasher = hashlib.sha256()
    with open(source, "rb", buffering=0) as reading, open(target, "wb", buffering=0) as writing:
        while block := reading.read(1 << 20):
            hasher.update(block)
            writing.write(block)
        os.fsync(writing.fileno())


@contextmanager
def moto() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            time.sleep(0.2)
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        for bucket in ("store", "peer"):
            connection = http.client.HTTPConnection("127.0.0.1", port)
            signed = "AWS4-HMAC-SHA256 Credential=b/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
            connection.request("PUT", f"/{bucket}", headers={"Authorization": signed})
            connection.getresponse().read()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def make_objects(cache: ArtifactCache, sizes: list[int]) -> dict[Digest, int]:
    objects = {}
    with cache.batch() as batch:
        for size in sizes:
            digest, count = batch.put_bytes(os.urandom(size))
            objects[digest] = count
    return objects


def measure(name: str, url: str, root: Path, objects: dict[Digest, int], source: ArtifactCache, peer: object) -> None:
    def upload() -> None:
        store = RemoteStore(parse_store_url(url, root), state=root / "state")
        named = RootedAs(repository="a" * 32, writer="b" * 16, named={None: list(objects)})
        result, _ = store.upload(objects, source, rooted=named)
        assert not result.pending, result.problems

    def download() -> None:
        store = RemoteStore(parse_store_url(url, root), state=root / "reader")
        result = store.download(objects, ArtifactCache(root / "target"))
        assert result.fetched == set(objects)

    up_peer, down_peer, peer_name = peer  # type: ignore[misc]
    say(f"{name}: upload", upload, up_peer, peer_name, bytes=sum(objects.values()))
    say(f"{name}: upload again", upload, None, "")
    say(f"{name}: download", download, down_peer, peer_name)
    shutil.rmtree(root / "target")


def folder_peer(root: Path, objects: dict[Digest, int], source: ArtifactCache) -> object:
    def copy(target: Path) -> None:
        target.mkdir()
        for digest in objects:
            copy_synced(source.path_of(digest), target / digest)
        shutil.rmtree(target)

    return (lambda: copy(root / "up"), lambda: copy(root / "down"), "hash + copy + fsync of each file")


def s3_peer(endpoint: str, root: Path, objects: dict[Digest, int], source: ArtifactCache) -> object:
    import s3fs

    files = s3fs.S3FileSystem(client_kwargs={"endpoint_url": endpoint}, skip_instance_cache=True)
    local = [str(source.path_of(digest)) for digest in objects]
    remote = [f"peer/{digest}" for digest in objects]
    back = [str(root / "peer" / digest) for digest in objects]

    def down() -> None:
        (root / "peer").mkdir()
        files.get(remote, back)
        shutil.rmtree(root / "peer")

    return (lambda: files.put(local, remote), down, "s3fs put and get, not checked")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--only", choices=["folder", "s3"])
    parser.add_argument("--folder")
    options = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="gitruns-bench-") as folder:
        root = Path(folder)
        source = ArtifactCache(root / "source")
        big = {}
        chunk = os.urandom(1 << 20)
        numbers = range(options.mebibytes)
        digest, size = source.put_stream(bytes(8) + number.to_bytes(8, "big") + chunk[16:] for number in numbers)
        big[digest] = size
        many = make_objects(source, [1000 + number % 8000 for number in range(options.files)])
        if options.only != "s3":
            (root / "store").mkdir()
            url = str(root / "store")
            measure(f"folder, {options.mebibytes} MiB", url, root, big, source, folder_peer(root, big, source))
            measure(f"folder, {options.files:,} files", url, root, many, source, folder_peer(root, many, source))
        if options.only != "folder":
            with moto() as endpoint:
                url = f"s3://store?endpoint_url={endpoint}"
                measure(f"s3, {options.mebibytes} MiB", url, root, big, source, s3_peer(endpoint, root, big, source))
                measure(f"s3, {options.files:,} files", url, root, many, source, s3_peer(endpoint, root, many, source))


if __name__ == "__main__":
    main()
