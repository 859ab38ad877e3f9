"""The tombstone of a purged run as the files of its tree, and back."""

from __future__ import annotations

from collections.abc import Mapping

from gitruns.entities.canonical import corrupt, encode_mapping
from gitruns.entities.ids import RunId, is_run_id
from gitruns.entities.tombstone import Tombstone
from gitruns.gitstore.codec.fields import Fields
from gitruns.gitstore.codec.info import RUN_FILE
from gitruns.gitstore.codec.version import FORMAT_BYTES, FORMAT_FILE, FORMAT_VERSION, decode_version

PURGED_FILE = "purged.yaml"
_KEYS = ("id", "reason", "time", "user")


def is_purged(files: Mapping[str, object]) -> bool:
    """Returns whether a tree with these files is a tombstone, not a run."""
    return PURGED_FILE in files and RUN_FILE not in files


def encode_tombstone(tombstone: Tombstone) -> dict[str, bytes]:
    """Returns the files of a tombstone's tree, by path."""
    values = {
        "id": tombstone.run_id,
        "reason": tombstone.reason,
        "time": tombstone.time_ms,
        "user": tombstone.user,
    }
    said = {key: value for key, value in values.items() if value is not None}
    return {FORMAT_FILE: FORMAT_BYTES, PURGED_FILE: encode_mapping(said)}


def decode_tombstone(files: Mapping[str, bytes]) -> Tombstone:
    """Returns the tombstone that a tree's files describe; raises `CorruptDataError` naming path and line."""
    version = decode_version(files)
    data = files.get(PURGED_FILE)
    if data is None:
        raise corrupt(PURGED_FILE, None, "it is missing")
    fields = Fields.read(data, PURGED_FILE)
    if version <= FORMAT_VERSION:
        fields.check_known(_KEYS)
    run_id = fields.matching("id", is_run_id, "a run id")
    return Tombstone(
        run_id=RunId(fields.required("id", lambda _: run_id)),
        time_ms=fields.required("time", fields.integer),
        user=fields.text("user"),
        reason=fields.text("reason"),
    )
