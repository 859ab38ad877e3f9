"""Runs in git: commits, trees and refs, and the `git` program. Knows one medium and nothing else of gitruns.

Promises: HEAD, index, work tree, config and reflogs are not touched; every ref moves by compare-and-set, atomic against
all other git processes; equal content has equal bytes, so equal commits in every clone; what is read is checked for
size and shape before it is believed. Others use what stands in `__all__`,
and `gitstore.program`, `gitstore.yaml_text`.
"""

from gitruns.gitstore.backend import Backend
from gitruns.gitstore.chain import ChainEntry
from gitruns.gitstore.codec import (
    FORMAT_VERSION,
    MANIFEST_PATH,
    MAX_MANIFEST_BYTES,
    MAX_MANIFEST_IN_TREE_BYTES,
    decode_manifest,
    encode_manifest,
    encode_summaries,
    part_summaries,
)
from gitruns.gitstore.discover import open_store
from gitruns.gitstore.paths import RepoPaths
from gitruns.gitstore.program import GitProgram
from gitruns.gitstore.segment import MAX_RUNS as MAX_SEGMENT_RUNS
from gitruns.gitstore.store import GitStore, Head

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST_PATH",
    "MAX_MANIFEST_BYTES",
    "MAX_MANIFEST_IN_TREE_BYTES",
    "MAX_SEGMENT_RUNS",
    "Backend",
    "ChainEntry",
    "GitProgram",
    "GitStore",
    "Head",
    "RepoPaths",
    "decode_manifest",
    "encode_manifest",
    "encode_summaries",
    "open_store",
    "part_summaries",
]
