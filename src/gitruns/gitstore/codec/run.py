"""A run as the files of its tree, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gitruns.entities.canonical import corrupt, encode_mapping
from gitruns.entities.environment import read_only
from gitruns.entities.ids import ObjectId
from gitruns.entities.run import Part, Run
from gitruns.errors import CorruptDataError, InternalError
from gitruns.gitstore.codec.artifacts import ARTIFACTS_FILE, ArtifactFile, decode_artifact_file, encode_artifact_file
from gitruns.gitstore.codec.info import RUN_FILE, decode_info, encode_info
from gitruns.gitstore.codec.metrics import METRICS_FILE, METRICS_FOLDER, decode_summaries, encode_summaries, part_of
from gitruns.gitstore.codec.parts import (
    ENVIRONMENT_FILE,
    INPUTS_FILE,
    PARAMS_FILE,
    STAMPS_FILE,
    TAGS_FILE,
    decode_environment,
    decode_inputs,
    decode_params,
    decode_stamps,
    decode_tags,
    encode_environment,
    encode_inputs,
    encode_stamps,
)
from gitruns.gitstore.codec.version import FORMAT_BYTES, FORMAT_FILE, FORMAT_VERSION, decode_version

ARTIFACTS_FOLDER = "artifacts/"

_KNOWN = frozenset(
    (
        FORMAT_FILE,
        RUN_FILE,
        PARAMS_FILE,
        TAGS_FILE,
        METRICS_FILE,
        ARTIFACTS_FILE,
        INPUTS_FILE,
        ENVIRONMENT_FILE,
        STAMPS_FILE,
    )
)


def is_metadata(path: str) -> bool:
    """Returns whether `decode_run` needs the bytes of a file, not only its size."""
    return not path.startswith((METRICS_FOLDER, ARTIFACTS_FOLDER))


def encode_start(run: Run) -> dict[str, bytes]:
    """Returns the files of a run's first commit, by path: the format, and the run as it began."""
    return {FORMAT_FILE: FORMAT_BYTES, RUN_FILE: encode_info(run.info)}


def encode_run(run: Run, *, files: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """Returns the files of a run's tree, by path; a file with nothing in it is left out.

    `files` adds what the entities do not hold: `metrics/<part>.tsv`, `metrics/<part>.yaml`, `artifacts/<path>`.
    Texts that no artifact names any more are left out.
    """
    tree = encode_start(run)
    sections: dict[str, tuple[Any, Callable[[Any], bytes]]] = {
        PARAMS_FILE: (run.params, encode_mapping),
        TAGS_FILE: (run.tags, encode_mapping),
        METRICS_FILE: (run.metrics, encode_summaries),
        INPUTS_FILE: (run.inputs, encode_inputs),
        ENVIRONMENT_FILE: (run.environment, encode_environment),
        STAMPS_FILE: (run.stamps, encode_stamps),
    }
    tree.update((path, encode(value)) for path, (value, encode) in sections.items() if value)
    listed = encode_artifact_file(
        ArtifactFile(
            artifacts=run.artifacts,
            manifest=run.manifest,
            more_manifests=run.more_manifests,
            stored_parts=tuple(part for part in run.parts if part.stored_as is not None),
        )
    )
    if listed:
        tree[ARTIFACTS_FILE] = listed
    tree.update(run.unknown)
    tree.update(_wanted(run, files or {}))
    return tree


def _wanted(run: Run, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Returns the files that the run names; raises `InternalError` when one is missing, which would lose it."""
    needed = {f"{METRICS_FOLDER}{part.digest}.tsv" for part in run.parts}
    needed |= {ARTIFACTS_FOLDER + artifact.path for artifact in run.artifacts if artifact.in_git}
    for path in needed:
        if path not in files:
            raise InternalError(f"cannot write run '{run.info.id}': '{path}' was not given", kind="file-not-given")
    return {
        path: data
        for path, data in files.items()
        if path in needed or not path.startswith(ARTIFACTS_FOLDER) or run.manifest is not None
    }


def decode_run(
    files: Mapping[str, bytes], commit: ObjectId | None = None, *, sizes: Mapping[str, int] | None = None
) -> Run:
    """Returns the run that a tree's files describe.

    `sizes` tells the length of files that are not in `files`: points and texts, which are not needed to read a run.
    Raises `CorruptDataError` naming path and line. A tree in a newer format is read as far as it is known.
    """
    version = decode_version(files)
    strict = version <= FORMAT_VERSION
    data = files.get(RUN_FILE)
    if data is None:
        raise corrupt(RUN_FILE, None, "it is missing")
    read = _Reader(files, strict)
    listed = read.file(ARTIFACTS_FILE, decode_artifact_file, ArtifactFile())
    known_sizes = {path: len(content) for path, content in files.items()} if sizes is None else sizes
    return Run(
        info=decode_info(data, strict=strict),
        params=read_only(read.file(PARAMS_FILE, decode_params, {})),
        tags=read_only(read.file(TAGS_FILE, decode_tags, {})),
        metrics=read_only(read.file(METRICS_FILE, lambda data: decode_summaries(data, METRICS_FILE), {})),
        parts=_parts(known_sizes, listed),
        artifacts=listed.artifacts,
        manifest=listed.manifest,
        more_manifests=listed.more_manifests,
        inputs=read.file(INPUTS_FILE, decode_inputs, ()),
        environment=read.file(ENVIRONMENT_FILE, decode_environment, None),
        stamps=read_only(read.file(STAMPS_FILE, decode_stamps, {})),
        commit=commit,
        format_version=version,
        unknown=read_only({path: files[path] for path in files if is_metadata(path) and path not in _KNOWN}),
    )


class _Reader:
    """Decodes files one by one; in a newer format, one that is not understood is passed over."""

    def __init__(self, files: Mapping[str, bytes], strict: bool) -> None:
        self._files = files
        self._strict = strict

    def file(self, path: str, decode: Callable[[bytes], Any], nothing: Any) -> Any:
        """Returns what a file says, `nothing` when it is not there."""
        data = self._files.get(path)
        if data is None:
            return nothing
        try:
            return decode(data)
        except CorruptDataError:
            if self._strict:
                raise
            return nothing


def _parts(sizes: Mapping[str, int], listed: ArtifactFile) -> tuple[Part, ...]:
    """Returns the parts by digest; each has a file in the tree, only a curve where the points are stored."""
    stored = {part.digest: part for part in listed.stored_parts}
    found = dict(stored)
    for path, size in sizes.items():
        digest = part_of(path, ".tsv")
        if digest is not None and digest not in stored:
            found[digest] = Part(digest=digest, size_bytes=size)
    return tuple(found[digest] for digest in sorted(found))
