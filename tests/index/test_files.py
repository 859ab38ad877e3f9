"""Whatever the file is like, the answers are right."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from gitruns.index import Index, Search, database, index_path, place
from gitruns.index.place import is_on_network
from gitruns.index.schema import APPLICATION_ID, SCHEMA_VERSION
from index.sources import MemorySource, make_run

RUNS = 40


@pytest.fixture
def source() -> MemorySource:
    return MemorySource(
        make_run(number, metrics={"acc": number / RUNS}, params={"lr": 0.1, "text": "x" * 200}, tags={"t": str(number)})
        for number in range(RUNS)
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gitruns" / "index.db"


def answer(index: Index) -> list[str]:
    found, _ = index.list_runs(Search(filter="acc >= 0.5 and lr = 0.1 and t != '30'", order_by=["-acc"]))
    return [one.run.info.name for one in found]


WANTED = [f"run-{number}" for number in range(RUNS - 1, RUNS // 2 - 1, -1) if number != 30]


def built(path: Path, source: MemorySource) -> bytes:
    """Makes an index, closes it and returns its bytes: without a log beside it."""
    index = Index(path, source)
    assert answer(index) == WANTED
    index.close()
    assert [one.name for one in path.parent.iterdir()] == ["index.db"]
    return path.read_bytes()


def check(path: Path | None, source: MemorySource) -> Index:
    index = Index(path, source)
    assert answer(index) == WANTED
    return index


def test_the_next_process_reads_nothing_anew(path: Path, source: MemorySource) -> None:
    built(path, source)
    read = source.read_count
    check(path, source)
    assert source.read_count == read


def test_a_deleted_file_is_made_again(path: Path, source: MemorySource) -> None:
    index = check(path, source)
    path.unlink()
    check(path, source)
    shutil.rmtree(path.parent)
    check(path, source)
    assert answer(index) == WANTED


def test_a_log_that_was_left_alone_does_no_harm(path: Path, source: MemorySource) -> None:
    index = check(path, source)
    assert Path(f"{path}-wal").exists()
    path.unlink()
    check(path, source)
    index.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a database\n" * 100,
        b"SQLite format 3\0",
        b"\0" * 8192,
        os.urandom(20_000),
    ],
    ids=["empty", "text", "header", "zeros", "noise"],
)
def test_a_file_that_is_no_database_is_replaced(path: Path, source: MemorySource, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    index = check(path, source)
    assert not index.stats().path or index.stats().runs == RUNS
    assert path.read_bytes()[:16] == b"SQLite format 3\0"


@pytest.mark.parametrize("keep", [1, 100, 4096, 5000, 0.5, 0.9])
def test_a_truncated_file_is_replaced(path: Path, source: MemorySource, keep: float) -> None:
    data = built(path, source)
    path.write_bytes(data[: keep if isinstance(keep, int) else int(len(data) * keep)])
    check(path, source)


def test_pages_of_noise_are_noticed(path: Path, source: MemorySource) -> None:
    data = built(path, source)
    dice = random.Random(7)
    for _ in range(30):
        damaged = bytearray(data)
        page = dice.randrange(1, len(data) // 4096) * 4096
        damaged[page : page + 4096] = dice.randbytes(4096)
        path.write_bytes(damaged)
        for name in ("-wal", "-shm"):
            Path(f"{path}{name}").unlink(missing_ok=True)
        index = check(path, source)
        index.close()


def test_damage_while_it_is_open_is_healed(path: Path, source: MemorySource) -> None:
    index = check(path, source)
    index.close()
    path.write_bytes(b"damage" * 1000)
    assert answer(index) == WANTED


def test_a_foreign_database_is_replaced(path: Path, source: MemorySource) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE runs (something TEXT)")
    other.close()
    check(path, source)


def test_ours_with_tables_that_are_not_is_replaced(path: Path, source: MemorySource) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE runs (something TEXT)")
    other.execute(f"PRAGMA application_id={APPLICATION_ID}")
    other.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    other.close()
    check(path, source)


def test_an_older_version_is_replaced(path: Path, source: MemorySource) -> None:
    built(path, source)
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version=0")
    other.execute("DROP TABLE labels")
    other.close()
    read = source.read_count
    check(path, source)
    assert source.read_count == read + RUNS


def test_a_newer_version_is_never_touched(path: Path, source: MemorySource) -> None:
    built(path, source)
    other = sqlite3.connect(path)
    other.execute("PRAGMA journal_mode=DELETE")
    other.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    other.execute("DROP TABLE labels")
    other.close()
    before = path.read_bytes()
    index = check(path, source)
    stats = index.stats()
    index.close()
    assert path.read_bytes() == before
    assert stats.path == path.with_name(f"index-{SCHEMA_VERSION}.db")
    read = source.read_count
    check(path, source)
    assert source.read_count == read


# Places that cannot be written


def as_user(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")


def test_where_no_folder_can_be_made_the_index_is_in_memory(tmp_path: Path, source: MemorySource) -> None:
    (tmp_path / "file").write_text("in the way")
    index = check(tmp_path / "file" / "index.db", source)
    assert index.stats().path is None


def test_in_memory_on_request(source: MemorySource) -> None:
    index = check(None, source)
    assert index.stats().path is None
    source.put(make_run(99, metrics={"acc": 0.99}, params={"lr": 0.1}, tags={"t": "9"}))
    assert answer(index)[0] == "run-99"
    index.close()
    assert answer(index)[0] == "run-99"


def test_a_read_only_folder(path: Path, source: MemorySource) -> None:
    as_user(path)
    built(path, source)
    source.put(make_run(99, metrics={"acc": 0.99}, params={"lr": 0.1}, tags={"t": "9"}))
    path.chmod(0o444)
    path.parent.chmod(0o555)
    read = source.read_count
    try:
        index = Index(path, source)
        assert answer(index) == ["run-99", *WANTED]
        assert index.stats().path is None
        assert source.read_count == read + 1, "what the file held was not used"
    finally:
        path.parent.chmod(0o755)


def test_what_the_file_holds_is_used_in_memory(
    path: Path, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a read-only place, also for root: SQLite itself is told to refuse."""
    built(path, source)
    source.put(make_run(99, metrics={"acc": 0.99}, params={"lr": 0.1}, tags={"t": "9"}))
    real = database._opened

    def opened(name: str, busy_s: float, *, uri: bool = False) -> sqlite3.Connection:
        connection = real(name, busy_s, uri=uri)
        if name != ":memory:":
            connection.execute("PRAGMA query_only=ON")
        return connection

    monkeypatch.setattr(database, "_opened", opened)
    read = source.read_count
    index = Index(path, source)
    assert answer(index) == ["run-99", *WANTED]
    assert index.stats().path is None
    assert source.read_count == read + 1, "what the file held was not used"


