"""What gitruns asks of a repository: objects by id, refs by compare-and-set, and getting both to the disk.

Two engines answer: `pygit2_backend` (SHA-1 repositories) and `dulwich_backend` (SHA-256 ones). Which one it is, is
decided once when a repository is opened; everything above sees only this interface. The contract suite is
`gitruns.testing.backend`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

from gitruns.entities.ids import ObjectId


class RefStore(Protocol):
    """The refs of one repository, moved only by compare-and-set; no reflog is written."""

    def read_ref(self, name: str) -> ObjectId | None:
        """Returns what a ref holds, None when there is no such ref."""

    def list_refs(self, prefix: str) -> dict[str, ObjectId]:
        """Returns the refs whose names begin with `prefix` (which ends in `/`), by name; broken ones are left out."""

    def list_packed_refs(self, prefix: str) -> dict[str, ObjectId]:
        """Returns what `packed-refs` says of such refs, also of one that has moved since; empty without that file."""

    def list_unpacked_refs(self, prefix: str) -> dict[str, ObjectId]:
        """Returns such refs as `list_refs` does, those left out of which only `packed-refs` says anything."""

    def update_ref(self, name: str, new: ObjectId | None, old: ObjectId | None) -> None:
        """Moves a ref from `old` (None: absent) to `new` (None: deleted), atomically against every other git process.

        Raises `ConflictError` (kind `ref-moved`) when it is not at `old`, `LockedError` (kind `ref-locked`) when
        another process holds it for longer than a short retry.
        """

    def delete_refs(self, expected: Mapping[str, ObjectId]) -> set[str]:
        """Deletes those of many refs that are at the values given for them, and returns their names; reflogs go too.

        The others have moved or are locked, and stay. Deleting each is atomic, deleting all is not: only for refs
        whose commits something else keeps and names.
        """

    def read_head(self) -> tuple[str | None, ObjectId | None]:
        """Returns the branch (None: detached) and the commit (None: no commit yet) that HEAD names."""

    def sync_refs(self, names: Collection[str]) -> None:
        """Makes the named refs durable."""


class Backend(Protocol):
    """One repository's objects, refs, config and work tree state.

    Object kinds are `blob`, `tree`, `commit`, `tag`. An object that is not there raises `NotFoundError` (kind
    `object-missing`), one that cannot be decoded `CorruptDataError` (kind `corrupt-object`).
    """

    name: str
    object_format: str

    def read_object(self, oid: ObjectId, *, max_bytes: int | None = None) -> tuple[str, bytes]:
        """Returns kind and content of an object.

        Raises `CorruptDataError` (kind `too-large`) for one of more than `max_bytes`, before it reads the content.
        """

    def bulk_reader(self) -> Callable[[ObjectId, int], tuple[str, bytes]]:
        """Returns what reads many objects quickly: given id and greatest size, it returns kind and content.

        It raises as `read_object` does. Content is not checked against its id, as git's own reading does not.
        """

    def object_header(self, oid: ObjectId) -> tuple[str, int]:
        """Returns kind and size of an object without reading its content."""

    def has_object(self, oid: ObjectId) -> bool:
        """Returns whether the object is here; never fetches it."""

    def write_object(self, kind: str, data: bytes) -> ObjectId:
        """Writes an object and returns its id; one that is here already only becomes younger in the eyes of gc."""

    def write_pack(self, objects: Iterable[tuple[str, bytes]]) -> list[ObjectId]:
        """Writes many objects as one pack, durable on return, and returns their ids in order."""

    def read_ref(self, name: str) -> ObjectId | None:
        """As `RefStore.read_ref`."""

    def list_refs(self, prefix: str) -> dict[str, ObjectId]:
        """As `RefStore.list_refs`."""

    def list_packed_refs(self, prefix: str) -> dict[str, ObjectId]:
        """As `RefStore.list_packed_refs`."""

    def list_unpacked_refs(self, prefix: str) -> dict[str, ObjectId]:
        """As `RefStore.list_unpacked_refs`."""

    def update_ref(self, name: str, new: ObjectId | None, old: ObjectId | None) -> None:
        """As `RefStore.update_ref`."""

    def delete_refs(self, expected: Mapping[str, ObjectId]) -> set[str]:
        """As `RefStore.delete_refs`."""

    def read_head(self) -> tuple[str | None, ObjectId | None]:
        """As `RefStore.read_head`."""

    def is_clean(self) -> bool | None:
        """Returns True when surely nothing is changed or untracked against HEAD, None when that is not known."""

    def config(self, key: str) -> str | None:
        """Returns the value of a git config key in force, None when it is not set."""

    def sync(self, objects: Collection[ObjectId], refs: Collection[str]) -> None:
        """Makes objects that were written and refs that were moved durable."""

    def sync_all(self) -> None:
        """Makes all objects and refs of the repository durable at once."""

    def drop_damaged(self, oid: ObjectId) -> bool:
        """Takes away the file of a loose object that cannot be read, so that it can be written again.

        Returns whether there was one: an object that is whole, packed or somebody else's stays.
        """

    def close(self) -> None:
        """Lets go of open files; the backend cannot be used afterwards."""
