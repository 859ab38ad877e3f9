"""Many objects at once: one pack with its index, in place and durable together."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from dulwich.object_format import OBJECT_FORMATS
from dulwich.pack import UnpackedObject, write_pack_data, write_pack_index_v2

from gitruns.entities.ids import ObjectId
from gitruns.gitstore.durability import sync_paths
from gitruns.gitstore.failures import writing
from gitruns.gitstore.objects import hash_object
from gitruns.gitstore.permissions import SharedMode

_NUMBERS = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}


def write_pack(
    folder: Path, objects: Iterable[tuple[str, bytes]], object_format: str, shared: SharedMode
) -> list[ObjectId]:
    """Writes the objects as one pack below `<objects>/pack` and returns their ids in the order given.

    Durable on return. The index gets its name last, so no reader sees half a pack.
    """
    wanted = [(hash_object(kind, data, object_format), kind, data) for kind, data in objects]
    distinct = {oid: (kind, data) for oid, kind, data in wanted}
    if distinct:
        with writing("a pack", folder):
            _write(folder / "pack", distinct, object_format, shared)
    return [oid for oid, _, _ in wanted]


def _write(folder: Path, objects: dict[ObjectId, tuple[str, bytes]], object_format: str, shared: SharedMode) -> None:
    folder.mkdir(exist_ok=True)
    temporary = folder / f"tmp_pack_{secrets.token_hex(6)}"
    try:
        with open(temporary, "xb", opener=_read_only) as file:
            entries, checksum = write_pack_data(
                file.write,
                _records(objects),
                OBJECT_FORMATS[object_format],
                num_records=len(objects),
                compression_level=1,
            )
        # The name is of the sorted ids, as git named its packs: the same objects are the same pack.
        name = "pack-" + hashlib.new(object_format, "".join(sorted(objects)).encode()).hexdigest()
        index = folder / f"{temporary.name}.idx"
        with open(index, "xb", opener=_read_only) as file:
            write_pack_index_v2(file, sorted((oid, place, crc) for oid, (place, crc) in entries.items()), checksum)
        _put_in_place(temporary, folder / f"{name}.pack", shared)
        _put_in_place(index, folder / f"{name}.idx", shared)
    finally:
        for path in (temporary, temporary.with_name(f"{temporary.name}.idx")):
            with suppress(FileNotFoundError):
                path.unlink()


def _records(objects: dict[ObjectId, tuple[str, bytes]]) -> Iterator[UnpackedObject]:
    for oid, (kind, data) in objects.items():
        yield UnpackedObject(
            _NUMBERS[kind], decomp_chunks=[data], decomp_len=len(data), sha=bytes.fromhex(oid), crc32=None
        )


def _read_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o444)


def _put_in_place(temporary: Path, target: Path, shared: SharedMode) -> None:
    shared.apply_to_file(temporary)
    sync_paths({temporary}, temporary.parent)
    temporary.rename(target)
    sync_paths({target}, target.parent.parent)
