"""Writes the archive: folds tips of runs into segments, and takes away the refs that a segment has made redundant.

In this order, each step on the disk before the next: the objects of the segments, their refs, then the runs' own refs.
A crash between leaves a ref too many, never a run too few. A ref is only taken away where it still is at the commit
that was folded; a run that was edited meanwhile keeps its ref.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from gitruns.entities.ids import ObjectId, RunId, SegmentId
from gitruns.errors import ConflictError, InvalidInputError
from gitruns.gitstore import refs
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.codec.info import RUN_FILE, decode_info
from gitruns.gitstore.codec.version import FORMAT_BYTES, FORMAT_FILE, FORMAT_VERSION, decode_version
from gitruns.gitstore.objects import (
    FILE_MODE,
    TreeEntry,
    corrupt_object,
    decode_commit,
    decode_tree,
    encode_commit,
    encode_tree,
    hash_object,
)
from gitruns.gitstore.segment import MAX_RUNS, RUNS_FILE, encode_runs, encode_segment
from gitruns.gitstore.tree_reader import MAX_COMMIT_BYTES, TreeReader, tree_in
from gitruns.gitstore.trees import MAX_TREE_BYTES
from gitruns.gitstore.yaml_text import MAX_FILE_BYTES

_FEW_OBJECTS = 20


def write_segments(backend: Backend, reader: TreeReader, groups: Iterable[Mapping[RunId, ObjectId]]) -> list[SegmentId]:
    """Writes a segment for each group of runs and their tips, and returns their ids; durable, no ref is moved.

    Raises `InvalidInputError` (kind `bad-segment-size`) for a group of none or too many.
    """
    objects: dict[ObjectId, tuple[str, bytes]] = {}
    segment_ids = [SegmentId(_add_segment(backend, reader, tips, objects)) for tips in groups]
    if len(objects) > _FEW_OBJECTS:
        backend.write_pack(objects.values())
    else:
        for kind, data in objects.values():
            backend.write_object(kind, data)
        backend.sync(objects.keys(), ())
    return segment_ids


def _add_segment(
    backend: Backend,
    reader: TreeReader,
    tips: Mapping[RunId, ObjectId],
    objects: dict[ObjectId, tuple[str, bytes]],
) -> ObjectId:
    if not 0 < len(tips) <= MAX_RUNS:
        raise InvalidInputError(f"cannot make a segment of {len(tips)} runs", kind="bad-segment-size")

    def add(kind: str, data: bytes) -> ObjectId:
        oid = hash_object(kind, data, backend.object_format)
        objects[oid] = (kind, data)
        return oid

    newest_s = max(_committer_s(reader.read_commit(tip), tip) for tip in tips.values())
    files = {FORMAT_FILE: FORMAT_BYTES, RUNS_FILE: encode_runs(tips)}
    entries = [TreeEntry(FILE_MODE, name.encode(), add("blob", data)) for name, data in files.items()]
    return add("commit", encode_commit(encode_segment(tips, add("tree", encode_tree(entries)), newest_s)))


def add_segments(backend: Backend, segment_ids: Sequence[SegmentId]) -> None:
    """Gives segments their refs, durable on return; one that has its ref already keeps it."""
    names = [refs.archive_ref(segment_id) for segment_id in segment_ids]
    for name, segment_id in zip(names, segment_ids, strict=True):
        try:
            backend.update_ref(name, ObjectId(segment_id), None)
        except ConflictError:
            if backend.read_ref(name) != ObjectId(segment_id):
                raise
    backend.sync((), names)


def drop_segments(backend: Backend, segment_ids: Iterable[SegmentId]) -> None:
    """Takes away the refs of segments that others have made redundant."""
    backend.delete_refs({refs.archive_ref(segment_id): ObjectId(segment_id) for segment_id in segment_ids})


def drop_runs(backend: Backend, tips: Mapping[RunId, ObjectId]) -> set[RunId]:
    """Takes away the refs of runs that are still at these tips, and returns which; the others have moved or are locked.

    The tips must be in segments that are on the disk.
    """
    names = {refs.run_ref(run_id): run_id for run_id in tips}
    return {names[name] for name in backend.delete_refs({name: tips[names[name]] for name in names})}


def remake_segment(backend: Backend, reader: TreeReader, tips: Mapping[RunId, ObjectId]) -> SegmentId:
    """Returns the id that a segment of these runs has, without writing it: a genuine one has this id."""
    return SegmentId(_add_segment(backend, reader, tips, {}))


class FoldCheck:
    """Says which runs may be archived; made for asking of very many. Content is not hashed again for it."""

    def __init__(self, backend: Backend) -> None:
        self._read = backend.bulk_reader()
        self._known_format = hash_object("blob", FORMAT_BYTES, backend.object_format)

    def why_not(self, run_id: RunId, tip: ObjectId) -> str | None:
        """Returns why the run at a commit cannot be archived, None when it can; raises `CorruptDataError`."""
        tree = tree_in(self._kind("commit", tip, MAX_COMMIT_BYTES), tip)
        files = {entry.name: entry for entry in decode_tree(self._kind("tree", tree, MAX_TREE_BYTES), tree)}
        form, info = files.get(FORMAT_FILE.encode()), files.get(RUN_FILE.encode())
        if form is None or (form.oid != self._known_format and self._version(form.oid) > FORMAT_VERSION):
            return "it is in a format that this gitruns does not know"
        if info is None:
            return "it was purged"
        run = decode_info(self._kind("blob", info.oid, MAX_FILE_BYTES))
        if run.id != run_id:
            return f"it says that it is run '{run.id[:8]}'"
        return None if run.status.ended else f"it is {run.status.value.lower()}"

    def _version(self, oid: ObjectId) -> int:
        return decode_version({FORMAT_FILE: self._kind("blob", oid, MAX_FILE_BYTES)})

    def _kind(self, wanted: str, oid: ObjectId, max_bytes: int) -> bytes:
        kind, data = self._read(oid, max_bytes)
        if kind != wanted:
            raise corrupt_object(oid, f"it is a {kind}, not a {wanted}")
        return data


_COMMITTER = re.compile(rb"\ncommitter [^\n]*> ([0-9]{1,18}) [+-][0-9]{4,6}\n")


def _committer_s(data: bytes, tip: ObjectId) -> int:
    match = _COMMITTER.search(data, 0, max(data.find(b"\n\n"), 0) + 1)
    return decode_commit(data, tip).committer.time_ms // 1000 if match is None else int(match[1])
