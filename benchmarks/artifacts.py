"""Put and get of one big file against hashing + copying + one fsync of the copy, measured in the same run.

    python benchmarks/artifacts.py [--mebibytes 1024] [--rounds 3] [--folder DIR]

Prints a JSON line for each kind of work: its seconds, those of its floor, and the ratio of the two. Each is the
median of the rounds; the floor is measured in each round, right beside the work. The file is in the page cache.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gitruns.artifacts import ArtifactCache, ingest_folder

BLOCK = 1 << 20
ZEROS = bytes(BLOCK)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def hash_file(path: Path) -> str:
    hasher = hashlib.sha256()
    block = bytearray(BLOCK)
    with open(path, "rb", buffering=0) as file:
        while length := file.readinto(block):
            hasher.update(memoryview(block)[:length])
    return hasher.hexdigest()


def copy_file(source: Path, target: Path) -> None:
    with open(source, "rb") as reading, open(target, "wb") as writing:
        if hasattr(os, "copy_file_range"):
            try:
                while os.copy_file_range(reading.fileno(), writing.fileno(), 1 << 30):
                    pass
                return
            except OSError:
                pass
        while os.sendfile(writing.fileno(), reading.fileno(), None, 1 << 30):
            pass


def sync_file(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def make_file(path: Path, mebibytes: int) -> None:
    with open(path, "wb") as file:
        file.writelines(os.urandom(BLOCK) for _ in range(mebibytes))
        os.fsync(file.fileno())


def warm_memory(folder: Path, mebibytes: int) -> None:
    """Lets the page cache have as much memory as the next copy takes, so that who comes first pays no more.

    A virtual machine gets fresh memory from its host slowly: a copy into it took up to eight times as long.
    """
    scratch = folder / "scratch"
    with open(scratch, "wb", buffering=0) as file:
        file.writelines(ZEROS for _ in range(mebibytes))
    scratch.unlink()


def floor_seconds(source: Path, copy: Path, mebibytes: int) -> tuple[float, float]:
    """Returns the time to hash, and the time to hash, copy and sync."""
    hashing = seconds(lambda: hash_file(source))
    warm_memory(copy.parent, mebibytes)
    copying = seconds(lambda: copy_file(source, copy)) + seconds(lambda: sync_file(copy))
    copy.unlink()
    return hashing, hashing + copying


def measure_big_file(folder: Path, mebibytes: int, rounds: int) -> None:
    source = folder / "source"
    make_file(source, mebibytes)
    hash_file(source)
    puts, again, gets = [], [], []
    for number in range(rounds):
        cache = ArtifactCache(folder / f"cache-{number}")
        hashing, floor = floor_seconds(source, folder / "copy", mebibytes)
        warm_memory(folder, mebibytes)
        puts.append((seconds(partial(cache.put_file, source)), floor))
        again.append((seconds(partial(cache.put_file, source)), hashing))
        (digest,) = cache.iter_digests()
        warm_memory(folder, mebibytes)
        gets.append((seconds(partial(cache.get, digest, folder / "got")), floor))
        (folder / "got").unlink()
        shutil.rmtree(cache.root)
    report(f"put {mebibytes} MiB", puts, "hash + copy + fsync", 1.3)
    report(f"put {mebibytes} MiB again", again, "hash", 1.1)
    report(f"get {mebibytes} MiB", gets, "hash + copy + fsync", 1.3)


def plain_copy(source: Path, target: Path) -> None:
    """What is least for a folder: each file hashed and copied under its digest, then one sync."""
    target.mkdir()
    for path in source.iterdir():
        copy_file(path, target / hash_file(path))
    os.sync()


def measure_folder(folder: Path, files: int, rounds: int) -> None:
    source = folder / "files"
    source.mkdir()
    for number in range(files):
        (source / str(number)).write_bytes(b"%d" % number)
    first, again = [], []
    for number in range(rounds):
        cache = ArtifactCache(folder / f"many-{number}")
        floor = seconds(partial(plain_copy, source, folder / f"plain-{number}"))
        first.append((seconds(partial(ingest_folder, cache, source)), floor))
        again.append((seconds(partial(ingest_folder, cache, source)), floor))
    report(f"put a folder of {files} files", first, "hash + copy each, one sync", None)
    report(f"put a folder of {files} files again", again, "hash + copy each, one sync", None)


def report(name: str, pairs: list[tuple[float, float]], floor: str, budget: float | None) -> None:
    line = {
        "benchmark": name,
        "seconds": round(statistics.median(took for took, _ in pairs), 3),
        "floor": floor,
        "floor_seconds": round(statistics.median(least for _, least in pairs), 3),
        "ratio": round(statistics.median(took / least for took, least in pairs), 3),
        "budget": budget,
    }
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mebibytes", type=int, default=1024, help="size of the big file")
    parser.add_argument("--files", type=int, default=10_000, help="number of files in the folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to measure; a new folder below is removed after")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="gitruns-benchmark-") as name:
        measure_big_file(Path(name), options.mebibytes, options.rounds)
        measure_folder(Path(name), options.files, options.rounds)


if __name__ == "__main__":
    main()
