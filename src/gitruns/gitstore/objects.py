"""Git's own objects as bytes: commits, trees, annotated tags, and the id that content has.

Pure: what is encoded here is byte for byte what git would write, so equal values have equal ids in every clone.
Source: git's `Documentation/gitformat-pack` and `git help hash-object`, `fsck.c` for what is legal.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from gitruns.entities.ids import ObjectId
from gitruns.entities.run import Identity
from gitruns.errors import CorruptDataError

FILE_MODE = 0o100644
FOLDER_MODE = 0o040000

HEX_LENGTHS = {"sha1": 40, "sha256": 64}


def hash_object(kind: str, data: bytes, object_format: str = "sha1") -> ObjectId:
    """Returns the id of an object of that kind and content."""
    state = hashlib.new(object_format, b"%s %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
    state.update(data)
    return ObjectId(state.hexdigest())


@dataclass(frozen=True, slots=True)
class Author:
    """Who, and when: milliseconds UTC, of which git keeps the seconds."""

    identity: Identity
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit. `extra` are further headers in their order (`gpgsig`, `encoding`…), kept as they are."""

    tree: ObjectId
    parents: tuple[ObjectId, ...]
    author: Author
    committer: Author
    message: str
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """An annotated tag of git's; `target_kind` is the kind of object that it names."""

    target: ObjectId
    target_kind: str
    name: str
    tagger: Author
    message: str


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One name in a tree."""

    mode: int
    name: bytes
    oid: ObjectId

    @property
    def is_folder(self) -> bool:
        """Whether the entry is a tree of its own."""
        return self.mode == FOLDER_MODE


def encode_author(author: Author) -> str:
    """Returns the `name <address> seconds offset` of a header."""
    identity = author.identity
    minutes = abs(identity.utc_offset_minutes)
    sign = "-" if identity.utc_offset_minutes < 0 else "+"
    seconds = max(author.time_ms // 1000, 0)
    name = clean_name(identity.name) or "unknown"
    return f"{name} <{clean_name(identity.email)}> {seconds} {sign}{minutes // 60:02}{minutes % 60:02}"


_CRUD = "".join(map(chr, range(33))) + ".,:;<>\"\\'"


def clean_name(text: str) -> str:
    """Returns a name or address as git writes it: no line ends, no `<` or `>`, nothing odd at either end."""
    text = text.encode(errors="replace").decode()
    return re.sub("[<>\n\0]", "", text.strip(_CRUD)).strip(_CRUD)


def encode_commit(commit: Commit) -> bytes:
    """Returns the bytes of a commit object."""
    lines = [f"tree {commit.tree}"]
    lines += [f"parent {parent}" for parent in commit.parents]
    lines += [f"author {encode_author(commit.author)}", f"committer {encode_author(commit.committer)}"]
    lines += [f"{key} {value}".replace("\n", "\n ") for key, value in commit.extra]
    return ("\n".join(lines) + "\n\n").encode(errors="surrogateescape") + _encode_message(commit.message)


def _encode_message(message: str) -> bytes:
    # git ends a commit's text at a NUL; lone surrogates are how undecodable bytes of a foreign message are carried.
    return message.replace("\0", "\ufffd").encode(errors="surrogateescape")


def decode_commit(data: bytes, oid: ObjectId) -> Commit:
    """Returns the commit that these bytes are; raises `CorruptDataError` (kind `corrupt-object`) naming `oid`."""
    headers, message = _decode_headers(data)
    try:
        return Commit(
            tree=ObjectId(next(value for key, value in headers if key == "tree")),
            parents=tuple(ObjectId(value) for key, value in headers if key == "parent"),
            author=_decode_author(next(value for key, value in headers if key == "author")),
            committer=_decode_author(next(value for key, value in headers if key == "committer")),
            message=message,
            extra=tuple(pair for pair in headers if pair[0] not in ("tree", "parent", "author", "committer")),
        )
    except (StopIteration, ValueError) as error:
        raise corrupt_object(oid, f"it is no commit ({str(error) or 'a header is missing'})") from error


def _decode_headers(data: bytes) -> tuple[list[tuple[str, str]], str]:
    head, _, message = data.partition(b"\n\n")
    headers: list[tuple[str, str]] = []
    for line in head.decode(errors="surrogateescape").split("\n"):
        if line.startswith(" ") and headers:
            key, value = headers[-1]
            headers[-1] = (key, f"{value}\n{line[1:]}")
        else:
            key, _, value = line.partition(" ")
            headers.append((key, value))
    return headers, message.decode(errors="surrogateescape")


_AUTHOR = re.compile(r"(.*?) ?<([^>\n]*)> (-?[0-9]{1,18}) ([+-])([0-9]{2,4})([0-9]{2})\Z")


def _decode_author(text: str) -> Author:
    match = _AUTHOR.match(text)
    if match is None:
        raise ValueError("an author has no time")
    name, email, seconds, sign, hours, minutes = match.groups()
    offset = int(hours) * 60 + int(minutes)
    identity = Identity(name=name, email=email, utc_offset_minutes=-offset if sign == "-" else offset)
    return Author(identity, int(seconds) * 1000)


def encode_tree(entries: Iterable[TreeEntry]) -> bytes:
    """Returns the bytes of a tree object, entries in git's order: a folder sorts as if its name ended in `/`."""
    return b"".join(
        b"%o %s\0%s" % (entry.mode, entry.name, bytes.fromhex(entry.oid)) for entry in sorted(entries, key=_tree_order)
    )


