"""Remotes that mean harm: nothing outside is written, nothing is executed, the bad is named and the good comes."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gitruns.entities.environment import read_only
from gitruns.entities.ids import ExperimentId, ObjectId, RunId
from gitruns.entities.stamp import Stamp
from gitruns.gitstore import GitStore, open_store
from gitruns.gitstore.codec import encode_experiment, encode_run
from gitruns.gitstore.objects import hash_object
from gitruns.repo import now_ms
from gitstore import samples
from sync.conftest import Clone, MakeClone
from test_bad_input import python_of_nobody

EVIL = RunId("e" * 32)
OTHER = RunId("d" * 32)
ELSEWHERE = "/tmp/gitruns-must-not-be-read"

Refs = Mapping[str, ObjectId]


class Forge:
    """Writes objects that no gitruns and no git would."""

    def __init__(self, store: GitStore, good: ObjectId, run_id: RunId = EVIL, other: RunId = OTHER) -> None:
        self.store = store
        self.good = good
        self.run_id = run_id
        self.other = other
        self.ref = f"refs/runs/{run_id}"

    def write(self, kind: str, data: bytes) -> ObjectId:
        return self.store.backend.write_object(kind, data)

    def files(self, run_id: RunId | None = None, **changed: bytes | None) -> dict[str, bytes]:
        files = encode_run(samples.finished(samples.started(run_id or self.run_id)), files=samples.FILES)
        names = {name.replace("_", "."): data for name, data in changed.items()}
        files.update({name: data for name, data in names.items() if data is not None})
        return {name: data for name, data in files.items() if names.get(name, b"") is not None}

    def tree(self, files: Mapping[str, bytes], *more: tuple[bytes, bytes, str], sort: bool = True) -> ObjectId:
        """Writes a tree of files with further entries (mode, name, id) as they are."""
        entries: list[tuple[bytes, bytes, str]] = [*more]
        folders: dict[str, dict[str, bytes]] = {}
        for path, data in files.items():
            top, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(top, {})[rest] = data
            elif not any(name == top.encode() for _, name, _ in more):
                entries.append((b"100644", top.encode(), self.write("blob", data)))
        taken = {name for _, name, _ in more}
        entries += [
            (b"40000", name.encode(), self.tree(inside))
            for name, inside in folders.items()
            if name.encode() not in taken
        ]
        if sort:
            entries.sort(key=lambda entry: entry[1] + (b"/" if entry[0] == b"40000" else b""))
        raw = b"".join(b"%s %s\0%s" % (mode, name, bytes.fromhex(oid)) for mode, name, oid in entries)
        return self.write("tree", raw)

    def commit(self, tree: str, *parents: str, message: str = "x\n", head: str = "") -> ObjectId:
        who = "Eve <eve@example.org> 1700000000 +0000"
        lines = [f"tree {tree}", *(f"parent {one}" for one in parents), f"author {who}", f"committer {who}"]
        return self.write("commit", ("\n".join(lines) + f"\n{head}\n{message}").encode())

    def run(self, *more: tuple[bytes, bytes, str], sort: bool = True, **changed: bytes | None) -> Refs:
        return {self.ref: self.commit(self.tree(self.files(**changed), *more, sort=sort))}

    def blob(self, data: bytes = b"x") -> ObjectId:
        return self.write("blob", data)

    def segment(self, runs: Mapping[RunId, ObjectId], parents: list[ObjectId] | None = None) -> Refs:
        text = "".join(f"{one} {runs[one]}\n" for one in sorted(runs)).encode()
        tree = self.tree({"format": b"gitruns 1\n", "runs": text})
        commit = self.commit(tree, *([runs[one] for one in sorted(runs)] if parents is None else parents))
        return {f"refs/runs/archive/{commit}": commit}


def big_blob(forge: Forge, size: int) -> ObjectId:
    """Writes a blob of zeros as git would store it, without ever having it whole."""
    import hashlib

    state = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    packer = zlib.compressobj(1)
    packed = [packer.compress(b"blob %d\0" % size)]
    chunk = bytes(1 << 20)
    for _ in range(size >> 20):
        state.update(chunk)
        packed.append(packer.compress(chunk))
    packed.append(packer.flush())
    oid = state.hexdigest()
    path = forge.store.paths.common_dir / "objects" / oid[:2] / oid[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(packed))
    return ObjectId(oid)


def deep(forge: Forge, levels: int = 700) -> ObjectId:
    tree = forge.tree({"a.txt": b"x"})
    for _ in range(levels):
        tree = forge.write("tree", b"40000 d\0" + bytes.fromhex(tree))
    return tree


def future(forge: Forge) -> Refs:
    stamp = Stamp(now_ms() + 3_600_000, 0, samples.WRITER)
    run = replace(samples.finished(samples.started(forge.run_id)), stamps=read_only({"tags/team": stamp}))
    return {forge.ref: forge.commit(forge.tree(encode_run(run, files=samples.FILES)))}


def tombstone(forge: Forge, run_id: RunId, *parents: ObjectId) -> ObjectId:
    said = f'"id": "{run_id}"\n"time": 1700000000000\n'.encode()
    return forge.commit(forge.tree({"format": b"gitruns 1\n", "purged.yaml": said}), *parents)


def lying_experiment(forge: Forge) -> Refs:
    tree = forge.tree(encode_experiment(samples.experiment()))
    return {"refs/runs/experiments/111111111111111111": forge.commit(tree)}


def missing_blob(forge: Forge) -> Refs:
    absent = hash_object("blob", b"never written")
    return forge.run((b"100644", b"params.yaml", absent))


def manifest(path: str) -> bytes:
    return f'- {{"path": "{path}", "sha256": "{"1" * 64}", "size": 3}}\n'.encode()


CASES: dict[str, Callable[[Forge], Refs]] = {
    "entry ..": lambda forge: forge.run((b"100644", b"..", forge.blob())),
    "entry .": lambda forge: forge.run((b"100644", b".", forge.blob())),
    "entry .git": lambda forge: forge.run((b"40000", b".git", forge.tree({"config": b"[core]\nfsmonitor=touch x"}))),
    "entry .GIT": lambda forge: forge.run((b"100644", b".GIT", forge.blob())),
    "entry with a slash": lambda forge: forge.run((b"100644", b"../../x", forge.blob())),
    "entry that is no text": lambda forge: forge.run((b"100644", b"\xff", forge.blob())),
    "link for a file": lambda forge: forge.run((b"120000", b"params.yaml", forge.blob(ELSEWHERE.encode()))),
    "link among artifacts": lambda forge: forge.run(
        (b"40000", b"artifacts", forge.tree({}, (b"120000", b"a.txt", forge.blob(ELSEWHERE.encode()))))
    ),
    "link for a folder": lambda forge: forge.run((b"120000", b"metrics", forge.blob(b"/etc"))),
    "submodule": lambda forge: forge.run((b"160000", b"sub", forge.good)),
    "program": lambda forge: forge.run((b"100755", b"run.sh", forge.blob(b"#!/bin/sh\ntouch x\n"))),
    "large blob": lambda forge: forge.run((b"100644", b"params.yaml", big_blob(forge, 64 << 20))),
    "large points": lambda forge: forge.run(
        (b"40000", b"metrics", forge.tree({}, (b"100644", b"1" * 64 + b".tsv", big_blob(forge, 48 << 20))))
    ),
    "deep nesting": lambda forge: forge.run((b"40000", b"artifacts", deep(forge))),
    "duplicate entries": lambda forge: forge.run(
        (b"100644", b"run.yaml", forge.blob(b"a")), (b"100644", b"run.yaml", forge.blob(b"b"))
    ),
    "entries out of order": lambda forge: forge.run((b"100644", b"zz", forge.blob()), sort=False),
    "an object that is missing": missing_blob,
    "ref at a blob": lambda forge: {forge.ref: forge.blob()},
    "ref at a tree": lambda forge: {forge.ref: forge.tree({"a": b"b"})},
    "ref at a git tag": lambda forge: {
        forge.ref: forge.write(
            "tag", f"object {forge.good}\ntype commit\ntag x\ntagger E <e@x> 1 +0000\n\nx\n".encode()
        )
    },
    "ref at the run of another": lambda forge: {forge.ref: forge.good},
    "ref at plain code": lambda forge: {forge.ref: forge.commit(forge.tree({"train.py": b"x"}))},
    "python in yaml": lambda forge: forge.run(tags_yaml=b'"a": !!python/object/apply:os.system ["touch x"]\n'),
    "yaml bomb": lambda forge: forge.run(
        params_yaml=b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(9))
    ),
    "duplicate keys": lambda forge: forge.run(params_yaml=b'"lr": 1\n"lr": 2\n'),
    "unknown status": lambda forge: forge.run(run_yaml=forge.files()["run.yaml"].replace(b'"FINISHED"', b'"GLORIOUS"')),
    "no format": lambda forge: forge.run(format=None),
    "no run.yaml": lambda forge: forge.run(run_yaml=None),
    "manifest that leaves": lambda forge: forge.run(artifacts_yaml=manifest("../../../.ssh/authorized_keys")),
    "manifest with a root": lambda forge: forge.run(artifacts_yaml=manifest("/etc/passwd")),
    "manifest with a NUL": lambda forge: forge.run(artifacts_yaml=manifest("a\\u0000b")),
    "manifest with a negative size": lambda forge: forge.run(
        artifacts_yaml=manifest("a").replace(b'"size": 3', b'"size": -3')
    ),
    "large commit": lambda forge: {forge.ref: forge.commit(forge.tree(forge.files()), message="x" * (2 << 20))},
    "commit without author": lambda forge: {
        forge.ref: forge.write("commit", f"tree {forge.tree(forge.files())}\n\nx\n".encode())
    },
    "an earlier commit with a link": lambda forge: {
        forge.ref: forge.commit(
            forge.tree(forge.files()),
            forge.commit(forge.tree(forge.files(), (b"120000", b"zz", forge.blob(ELSEWHERE.encode())))),
        )
    },
    "stamp from the future": future,
    "tombstone with a past": lambda forge: {forge.ref: tombstone(forge, forge.run_id, forge.good)},
    "tombstone of another": lambda forge: {forge.ref: tombstone(forge, forge.other)},
    "segment whose file lies": lambda forge: forge.segment({forge.run_id: forge.run()[forge.ref]}, [forge.good]),
    "segment at the run of another": lambda forge: forge.segment({forge.run_id: forge.good}),
    "segment under another name": lambda forge: {
        f"refs/runs/archive/{'1' * 40}": next(iter(forge.segment({forge.run_id: forge.run()[forge.ref]}).values()))
    },
    "segment with a bad run": lambda forge: forge.segment(
        {
            forge.run_id: forge.run((b"100644", b"..", forge.blob()))[forge.ref],
            forge.other: forge.commit(forge.tree(forge.files(forge.other))),
        }
    ),
    "experiment under another id": lying_experiment,
    "model that is none": lambda forge: {
        "refs/runs/models/cat": forge.commit(forge.tree({"format": b"gitruns 1\n", "model.yaml": b'"id": "dog"\n'}))
    },
}


def poison(remote: Path, good: ObjectId, case: str) -> Refs:
    """Puts the evil into the remote's own files, as its owner can."""
    store = open_store(remote, environ=os.environ)
    refs = CASES[case](Forge(store, good))
    for name, oid in refs.items():
        path = remote / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{oid}\n")
    store.close()
    return refs


