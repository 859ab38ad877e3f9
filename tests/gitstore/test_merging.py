"""Merge commits in real repositories: the same everywhere, trusted when made again, honest where history is cut."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gitruns.entities.environment import read_only
from gitruns.entities.ids import ObjectId, WriterId
from gitruns.entities.model import RegisteredModel
from gitruns.entities.run import Identity, Run
from gitruns.entities.source import Source
from gitruns.entities.stamp import Stamp
from gitruns.entities.tombstone import Tombstone
from gitruns.errors import CorruptDataError, InvalidInputError, NotFoundError
from gitruns.gitstore import GitStore, open_store
from gitruns.gitstore import merging as merging_module
from gitruns.gitstore.codec.tombstone import encode_tombstone
from gitruns.gitstore.objects import Author, Commit, decode_commit, encode_commit
from gitruns.gitstore.refs import model_id_candidate
from gitruns.gitstore.trees import write_tree
from gitstore import samples

Git = Callable[..., str]
ADA = Identity(name="Ada Lovelace", email="ada@example.org", utc_offset_minutes=60)
END_MS = 1_700_000_060_000
A, B, C = (WriterId(letter * 16) for letter in "abc")
REF = f"refs/runs/{samples.RUN}"


def seal(store: GitStore) -> ObjectId:
    """Logs a run on HEAD and returns its tip."""
    start = samples.started()
    start = replace(start, info=replace(start.info, source=Source(commit=store.head().commit)))
    parent = store.head().commit
    commit = store.seal_run(start, samples.finished(start), parent=parent, identity=ADA, files=samples.FILES)
    store.set_run_tip(samples.RUN, commit, store.run_tip(samples.RUN))
    return commit


def edit(store: GitStore, tip: ObjectId, key: str, value: str, writer: WriterId, after_s: int = 1) -> ObjectId:
    """Sets a tag in a commit on top of a tip, and returns it."""
    old = store.read_run(tip)
    stamp = Stamp(END_MS + after_s * 1000, 0, writer)
    new = replace(old, tags=read_only({**old.tags, key: value}), stamps=read_only({**old.stamps, f"tags/{key}": stamp}))
    return write(store, new, tip, END_MS + after_s * 1000)


def write(store: GitStore, run: Run, parent: ObjectId, time_ms: int, **files: bytes) -> ObjectId:
    return store.write_run_commit(
        run,
        parents=[parent],
        identity=ADA,
        time_ms=time_ms,
        subject=f"run {run.info.name}: edit",
        files={**samples.FILES, **files},
    )


@pytest.fixture
def two(store: GitStore) -> tuple[ObjectId, ObjectId, ObjectId]:
    """A run, and two edits of it that know nothing of each other."""
    tip = seal(store)
    return tip, edit(store, tip, "a", "1", A, 5), edit(store, tip, "b", "2", B, 9)


def test_a_merge_has_what_both_say_and_nobody_as_author(store: GitStore, two, git: Git, git_repo: Path) -> None:
    tip, one, other = two
    merge = store.merge_run_tips([one, other])
    run = store.read_run(merge)
    assert dict(run.tags) == {"team": "vision", "a": "1", "b": "2"}
    assert store.read_file(merge, f"metrics/{samples.PART.digest}.tsv") == samples.POINTS
    assert replace(store.merged_run([other, one]), commit=merge) == run
    assert git(git_repo, "log", "-1", "--format=%an <%ae> %at %cn %ct%n%s%n%(trailers:only)", merge) == (
        f"gitruns <gitruns@localhost> {END_MS // 1000 + 9} gitruns {END_MS // 1000 + 9}\n"
        f"run bold-otter-1: merge 2 edits\nRun-Id: {samples.RUN}\nExperiment: 0\nSource: {store.head().commit}"
    )
    assert git(git_repo, "log", "-1", "--format=%P", merge).split() == sorted([one, other])
    store.set_run_tip(samples.RUN, merge, tip)
    assert git(git_repo, "fsck", "--strict", "--no-dangling") == ""


def test_the_order_does_not_matter_and_merging_again_adds_nothing(store: GitStore, two) -> None:
    tip, one, other = two
    merge = store.merge_run_tips([one, other])
    assert store.merge_run_tips([other, tip, one, other]) == merge
    assert store.merge_run_tips([merge, one, tip]) == merge
    assert store.merge_run_tips([one, tip]) == one
    assert store.merge_run_tips([one]) == one


def test_merges_of_merges_have_the_tree_of_a_merge_of_all(store: GitStore, two, git: Git, git_repo: Path) -> None:
    tip, one, other = two
    third = edit(store, tip, "a", "3", C, 7)

    def tree(commit: ObjectId) -> str:
        return git(git_repo, "rev-parse", f"{commit}^{{tree}}")

    everything = tree(store.merge_run_tips([one, other, third]))
    for first, second, last in ([one, other, third], [one, third, other], [other, third, one]):
        assert tree(store.merge_run_tips([store.merge_run_tips([first, second]), last])) == everything
    crossed = store.merge_run_tips([store.merge_run_tips([one, other]), store.merge_run_tips([other, third])])
    assert tree(crossed) == everything
    assert store.read_run(crossed).tags["a"] == "3"


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_two_clones_make_the_same_commit(tmp_path: Path, git: Git, object_format: str) -> None:
    stores = []
    for name in ("one", "other"):
        git(tmp_path, "init", "--quiet", f"--object-format={object_format}", name)
        stores.append(open_store(tmp_path / name, environ=os.environ))
    one, other = stores
    finish = samples.finished()
    tip = one.seal_run(samples.started(), finish, parent=None, identity=ADA, files=samples.FILES)
    one.set_run_tip(samples.RUN, tip, None)
    git(tmp_path / "other", "fetch", "--quiet", "../one", f"{REF}:{REF}")
    here, there = edit(one, tip, "a", "1", A), edit(other, tip, "a", "2", B, 2)
    one.set_run_tip(samples.RUN, here, tip)
    other.set_run_tip(samples.RUN, there, tip)
    git(tmp_path / "other", "fetch", "--quiet", "../one", f"{REF}:refs/runs-remotes/one/{samples.RUN}")
    git(tmp_path / "one", "fetch", "--quiet", "../other", f"{REF}:refs/runs-remotes/other/{samples.RUN}")
    assert one.merge_run_tips([here, there]) == other.merge_run_tips([there, here])
    assert one.read_run(one.merge_run_tips([here, there])).tags["a"] == "2"


def test_experiments_merge_the_same_way(store: GitStore, git: Git, git_repo: Path) -> None:
    def written(experiment, parent=None):
        return store.write_experiment(experiment, parent=parent, identity=ADA, time_ms=END_MS, subject="edit")

    first = samples.experiment()
    tip = written(first)
    renamed = replace(first, name="digits-2", stamps=read_only({"experiment/name": Stamp(5, 0, A)}))
    tagged = replace(first, tags=read_only({}), stamps=read_only({"tags/team": Stamp(6, 0, B)}), last_update_time_ms=9)
    one, other = written(renamed, tip), written(tagged, tip)
    merge = store.merge_experiment_tips([other, tip, one])
    merged = store.read_experiment(merge)
    assert (merged.name, dict(merged.tags), merged.creation_time_ms) == ("digits-2", {}, first.creation_time_ms)
    assert git(git_repo, "log", "-1", "--format=%s", merge) == "experiment digits-2: merge 2 edits"
    assert store.recomputes(merge)


def test_models_merge_the_same_way(store: GitStore) -> None:
    def written(model: RegisteredModel, *parents: ObjectId) -> ObjectId:
        return store.models.write(model, parents=parents, identity=ADA, time_ms=END_MS, subject="edit")

    first = RegisteredModel(id=model_id_candidate("digits"), name="digits", creation_time_ms=1, last_update_time_ms=1)
    tip = written(first)
    renamed = replace(first, name="digits-2", stamps=read_only({"model/name": Stamp(5, 0, A)}))
    tagged = replace(first, tags=read_only({"a": "1"}), stamps=read_only({"tags/a": Stamp(6, 0, B)}))
    one, other = written(renamed, tip), written(tagged, tip)
    merge = store.merge_model_tips([other, tip, one])
    assert (store.models.read(merge).name, dict(store.models.read(merge).tags)) == ("digits-2", {"a": "1"})
    assert store.recomputes(merge)
    assert not store.recomputes(one)


# Trust


def test_a_merge_is_trusted_only_when_making_it_again_gives_the_same(store: GitStore, two) -> None:
    tip, one, other = two
    merge = store.merge_run_tips([one, other])
    assert store.recomputes(merge)
    assert not store.recomputes(one)
    written = decode_commit(store.backend.read_object(merge)[1], merge)
    forged = store.backend.read_object(edit(store, merge, "a", "forged", A, 20))[1].split(b"\n")[0][5:].decode()
    stranger = Author(ADA, written.author.time_ms)
    for changed in (
        replace(written, tree=ObjectId(forged)),
        replace(written, parents=written.parents[::-1]),
        replace(written, parents=tuple(sorted((one, other, tip)))),
        replace(written, parents=(one, one)),
        replace(written, author=stranger),
        replace(written, message=written.message + "\n"),
        replace(written, author=Author(written.author.identity, written.author.time_ms + 1000)),
    ):
        assert not store.recomputes(store.backend.write_object("commit", encode_commit(changed)))


def test_looking_whether_a_merge_is_one_writes_nothing(store: GitStore, two, git_repo: Path) -> None:
    _, one, other = two
    merge = store.merge_run_tips([one, other])
    before = sorted((git_repo / ".git" / "objects").rglob("*"))
    assert store.recomputes(merge)
    store.merged_run([one, other])
    assert sorted((git_repo / ".git" / "objects").rglob("*")) == before


# Purged, newer, damaged


def tombstone(store: GitStore, time_ms: int) -> ObjectId:
    tree = write_tree(store.backend, encode_tombstone(Tombstone(run_id=samples.RUN, time_ms=time_ms)))
    author = Author(ADA, time_ms)
    commit = Commit(tree=tree, parents=(), author=author, committer=author, message="purge\n")
    return store.backend.write_object("commit", encode_commit(commit))


def test_a_purge_beats_everything_and_keeps_nothing_alive(store: GitStore, two) -> None:
    _, one, other = two
    late, early = tombstone(store, END_MS + 9000), tombstone(store, END_MS)
    assert store.merge_run_tips([one, late, other]) == late
    assert store.merge_run_tips([late, other, early]) == early
    with pytest.raises(NotFoundError) as error:
        store.merged_run([one, late])
    assert error.value.kind == "run-purged"


def test_a_newer_format_is_not_merged(store: GitStore, two) -> None:
    tip, one, _ = two
    files = {path: store.read_file(tip, path) for path in store.list_tree_files(tip)}
    tree = write_tree(store.backend, {**files, "format": b"gitruns 2\n"})
    author = Author(ADA, END_MS)
    newer = store.backend.write_object(
        "commit", encode_commit(Commit(tree=tree, parents=(tip,), author=author, committer=author, message="x\n"))
    )
    with pytest.raises(InvalidInputError, match="it is stored in format 2") as error:
        store.merge_run_tips([one, newer])
    assert error.value.kind == "format-too-new"


def test_a_merge_that_could_not_be_read_is_not_made(store: GitStore, two, monkeypatch: pytest.MonkeyPatch) -> None:
    _, one, other = two
    monkeypatch.setattr(merging_module, "MAX_STATE_BYTES", 100)
    with pytest.raises(CorruptDataError, match="with it the tree has over 100 bytes"):
        store.merge_run_tips([one, other])
    monkeypatch.undo()
    monkeypatch.setattr(merging_module, "MAX_METADATA_FILES", 5)
    with pytest.raises(InvalidInputError, match="cannot merge: there would be too many files") as error:
        store.merge_run_tips([one, other])
    assert error.value.kind == "merge-too-large"


def test_a_part_without_its_summary_is_named(store: GitStore, two) -> None:
    tip, one, _ = two
    more = b"acc\t0\t1\t1.0\n"
    part = replace(samples.PART, digest=samples.hashlib.sha256(more).hexdigest(), size_bytes=len(more))
    old = store.read_run(tip)
    parts = tuple(sorted((*old.parts, part), key=lambda part: part.digest))
    damaged = write(store, replace(old, parts=parts), tip, END_MS, **{f"metrics/{part.digest}.tsv": more})
    with pytest.raises(CorruptDataError, match=r"\.yaml': it is missing, so the history cannot be merged"):
        store.merge_run_tips([one, damaged])


# Chains with merges


def test_a_chain_shows_both_sides_of_a_merge_and_not_the_source(store: GitStore, two, git: Git, git_repo: Path) -> None:
    tip, one, other = two
    far = edit(store, edit(store, other, "b", "3", B, 9), "b", "4", B, 9)
    merge = store.merge_run_tips([one, far])
    last = edit(store, merge, "c", "5", C, 9)  # all of one second, so only their order in git tells
    chain = [entry.commit for entry in store.chain(last)]
    start = ObjectId(git(git_repo, "rev-parse", f"{tip}^"))
    assert chain[:2] == [last, merge]
    assert set(chain[2:6]) == {one, far, other, ObjectId(git(git_repo, "rev-parse", f"{far}^"))}
    assert chain[6:] == [tip, start]
    assert git(git_repo, "rev-parse", f"{chain[-1]}^") == store.head().commit


def test_children_stand_before_their_parents_whatever_the_clocks_said(store: GitStore, two) -> None:
    tip, one, _ = two
    slow = edit(store, edit(store, edit(store, tip, "b", "1", B, 90), "b", "2", B, -9), "b", "3", B, -80)
    merge = store.merge_run_tips([one, slow])
    chain = [entry.commit for entry in store.chain(merge)]
    for place, commit in enumerate(chain):
        parents = decode_commit(store.backend.read_object(commit)[1], commit).parents
        assert all(parent not in chain[:place] for parent in parents)
    assert len(chain) == len(set(chain)) == 7


# Cut history


MIRRORED = f"refs/runs-remotes/x/{samples.RUN}"


@pytest.fixture
def shallow(store: GitStore, two, git: Git, git_repo: Path, tmp_path: Path) -> Path:
    """A clone of depth 1 of later code, that has fetched the newest commits of two edits."""
    tip, one, other = two
    store.set_run_tip(samples.RUN, one, tip)
    git(git_repo, "update-ref", MIRRORED, edit(store, other, "b", "9", B, 20))
    git(git_repo, "commit", "--quiet", "--allow-empty", "-m", "later code")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{git_repo}", "shallow")
    git(tmp_path / "shallow", "fetch", "--quiet", "--depth=1", "origin", f"{REF}:{REF}", f"{MIRRORED}:{MIRRORED}")
    return tmp_path / "shallow"


def test_a_cut_history_is_said_with_what_to_deepen(shallow: Path, git: Git, two) -> None:
    store = open_store(shallow, environ=os.environ)
    tip, one, other = two
    far = ObjectId(git(shallow, "rev-parse", MIRRORED))
    with pytest.raises(NotFoundError, match=f"the history of '{min(one, far)[:12]}' is cut at") as error:
        store.merge_run_tips([one, far])
    assert error.value.kind == "history-hidden"
    assert set(error.value.facts["tips"]) == {one, far}
    assert set(error.value.facts["missing"]) == {tip, other}
    assert store.merge_run_tips([one]) == one


def test_the_source_of_a_run_hides_nothing(shallow: Path, git: Git, two, store: GitStore) -> None:
    _, one, _ = two
    git(shallow, "fetch", "--quiet", "--depth=3", "origin", f"{REF}:{REF}")
    git(shallow, "fetch", "--quiet", "--depth=4", "origin", f"{MIRRORED}:{MIRRORED}")
    cut = open_store(shallow, environ=os.environ)
    far = ObjectId(git(shallow, "rev-parse", MIRRORED))
    merge = cut.merge_run_tips([one, far])
    source = cut.read_run(merge).info.source.commit
    assert source is not None and not cut.backend.has_object(source)
    assert merge == store.merge_run_tips([one, far])
    assert [entry.commit for entry in cut.chain(merge)] == [entry.commit for entry in store.chain(merge)]
    assert len(cut.chain(merge)) == 6


def test_one_that_surely_comes_before_the_other_needs_no_more_history(shallow: Path, git: Git, two) -> None:
    _, _, other = two
    git(shallow, "fetch", "--quiet", "--depth=2", "origin", f"{MIRRORED}:{MIRRORED}")
    store = open_store(shallow, environ=os.environ)
    far = ObjectId(git(shallow, "rev-parse", MIRRORED))
    assert store.merge_run_tips([far, other]) == far
