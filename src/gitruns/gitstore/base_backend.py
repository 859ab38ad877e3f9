"""What both engines have in common: everything but reading packs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from gitruns.entities.ids import ObjectId
from gitruns.errors import CorruptDataError
from gitruns.gitstore.alternates import object_folders
from gitruns.gitstore.backend import RefStore
from gitruns.gitstore.durability import sync_file_system, sync_paths
from gitruns.gitstore.failures import object_missing
from gitruns.gitstore.git_config import GitConfig
from gitruns.gitstore.loose import LooseObjects, TooLargeError
from gitruns.gitstore.objects import HEX_LENGTHS, corrupt_object, hash_object
from gitruns.gitstore.paths import RepoPaths

T = TypeVar("T")


class BaseBackend(ABC):
    """Loose objects, new packs, refs, config; an engine adds how packs are read. See `Backend`."""

    name: str

    def __init__(self, paths: RepoPaths, refs: RefStore, config: GitConfig, object_format: str) -> None:
        self.object_format = object_format
        self._hex_length = HEX_LENGTHS[object_format]
        self._paths = paths
        self._refs = refs
        self._config = config
        self._objects: Path = paths.common_dir / "objects"
        self._folders = object_folders(self._objects)
        self._loose = LooseObjects(self._folders, config)

    @abstractmethod
    def close(self) -> None:
        """Lets go of open files."""

    @abstractmethod
    def _read_packed(self, oid: ObjectId) -> tuple[str, bytes] | None:
        """Returns kind and content of an object, None when it is in no pack; raises ValueError when that is damaged."""

    @abstractmethod
    def _packed_header(self, oid: ObjectId) -> tuple[str, int] | None:
        """Returns kind and size of an object without unpacking it, None when it is in no pack; raises likewise."""

    @abstractmethod
    def _has_packed(self, oid: ObjectId) -> bool:
        """Returns whether an object is in a pack."""

    @abstractmethod
    def _freshen_packed(self, oid: ObjectId, kind: str, data: bytes) -> bool:
        """Makes the pack that holds an object young, so that a gc keeps it; returns whether there is one."""

    def read_object(self, oid: ObjectId, *, max_bytes: int | None = None) -> tuple[str, bytes]:
        """Returns kind and content of an object; its content has been checked against its id."""
        kind, data = self._found(
            oid, lambda oid: self._loose.read(oid, max_bytes), lambda oid: self._read_pack(oid, max_bytes)
        )
        if hash_object(kind, data, self.object_format) != oid:
            raise corrupt_object(oid, "its content has another id")
        return kind, data

    def _read_pack(self, oid: ObjectId, max_bytes: int | None) -> tuple[str, bytes] | None:
        if max_bytes is not None:
            header = self._packed_header(oid)
            if header is None:
                return None
            if header[1] > max_bytes:
                raise TooLargeError(*header)
        return self._read_packed(oid)

    def bulk_reader(self) -> Callable[[ObjectId, int], tuple[str, bytes]]:
        """Returns what reads objects of at most so many bytes, one after the other, as `Backend.bulk_reader` says."""
        looks: list[Callable[[ObjectId, int], tuple[str, bytes] | None]] = [self._packed_reader(), self._loose.read]

        def read(oid: ObjectId, max_bytes: int) -> tuple[str, bytes]:
            for place, look in enumerate(looks):
                try:
                    found = look(oid, max_bytes)
                except (ValueError, TooLargeError):
                    break
                if found is not None:
                    if place:  # the next one is likely to lie where this one did
                        looks.reverse()
                    return found
            return self.read_object(oid, max_bytes=max_bytes)

        return read

    def _packed_reader(self) -> Callable[[ObjectId, int], tuple[str, bytes] | None]:
        """Returns what reads objects from the packs that are there now; None for one that is in none."""
        return self._read_pack

    def object_header(self, oid: ObjectId) -> tuple[str, int]:
        """Returns kind and size of an object without reading its content."""
        return self._found(oid, self._loose.header, self._packed_header)

    def has_object(self, oid: ObjectId) -> bool:
        """Returns whether the object is here."""
        return len(oid) == self._hex_length and (self._loose.find(oid) is not None or self._has_packed(oid))

    def _found(self, oid: ObjectId, loose: Callable[[ObjectId], T | None], packed: Callable[[ObjectId], T | None]) -> T:
        if len(oid) == self._hex_length:  # an engine may take a shorter one for an abbreviation
            try:
                # Once more loose: gc may have unpacked it between the two looks.
                for look in (loose, packed, loose):
                    found = look(oid)
                    if found is not None:
                        return found
            except TooLargeError as error:
                raise CorruptDataError(
                    f"cannot read object '{oid}': {error}", kind="too-large", oid=oid, size=error.size
                ) from error
            except ValueError as error:
                raise corrupt_object(oid, str(error) or type(error).__name__) from error
        raise object_missing(oid, shallow=self._paths.shallow, promisor=self._config.promisor())

    def write_object(self, kind: str, data: bytes) -> ObjectId:
        """Writes an object and returns its id; one that is here already only becomes younger in the eyes of gc."""
        oid = hash_object(kind, data, self.object_format)
        if not self._loose.freshen(oid) and not self._freshen_packed(oid, kind, data):
            self._loose.write(oid, kind, data)
        return oid

    def drop_damaged(self, oid: ObjectId) -> bool:
        """Takes away the file of a loose object that cannot be read, so that it can be written again."""
        path = self._loose.path(oid)
        try:
            found = self._loose.read(oid)
            if found is None or hash_object(*found, self.object_format) == oid:
                return False
        except ValueError:
            pass
        try:
            path.unlink()
        except OSError:
            return False
        return True

    def write_pack(self, objects: Iterable[tuple[str, bytes]]) -> list[ObjectId]:
        """Writes many objects as one durable pack and returns their ids in order."""
        from gitruns.gitstore.packs import write_pack  # dulwich takes a while to load

        return write_pack(self._objects, objects, self.object_format, self._config.shared_mode())

    def read_ref(self, name: str) -> ObjectId | None:
        """Returns what a ref holds."""
        return self._refs.read_ref(name)

    def list_refs(self, prefix: str) -> dict[str, ObjectId]:
        """Returns the refs below a prefix."""
        return self._refs.list_refs(prefix)

    def list_packed_refs(self, prefix: str) -> dict[str, ObjectId]:
        """Returns what `packed-refs` says of the refs below a prefix."""
        return self._refs.list_packed_refs(prefix)

    def list_unpacked_refs(self, prefix: str) -> dict[str, ObjectId]:
        """Returns the refs below a prefix that are elsewhere than in `packed-refs`."""
        return self._refs.list_unpacked_refs(prefix)

    def update_ref(self, name: str, new: ObjectId | None, old: ObjectId | None) -> None:
        """Moves a ref by compare-and-set."""
        self._refs.update_ref(name, new, old)

    def delete_refs(self, expected: Mapping[str, ObjectId]) -> set[str]:
        """Deletes many refs that are where they are expected."""
        return self._refs.delete_refs(expected)

    def read_head(self) -> tuple[str | None, ObjectId | None]:
        """Returns branch and commit of HEAD."""
        return self._refs.read_head()

    def is_clean(self) -> bool | None:
        """Returns None: only an engine that reads the index can tell."""
        return None

    def config(self, key: str) -> str | None:
        """Returns the value of a git config key."""
        return self._config.get(key)

    def sync(self, objects: Collection[ObjectId], refs: Collection[str]) -> None:
        """Makes written objects and moved refs durable, objects first; packs are so since they were written."""
        sync_paths({path for oid in objects if (path := self._loose.path(oid)).is_file()}, self._objects)
        self._refs.sync_refs(refs)

    def sync_all(self) -> None:
        """Makes all objects and refs durable."""
        sync_file_system(self._objects)