def test_a_full_disk(path: Path, source: MemorySource, monkeypatch: pytest.MonkeyPatch) -> None:
    real = database._opened

    def opened(name: str, busy_s: float, *, uri: bool = False) -> sqlite3.Connection:
        connection = real(name, busy_s, uri=uri)
        if name != ":memory:":
            connection.execute("PRAGMA max_page_count=20")  # then SQLite says what it says of a full disk
        return connection

    monkeypatch.setattr(database, "_opened", opened)
    index = check(path, source)
    assert index.stats().path is None


def test_a_lock_that_nobody_gives_up_is_not_waited_for_forever(path: Path, source: MemorySource) -> None:
    built(path, source)
    source.put(make_run(99, metrics={"acc": 0.99}, params={"lr": 0.1}, tags={"t": "9"}))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    index = Index(path, source)
    index._database = database.Database(path, busy_s=0.1)
    try:
        assert answer(index) == ["run-99", *WANTED]
        assert index.stats().path is None
    finally:
        holder.close()


# Where the file lies

MOUNTS = """\
22 28 0:20 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:41 / /home rw,relatime shared:2 - nfs4 server:/home rw
31 22 0:42 / /home/ada/local rw,relatime - xfs /dev/vdb rw
32 22 0:43 / /mnt/with\\040space rw,relatime - cifs //server/share rw
33 22 0:44 / /mnt/fuse rw,relatime - fuse.sshfs ada@server:/ rw
"""


@pytest.mark.parametrize(
    ("folder", "network"),
    [
        ("/srv/repo", False),
        ("/home", True),
        ("/home/ada/repo", True),
        ("/home/ada/local/repo", False),
        ("/homestead", False),
        ("/mnt/with space/x", True),
        ("/mnt/fuse/x", True),
    ],
)
def test_network_file_systems_are_known(folder: str, network: bool) -> None:
    assert is_on_network(Path(folder), MOUNTS) is network


def test_on_a_network_the_users_cache_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote, other, cache = tmp_path / "remote", tmp_path / "other", tmp_path / "cache"
    assert index_path(remote, cache) == remote / "index.db"
    mounts = f"1 2 0:1 / {tmp_path} rw,x - nfs4 s:/ rw\n3 2 0:2 / {cache} rw,x - ext4 d rw\n"
    monkeypatch.setattr(place, "_mounts", lambda: mounts)
    first = index_path(remote, cache)
    assert first is not None and first.parent == cache / "gitruns" / "index"
    assert first == index_path(remote, cache) != index_path(other, cache)
    assert index_path(remote, None) is None
    assert index_path(remote, other) is None
