"""Merges lists of artifacts: by path, then stamp; and the text artifacts that stand in the tree.

A list that is too long for the tree is an object in the store, which need not be at hand. So it is never opened here:
a merge keeps the objects of all states side by side, and whoever reads the artifacts joins the lists
(`resolve_artifacts`). Only artifacts without a stamp are ever in such an object, so that every stamp's value is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gitruns.entities.artifact import Artifact, Manifest
from gitruns.entities.canonical import encode_value
from gitruns.entities.merge.fields import Stamped, merge_fields
from gitruns.entities.merge.state import RunState
from gitruns.entities.run import Run
from gitruns.entities.stamp import Stamp

ARTIFACT_PREFIX = "artifacts/"
"""The stamp of an artifact is at `artifacts/<path>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Merged artifacts: those listed in the tree, the objects that list more, the texts in the tree, the stamps."""

    artifacts: tuple[Artifact, ...]
    manifests: tuple[Artifact, ...]
    texts: Mapping[str, bytes]
    stamps: Mapping[str, Stamp]


def all_manifests(run: Run) -> tuple[Artifact, ...]:
    """Returns the objects that list artifacts of a run which are not in its tree."""
    return () if run.manifest is None else (run.manifest, *run.more_manifests)


def resolve_artifacts(run: Run, lists: Iterable[Iterable[Artifact]]) -> tuple[Artifact, ...]:
    """Returns all artifacts of a run by path, from its tree and the content of its manifests.

    What the tree lists with a stamp, or has taken away, counts; else of one path the greater canonical bytes.
    """
    own = Stamped({artifact.path: artifact for artifact in run.artifacts}, run.stamps)
    objects = (Stamped({artifact.path: artifact for artifact in some}) for some in lists)
    merged = merge_fields([own, *objects], prefix=ARTIFACT_PREFIX, canonical=_text)
    return tuple(merged.values.values())


def merge_listings(states: Sequence[RunState]) -> Listing:
    """Returns the artifacts of all states."""
    merged = merge_fields(map(_stamped, states), prefix=ARTIFACT_PREFIX, canonical=_text)
    known = merged.values.keys() | {name[len(ARTIFACT_PREFIX) :] for name in merged.stamps}
    loose = _loose_texts(states, known)
    shut = _shut_out(known | loose.keys())
    texts = {path: data for path, data in loose.items() if not shut(path)}
    artifacts = []
    for path, artifact in merged.values.items():
        stands = artifact.in_git and not shut(path)
        if stands:
            texts[path] = next(text for state in states if (text := _own_text(state, artifact)) is not None)
        artifacts.append(replace(artifact, in_git=stands))
    return Listing(
        artifacts=tuple(artifacts),
        manifests=_united_manifests(states),
        texts=texts,
        stamps=merged.stamps,
    )


def _united_manifests(states: Iterable[RunState]) -> tuple[Artifact, ...]:
    found: dict[str, Artifact] = {}
    for state in states:
        for manifest in all_manifests(state.run):
            known = found.get(manifest.digest)
            if known is None or _manifest_order(known) < _manifest_order(manifest):
                found[manifest.digest] = manifest
    return tuple(found[digest] for digest in sorted(found))


def _manifest_order(manifest: Artifact) -> tuple[int, int]:
    return (manifest.size_bytes, manifest.count if isinstance(manifest, Manifest) else -1)


def _stamped(state: RunState) -> Stamped[Artifact]:
    """Returns the artifacts of a state, marked `in_git` only where the tree really has their bytes."""
    return Stamped(
        {
            artifact.path: replace(artifact, in_git=artifact.in_git and _own_text(state, artifact) is not None)
            for artifact in state.run.artifacts
        },
        state.run.stamps,
    )


def _own_text(state: RunState, artifact: Artifact) -> bytes | None:
    """Returns the bytes of an artifact from the tree of a state, None when they are not there or are others."""
    text = state.texts.get(artifact.path)
    return text if text is not None and _digest(text) == artifact.digest else None


def _loose_texts(states: Iterable[RunState], known: Iterable[str]) -> dict[str, bytes]:
    """Returns the texts whose artifacts only a manifest lists; of one path that with the greatest digest."""
    listed = set(known)
    found: dict[str, bytes] = {}
    for state in states:
        if state.run.manifest is None:
            continue
        for path, text in state.texts.items():
            if path not in listed and (path not in found or _digest(text) > _digest(found[path])):
                found[path] = text
    return {path: found[path] for path in sorted(found)}


def _shut_out(known: Iterable[str]) -> Callable[[str], bool]:
    """Returns whether a path cannot be in a tree, because a folder on its way is the path of an artifact.

    Also of one that is not in the tree, or was taken away: else merging that one first would give another result.
    """
    paths = frozenset(known)

    def shut(path: str) -> bool:
        ends = (index for index, letter in enumerate(path) if letter == "/")
        return any(path[:end] in paths for end in ends)

    return shut


def _text(artifact: Artifact) -> str:
    return encode_value([artifact.path, artifact.digest, artifact.size_bytes, artifact.in_git])


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
