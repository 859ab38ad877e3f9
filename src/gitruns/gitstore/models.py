"""Registered models in git: one ref each, a tree with a file a version, edited by a child commit.

A model with many versions is written and read by what changed: files that are the same are named by the id that they
have already.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from gitruns.entities.ids import ObjectId
from gitruns.entities.merge.models import merge_models
from gitruns.entities.model import ModelId, ModelVersion, RegisteredModel
from gitruns.entities.run import Identity
from gitruns.errors import CorruptDataError
from gitruns.gitstore import refs
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.chain import ChainEntry, run_chain
from gitruns.gitstore.codec.model import (
    VERSIONS_FOLDER,
    assemble_model,
    decode_model_version,
    encode_model_files,
    encode_model_version,
    version_id_of,
    version_path,
)
from gitruns.gitstore.codec.version import FORMAT_VERSION, decode_version
from gitruns.gitstore.commits import model_message
from gitruns.gitstore.objects import (
    FILE_MODE,
    FOLDER_MODE,
    Author,
    Commit,
    TreeEntry,
    decode_commit,
    encode_commit,
    encode_tree,
    hash_object,
)
from gitruns.gitstore.signatures import Signer
from gitruns.gitstore.tree_reader import TreeReader
from gitruns.gitstore.trees import read_as, read_entries, walk_tree, write_tree
from gitruns.gitstore.yaml_text import MAX_FILE_BYTES

MERGER = Identity(name="gitruns", email="gitruns@localhost")
"""Who makes a merge: nobody, so that all clones make the same one."""

_KEPT_MODELS = 64
_KEPT_VERSIONS = 100_000


class ModelTrees:
    """Reads and writes registered models as commits; refs move by compare-and-set."""

    def __init__(self, backend: Backend, signer: Signer) -> None:
        self._backend = backend
        self._signer = signer
        self._reader = TreeReader(backend)
        self._models: dict[ObjectId, RegisteredModel] = {}
        self._versions: dict[ObjectId, ModelVersion] = {}
        self._known: dict[int, tuple[ModelVersion, ObjectId]] = {}

    # Refs

    def tip(self, model_id: ModelId) -> ObjectId | None:
        """Returns the newest commit of a model, None when it is not in git."""
        return self._backend.read_ref(refs.model_id_ref(model_id))

    def tips(self) -> dict[ModelId, ObjectId]:
        """Returns the newest commit of each model."""
        found = self._backend.list_refs(refs.MODELS).items()
        return {model_id: oid for ref, oid in found if (model_id := refs.model_id_of(ref)) is not None}

    def set_tip(self, model_id: ModelId, new: ObjectId | None, old: ObjectId | None) -> None:
        """Moves a model's ref by compare-and-set; raises `ConflictError` when it is not at `old` (None: absent)."""
        self._backend.update_ref(refs.model_id_ref(model_id), new, old)

    def sync(self, model_id: ModelId, tip: ObjectId) -> None:
        """Makes the last commit of a model durable, and its ref."""
        self._backend.sync({tip, *self._objects_of(tip)}, [refs.model_id_ref(model_id)])

    def sync_tag(self, model_id: ModelId, number: int) -> None:
        """Makes the git tag of a version durable, and what it stands at."""
        ref = refs.version_tag_ref(model_id, number)
        oid = self._backend.read_ref(ref)
        if oid is not None:
            self._backend.sync({oid, *self._target_of(oid)}, [ref])

    def _objects_of(self, tip: ObjectId) -> set[ObjectId]:
        """Trees and files that the commit has and its first parent has not."""
        commit = decode_commit(self._reader.read_commit(tip), tip)
        before: set[ObjectId] = set()
        for parent in commit.parents[:1]:
            before = self._tree_objects(decode_commit(self._reader.read_commit(parent), parent).tree)
        return self._tree_objects(commit.tree) - before

    def _tree_objects(self, tree: ObjectId) -> set[ObjectId]:
        found, waiting = {tree}, [tree]
        while waiting:
            for entry in read_entries(self._backend, waiting.pop()):
                found.add(entry.oid)
                if entry.is_folder:
                    waiting.append(entry.oid)
        return found

    def _target_of(self, tag: ObjectId) -> list[ObjectId]:
        kind, data = self._backend.read_object(tag, max_bytes=MAX_FILE_BYTES)
        return [ObjectId(data[7 : 7 + len(tag)].decode())] if kind == "tag" else []

    # Reading

    def read(self, commit: ObjectId) -> RegisteredModel:
        """Returns the model as a commit holds it; raises `CorruptDataError` naming what is wrong where."""
        known = self._models.get(commit)
        if known is None:
            if len(self._models) >= _KEPT_MODELS:
                self._models.pop(next(iter(self._models)))
            known = self._models[commit] = self._decode(commit)
        return known

    def _decode(self, commit: ObjectId) -> RegisteredModel:
        try:
            tree = decode_commit(self._reader.read_commit(commit), commit).tree
            entries = dict(walk_tree(self._backend, tree))
            files = {path: self._blob(path, oid) for path, oid in entries.items() if version_id_of(path) is None}
            strict = decode_version(files) <= FORMAT_VERSION
            named = {path: version_id for path in entries if (version_id := version_id_of(path))}
            versions = {one: self._version(path, entries[path], strict) for path, one in named.items()}
            return assemble_model(files, versions, commit)
        except CorruptDataError as error:
            message = f"{error.message} (commit {commit[:12]})"
            raise CorruptDataError(message, kind=error.kind, hint=error.hint, **error.facts) from error

    def _version(self, path: str, oid: ObjectId, strict: bool) -> ModelVersion:
        found = self._versions.get(oid)
        if found is None:
            found = decode_model_version(self._blob(path, oid), path, strict=strict)
            self._remember(found, oid)
        return found

    def _remember(self, version: ModelVersion, oid: ObjectId) -> None:
        if len(self._known) >= _KEPT_VERSIONS:
            self._known.clear()
            self._versions.clear()
        self._versions[oid] = version
        self._known[id(version)] = (version, oid)

    def _blob(self, path: str, oid: ObjectId) -> bytes:
        return read_as(self._backend, "blob", oid, path, MAX_FILE_BYTES)

    def history(self, tip: ObjectId) -> list[ChainEntry]:
        """Returns the commits of a model, newest first, each with its author and the reason given."""
        return run_chain(self._reader, tip)

    # Writing

    def write(
        self,
        model: RegisteredModel,
        *,
        parents: Iterable[ObjectId],
        identity: Identity,
        time_ms: int,
        subject: str,
        reason: str = "",
    ) -> ObjectId:
        """Writes the model as a commit, signed when the user signs commits, and returns it; no ref is moved."""
        author = Author(identity, time_ms)
        commit = Commit(
            tree=self._write_tree(model),
            parents=tuple(parents),
            author=author,
            committer=author,
            message=model_message(model, subject, reason),
        )
        return self._signer.write_commit(commit)

    def merge(self, tips: Iterable[ObjectId]) -> ObjectId:
        """Writes the commit that joins tips of one model, the same in every clone; the tip itself when one is left.

        The caller leaves out tips that are ancestors of others.
        """
        chosen = sorted(set(tips))
        if len(chosen) == 1:
            return chosen[0]
        merged = merge_models([self.read(tip) for tip in chosen])
        commits = [decode_commit(self._reader.read_commit(tip), tip) for tip in chosen]
        author = Author(MERGER, max(commit.committer.time_ms for commit in commits))
        commit = Commit(
            tree=self._write_tree(merged),
            parents=tuple(chosen),
            author=author,
            committer=author,
            message=model_message(merged, f"merge {len(chosen)} states"),
        )
        return self._backend.write_object("commit", encode_commit(commit))

    def merged_id(self, tips: Iterable[ObjectId]) -> ObjectId:
        """Returns the id that `merge` would give, writing nothing."""
        return ModelTrees(cast("Backend", _Hashing(self._backend)), self._signer).merge(tips)

    def _write_tree(self, model: RegisteredModel) -> ObjectId:
        folders: dict[str, dict[str, bytes]] = {}
        entries: list[TreeEntry] = []
        for path, data in encode_model_files(model).items():
            folder, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(folder, {})[rest] = data
            else:
                entries.append(TreeEntry(FILE_MODE, path.encode(), self._backend.write_object("blob", data)))
        listed = [self._version_entry(version) for version in model.versions.values()]
        beside = folders.pop(VERSIONS_FOLDER[:-1], {})
        listed += [
            TreeEntry(FILE_MODE, name.encode(), self._backend.write_object("blob", data))
            for name, data in beside.items()
            if "/" not in name
        ]
        if listed:
            oid = self._backend.write_object("tree", encode_tree(listed))
            entries.append(TreeEntry(FOLDER_MODE, VERSIONS_FOLDER[:-1].encode(), oid))
        for folder, files in folders.items():
            entries.append(TreeEntry(FOLDER_MODE, folder.encode(), write_tree(self._backend, files)))
        return self._backend.write_object("tree", encode_tree(entries))

    def _version_entry(self, version: ModelVersion) -> TreeEntry:
        known = self._known.get(id(version))
        if known is None:
            self._remember(version, self._backend.write_object("blob", encode_model_version(version)))
            known = self._known[id(version)]
        return TreeEntry(FILE_MODE, version_path(version.id).removeprefix(VERSIONS_FOLDER).encode(), known[1])


class _Hashing:
    """A repository that is only read: what is written to it is told its id and kept nowhere."""

    def __init__(self, backend: Backend) -> None:
        self._read = backend

    def write_object(self, kind: str, data: bytes) -> ObjectId:
        return hash_object(kind, data, self._read.object_format)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._read, name)
