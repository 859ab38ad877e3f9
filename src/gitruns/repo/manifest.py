"""Artifacts that are too many for a run's tree: their list is an object of the store, and the tree names it.

An artifact that bears a stamp stays in the tree, where a merge can compare it without the object.
"""

from __future__ import annotations

from dataclasses import replace

from gitruns.artifacts import ArtifactCache
from gitruns.entities.artifact import Artifact, Manifest
from gitruns.entities.merge import all_manifests, resolve_artifacts
from gitruns.entities.run import Run
from gitruns.gitstore import (
    MANIFEST_PATH,
    MAX_MANIFEST_BYTES,
    MAX_MANIFEST_IN_TREE_BYTES,
    decode_manifest,
    encode_manifest,
)


def packed(cache: ArtifactCache, run: Run) -> Run:
    """Returns the run as its tree can hold it: a list of artifacts that is too long becomes an object."""
    if run.manifest is not None or len(run.artifacts) < 16:  # so few fit with the longest paths
        return run
    stamped = tuple(artifact for artifact in run.artifacts if f"artifacts/{artifact.path}" in run.stamps)
    plain = tuple(artifact for artifact in run.artifacts if f"artifacts/{artifact.path}" not in run.stamps)
    data = encode_manifest(plain)
    if len(data) <= MAX_MANIFEST_IN_TREE_BYTES:
        return run
    digest, size = cache.put_bytes(data)
    manifest = Manifest(path=MANIFEST_PATH, digest=digest, size_bytes=size, count=len(plain))
    return replace(run, artifacts=stamped, manifest=manifest)


def unpacked(cache: ArtifactCache, run: Run) -> Run:
    """Returns the run with all its artifacts; raises `NotFoundError` when a list of them is not on this machine."""
    if run.manifest is None:
        return run
    return replace(run, artifacts=listed(cache, run), manifest=None, more_manifests=())


def listed(cache: ArtifactCache, run: Run) -> tuple[Artifact, ...]:
    """Returns all artifacts of a run, by path."""
    if run.manifest is None:
        return run.artifacts
    return resolve_artifacts(run, [_read(cache, manifest) for manifest in all_manifests(run)])


def _read(cache: ArtifactCache, manifest: Artifact) -> tuple[Artifact, ...]:
    with cache.open(manifest.digest) as file:
        return decode_manifest(file.read(MAX_MANIFEST_BYTES))