def files_of(folder: Path, *without: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(path.is_relative_to(one) for one in without)
    }


ABSENT = "an object that is missing"
"""It fails the transfer of all refs with it, so each other ref is asked for again: that takes a while."""


def poison_with_all(remote: Path, good: ObjectId) -> dict[str, str]:
    """Puts all the evil into one remote, each under a run id of its own; returns ref to case."""
    evil: dict[str, str] = {}
    store = open_store(remote, environ=os.environ)
    for number, (case, make) in enumerate(CASES.items()):
        if case == ABSENT:
            continue
        run_id, other = RunId(f"{number:032x}"), RunId(f"{number + 1000:032x}")
        for name, oid in make(Forge(store, good, run_id, other)).items():
            evil[name] = case
            (remote / name).parent.mkdir(parents=True, exist_ok=True)
            (remote / name).write_text(f"{oid}\n")
    store.close()
    return evil


def test_a_remote_of_all_evils(ada: Clone, bob: Clone, remote: Path, tmp_path: Path) -> None:
    good = {ada.log("good", experiment="digits"), ada.log("better")}
    ada.push()
    evil = poison_with_all(remote, ada.repo.store.run_tip(next(iter(good))))
    assert len(evil) >= 40
    before = files_of(tmp_path, bob.folder / ".git")
    for attempt in range(2):
        fetched = bob.fetch()
        named = {one.ref.partition(":")[0] for one in (*fetched.quarantined, *fetched.waiting)}
        assert {evil[ref] for ref in evil.keys() - named} == set()
        assert named == set(evil)
        assert [evil[one.ref] for one in fetched.waiting] == ["stamp from the future"]
        assert good <= set(fetched.new) if attempt == 0 else fetched.is_up_to_date
    assert files_of(tmp_path, bob.folder / ".git") == before
    beside_a_bad_one = {run.info.id for run in bob.repo.list_runs(lifecycle=None)} - good
    assert len(beside_a_bad_one) == 1, "the good run of the segment with a bad one"
    assert bob.push().is_up_to_date


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_malicious_remote(case: str, ada: Clone, bob: Clone, remote: Path, tmp_path: Path) -> None:
    good = ada.log("good", experiment="digits")
    ada.push()
    evil = poison(remote, ada.repo.store.run_tip(good), case)
    before = files_of(tmp_path, bob.folder / ".git")
    fetched = bob.fetch()
    assert files_of(tmp_path, bob.folder / ".git") == before
    named = {one.ref.partition(":")[0] for one in (*fetched.quarantined, *fetched.waiting)}
    assert named == set(evil), [one.reason for one in fetched.quarantined]
    assert good in fetched.new and EVIL not in bob.repo.store.run_tips()
    assert bob.repo.get_run(good).params == ada.repo.get_run(good).params
    assert fetched.waiting == () or case == "stamp from the future"
    again = bob.fetch()
    assert again.is_up_to_date and {one.ref.partition(":")[0] for one in (*again.quarantined, *again.waiting)} == named
    later = ada.log("later")
    ada.push()
    assert bob.fetch().new == (later,)
    assert bob.push().is_up_to_date
    if case == "segment with a bad run":
        assert OTHER in fetched.new


