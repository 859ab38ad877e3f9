"""What every engine of a repository must hold: inherit `BackendContract` and say what kind of repository it opens.

class TestMyBackend(BackendContract):
    @pytest.fixture
    def repository(self, tmp_path, program):
        program(tmp_path, "init", "--object-format=sha256", "repository")
        return tmp_path / "repository"

Whatever the engine does is checked with the real git.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from gitruns.entities.ids import ObjectId
from gitruns.errors import ConflictError, CorruptDataError, GitRunsError, LockedError, NotFoundError
from gitruns.gitstore import lockfile, open_store
from gitruns.gitstore.backend import Backend

Program = Callable[..., str]

REF = "refs/runs/0123456789abcdef0123456789abcdef"
OTHER = "refs/runs/fedcba9876543210fedcba9876543210"
CONTENTS = [
    pytest.param(b"", id="empty"),
    pytest.param(b"hello\n", id="text"),
    pytest.param(bytes(range(256)) * 300, id="binary"),
    pytest.param(b"0123456789abcdef" * 200_000, id="3-megabytes"),
]


class BackendContract:
    """The suite. `program` is the git that understands the repository, `environ` what it runs in."""

    @pytest.fixture
    def environ(self) -> Mapping[str, str]:
        """Returns the environment of git; PATH decides which one it is."""
        return dict(os.environ)

    @pytest.fixture
    def program(self, environ: Mapping[str, str]) -> Program:
        """Returns the function that runs git in a folder: `program(folder, "log")`; it returns what git prints."""

        def run(folder: Path, *args: str, stdin: bytes | None = None) -> str:
            done = subprocess.run(
                ["git", *args], cwd=folder, input=stdin, env=dict(environ), capture_output=True, check=False
            )
            assert done.returncode == 0, f"git {' '.join(args)}: {done.stderr.decode()}"
            return done.stdout.decode().rstrip("\n")

        return run

    @pytest.fixture
    def repository(self, tmp_path: Path, program: Program) -> Path:
        """Returns the work tree of a new repository without commits."""
        raise NotImplementedError

    @pytest.fixture
    def backend(self, repository: Path, environ: Mapping[str, str]) -> Iterator[Backend]:
        """Opens the repository."""
        store = open_store(repository, environ=environ)
        yield store.backend
        store.close()

    def commit(self, backend: Backend, text: str = "one") -> ObjectId:
        """Writes a commit to point refs at."""
        tree = backend.write_object("tree", b"")
        line = "Ada <ada@example.org> 1700000000 +0000"
        content = f"tree {tree}\nauthor {line}\ncommitter {line}\n\n{text}\n"
        return backend.write_object("commit", content.encode())

    # Objects

    @pytest.mark.parametrize("data", CONTENTS)
    def test_an_object_comes_back(self, backend: Backend, repository: Path, program: Program, data: bytes) -> None:
        oid = backend.write_object("blob", data)
        assert oid == program(repository, "hash-object", "--stdin", stdin=data)
        assert backend.has_object(oid)
        assert backend.object_header(oid) == ("blob", len(data))
        assert backend.read_object(oid) == ("blob", data)
        assert program(repository, "cat-file", "-s", oid) == str(len(data))
        assert backend.read_object(oid, max_bytes=len(data)) == ("blob", data)
        if data:
            with pytest.raises(CorruptDataError, match=str(len(data))) as caught:
                backend.read_object(oid, max_bytes=len(data) - 1)
            assert caught.value.kind == "too-large"

    def test_writing_again_only_makes_it_younger(self, backend: Backend, repository: Path) -> None:
        oid = backend.write_object("blob", b"shared\n")
        path = repository / ".git" / "objects" / oid[:2] / oid[2:]
        os.utime(path, (1_000_000, 1_000_000))
        inode = path.stat().st_ino
        assert backend.write_object("blob", b"shared\n") == oid
        assert path.stat().st_ino == inode
        assert path.stat().st_mtime > 1_000_000

    def test_objects_are_read_only_and_leave_no_litter(self, backend: Backend, repository: Path) -> None:
        oid = backend.write_object("blob", b"x")
        folder = repository / ".git" / "objects" / oid[:2]
        assert [path.name for path in folder.iterdir()] == [oid[2:]]
        assert (folder / oid[2:]).stat().st_mode & 0o333 == 0

    @pytest.mark.parametrize("shift", [-24, 0, 24])
    def test_an_absent_object_is_named(self, backend: Backend, shift: int) -> None:
        oid = ObjectId("1234" * 10 if len(backend.write_object("blob", b"")) == 40 else "1234" * 16)
        oid = ObjectId(oid[:shift] if shift < 0 else oid + "0" * shift)
        assert not backend.has_object(oid)
        for read in (backend.read_object, backend.object_header):
            with pytest.raises(NotFoundError, match=oid) as caught:
                read(oid)
            assert caught.value.kind == "object-missing"

    @pytest.mark.parametrize("by_offset", ["true", "false"])
    def test_packed_objects_and_deltas_are_read(
        self, backend: Backend, repository: Path, program: Program, by_offset: str
    ) -> None:
        oids, texts = self.pack_similar_texts(backend, repository, program, by_offset)
        shown = program(repository, "verify-pack", "-v", *map(str, self.indexes(repository)))
        assert "chain length = 3:" in shown
        for oid, text in zip(oids, texts, strict=True):
            assert backend.has_object(oid)
            assert backend.object_header(oid) == ("blob", len(text))
            assert backend.read_object(oid) == ("blob", text)
            with pytest.raises(CorruptDataError, match=str(len(text))):
                backend.read_object(oid, max_bytes=len(text) - 1)

    @pytest.mark.parametrize("damage", ["cut", "zeros", "flipped"])
    def test_a_damaged_pack_is_never_believed(
        self, backend: Backend, repository: Path, program: Program, damage: str
    ) -> None:
        oids, texts = self.pack_similar_texts(backend, repository, program, "true")
        [pack] = (repository / ".git" / "objects" / "pack").glob("*.pack")
        whole = pack.read_bytes()
        middle = len(whole) // 2
        pack.chmod(0o644)
        pack.write_bytes(
            {
                "cut": whole[:middle],
                "zeros": whole[:middle] + bytes(len(whole) - middle),
                "flipped": whole[:200] + bytes(byte ^ 255 for byte in whole[200:]),
            }[damage]
        )
        believed = 0
        for oid, text in zip(oids, texts, strict=True):
            try:
                assert backend.read_object(oid) == ("blob", text)
                believed += 1
            except (CorruptDataError, NotFoundError):
                pass
            with suppress(CorruptDataError, NotFoundError):
                backend.object_header(oid)
        assert believed < len(texts)

    def pack_similar_texts(
        self, backend: Backend, repository: Path, program: Program, by_offset: str
    ) -> tuple[list[ObjectId], list[bytes]]:
        """Puts texts that differ in a few lines into one pack of deltas; returns their ids and the texts."""
        lines = [hashlib.sha256(b"%d" % line).hexdigest().encode() for line in range(400)]
        texts = [b"\n".join([*lines[200 : 200 + 5 * number], *lines[5 * number : 200]]) for number in range(40)]
        oids = [backend.write_object("blob", text) for text in texts]
        tree = b"".join(b"100644 %03d\0%s" % (number, bytes.fromhex(oid)) for number, oid in enumerate(oids))
        backend.update_ref("refs/runs-local/" + "a" * 32, backend.write_object("tree", tree), None)
        program(repository, "config", "repack.useDeltaBaseOffset", by_offset)
        program(repository, "repack", "-adfq", "--depth=50", "--window=50")
        program(repository, "prune-packed")
        return oids, texts

    def indexes(self, repository: Path) -> list[Path]:
        """Returns the index of each pack."""
        return list((repository / ".git" / "objects" / "pack").glob("*.idx"))

    def test_an_object_in_a_pack_is_not_written_loose(
        self, backend: Backend, repository: Path, program: Program
    ) -> None:
        commit = self.commit(backend)
        backend.update_ref(REF, commit, None)
        program(repository, "gc", "-q", "--prune=now")
        [pack] = (repository / ".git" / "objects" / "pack").glob("*.pack")
        os.utime(pack, (1_000_000, 1_000_000))
        assert self.commit(backend) == commit
        assert not (repository / ".git" / "objects" / commit[:2] / commit[2:]).exists()
        assert pack.stat().st_mtime > 1_000_000

    def test_a_pack_may_vanish_under_an_open_backend(
        self, backend: Backend, repository: Path, program: Program
    ) -> None:
        oids = []
        for number in range(3):
            oids.append(self.commit(backend, f"commit {number}"))
            backend.update_ref(f"refs/runs/{number:032x}", oids[-1], None)
            program(repository, "gc", "-q", "--prune=now")
            for oid in oids:
                assert backend.read_object(oid)[0] == "commit"
        # What gc has dropped must be written again, also when an engine still has the old pack open.
        lost = backend.write_object("blob", b"in a pack, then dropped")
        backend.update_ref("refs/runs-local/" + "b" * 32, lost, None)
        program(repository, "gc", "-q", "--prune=now")
        assert backend.read_object(lost)[1] == b"in a pack, then dropped"
        backend.update_ref("refs/runs-local/" + "b" * 32, None, lost)
        program(repository, "gc", "-q", "--prune=now")
        assert not backend.has_object(lost)
        assert backend.write_object("blob", b"in a pack, then dropped") == lost
        assert backend.has_object(lost)
        assert program(repository, "cat-file", "-t", lost) == "blob"

    def test_objects_of_an_alternate_are_here(
        self, backend: Backend, repository: Path, program: Program, environ: Mapping[str, str]
    ) -> None:
        loose, packed = self.commit(backend, "loose"), self.commit(backend, "packed")
        backend.update_ref("refs/heads/main", packed, None)
        program(repository, "repack", "-adq")
        program(repository.parent, "clone", "-q", "--shared", "--no-checkout", str(repository), "clone")
        store = open_store(repository.parent / "clone", environ=environ)
        for oid in (loose, packed):
            assert store.backend.has_object(oid)
            assert store.backend.object_header(oid)[0] == "commit"
            assert store.backend.read_object(oid)[0] == "commit"
        store.close()

    @pytest.mark.parametrize("damage", ["cut", "garbage", "other", "empty"])
    def test_a_damaged_object_is_never_believed(self, backend: Backend, repository: Path, damage: str) -> None:
        oid = backend.write_object("blob", b"some content\n" * 50)
        other = backend.write_object("blob", b"another content\n" * 50)
        place = repository / ".git" / "objects"
        path = place / oid[:2] / oid[2:]
        path.chmod(0o644)
        if damage == "other":
            shutil.copyfile(place / other[:2] / other[2:], path)
        else:
            whole = path.read_bytes()
            path.write_bytes({"cut": whole[: len(whole) // 2], "garbage": b"\x01\x02" * 40, "empty": b""}[damage])
        with pytest.raises(CorruptDataError, match=oid) as caught:
            backend.read_object(oid)
        assert caught.value.kind == "corrupt-object"

    def test_a_pack_of_many_objects(self, backend: Backend, repository: Path, program: Program) -> None:
        blobs = [("blob", b"content %d\n" % number * number) for number in range(300)]
        tree = ("tree", b"")
        oids = backend.write_pack([*blobs, tree, blobs[7]])
        assert len(oids) == 302
        assert oids[7] == oids[301]
        for (kind, data), oid in zip([*blobs, tree], oids, strict=False):
            assert backend.read_object(oid) == (kind, data)
            assert backend.object_header(oid) == (kind, len(data))
        assert "in-pack: 301" in program(repository, "count-objects", "-v")
        assert backend.write_pack(blobs[:0]) == []
        assert backend.write_pack([*blobs, tree]) == oids[:301]
        program(repository, "fsck", "--strict", "--full")
        program(repository, "verify-pack", *map(str, self.indexes(repository)))
        assert not list((repository / ".git" / "objects" / "pack").glob("tmp_*"))

    # Refs

    def test_a_ref_moves_only_from_where_it_is(self, backend: Backend, repository: Path, program: Program) -> None:
        one, two = self.commit(backend, "one"), self.commit(backend, "two")
        assert backend.read_ref(REF) is None
        backend.update_ref(REF, one, None)
        assert backend.read_ref(REF) == one == program(repository, "rev-parse", REF)
        for old in (None, two):
            with pytest.raises(ConflictError, match=REF) as caught:
                backend.update_ref(REF, two, old)
            assert (caught.value.kind, caught.value.facts["found"]) == ("ref-moved", one)
        backend.update_ref(REF, two, one)
        assert backend.read_ref(REF) == two
        with pytest.raises(ConflictError):
            backend.update_ref(REF, None, one)
        backend.update_ref(REF, None, two)
        assert backend.read_ref(REF) is None
        assert program(repository, "for-each-ref") == ""
        with pytest.raises(ConflictError):
            backend.update_ref(REF, one, two)
        backend.update_ref(REF, None, None)

    def test_refs_are_listed_loose_and_packed(self, backend: Backend, repository: Path, program: Program) -> None:
        one, two = self.commit(backend, "one"), self.commit(backend, "two")
        assert backend.list_refs("refs/runs/") == {}
        backend.update_ref(REF, one, None)
        backend.update_ref("refs/runs/experiments/0", two, None)
        program(repository, "pack-refs", "--all")
        backend.update_ref(OTHER, one, None)
        backend.update_ref("refs/runs-local/" + "c" * 32, one, None)
        assert backend.list_refs("refs/runs/") == {REF: one, OTHER: one, "refs/runs/experiments/0": two}
        assert backend.list_refs("refs/runs/experiments/") == {"refs/runs/experiments/0": two}
        assert list(backend.list_refs("refs/runs-local/")) == ["refs/runs-local/" + "c" * 32]
        backend.update_ref(REF, two, one)
        assert backend.list_refs("refs/runs/")[REF] == two

    def test_a_packed_ref_goes_and_its_neighbours_stay(
        self, backend: Backend, repository: Path, program: Program
    ) -> None:
        one = self.commit(backend)
        for ref in (REF, OTHER):
            backend.update_ref(ref, one, None)
        program(repository, "tag", "-a", "-m", "a tag", "v1", one)
        program(repository, "pack-refs", "--all")
        before = program(repository, "for-each-ref")
        backend.update_ref(REF, None, one)
        after = program(repository, "for-each-ref")
        assert after.splitlines() == [line for line in before.splitlines() if REF not in line]
        assert backend.read_ref(REF) is None
        assert program(repository, "rev-parse", "v1^{}") == one
        backend.update_ref(REF, one, None)
        assert backend.read_ref(REF) == one

    def test_many_refs_are_deleted_where_they_are_expected(
        self, backend: Backend, repository: Path, program: Program
    ) -> None:
        one, two = self.commit(backend, "one"), self.commit(backend, "two")
        packed, loose, both, moved, gone = (f"refs/runs/{digit * 32}" for digit in "12345")
        for ref in (packed, both, moved):
            backend.update_ref(ref, one, None)
        program(repository, "tag", "-a", "-m", "a tag", "v1", one)
        program(repository, "pack-refs", "--all")
        backend.update_ref(both, two, one)
        backend.update_ref(moved, two, one)
        backend.update_ref(loose, one, None)
        expected = {packed: one, loose: one, both: two, moved: one, gone: one}
        assert backend.delete_refs(expected) == {packed, loose, both}
        assert backend.list_refs("refs/runs/") == {moved: two}
        listed = program(repository, "for-each-ref", "--format=%(refname)").split()
        assert listed == [moved, "refs/tags/v1"]
        assert program(repository, "rev-parse", "v1^{}") == one
        assert backend.delete_refs({}) == set()
        assert backend.delete_refs({moved: two}) == {moved}
        assert program(repository, "for-each-ref", "refs/runs") == ""

    def test_a_locked_ref_stays_and_the_others_go(self, backend: Backend, repository: Path) -> None:
        if (repository / ".git" / "reftable").is_dir():
            pytest.skip("reftables are locked as a whole")
        one = self.commit(backend)
        for ref in (REF, OTHER):
            backend.update_ref(ref, one, None)
        lock = repository / ".git" / f"{REF}.lock"
        lock.touch()
        assert backend.delete_refs({REF: one, OTHER: one}) == {OTHER}
        lock.unlink()
        assert backend.list_refs("refs/runs/") == {REF: one}

    def test_what_other_processes_do_is_seen(self, backend: Backend, repository: Path, program: Program) -> None:
        one, two = self.commit(backend, "one"), self.commit(backend, "two")
        for number in range(6):
            new, old = (one, two) if number % 2 == 0 else (two, one)
            program(repository, "update-ref", REF, new)
            assert backend.read_ref(REF) == new
            if number % 3 == 2:
                program(repository, "pack-refs", "--all")
            assert backend.list_refs("refs/runs/") == {REF: new}
            with pytest.raises(ConflictError):
                backend.update_ref(REF, new, old)

    def test_a_lock_that_stays_is_said(
        self, backend: Backend, repository: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = self.commit(backend)
        monkeypatch.setattr(lockfile, "PATIENCE_S", 0.05)
        tables = repository / ".git" / "reftable" / "tables.list.lock"
        lock = tables if tables.parent.is_dir() else repository / ".git" / f"{REF}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
        with pytest.raises(LockedError, match=REF) as caught:
            backend.update_ref(REF, one, None)
        assert caught.value.kind == "ref-locked"
        assert f"rm '{lock}'" in str(caught.value.hint)
        assert lock.exists()
        lock.unlink()
        backend.update_ref(REF, one, None)
        assert not lock.exists()

    def test_no_reflog_is_written(
        self, backend: Backend, repository: Path, program: Program, environ: Mapping[str, str]
    ) -> None:
        program(repository, "config", "core.logAllRefUpdates", "always")
        one, two = self.commit(backend, "one"), self.commit(backend, "two")
        backend.update_ref(REF, one, None)
        backend.update_ref(REF, two, one)
        assert program(repository, "reflog", "show", REF) == ""
        backend.update_ref(REF, None, two)
        assert not (repository / ".git" / "logs" / "refs" / "runs").exists()

    def test_symbolic_refs_are_followed_and_never_moved(
        self, backend: Backend, repository: Path, program: Program
    ) -> None:
        one = self.commit(backend)
        backend.update_ref(OTHER, one, None)
        program(repository, "symbolic-ref", REF, OTHER)
        assert backend.read_ref(REF) == one
        assert backend.list_refs("refs/runs/") == {OTHER: one}
        with pytest.raises((ConflictError, CorruptDataError)):
            backend.update_ref(REF, self.commit(backend, "two"), None)
        program(repository, "symbolic-ref", REF, REF)
        with suppress(GitRunsError):  # an engine may say that it has no end, or see none there
            assert backend.read_ref(REF) is None
        assert backend.list_refs("refs/runs/") == {OTHER: one}

    def test_threads_move_one_ref(self, backend: Backend) -> None:
        one = self.commit(backend)

        def create(number: int) -> bool:
            try:
                backend.update_ref(REF, one, None)
            except ConflictError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(create, range(8))) == 1

    def test_head(self, backend: Backend, repository: Path, program: Program) -> None:
        branch = program(repository, "symbolic-ref", "--short", "HEAD")
        assert backend.read_head() == (branch, None)
        program(repository, "commit", "-q", "--allow-empty", "-m", "first")
        commit = ObjectId(program(repository, "rev-parse", "HEAD"))
        assert backend.read_head() == (branch, commit)
        program(repository, "checkout", "-q", "-b", "feature/x")
        assert backend.read_head() == ("feature/x", commit)
        program(repository, "checkout", "-q", "--detach")
        assert backend.read_head() == (None, commit)

    # The rest

    def test_config(self, backend: Backend, repository: Path, program: Program) -> None:
        program(repository, "config", "runs.store", "s3://bucket/ä b")
        program(repository, "config", "remote.My.Origin.url", "one\ntwo")
        with (repository / ".git" / "config").open("a") as file:
            file.write("[runs]\n\tbare\n")
        assert backend.config("runs.store") == "s3://bucket/ä b"
        assert backend.config("RUNS.Store") == "s3://bucket/ä b"
        assert backend.config("remote.My.Origin.URL") == "one\ntwo"
        assert backend.config("remote.my.origin.url") is None
        assert backend.config("runs.bare") == "true"
        assert backend.config("runs.absent") is None
        assert backend.config("user.name") == "Ada Lovelace"

    def test_a_tree_that_is_not_clean_is_never_called_clean(
        self, backend: Backend, repository: Path, program: Program
    ) -> None:
        (repository / "train.py").write_text("print(1)\n")
        (repository / ".gitignore").write_text("*.log\n")
        assert backend.is_clean() is not True
        program(repository, "add", ".")
        assert backend.is_clean() is not True
        program(repository, "commit", "-q", "-m", "first")
        (repository / "ignored.log").write_text("x")
        assert backend.is_clean() in (True, None)
        changes: list[Callable[[], object]] = [
            lambda: (repository / "new.txt").write_text("x"),
            lambda: (repository / "train.py").write_text("print(2)\n"),
            lambda: (repository / "train.py").chmod(0o755),
            lambda: (repository / "train.py").unlink(),
            lambda: program(repository, "rm", "-q", "--cached", "train.py"),
        ]
        for change in changes:
            change()
            assert backend.is_clean() is not True
            program(repository, "reset", "-q", "--hard")
            program(repository, "clean", "-fdq")
            assert backend.is_clean() in (True, None)

    def test_sync_takes_what_is_written_packed_or_gone(
        self, backend: Backend, repository: Path, program: Program
    ) -> None:
        one, two = self.commit(backend, "one"), self.commit(backend, "two")
        backend.update_ref(REF, one, None)
        backend.sync([one], [REF])
        program(repository, "gc", "-q", "--prune=now")
        backend.sync([one, two], [REF, OTHER])
        backend.sync([backend.write_object("blob", b"%d" % number) for number in range(100)], [REF])
        backend.sync_all()
