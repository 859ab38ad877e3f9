"""Artifacts that are too many for a run's tree: their list is an object of the store, and the tree names it."""

from __future__ import annotations

from dataclasses import replace

from gitruns.artifacts import ArtifactCache
from gitruns.entities.artifact import Artifact, Manifest
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
    data = encode_manifest(run.artifacts)
    if len(data) <= MAX_MANIFEST_IN_TREE_BYTES:
        return run
    digest, size = cache.put_bytes(data)
    manifest = Manifest(path=MANIFEST_PATH, digest=digest, size_bytes=size, count=len(run.artifacts))
    return replace(run, artifacts=(), manifest=manifest)


def unpacked(cache: ArtifactCache, run: Run) -> Run:
    """Returns the run with all its artifacts; raises `NotFoundError` when their list is not on this machine."""
    if run.manifest is None:
        return run
    return replace(run, artifacts=listed(cache, run), manifest=None)


def listed(cache: ArtifactCache, run: Run) -> tuple[Artifact, ...]:
    """Returns all artifacts of a run."""
    if run.manifest is None:
        return run.artifacts
    with cache.open(run.manifest.digest) as file:
        return decode_manifest(file.read(MAX_MANIFEST_BYTES))
