"""A network that fails three times in ten: nothing that was acknowledged is lost, nothing wrong is served."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitruns.artifacts import ArtifactCache, RemoteStore, remote_retry
from gitruns.artifacts.multipart import PART_BYTES
from gitruns.artifacts.remote import RootedAs
from gitruns.artifacts.upload import Uploaded
from gitruns.entities.ids import Digest
from stores.conftest import open_store
from stores.s3_server import FAULTS, FaultyProxy, S3Server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are a hundredth, so that two thousand requests are made in a minute."""
    monkeypatch.setattr(remote_retry, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(remote_retry, "_LONGEST_WAIT_S", 0.1)


def make_objects(cache: ArtifactCache, sizes: list[int]) -> dict[Digest, int]:
    """Random objects of these sizes in a cache."""
    found = {}
    with cache.batch() as batch:
        for size in sizes:
            digest, count = batch.put_bytes(os.urandom(size))
            found[digest] = count
    return found


def rooted(objects: dict[Digest, int]) -> RootedAs:
    """All of it in the name of one clone."""
    return RootedAs(repository="a" * 32, writer="b" * 16, named={None: list(objects)})


def check_truth(result: Uploaded, objects: dict[Digest, int], direct: RemoteStore, folder: Path) -> None:
    """What the summary says is there is there, byte for byte; each object is in one set only."""
    sets = [result.uploaded, result.present, result.missing, result.pending]
    assert sum(map(len, sets)) == len(objects)
    assert set().union(*sets) == set(objects)
    acknowledged = result.uploaded | result.present
    target = ArtifactCache(folder)
    there = direct.download(acknowledged, target)
    assert (there.missing, there.problems) == (set(), {})
    assert there.fetched == acknowledged
    for digest in acknowledged:
        target.verify(digest)


@pytest.mark.parametrize(
    "requests", [pytest.param(100, id="100"), pytest.param(2000, id="2000", marks=pytest.mark.slow)]
)
def test_three_requests_of_ten_fail(
    s3: str, server: S3Server, proxy: FaultyProxy, tmp_path: Path, requests: int
) -> None:
    source = ArtifactCache(tmp_path / "source")
    proxy.share = 0.3
    number = acknowledged = 0
    while proxy.requests < requests:
        number += 1
        objects = make_objects(source, [random.randrange(200_000) for _ in range(40)] + [300_000, 17 << 20])
        # Each round is another clone, that has seen nothing yet.
        faulty = open_store(proxy.through(s3), tmp_path / f"state{number}")
        result, _ = faulty.upload(objects, source, rooted=rooted(objects))
        check_truth(result, objects, open_store(s3), tmp_path / f"direct{number}")
        acknowledged += len(result.uploaded | result.present)
        target = ArtifactCache(tmp_path / f"target{number}")
        got = open_store(proxy.through(s3), tmp_path / f"reader{number}").download(objects, target)
        assert got.missing <= result.pending
        assert got.fetched | got.missing | set(got.problems) == set(objects)
        for digest in got.fetched:
            target.verify(digest)
    assert proxy.done.total() > requests // 6
    assert acknowledged > number * 30, "most of it went through all the same"
    # What was left is brought by one more push when the network is well again, and nothing unfinished stays.
    collector = open_store(s3).collector("a" * 32, "b" * 16)
    collector.run((), dry_run=False, leftover_s=-60)
    assert server.unfinished_uploads(s3.split("/")[2].split("?")[0]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone_is_outlived(s3: str, proxy: FaultyProxy, tmp_path: Path, fault: str) -> None:
    source = ArtifactCache(tmp_path / "source")
    objects = make_objects(source, [10, 1000, 9 << 20] + [200_000] * 8)
    proxy.share, proxy.faults = 0.4, (fault,)
    faulty = open_store(proxy.through(s3), tmp_path / "state")
    result, _ = faulty.upload(objects, source, rooted=rooted(objects))
    assert result.uploaded == set(objects), result.problems
    proxy.share = 0.25 if fault == "wrong answer" else 0.4  # four readings, not eight tries
    target = ArtifactCache(tmp_path / "target")
    got = faulty.download(objects, target)
    assert got.fetched | set(got.problems) == set(objects)
    assert len(got.fetched) >= 8
    for digest in got.fetched:
        target.verify(digest)
    check_truth(result, objects, open_store(s3), tmp_path / "direct")


def test_a_store_that_is_down_is_said_and_nothing_claimed(
    s3: str, proxy: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ArtifactCache(tmp_path / "source")
    objects = make_objects(source, [10, 200_000])
    monkeypatch.setattr(remote_retry, "TRIES", 2)
    proxy.share, proxy.faults = 1.0, ("503",)
    result, sent = open_store(proxy.through(s3)).upload(objects, source, rooted=rooted(objects))
    assert (result.pending, sent) == (set(objects), 0)
    assert result.problems[0].kind == "store-failed"


def test_broken_bytes_here_do_not_spread(s3: str, tmp_path: Path) -> None:
    source = ArtifactCache(tmp_path / "source")
    objects = make_objects(source, [300_000, PART_BYTES + 1])
    for digest in objects:
        path = source.path_of(digest)
        path.chmod(0o644)
        with path.open("r+b") as file:
            file.write(b"broken")
    result, _ = open_store(s3).upload(objects, source)
    assert result.uploaded == result.present == set()
    assert {error.kind for error in result.problems} == {"artifact-corrupt"}
    assert list(open_store(s3).iter_digests()) == []


KILLED = """
import sys
from pathlib import Path
from gitruns.artifacts import ArtifactCache
from gitruns.artifacts.remote import RootedAs
sys.path.insert(0, sys.argv[4])
from stores.conftest import open_store
source = ArtifactCache(Path(sys.argv[2]))
objects = {digest: source.size(digest) for digest in source.iter_digests()}
print("ready", flush=True)
rooted = RootedAs(repository="a" * 32, writer="b" * 16, named={None: list(objects)})
result, sent = open_store(sys.argv[1], Path(sys.argv[3])).upload(objects, source, rooted=rooted)
assert not result.pending, result.problems
print(sent)
"""


@pytest.mark.parametrize("kills", [pytest.param(2, id="2"), pytest.param(50, id="50", marks=pytest.mark.slow)])
def test_killed_pushes_are_completed_by_the_next(s3: str, server: S3Server, tmp_path: Path, kills: int) -> None:
    source = ArtifactCache(tmp_path / "source")
    objects = make_objects(source, [1000] * 50 + [200_000] * 20 + [20 << 20, 33 << 20])
    (tmp_path / "push.py").write_text(KILLED)
    tests = str(Path(__file__).parent.parent)
    command = [sys.executable, str(tmp_path / "push.py"), s3, str(source.root), str(tmp_path / "state"), tests]
    killed = 0
    for number in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(random.random() * 1.5 * (number + 1) / kills)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
    assert killed > 0
    last = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(last.stdout.split()[1]) <= sum(objects.values())
    target = ArtifactCache(tmp_path / "target")
    assert open_store(s3).download(objects, target).fetched == set(objects)
    bucket = s3.split("/")[2].split("?")[0]
    open_store(s3).collector("a" * 32, "b" * 16).run((), dry_run=False, leftover_s=-60)
    assert server.unfinished_uploads(bucket) == 0
    assert sorted(open_store(s3).all_sizes()) == sorted(objects)


def test_an_upload_in_parts_goes_on_where_it_stopped(s3: str, proxy: FaultyProxy, tmp_path: Path) -> None:
    source = ArtifactCache(tmp_path / "source")
    objects = make_objects(source, [6 * PART_BYTES])
    state = tmp_path / "state"
    half = open_store(proxy.through(s3), state)
    sent = []

    def stop(progress: object) -> None:
        sent.append(progress)
        if len(sent) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half.upload(objects, source, progress=stop)
    before = proxy.requests
    result, _ = open_store(proxy.through(s3), state).upload(objects, source)
    assert result.uploaded == set(objects)
    # looking at marks, packs and the object, the parts that are there, at most three parts more, the end and a look
    assert proxy.requests - before <= 12
    assert list((state / "uploads").iterdir()) == []


def test_a_deadline_leaves_the_rest_pending(s3: str, tmp_path: Path) -> None:
    source = ArtifactCache(tmp_path / "source")
    objects = make_objects(source, [200_000] * 5)
    result, sent = open_store(s3).upload(objects, source, deadline=time.monotonic() - 1)
    assert (result.pending, sent, result.problems) == (set(objects), 0, [])