@pytest.mark.slow
def test_a_gigabyte(ada: Clone, bob: Clone, remote: Path) -> None:
    import resource

    good = ada.log()
    ada.push()
    store = open_store(remote, environ=os.environ)
    forge = Forge(store, ada.repo.store.run_tip(good))
    (ref,) = (refs := forge.run((b"100644", b"params.yaml", big_blob(forge, 1 << 30)))).keys()
    (remote / ref).write_text(f"{refs[ref]}\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fetched = bob.fetch()
    assert [one.ref for one in fetched.quarantined] == [ref] and fetched.new == (good,)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_a_ref_that_cannot_be_had_keeps_no_other_away(ada: Clone, bob: Clone, remote: Path) -> None:
    good = {ada.log(str(number)) for number in range(3)}
    ada.push()
    evil = poison(remote, ada.repo.store.run_tip(next(iter(good))), ABSENT)
    fetched = bob.fetch()
    assert set(fetched.new) == good and {one.ref for one in fetched.quarantined} == set(evil)


@pytest.mark.slow
def test_all_at_once_as_somebody_without_rights(clone: MakeClone, remote: Path, tmp_path: Path) -> None:
    """The command itself, as the user nobody, in a folder of his own."""
    python = python_of_nobody()
    ada = clone("ada")
    good = ada.log("good")
    ada.push()
    tip = ada.repo.store.run_tip(good)
    evil = poison_with_all(remote, tip)
    home = Path("/tmp") / f"gitruns-nobody-{os.getpid()}"
    nobody = pwd.getpwnam("nobody")
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
    environ["PYTHONPATH"] = os.pathsep.join(sys.path)

    def as_nobody(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=home, env=environ, user="nobody", capture_output=True, text=True, check=False
        )

    try:
        shutil.copytree(remote, home / "team.git")
        for path in (home, *home.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        home.chmod(0o755)
        assert as_nobody("git", "clone", "--quiet", "team.git", "work").returncode == 0
        before = files_of(home, home / "work" / ".git")
        environ["GITRUNS_REPO"] = str(home / "work")
        done = as_nobody(python, "-m", "gitruns.cli.main", "fetch")
        assert done.returncode == 0, done.stderr
        assert f"{len(evil) - 1} refs are not what" in done.stderr  # and one waits
        assert "fetched 2 new runs" in done.stderr
        listed = as_nobody(python, "-m", "gitruns.cli.main", "list", "--format", "{id}")
        assert set(listed.stdout.split()) >= {good}
        assert files_of(home, home / "work" / ".git") == before
    finally:
        shutil.rmtree(home)


def test_what_the_remote_sets_is_not_heard(ada: Clone, bob: Clone, remote: Path, tmp_path: Path) -> None:
    """Its configuration and hooks run nothing on our side of a fetch; a store that its code names is not used."""
    marker = tmp_path / "executed"
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {marker}\ncat\n")
    script.chmod(0o755)
    ada.commit(f"store: file://{tmp_path}/their-store\n", name="gitruns.yaml")
    ada.git("push", "--quiet", "origin", "main")
    (ada.folder / "w.bin").write_bytes(b"w" * 100_000)
    run_id = ada.log()
    ada.push(snapshots="all")
    with (remote / "config").open("a") as file:
        file.write(
            f"[core]\n\tfsmonitor = {script}\n\tsshCommand = {script}\n\tpager = {script}\n"
            f"[uploadpack]\n\tpackObjectsHook = {script}\n[credential]\n\thelper = !{script}\n"
        )
    for name in ("post-checkout", "pre-push", "post-merge", "reference-transaction"):
        (remote / "hooks" / name).write_text(script.read_text())
        (remote / "hooks" / name).chmod(0o755)
    bob.git("pull", "--quiet")
    marker.unlink(missing_ok=True)
    assert bob.reopened().fetch().new == (run_id,)
    assert not marker.exists()
    assert not (tmp_path / "their-store").exists()


def test_names_below_ours_that_are_not_ours_are_passed_over(ada: Clone, bob: Clone, remote: Path) -> None:
    good = ada.log()
    ada.push()
    tip = ada.repo.store.run_tip(good)
    for name in ("evil", "ABCDEF" + "0" * 26, "x/y/z", "archive/x", "experiments/01", "models/CON", "live/x"):
        path = remote / "refs" / "runs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{tip}\n")
    fetched = bob.fetch()
    assert (fetched.new, fetched.quarantined) == ((good,), ())
    assert set(bob.refs()) == {f"refs/runs/{good}"}
    assert ExperimentId("01") not in bob.repo.store.experiment_tips()
