"""Looks at a run no closer than it takes to decide whether it travels: its source, and whether it names artifacts."""

from __future__ import annotations

from dataclasses import dataclass

from gitruns.entities.ids import ObjectId
from gitruns.entities.source import Source
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.codec.artifacts import ARTIFACTS_FILE
from gitruns.gitstore.codec.info import RUN_FILE, decode_info
from gitruns.gitstore.objects import corrupt_object, decode_tree
from gitruns.gitstore.tree_reader import MAX_COMMIT_BYTES
from gitruns.gitstore.trees import MAX_TREE_BYTES
from gitruns.gitstore.yaml_text import MAX_FILE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What was seen of a run: its source (None: it was purged), and whether it may name artifacts."""

    source: Source | None
    has_artifacts: bool = False


class Glancer:
    """Looks at the tips of runs, each once."""

    def __init__(self, backend: Backend) -> None:
        self._read = backend.bulk_reader()
        self._seen: dict[ObjectId, Glance] = {}

    def at(self, tip: ObjectId) -> Glance:
        """Returns what there is to see at a tip; raises `CorruptDataError` or `NotFoundError`."""
        seen = self._seen.get(tip)
        if seen is None:
            seen = self._seen[tip] = self._look(tip)
        return seen

    def _look(self, tip: ObjectId) -> Glance:
        kind, data = self._read(tip, MAX_COMMIT_BYTES)
        if kind != "commit":
            raise corrupt_object(tip, f"it is a {kind}, not a commit")
        tree = ObjectId(data[5 : 5 + len(tip)].decode(errors="replace"))
        files = {entry.name: entry.oid for entry in decode_tree(self._read(tree, MAX_TREE_BYTES)[1], tree)}
        run = files.get(RUN_FILE.encode())
        if run is None:
            return Glance(source=None)
        info = decode_info(self._read(run, MAX_FILE_BYTES)[1], strict=False)
        return Glance(source=info.source, has_artifacts=ARTIFACTS_FILE.encode() in files)
