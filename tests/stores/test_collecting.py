"""Garbage goes and nothing else: while others push, after purges, with roots of other repositories."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitruns.artifacts import ArtifactCache, RemoteStore, remote_gc
from gitruns.artifacts.digest import object_key
from gitruns.artifacts.remote import RootedAs
from gitruns.artifacts.remote_gc import StoreGarbage
from gitruns.artifacts.roots import joined, read_roots
from gitruns.entities.ids import Digest, RunId
from gitruns.errors import CorruptDataError
from stores.conftest import open_store
from stores.test_faults import make_objects

MINE, THEIRS = "a" * 32, "c" * 32
RUN, OTHER_RUN = RunId("1" * 32), RunId("2" * 32)


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        found: str = request.getfixturevalue("s3")
        return found
    (tmp_path / "store").mkdir()
    return str(tmp_path / "store")


@pytest.fixture
def source(tmp_path: Path) -> ArtifactCache:
    return ArtifactCache(tmp_path / "source")


def push(
    store: RemoteStore, source: ArtifactCache, sizes: list[int], run_id: RunId = RUN, repository: str = MINE
) -> set[Digest]:
    """Pushes new objects in the name of a run."""
    objects = make_objects(source, sizes)
    rooted = RootedAs(repository=repository, writer="b" * 16, named={run_id: list(objects)})
    result, _ = store.upload(objects, source, rooted=rooted)
    assert result.uploaded == set(objects), result.problems
    return set(objects)


def collect(store: RemoteStore, *purged: RunId, dry_run: bool = False, wait_s: float = 0.0) -> StoreGarbage:
    """One collection by the repository MINE."""
    return store.collector(MINE, "b" * 16).run(lambda run_id: run_id in purged, dry_run=dry_run, wait_s=wait_s)


def later() -> None:
    """S3 counts time in seconds."""
    time.sleep(1.1)


def test_what_roots_name_stays(address: str, source: ArtifactCache) -> None:
    store = open_store(address)
    kept = push(store, source, [100] * 20 + [200_000])
    assert collect(store).marked == 0
    assert set(open_store(address).iter_digests()) == kept


def test_what_a_purged_run_had_goes_after_its_time(address: str, source: ArtifactCache) -> None:
    store = open_store(address)
    gone = push(store, source, [100] * 20 + [200_000])
    kept = push(store, source, [100] * 20 + [200_000], OTHER_RUN)
    report = collect(store, RUN, dry_run=True)
    assert (report.marked, report.deleted, report.roots_replaced) == (2, 0, 1)
    assert set(open_store(address).iter_digests()) == gone | kept
    assert (collect(store, RUN).marked, collect(store, RUN, wait_s=3600).waiting) == (2, 2)
    assert set(open_store(address).iter_digests()) == gone | kept
    later()
    assert collect(store, RUN).deleted == 2
    fresh = open_store(address)
    assert set(fresh.iter_digests()) == kept
    assert fresh.download(kept, ArtifactCache(source.root.parent / "t")).fetched == kept
    assert {entry.key.split("/")[0] for prefix in ("gc/", "r/") for entry in fresh.bucket.entries(prefix)} == {
        "r",
        "gc",
    }
    assert [entry.key.split("/")[1] for entry in fresh.bucket.entries("gc/")] == ["swept"]


def test_an_object_of_two_runs_stays_while_one_is_there(address: str, source: ArtifactCache) -> None:
    store = open_store(address)
    (digest,) = push(store, source, [200_000])
    both = RootedAs(repository=MINE, writer="d" * 16, named={OTHER_RUN: [digest]})
    store.upload({digest: 200_000}, source, rooted=both)
    collect(store, RUN)
    later()
    collect(store, RUN)
    assert store.has(digest)


def test_roots_of_other_repositories_are_not_touched(address: str, source: ArtifactCache) -> None:
    store = open_store(address)
    theirs = push(store, source, [200_000], RUN, THEIRS)
    collect(store, RUN)
    later()
    collect(store, RUN)
    assert set(open_store(address).iter_digests()) == theirs


def test_what_is_named_again_while_it_waits_is_spared(address: str, source: ArtifactCache) -> None:
    store = open_store(address)
    objects = push(store, source, [200_000])
    collect(store, RUN)
    (digest,) = objects
    rooted = RootedAs(repository=MINE, writer="b" * 16, named={OTHER_RUN: objects})
    result, _ = open_store(address).upload({digest: 200_000}, source, rooted=rooted)
    assert result.uploaded == objects, "what is marked is written again"
    later()
    assert collect(store, RUN).deleted == 0
    assert open_store(address).has(digest)


def test_what_was_written_since_it_was_marked_waits_again(address: str, source: ArtifactCache) -> None:
    store = open_store(address)
    (digest,) = push(store, source, [200_000])
    collect(store, RUN)
    later()
    store.bucket.write(object_key(digest), source.path_of(digest).read_bytes())  # by somebody without a root
    assert collect(store, RUN).deleted == 0
    assert store.has(digest)


def test_a_push_between_the_last_look_and_the_deletion_loses_nothing(address: str, source: ArtifactCache) -> None:
    """The race that sweeps are for: the roots were read, the object is found present, and then it is deleted."""
    store = open_store(address)
    (digest,) = push(store, source, [200_000])
    collect(store, RUN)
    later()
    collector = store.collector(MINE, "b" * 16)
    delete, found = collector._delete, threading.Event()
    results = []

    def other() -> None:
        rooted = RootedAs(repository=MINE, writer="e" * 16, named={OTHER_RUN: [digest]})
        clone = open_store(address)
        found.set()
        results.append(clone.upload({digest: 200_000}, source, rooted=rooted)[0])

    pushing = threading.Thread(target=other)

    def delayed(key: str) -> None:
        pushing.start()
        found.wait()
        time.sleep(1.0)  # the push is over, but for the sweep
        delete(key)

    collector._delete = delayed  # type: ignore[method-assign]
    marks = remote_gc.marked_keys
    report = collector.run(lambda run_id: run_id == RUN, dry_run=False, wait_s=0)
    pushing.join()
    assert report.deleted == 1
    assert marks is remote_gc.marked_keys
    assert results[0].uploaded | results[0].present == {digest}
    assert open_store(address).download([digest], ArtifactCache(source.root.parent / "t")).fetched == {digest}


@pytest.mark.parametrize("runs", [pytest.param(20, id="20"), pytest.param(100, id="100", marks=pytest.mark.slow)])
def test_many_write_while_garbage_is_collected(tmp_path: Path, runs: int) -> None:
    """Clones push, and others purge and collect without any wait: what a run names is always to be had."""
    (tmp_path / "store").mkdir()
    address = tmp_path / "store"
    stop = threading.Event()
    alive: dict[RunId, set[Digest]] = {}
    purged: set[RunId] = set()
    failures: list[BaseException] = []
    shared = [os.urandom(150_000) for _ in range(5)]

    def write(number: int) -> None:
        try:
            source = ArtifactCache(tmp_path / f"source{number}")
            store = open_store(address, tmp_path / f"state{number}")
            for count in range(runs // 4):
                run_id = RunId(f"{number:016x}{count:016x}")
                objects = make_objects(source, [300] * 17 + [140_000])
                objects[source.put_bytes(shared[(number + count) % 5])[0]] = 150_000
                rooted = RootedAs(repository=MINE, writer=f"{number:016x}", named={run_id: list(objects)})
                result, _ = store.upload(objects, source, rooted=rooted)
                assert not result.pending, result.problems
                alive[run_id] = set(objects)
                if count % 2:
                    purged.add(run_id)
                    del alive[run_id]
        except BaseException as error:
            failures.append(error)

    def clean() -> None:
        try:
            while not stop.is_set():
                collect(open_store(address), *purged)
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    cleaner = threading.Thread(target=clean)
    for thread in (*writers, cleaner):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    cleaner.join()
    assert failures == []
    wanted = set().union(*alive.values())
    got = open_store(address).download(wanted, ArtifactCache(tmp_path / "target"))
    assert got.fetched == wanted
    for _ in range(3):
        collect(open_store(address), *purged)
    everything = set(open_store(address).iter_digests())
    assert wanted <= everything
    assert joined(root.named for root in read_roots(open_store(address).bucket)).keys() == alive.keys()


def test_many_roots_become_one(tmp_path: Path, source: ArtifactCache) -> None:
    (tmp_path / "store").mkdir()
    store = open_store(tmp_path / "store", tmp_path / "state")
    kept = set()
    for number in range(70):
        kept |= push(store, source, [10], RunId(f"{number:032x}"))
    assert len(read_roots(store.bucket)) == 70
    assert collect(store).roots_replaced == 70
    roots = read_roots(store.bucket)
    assert len(roots) == 1
    assert roots[0].digests() == kept
    # this clone knows that its roots are not there any more, and writes a new one for what it names again
    some = next(iter(kept))
    store.upload({some: 10}, source, rooted=RootedAs(repository=MINE, writer="b" * 16, named={RUN: [some]}))
    assert len(read_roots(store.bucket)) == 2


def test_what_is_rooted_is_not_rooted_again(tmp_path: Path, source: ArtifactCache) -> None:
    (tmp_path / "store").mkdir()
    store = open_store(tmp_path / "store", tmp_path / "state")
    digests = push(store, source, [10] * 20)
    sizes = dict.fromkeys(digests, 10)
    store.upload(sizes, source, rooted=RootedAs(repository=MINE, writer="b" * 16, named={RUN: digests}))
    assert len(read_roots(store.bucket)) == 1


@pytest.mark.parametrize("damage", [b"", b"gitruns root 2\n", b"end\n", None])
def test_a_root_that_nobody_understands_stops_all(tmp_path: Path, source: ArtifactCache, damage: bytes | None) -> None:
    (tmp_path / "store").mkdir()
    store = open_store(tmp_path / "store")
    push(store, source, [200_000])
    (entry,) = store.bucket.entries("r/")
    data = store.bucket.read(entry.key, 0, entry.size_bytes)
    store.bucket.write(entry.key, data[:-80] if damage is None else damage)
    with pytest.raises(CorruptDataError) as caught:
        collect(store)
    assert caught.value.kind == "bad-store-text"


def test_a_pack_whose_index_is_broken_stays(tmp_path: Path, source: ArtifactCache) -> None:
    (tmp_path / "store").mkdir()
    store = open_store(tmp_path / "store")
    push(store, source, [100] * 20)
    (entry,) = store.bucket.entries("i/")
    store.bucket.write(entry.key, b"gitruns pack 1\nnonsense\n")
    for _ in range(3):
        collect(open_store(tmp_path / "store"))
    assert len(list(store.bucket.entries("p/"))) == 1


def test_leftovers_go_when_they_are_old(tmp_path: Path, source: ArtifactCache) -> None:
    (tmp_path / "store").mkdir()
    store = open_store(tmp_path / "store")
    push(store, source, [200_000])
    (folder,) = (tmp_path / "store" / "o").iterdir()
    (folder / ".part-0123").write_bytes(b"half")
    assert collect(store).leftovers == 0
    os.utime(folder / ".part-0123", (0, 0))
    assert collect(store, dry_run=True).leftovers == 1
    assert collect(store).leftovers == 1
    assert collect(store).leftovers == 0


def test_a_sweep_of_a_killed_collector_does_not_hold_pushes_for_ever(
    tmp_path: Path, source: ArtifactCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store").mkdir()
    store = open_store(tmp_path / "store")
    (digest,) = push(store, source, [200_000])
    store.bucket.write("gc/sweeps/0-a", remote_gc._encode([object_key(digest)]))
    assert remote_gc.outwait_sweeps(store.bucket, [object_key(digest)], [], wait_s=0.3) == {object_key(digest)}
    assert remote_gc.outwait_sweeps(store.bucket, ["o/other"], [], wait_s=60) == frozenset()


@pytest.fixture(autouse=True)
def _no_lasting_threads() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("gitruns-up")]


def test_a_sweep_that_is_over_before_the_push_is_seen_too(tmp_path: Path, source: ArtifactCache) -> None:
    """The object was found present; then it was deleted, and the sweep removed, before the push looked for sweeps."""
    (tmp_path / "store").mkdir()
    store = open_store(tmp_path / "store")
    (digest,) = push(store, source, [200_000])
    clone = open_store(tmp_path / "store")
    upload = clone._upload

    def then_swept(*arguments: Any) -> Any:
        result = upload(*arguments)
        store.bucket.remove([object_key(digest)])
        store.bucket.write("gc/swept/0-a", remote_gc._encode([object_key(digest)]))
        clone._upload = upload  # type: ignore[method-assign]
        return result

    clone._upload = then_swept  # type: ignore[method-assign]
    rooted = RootedAs(repository=MINE, writer="e" * 16, named={OTHER_RUN: [digest]})
    result, _ = clone.upload({digest: 200_000}, source, rooted=rooted)
    assert result.uploaded == {digest}
    assert open_store(tmp_path / "store").has(digest)


def test_a_pack_whose_index_comes_while_garbage_is_counted_stays(tmp_path: Path, source: ArtifactCache) -> None:
    (tmp_path / "store").mkdir()
    store = open_store(tmp_path / "store")
    kept = push(store, source, [100] * 20)
    (index,) = store.bucket.entries("i/")
    data = store.bucket.read(index.key, 0, index.size_bytes)
    store.bucket.remove([index.key])
    assert collect(open_store(tmp_path / "store")).marked == 1
    late = open_store(tmp_path / "store").collector(MINE, "b" * 16)
    report = late.run(dry_run=False, wait_s=0, before_delete=lambda: store.bucket.write(index.key, data))
    assert report.deleted == 0
    assert set(open_store(tmp_path / "store").iter_digests()) == kept


def test_a_killed_collector_s_sweep_is_ended_by_the_next(
    tmp_path: Path, source: ArtifactCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store").mkdir()
    store = open_store(tmp_path / "store")
    store.bucket.write("gc/sweeps/0-a", remote_gc._encode(["o/00/a"]))
    collect(store)
    assert [entry.key for entry in store.bucket.entries("gc/")] == ["gc/sweeps/0-a"]
    monkeypatch.setattr(remote_gc, "SWEEP_S", -60)
    collect(store)
    assert [entry.key for entry in store.bucket.entries("gc/")] == ["gc/swept/0-a"]
    monkeypatch.setattr(remote_gc, "_SWEPT_S", -60)
    collect(store)
    assert list(store.bucket.entries("gc/")) == []
