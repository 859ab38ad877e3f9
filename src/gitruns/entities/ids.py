"""Identifiers: who is who, in types that cannot be mixed up."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import NewType

RunId = NewType("RunId", str)
"""32 lowercase hex digits, random."""

ExperimentId = NewType("ExperimentId", str)
"""Decimal digits; `0` is the experiment named Default."""

ObjectId = NewType("ObjectId", str)
"""A git object id in hex: 40 digits in a SHA-1 repository, 64 in a SHA-256 one."""

SegmentId = NewType("SegmentId", str)
"""Which archive segment: the id of its commit."""

Digest = NewType("Digest", str)
"""SHA-256 of some bytes, 64 lowercase hex digits: the address of content."""

WriterId = NewType("WriterId", str)
"""Who writes: 16 hex digits, one a clone, or one a process where the process itself is meant."""

DEFAULT_EXPERIMENT_ID = ExperimentId("0")
DEFAULT_EXPERIMENT_NAME = "Default"

_RUN_ID = re.compile(r"[0-9a-f]{32}\Z")
_OBJECT_ID = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def new_run_id() -> RunId:
    """Returns a new random run id; random from the first digit, so that short prefixes work as in git."""
    return RunId(secrets.token_hex(16))


def new_writer_id() -> WriterId:
    """Returns a new random writer id."""
    return WriterId(secrets.token_hex(8))


def is_run_id(text: str) -> bool:
    """Returns whether the text has the form of a whole run id."""
    return _RUN_ID.match(text) is not None


def is_object_id(text: str) -> bool:
    """Returns whether the text has the form of a whole git object id."""
    return _OBJECT_ID.match(text) is not None


def is_digest(text: str) -> bool:
    """Returns whether the text has the form of a SHA-256 digest."""
    return _DIGEST.match(text) is not None


def experiment_id_candidate(name: str, attempt: int = 0) -> ExperimentId:
    """Returns the id that a new experiment of this name takes: 18 decimal digits from the SHA-256 of the name.

    Clones that create the same name so agree without talking. `attempt` counts up when the id bears another
    name already; attempt 0 of `Default` is `0`. Source: docs/format.md, experiments.
    """
    if name == DEFAULT_EXPERIMENT_NAME and attempt == 0:
        return DEFAULT_EXPERIMENT_ID
    text = name.encode() if attempt == 0 else f"{name}\0{attempt}".encode()
    number = int.from_bytes(hashlib.sha256(text).digest(), "big") % (9 * 10**17) + 10**17
    return ExperimentId(str(number))
