"""Many processes move refs at once, git's own among them: nothing is lost and nobody moves from where a ref is not."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from gitruns.entities.ids import ObjectId
from gitruns.errors import ConflictError
from gitruns.gitstore import GitStore, open_store

PROCESSES = 16
COUNTER = "refs/runs/" + "0" * 32
Environ = Mapping[str, str]

FORK = multiprocessing.get_context("fork")


def _init(folder: Path, environ: Environ, *options: str) -> GitStore:
    subprocess.run(["git", "init", "-q", *options, folder], env=dict(environ), check=True)
    return open_store(folder, environ=environ)


def _commit(store: GitStore, text: str, parent: ObjectId | None) -> ObjectId:
    tree = store.backend.write_object("tree", b"")
    who = "Ada <ada@example.org> 1700000000 +0000"
    parents = "" if parent is None else f"parent {parent}\n"
    return store.backend.write_object(
        "commit", f"tree {tree}\n{parents}author {who}\ncommitter {who}\n\n{text}\n".encode()
    )


def _together(number: int, task: object, *args: object) -> list[object]:
    """Runs a function in many processes that begin at the same moment; returns what each of them returns."""
    results: multiprocessing.Queue[object] = FORK.Queue()  # type: ignore[assignment]
    barrier = FORK.Barrier(number)

    def run(index: int) -> None:
        barrier.wait()
        results.put(task(index, *args))  # type: ignore[operator]

    processes = [FORK.Process(target=run, args=(index,)) for index in range(number)]
    for process in processes:
        process.start()
    found = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    return found


def _count_up(index: int, folder: Path, environ: Environ, times: int) -> int:
    """Adds commits to one chain, and creates, moves and deletes refs of its own all the while."""
    store = open_store(folder, environ=environ)
    backend = store.backend
    lost = 0
    for number in range(times):
        own = f"refs/runs/{index + 1:016x}{number:016x}"
        first = _commit(store, f"{index} {number}", None)
        backend.update_ref(own, first, None)
        while True:
            old = backend.read_ref(COUNTER)
            try:
                backend.update_ref(COUNTER, _commit(store, f"{index} {number}", old), old)
                break
            except ConflictError:
                lost += 1
        backend.update_ref(own, backend.read_ref(COUNTER), first)
        if number % 2:
            backend.update_ref(own, None, backend.read_ref(own))
    return lost


def _storm(folder: Path, environ: Environ, times: int) -> None:
    packing = subprocess.Popen(
        ["sh", "-c", "while :; do git pack-refs --all; git update-ref refs/heads/other HEAD 2>/dev/null; done"],
        cwd=folder,
        env=dict(environ),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _together(PROCESSES, _count_up, folder, environ, times)
    finally:
        os.killpg(packing.pid, 9)
        packing.wait()
    for lock in folder.joinpath(".git").rglob("*.lock"):  # of the git that was killed
        lock.unlink()
    store = open_store(folder, environ=environ)
    chain = store.git.run("log", "--format=%s", COUNTER).decode().splitlines()
    assert sorted(chain) == sorted(f"{index} {number}" for index in range(PROCESSES) for number in range(times))
    left = store.backend.list_refs("refs/runs/")
    assert len(left) == 1 + PROCESSES * ((times + 1) // 2)
    store.git.run("fsck", "--strict")


def test_a_chain_grows_while_git_packs_the_refs(tmp_path: Path) -> None:
    _init(tmp_path, os.environ)
    _storm(tmp_path, os.environ, 6)


@pytest.mark.slow
def test_a_long_chain_grows_while_git_packs_the_refs(tmp_path: Path) -> None:
    _init(tmp_path, os.environ)
    _storm(tmp_path, os.environ, 200)


def test_a_chain_grows_in_reftables(tmp_path: Path, reftable_environ: Environ) -> None:
    environ = {**os.environ, **reftable_environ}
    _init(tmp_path, environ, "--ref-format=reftable")
    _storm(tmp_path, environ, 1)


def _create_each(index: int, folder: Path, refs: list[str]) -> list[str]:
    store = open_store(folder, environ=os.environ)
    mine = _commit(store, str(index), None)
    won = []
    for ref in refs:
        try:
            store.backend.update_ref(ref, mine, None)
            won.append(ref)
        except ConflictError:
            pass
    return won


def test_of_many_who_create_a_ref_one_wins(tmp_path: Path) -> None:
    """libgit2 looks before it locks, so that two of them win now and then: the reason for `file_refs`."""
    _init(tmp_path, os.environ)
    refs = [f"refs/runs/{number:032x}" for number in range(60)]
    won = _together(PROCESSES, _create_each, tmp_path, refs)
    assert sorted(ref for some in won for ref in some) == refs  # type: ignore[attr-defined]


def _race_git(index: int, folder: Path, times: int) -> int:
    """Counts up with git's own `update-ref` for one half, with ours for the other."""
    store = open_store(folder, environ=os.environ)
    done = 0
    while done < times:
        old = store.backend.read_ref(COUNTER)
        new = _commit(store, f"{index} {done}", old)
        if index % 2:
            moved = subprocess.run(
                ["git", "update-ref", COUNTER, new, old or "0" * 40], cwd=folder, capture_output=True, check=False
            )
            done += moved.returncode == 0
            continue
        try:
            store.backend.update_ref(COUNTER, new, old)
            done += 1
        except ConflictError:
            pass
    return done


def test_git_and_we_respect_each_others_locks(tmp_path: Path) -> None:
    store = _init(tmp_path, os.environ)
    _together(6, _race_git, tmp_path, 5)
    assert len(store.git.run("log", "--format=%H", COUNTER).split()) == 30


def _write_same(index: int, folder: Path) -> list[str]:
    store = open_store(folder, environ=os.environ)
    return [store.backend.write_object("blob", b"shared %d" % number) for number in range(100)]


def test_many_write_the_same_objects(tmp_path: Path) -> None:
    store = _init(tmp_path, os.environ)
    written = _together(PROCESSES, _write_same, tmp_path)
    assert all(one == written[0] for one in written)
    assert store.git.run("count-objects").split()[0] == b"100"
    store.git.run("fsck", "--strict")
    assert not list((tmp_path / ".git" / "objects").rglob("tmp_obj_*"))