def _tree_order(entry: TreeEntry) -> bytes:
    return entry.name + b"/" if entry.mode == FOLDER_MODE else entry.name


def decode_tree(data: bytes, oid: ObjectId) -> list[TreeEntry]:
    """Returns the entries of a tree, as they stand.

    Raises `CorruptDataError` (kind `corrupt-object`) for bytes that are no tree, and for names that git does not let
    stand: empty, `.`, `..`, `.git`, with a slash, twice, or out of order.
    """
    id_length = len(oid) // 2
    entries: list[TreeEntry] = []
    place = 0
    while place < len(data):
        end = data.find(b"\0", place)
        mode, space, name = data[place:end].partition(b" ")
        if end < 0 or not space or not _MODE.match(mode) or end + 1 + id_length > len(data):
            raise corrupt_object(oid, f"entry {len(entries) + 1} of the tree is cut off or has no mode")
        place = end + 1 + id_length
        entry = TreeEntry(int(mode, 8), name, ObjectId(data[end + 1 : place].hex()))
        _check_name(oid, entry, entries[-1] if entries else None)
        entries.append(entry)
    return entries


_MODE = re.compile(rb"[1-7][0-7]{4,5}\Z")


def _check_name(oid: ObjectId, entry: TreeEntry, before: TreeEntry | None) -> None:
    shown = entry.name[:60].decode(errors="backslashreplace")
    if entry.name in (b"", b".", b"..") or entry.name.lower() == b".git" or b"/" in entry.name:
        raise corrupt_object(oid, f"the tree has an entry named '{shown}'", path=shown)
    if before is not None and not _tree_order(before) < _tree_order(entry):
        raise corrupt_object(oid, f"the tree has '{shown}' twice or out of order", path=shown)


def encode_tag(tag: Tag) -> bytes:
    """Returns the bytes of an annotated tag."""
    head = f"object {tag.target}\ntype {tag.target_kind}\ntag {tag.name}\ntagger {encode_author(tag.tagger)}\n\n"
    return head.encode() + _encode_message(tag.message)


def decode_tag(data: bytes, oid: ObjectId) -> Tag:
    """Returns the annotated tag that these bytes are; raises `CorruptDataError` (kind `corrupt-object`)."""
    headers, message = _decode_headers(data)
    values = dict(reversed(headers))
    try:
        return Tag(
            target=ObjectId(values["object"]),
            target_kind=values["type"],
            name=values["tag"],
            tagger=_decode_author(values["tagger"]),
            message=message,
        )
    except (KeyError, ValueError) as error:
        raise corrupt_object(oid, f"it is no tag ({error})") from error


def corrupt_object(oid: ObjectId, why: str, path: str | None = None) -> CorruptDataError:
    """Returns the error for an object whose bytes are not what they should be."""
    return CorruptDataError(f"cannot read object '{oid}': {why}", kind="corrupt-object", oid=oid, path=path)
