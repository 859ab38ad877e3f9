"""Runs and experiments as files, and back: what stands in which file of a tree, and in which words.

Pure: bytes in, entities out. `encode` gives equal entities equal bytes; `decode` trusts nothing it reads and raises
`CorruptDataError` naming path and line. Source: docs/format.md, "Files of a run".
"""

from gitruns.gitstore.codec.artifacts import (
    MANIFEST_PATH,
    MAX_MANIFEST_BYTES,
    MAX_MANIFEST_IN_TREE_BYTES,
    decode_manifest,
    encode_manifest,
)
from gitruns.gitstore.codec.experiment import decode_experiment, encode_experiment
from gitruns.gitstore.codec.metrics import encode_summaries, part_summaries
from gitruns.gitstore.codec.run import decode_run, encode_run, encode_start, is_metadata
from gitruns.gitstore.codec.version import FORMAT_VERSION

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST_PATH",
    "MAX_MANIFEST_BYTES",
    "MAX_MANIFEST_IN_TREE_BYTES",
    "decode_experiment",
    "decode_manifest",
    "decode_run",
    "encode_experiment",
    "encode_manifest",
    "encode_run",
    "encode_start",
    "encode_summaries",
    "is_metadata",
    "part_summaries",
]
