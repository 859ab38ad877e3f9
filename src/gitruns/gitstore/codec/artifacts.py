"""`artifacts.yaml`: what files a run made, and what else of it lies in the artifact store."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gitruns.entities.artifact import Artifact, Manifest
from gitruns.entities.canonical import corrupt, encode_list
from gitruns.entities.ids import Digest
from gitruns.entities.names import check_artifact_path
from gitruns.entities.run import Part
from gitruns.errors import InvalidInputError
from gitruns.gitstore.codec.fields import Fields
from gitruns.gitstore.yaml_text import read_list

ARTIFACTS_FILE = "artifacts.yaml"
MANIFEST_PATH = ".gitruns/artifacts.yaml"
"""The name of the object that lists the artifacts when they are too many for the tree."""

MAX_MANIFEST_IN_TREE_BYTES = 64 * 1024
"""A longer list of artifacts, as written, becomes an object in the artifact store."""

MAX_MANIFEST_BYTES = 256 * 1024 * 1024
"""No manifest in the store is larger: over a million artifacts."""

_FURTHER_MANIFEST = re.compile(r"\.gitruns/artifacts/([0-9a-f]{64})\.yaml\Z")
_STORED_PART = re.compile(r"\.gitruns/metrics/([0-9a-f]{64})\.tsv\.gz\Z")
_KEYS = frozenset(("git", "path", "sha256", "size"))


@dataclass(slots=True)
class ArtifactFile:
    """What `artifacts.yaml` says: the artifacts, the manifests that list further ones, and what parts are stored."""

    artifacts: tuple[Artifact, ...] = ()
    manifest: Artifact | None = None
    more_manifests: tuple[Artifact, ...] = ()
    stored_parts: tuple[Part, ...] = ()


def encode_manifest(artifacts: Iterable[Artifact]) -> bytes:
    """Returns the list of artifacts as a file, by path."""
    return encode_list(_entry(artifact) for artifact in sorted(artifacts, key=_path))


def encode_artifact_file(content: ArtifactFile) -> bytes:
    """Returns `artifacts.yaml`, by path; empty when there is nothing to say."""
    entries = [_entry(artifact) for artifact in content.artifacts]
    if content.manifest is not None:
        entries.append(_manifest_entry(content.manifest, MANIFEST_PATH))
    entries += [_manifest_entry(one, f".gitruns/artifacts/{one.digest}.yaml") for one in content.more_manifests]
    entries += [
        {**_entry(part.stored_as), "tsv_size": part.size_bytes}
        for part in content.stored_parts
        if part.stored_as is not None
    ]
    return encode_list(sorted(entries, key=lambda entry: str(entry["path"]))) if entries else b""


def _entry(artifact: Artifact) -> dict[str, Any]:
    entry = {"path": artifact.path, "sha256": artifact.digest, "size": artifact.size_bytes}
    return {**entry, "git": True} if artifact.in_git else entry


def _manifest_entry(manifest: Artifact, path: str) -> dict[str, Any]:
    count = {"count": manifest.count} if isinstance(manifest, Manifest) else {}
    return {**_entry(manifest), "path": path, "manifest": True, **count}


def _path(artifact: Artifact) -> str:
    return artifact.path


def decode_manifest(data: bytes, path: str = MANIFEST_PATH) -> tuple[Artifact, ...]:
    """Returns the artifacts of a manifest, by path; raises `CorruptDataError` naming path and line."""
    found = []
    for line, item in enumerate(read_list(data, path), 1):
        found.append(_artifact(_fields(item, path, line)))
    return _unique(found, path)


def decode_artifact_file(data: bytes, path: str = ARTIFACTS_FILE) -> ArtifactFile:
    """Returns what `artifacts.yaml` says; raises `CorruptDataError` naming path and line."""
    artifacts, stored, more = [], [], []
    content = ArtifactFile()
    for line, item in enumerate(read_list(data, path), 1):
        fields = _fields(item, path, line)
        name = fields.values.get("path")
        if name == MANIFEST_PATH:
            content.manifest = _manifest(fields)
        elif isinstance(name, str) and (match := _FURTHER_MANIFEST.match(name)):
            more.append(_manifest(fields))
            if more[-1].digest != match[1]:
                raise fields.wrong("path", "is not that of the digest")
        elif isinstance(name, str) and (match := _STORED_PART.match(name)):
            stored.append(_stored_part(Digest(match[1]), fields))
        else:
            artifacts.append(_artifact(fields))
    if more and content.manifest is None:
        raise corrupt(path, None, f"it has no '{MANIFEST_PATH}'")
    content.more_manifests = tuple(more)
    content.artifacts = _unique(artifacts, path)
    content.stored_parts = tuple(stored)
    return content


def _fields(item: object, path: str, line: int) -> Fields:
    if not isinstance(item, dict):
        raise corrupt(path, line, "it is not a mapping")
    return Fields(item, path, line=line)


def _artifact(fields: Fields) -> Artifact:
    fields.check_known(_KEYS)
    path = fields.required("path", fields.text)
    try:
        legal = check_artifact_path(path) == path
    except InvalidInputError:
        legal = False
    if not legal:
        raise fields.wrong("path", "is no artifact path")
    return _named(path, fields)


def _named(path: str, fields: Fields) -> Artifact:
    return Artifact(
        path=path, digest=Digest(fields.digest("sha256")), size_bytes=fields.size("size"), in_git=fields.flag("git")
    )


def _manifest(fields: Fields) -> Artifact:
    fields.check_known(("count", "manifest", "path", "sha256", "size"))
    plain = _named(MANIFEST_PATH, fields)
    if not fields.flag("manifest"):
        raise fields.wrong("manifest", "is not true")
    if "count" not in fields.values:
        return plain
    return Manifest(path=plain.path, digest=plain.digest, size_bytes=plain.size_bytes, count=fields.size("count"))


def _stored_part(digest: Digest, fields: Fields) -> Part:
    fields.check_known(("path", "sha256", "size", "tsv_size"))
    stored = _named(str(fields.values["path"]), fields)
    return Part(digest=digest, size_bytes=fields.size("tsv_size"), stored_as=stored)


def _unique(artifacts: list[Artifact], path: str) -> tuple[Artifact, ...]:
    artifacts.sort(key=_path)
    for before, after in pairwise(artifacts):
        if before.path == after.path:
            raise corrupt(path, None, f"'{after.path[:60]}' stands there twice")
    return tuple(artifacts)
