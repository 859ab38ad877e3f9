"""The archive: segments hold many runs under one ref, and hold them exactly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import Git
from tests.gitstore import samples

from gitruns.entities.ids import ObjectId, RunId, SegmentId
from gitruns.errors import ConflictError, CorruptDataError, GitRunsWarning, InvalidInputError
from gitruns.gitstore import GitStore, open_store
from gitruns.gitstore.segment import MAX_RUNS, Segment, decode_runs, encode_runs

SEGMENT = SegmentId("a" * 40)
hex_tips = st.binary(min_size=20, max_size=20).map(lambda data: ObjectId(data.hex()))
some_tips = st.dictionaries(samples.run_ids, hex_tips, min_size=1, max_size=20)


def write_run(store: GitStore, number: int, *, tag: str = "") -> tuple[RunId, ObjectId]:
    """Writes a finished run, without its ref."""
    run_id = RunId(f"{number:032x}")
    start = samples.started(run_id, f"run-{number}", 1_700_000_000_000 + number * 1000)
    commit = store.seal_run(
        start,
        samples.finished(start, tag=tag),
        parent=store.head().commit,
        identity=store.identity(os.environ, 0),
        files=samples.FILES,
    )
    return run_id, commit


def add_runs(store: GitStore, count: int) -> dict[RunId, ObjectId]:
    """Writes runs with their refs."""
    tips = dict(write_run(store, number) for number in range(count))
    for run_id, tip in tips.items():
        store.set_run_tip(run_id, tip, None)
    return tips


def edit(store: GitStore, run_id: RunId, tip: ObjectId, name: str = "edited") -> ObjectId:
    """Writes a commit on top of a run, without moving its ref."""
    return store.write_run_commit(
        samples.finished(samples.started(run_id, name)),
        parents=[tip],
        identity=store.identity(os.environ, 0),
        time_ms=1_800_000_000_000,
        subject="run: edit",
        files=samples.FILES,
    )


def fold(store: GitStore, tips: dict[RunId, ObjectId]) -> SegmentId:
    """Folds runs into one segment and takes their refs away."""
    (segment_id,) = store.write_segments([tips])
    store.add_segments([segment_id])
    store.drop_run_refs(tips)
    return segment_id


# The text of a segment


@given(
    st.dictionaries(samples.run_ids, hex_tips, min_size=1, max_size=20).filter(
        _distinct := lambda tips: len(set(tips.values())) == len(tips)
    )
)
def test_what_was_written_is_read_back(tips: dict[RunId, ObjectId]) -> None:
    segment = decode_runs(encode_runs(tips), SEGMENT)
    assert dict(segment.items()) == segment.as_dict() == tips
    assert list(segment) == sorted(tips)
    assert all(segment.find(run_id) == tip for run_id, tip in tips.items())


@given(some_tips, samples.run_ids)
def test_a_run_that_is_not_there_is_not_found(tips: dict[RunId, ObjectId], other: RunId) -> None:
    assert Segment(SEGMENT, encode_runs(tips)).find(other) == tips.get(other)


@given(st.data())
def test_any_byte_changed_is_refused_or_means_another_segment(data: st.DataObject) -> None:
    tips = {RunId(f"{number:032x}"): ObjectId(f"{number + 7:040x}") for number in range(5)}
    text = bytearray(encode_runs(tips))
    place = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[place]))
    text[place] = byte
    try:
        segment = decode_runs(bytes(text), SEGMENT)
    except CorruptDataError as error:
        assert error.kind == "bad-segment"
    else:
        assert encode_runs(segment.as_dict()) == bytes(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{1:032x} {1:040x}",
        f"{1:032x} {1:040x}\r\n",
        f"{1:032X} {0xA:040X}\n",
        f"{2:032x} {1:040x}\n{1:032x} {2:040x}\n",
        f"{1:032x} {1:040x}\n{1:032x} {2:040x}\n",
        f"{1:032x} {1:040x}\n{2:032x} {1:040x}\n",
        "".join(f"{number:032x} {number:040x}\n" for number in range(MAX_RUNS + 1)),
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(CorruptDataError) as caught:
        decode_runs(text.encode(), SEGMENT)
    assert caught.value.kind == "bad-segment"


# Folding


def test_folded_runs_have_no_refs_and_are_still_there(store: GitStore, git: Git, git_repo: Path) -> None:
    tips = add_runs(store, 5)
    segment_id = fold(store, tips)
    assert store.loose_run_tips() == {}
    assert store.run_tips() == tips
    assert store.segments() == {segment_id: segment_id}
    assert store.read_segment(segment_id) == tips
    assert [store.run_tip(run_id) for run_id in tips] == list(tips.values())
    assert store.run_tip(RunId("f" * 32)) is None
    assert git(git_repo, "for-each-ref", "--format=%(refname)", "refs/runs/").split() == [
        f"refs/runs/archive/{segment_id}"
    ]
    git(git_repo, "fsck", "--strict")
    git(git_repo, "gc", "--quiet", "--prune=now")
    fresh = open_store(git_repo, environ=os.environ)
    assert fresh.run_tips() == tips
    assert fresh.read_run(tips[RunId(f"{3:032x}")]).info.name == "run-3"


def test_the_same_runs_make_the_same_segment(store: GitStore, tmp_path: Path, git: Git, git_repo: Path) -> None:
    tips = add_runs(store, 3)
    (one,) = store.write_segments([tips])
    (two,) = store.write_segments([dict(reversed(tips.items()))])
    assert one == two
    commit = git(git_repo, "cat-file", "commit", one)
    assert commit.count("parent ") == 3
    assert "author gitruns <gitruns@localhost> 1700000062 +0000" in commit
    assert store.is_genuine_segment(one)


def test_sizes_are_limited(store: GitStore) -> None:
    with pytest.raises(InvalidInputError):
        store.write_segments([{}])
    with pytest.raises(InvalidInputError):
        store.write_segments([{RunId(f"{n:032x}"): ObjectId(f"{n:040x}") for n in range(MAX_RUNS + 1)}])


def test_a_run_that_moved_meanwhile_keeps_its_ref(store: GitStore) -> None:
    tips = add_runs(store, 3)
    moving = RunId(f"{1:032x}")
    newer = edit(store, moving, tips[moving])
    (segment_id,) = store.write_segments([tips])
    store.add_segments([segment_id])
    store.set_run_tip(moving, newer, tips[moving])
    assert store.drop_run_refs(tips) == tips.keys() - {moving}
    assert store.loose_run_tips() == {moving: newer}
    assert store.run_tips() == {**tips, moving: newer}
    assert store.run_tip(moving) == newer
    assert store.tips_of(moving) == (newer,)


def test_packed_refs_are_dropped_too(store: GitStore, git: Git, git_repo: Path) -> None:
    tips = add_runs(store, 4)
    git(git_repo, "pack-refs", "--all")
    first = RunId(f"{0:032x}")
    newer = edit(store, first, tips[first])
    store.set_run_tip(first, newer, tips[first])  # loose over packed
    fold(store, {**tips, first: newer})
    assert store.loose_run_tips() == {}
    assert store.run_tips() == {**tips, first: newer}
    assert git(git_repo, "rev-parse", "main")


def test_an_edit_takes_the_run_out_of_the_archive(store: GitStore) -> None:
    tips = add_runs(store, 2)
    fold(store, tips)
    run_id = RunId(f"{1:032x}")
    newer = edit(store, run_id, tips[run_id])
    with pytest.raises(ConflictError):
        store.set_run_tip(run_id, newer, None)
    store.set_run_tip(run_id, newer, tips[run_id])
    assert store.loose_run_tips() == {run_id: newer}
    assert store.run_tip(run_id) == newer
    with pytest.raises(ConflictError):
        store.set_run_tip(run_id, edit(store, run_id, tips[run_id], "again"), tips[run_id])


def test_a_ref_behind_the_archive_says_nothing(store: GitStore) -> None:
    tips = add_runs(store, 1)
    ((run_id, tip),) = tips.items()
    newer = edit(store, run_id, tip)
    fold(store, {run_id: newer})
    assert store.loose_run_tips() == tips
    assert store.run_tip(run_id) == newer
    assert store.run_tips() == {run_id: newer}
    newest = edit(store, run_id, newer, "newest")
    store.set_run_tip(run_id, newest, newer)
    assert store.run_tip(run_id) == newest
    assert store.loose_run_tips() == {run_id: newest}


def test_two_tips_that_do_not_know_each_other_both_count(store: GitStore) -> None:
    tips = add_runs(store, 1)
    ((run_id, tip),) = tips.items()
    left, right = edit(store, run_id, tip, "left"), edit(store, run_id, tip, "right")
    fold(store, {run_id: left})
    store.backend.update_ref(f"refs/runs/{run_id}", right, tip)
    assert store.tips_of(run_id) == tuple(sorted((left, right)))
    assert store.run_tip(run_id) == store.run_tips()[run_id] == store.merge_run_tips((left, right))
    merged = store.run_tip(run_id)
    assert merged is not None
    newer = edit(store, run_id, merged, "both")
    store.set_run_tip(run_id, newer, merged)
    assert store.tips_of(run_id) == (newer,)


def test_another_process_sees_a_new_segment_at_once(store: GitStore, git_repo: Path) -> None:
    tips = add_runs(store, 3)
    other = open_store(git_repo, environ=os.environ)
    assert other.run_tips() == tips
    assert other.segments() == {}
    fold(store, tips)
    assert other.run_tips() == tips
    assert len(other.segments()) == 1


# What comes from outside


def test_a_segment_that_lies_is_named_and_hides_nothing_else(store: GitStore, git: Git, git_repo: Path) -> None:
    tips = add_runs(store, 4)
    good = fold(store, tips)
    run_id, other = write_run(store, 9)
    text = f"{run_id} {other}\n"
    blob = git(git_repo, "hash-object", "-w", "--stdin", stdin=text)
    form = git(git_repo, "hash-object", "-w", "--stdin", stdin="gitruns 1\n")
    tree = git(git_repo, "mktree", stdin=f"100644 blob {form}\tformat\n100644 blob {blob}\truns\n")
    lying = git(git_repo, "commit-tree", tree, "-p", tips[RunId(f"{1:032x}")], "-m", "lie")
    git(git_repo, "update-ref", f"refs/runs/archive/{lying}", lying)
    with pytest.warns(GitRunsWarning, match="its parents are not the commits"):
        assert store.run_tips() == tips
    assert store.run_tips() == tips  # and is said once
    with pytest.raises(CorruptDataError) as caught:
        store.read_segment(SegmentId(lying))
    assert caught.value.kind == "bad-segment"
    assert sorted(store.segments()) == sorted((good, lying))


@pytest.mark.parametrize(
    "entries",
    [
        "100644 blob {form}\tformat\n",
        "100644 blob {runs}\truns\n",
        "100644 blob {form}\tformat\n120000 blob {runs}\truns\n",
        "100644 blob {form}\tformat\n100755 blob {runs}\truns\n",
        "100644 blob {bad}\tformat\n100644 blob {runs}\truns\n",
        "100644 blob {form}\tformat\n100644 blob {large}\truns\n",
    ],
)
def test_trees_of_other_shapes_are_refused(store: GitStore, git: Git, git_repo: Path, entries: str) -> None:
    run_id, tip = write_run(store, 1)
    blobs = {
        name: git(git_repo, "hash-object", "-w", "--stdin", stdin=text)
        for name, text in {
            "form": "gitruns 1\n",
            "bad": "something\n",
            "runs": f"{run_id} {tip}\n",
            "large": f"{run_id} {tip}\n" * 2000,
        }.items()
    }
    tree = git(git_repo, "mktree", stdin=entries.format(**blobs))
    segment = git(git_repo, "commit-tree", tree, "-p", tip, "-m", "odd")
    with pytest.raises(CorruptDataError) as caught:
        store.read_segment(SegmentId(segment))
    assert caught.value.kind == "bad-segment"


def test_a_ref_under_another_name_is_no_segment(store: GitStore, git: Git, git_repo: Path) -> None:
    tips = add_runs(store, 1)
    segment_id = fold(store, tips)
    git(git_repo, "update-ref", "refs/runs/archive/" + "b" * 40, segment_id)
    git(git_repo, "update-ref", "refs/runs/archive/notes", segment_id)
    with pytest.warns(GitRunsWarning, match="is at another commit"):
        assert list(store.segments()) == [segment_id]
    assert store.misnamed_segments() == ["b" * 40]
    assert store.run_tips() == tips
