"""Records in git: one ref a writer, whose tree holds all the pieces that the writer has sealed.

A ref moves only forward, to a commit with more pieces, and only its own clone adds any. So states of one ref are joined
by the union of their pieces, which are told apart by content; what a ref once had it has again after every join.
Source: docs/format.md, "Records".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import itemgetter

from gitruns.entities.ids import ObjectId, WriterId
from gitruns.entities.record import PURGED, Change, encode_change
from gitruns.entities.run import Identity
from gitruns.errors import InvalidInputError
from gitruns.gitstore import refs
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.codec.records import (
    MAX_READ_BYTES,
    decode_piece,
    encode_pieces,
    named_pieces,
    newest_ms,
    piece_name_of,
)
from gitruns.gitstore.codec.version import FORMAT_BYTES, FORMAT_FILE, FORMAT_VERSION, decode_version
from gitruns.gitstore.commits import message
from gitruns.gitstore.objects import (
    FILE_MODE,
    FOLDER_MODE,
    Author,
    Commit,
    TreeEntry,
    decode_commit,
    encode_commit,
    encode_tree,
)
from gitruns.gitstore.signatures import Signer
from gitruns.gitstore.tree_reader import TreeReader, tree_in
from gitruns.gitstore.trees import read_as, walk_tree

MERGER = Identity(name="gitruns", email="gitruns@localhost")
_KEPT_TREES = 64

IsPurged = Callable[[str, str], bool]
"""Says of a record, by kind and id, whether it is deleted for good."""


class RecordTrees:
    """Reads and writes the refs of records; objects are written, refs moved by compare-and-set."""

    def __init__(self, backend: Backend, signer: Signer) -> None:
        self._backend = backend
        self._signer = signer
        self._reader = TreeReader(backend)
        self._pieces: dict[ObjectId, Mapping[str, ObjectId]] = {}

    # Refs

    def tip(self, writer: WriterId) -> ObjectId | None:
        """Returns the newest commit of a writer's records, None when it has none in git."""
        return self._backend.read_ref(refs.records_ref(writer))

    def tips(self) -> dict[WriterId, ObjectId]:
        """Returns the newest commit of each writer's records."""
        found = self._backend.list_refs(refs.RECORDS).items()
        return {writer: oid for ref, oid in found if (writer := refs.records_writer_of(ref)) is not None}

    def set_tip(self, writer: WriterId, new: ObjectId | None, old: ObjectId | None) -> None:
        """Moves a writer's ref by compare-and-set; raises `ConflictError` when it is not at `old` (None: absent)."""
        self._backend.update_ref(refs.records_ref(writer), new, old)

    # Reading

    def pieces(self, tip: ObjectId) -> Mapping[str, ObjectId]:
        """Returns the pieces at a commit: path → id; raises `CorruptDataError` for a tree that is none of ours."""
        known = self._pieces.get(tip)
        if known is None:
            if len(self._pieces) >= _KEPT_TREES:
                self._pieces.pop(next(iter(list(self._pieces))), None)
            known = self._pieces[tip] = self._read_pieces(tip)
        return known

    def _read_pieces(self, tip: ObjectId) -> Mapping[str, ObjectId]:
        files = self._files(tip)
        self._version(files)
        return {path: oid for path, oid in files.items() if piece_name_of(path) is not None}

    def _files(self, tip: ObjectId) -> dict[str, ObjectId]:
        tree = tree_in(self._reader.read_commit(tip), tip)
        return dict(walk_tree(self._backend, tree))

    def _version(self, files: Mapping[str, ObjectId]) -> int:
        oid = files.get(FORMAT_FILE)
        data = None if oid is None else read_as(self._backend, "blob", oid, FORMAT_FILE, 1024)
        return decode_version({} if data is None else {FORMAT_FILE: data})

    def changes(self, path: str, oid: ObjectId, *, strict: bool = False) -> list[Change]:
        """Returns the changes of a piece; raises `CorruptDataError` naming path and line."""
        return decode_piece(read_as(self._backend, "blob", oid, path, MAX_READ_BYTES), path, strict=strict)

    def has_all_of(self, tip: ObjectId, other: ObjectId) -> bool:
        """Returns whether each piece of another commit is in a commit too."""
        return tip == other or set(self.pieces(other).values()) <= set(self.pieces(tip).values())

    def validate(self, tip: ObjectId, known: Collection[ObjectId] = ()) -> int:
        """Returns the time of the greatest stamp in the pieces at a commit, other than those known to be good.

        Raises `CorruptDataError` naming what is not exactly what we would write.
        """
        files = self._files(tip)
        version = self._version(files)
        if version > FORMAT_VERSION:
            raise InvalidInputError(f"commit {tip[:12]} is of format {version}", kind="format-too-new")
        good = set(known)
        fresh = {path: oid for path, oid in self.pieces(tip).items() if oid not in good}
        return max((newest_ms(self.changes(path, oid, strict=True)) for path, oid in fresh.items()), default=0)

    # Writing

    def seal(
        self, writer: WriterId, changes: Sequence[Change], *, parent: ObjectId | None, identity: Identity
    ) -> ObjectId:
        """Writes changes as new pieces on top of `parent` and returns the commit; durable, and no ref is moved.

        The same changes on the same parent make the same commit, at the time of the newest of them.
        """
        before = {} if parent is None else self._writable(parent)
        files = dict(before)
        written: set[ObjectId] = set()
        last: dict[str, int] = {}
        for name in filter(None, map(piece_name_of, before)):
            last[name.day] = max(last.get(name.day, 0), name.number)
        here = set(before.values())
        for day, data in encode_pieces(changes):
            oid = self._write("blob", data, written)
            if oid not in here:
                last[day] = last.get(day, 0) + 1
                files[f"{day}/{last[day]}.jsonl"] = oid
        if parent is not None and len(files) == len(before):
            return parent
        author = Author(identity, max(newest_ms(changes), 0))
        days = sorted({path.partition("/")[0] for path in files.keys() - before.keys()})
        subject = f"records: {len(changes)} changes of {_shown(days)}"
        commit = self._signer.write_commit(
            Commit(
                tree=self._write_tree(files, written),
                parents=() if parent is None else (parent,),
                author=author,
                committer=author,
                message=message(subject, {"Writer": writer}),
            )
        )
        self._backend.sync({*written, commit}, ())
        return commit

    def merge(self, writer: WriterId, tips: Iterable[ObjectId]) -> ObjectId:
        """Writes the commit that has the pieces of some commits of one writer's ref, the same in every clone.

        It is one of the commits where that has them all. Of files that are no pieces the greater id wins.
        """
        chosen = sorted(set(tips))
        for tip in chosen:
            if all(self.has_all_of(tip, other) for other in chosen):
                return tip
        every = [(path, oid) for tip in chosen for path, oid in self._writable(tip).items()]
        files = {path: oid for path, oid in sorted(every, key=itemgetter(1)) if piece_name_of(path) is None}
        named = [(name, oid) for path, oid in every if (name := piece_name_of(path)) is not None]
        author = Author(MERGER, max(self._time_ms(tip) for tip in chosen))
        written: set[ObjectId] = set()
        commit = Commit(
            tree=self._write_tree({**files, **named_pieces(named)}, written),
            parents=tuple(chosen),
            author=author,
            committer=author,
            message=message(f"records: merge {len(chosen)} states", {"Writer": writer}),
        )
        oid = self._backend.write_object("commit", encode_commit(commit))
        self._backend.sync({*written, oid}, ())
        return oid

    # Purges

    def supersedes(self, tip: ObjectId, other: ObjectId, is_purged: IsPurged) -> bool:
        """Returns whether nothing but changes of purged records is lost when `tip` takes the place of `other`.

        What `tip` itself calls purged counts as purged too.
        """
        if self.has_all_of(tip, other):
            return True
        mine, theirs = self.pieces(tip).items(), self.pieces(other).items()
        kept = self._lines(mine - theirs)
        lost = [change for line, change in self._lines(theirs - mine).items() if line not in kept]
        said = {(change.kind, change.id) for change in kept.values() if change.fields.get(PURGED)}
        return all((one.kind, one.id) in said or is_purged(one.kind, one.id) for one in lost)

    def _lines(self, pieces: Iterable[tuple[str, ObjectId]]) -> dict[bytes, Change]:
        return {encode_change(one): one for path, oid in pieces for one in self.changes(path, oid)}

    def without_purged(self, writer: WriterId, tip: ObjectId, is_purged: IsPurged, identity: Identity) -> ObjectId:
        """Writes the pieces of a commit without changes of purged records and returns the new commit; no ref is moved.

        It has no parent, so nothing holds what was there. That records were purged stays said. The commit itself when
        there is nothing to leave out.
        """
        before = self._writable(tip)
        files = dict(before)
        written: set[ObjectId] = set()
        for path, oid in self.pieces(tip).items():
            changes = self.changes(path, oid)
            kept = [one for one in changes if PURGED in one.fields or not is_purged(one.kind, one.id)]
            if len(kept) == len(changes):
                continue
            del files[path]
            for _, data in encode_pieces(kept):
                files[path] = self._write("blob", data, written)
        if files == before:
            return tip
        author = Author(identity, self._time_ms(tip))
        commit = self._signer.write_commit(
            Commit(
                tree=self._write_tree(files, written),
                parents=(),
                author=author,
                committer=author,
                message=message("records: without what was purged", {"Writer": writer}),
            )
        )
        self._backend.sync({*written, commit}, ())
        return commit

    def sync_ref(self, writer: WriterId) -> None:
        """Makes the ref of a writer durable."""
        self._backend.sync((), [refs.records_ref(writer)])

    def _writable(self, tip: ObjectId) -> Mapping[str, ObjectId]:
        """Returns all files at a commit that can be built upon: unknown ones are carried over."""
        files = self._files(tip)
        version = self._version(files)
        if version > FORMAT_VERSION:
            raise InvalidInputError(
                f"cannot add to records of format {version}: this gitruns writes format {FORMAT_VERSION}",
                kind="format-too-new",
                hint="pip install --upgrade gitruns",
            )
        del files[FORMAT_FILE]
        return files

    def _time_ms(self, tip: ObjectId) -> int:
        return decode_commit(self._reader.read_commit(tip), tip).committer.time_ms

    def _write(self, kind: str, data: bytes, written: set[ObjectId]) -> ObjectId:
        oid = self._backend.write_object(kind, data)
        written.add(oid)
        return oid

    def _write_tree(self, files: Mapping[str, ObjectId], written: set[ObjectId]) -> ObjectId:
        """Writes the tree of files that are there already, by path, and `format`."""
        return self._write_folder({**files, FORMAT_FILE: self._write("blob", FORMAT_BYTES, written)}, written)

    def _write_folder(self, files: Mapping[str, ObjectId], written: set[ObjectId]) -> ObjectId:
        entries: list[TreeEntry] = []
        folders: dict[str, dict[str, ObjectId]] = {}
        for path, oid in files.items():
            folder, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(folder, {})[rest] = oid
            else:
                entries.append(TreeEntry(FILE_MODE, path.encode(), oid))
        for folder, below in folders.items():
            entries.append(TreeEntry(FOLDER_MODE, folder.encode(), self._write_folder(below, written)))
        return self._write("tree", encode_tree(entries), written)


def _shown(days: Sequence[str]) -> str:
    if not days:
        return "no day"
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
