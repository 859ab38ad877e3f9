"""Where things live among the refs: the one place that makes a ref's name, and reads it back.

Ids are hex or digits of ours. A model's name comes from outside, so it is encoded; the encoding is injective and safe
on file systems that ignore case. Source: docs/format.md, "Refs".
"""

from __future__ import annotations

import hashlib
import re

from gitruns.entities.ids import ExperimentId, RunId, is_run_id
from gitruns.errors import InvalidInputError

RUNS = "refs/runs/"
ARCHIVE = "refs/runs/archive/"
EXPERIMENTS = "refs/runs/experiments/"
MODELS = "refs/runs/models/"
LIVE = "refs/runs/live/"
LOCAL_SOURCES = "refs/runs-local/"
MIRRORS = "refs/runs-remotes/"
VERSION_TAGS = "refs/tags/models/"

MAX_MODEL_REF_LENGTH = 200

_EXPERIMENT_ID = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z")
_PLAIN_MODEL = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
_WINDOWS_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?\Z")
_ENCODED_MODEL = re.compile(r"(?:=[0-9a-f]{2}|[a-z0-9_-])+\Z")
_KEPT_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")


def run_ref(run_id: RunId) -> str:
    """Returns the ref that holds a run."""
    return RUNS + _checked_run_id(run_id)


def local_source_ref(run_id: RunId) -> str:
    """Returns the ref that keeps the source of a live run; never pushed."""
    return LOCAL_SOURCES + _checked_run_id(run_id)


def experiment_ref(experiment_id: ExperimentId) -> str:
    """Returns the ref that holds an experiment."""
    if _EXPERIMENT_ID.match(experiment_id) is None:
        raise InvalidInputError(f"'{experiment_id:.40}' is no experiment id", kind="bad-experiment-id")
    return EXPERIMENTS + experiment_id


def model_ref(name: str) -> str:
    """Returns the ref of the registered model whose first name this is."""
    return MODELS + encode_model_name(name)


def encode_model_name(name: str) -> str:
    """Returns a model's name as one part of a ref.

    A plain name stays. Any other begins with `=`, which no plain name does, and has each byte of its UTF-8 that is not
    in `[a-z0-9_-]` as `=` and two hex digits; one too long for a file's name ends in its SHA-256 in place of its rest.
    """
    if not name:
        raise InvalidInputError("model name must not be empty", kind="empty-name")
    if len(name) <= MAX_MODEL_REF_LENGTH and _is_plain(name):
        return name
    coded = "".join(chr(byte) if byte in _KEPT_BYTES else f"={byte:02x}" for byte in name.encode())
    if not coded.startswith("="):
        coded = f"={ord(coded[0]):02x}{coded[1:]}"
    if len(coded) <= MAX_MODEL_REF_LENGTH:
        return coded
    return f"={coded[1:100]}==" + hashlib.sha256(name.encode()).hexdigest()


def _is_plain(name: str) -> bool:
    return (
        _PLAIN_MODEL.match(name) is not None
        and ".." not in name
        and not name.endswith((".", ".lock"))
        and _WINDOWS_DEVICE.match(name) is None
    )


def decode_model_name(part: str) -> str | None:
    """Returns the name that a part of a ref encodes; None when it is none of ours or only the model's file says it."""
    if not part.startswith("="):
        return part if _is_plain(part) else None
    if _ENCODED_MODEL.match(part) is None:
        return None
    try:
        name = re.sub(rb"=([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()), part.encode()).decode()
    except UnicodeDecodeError:
        return None
    return name if encode_model_name(name) == part else None


def run_id_of(ref: str) -> RunId | None:
    """Returns the run that a ref holds, None for a ref that holds something else."""
    text = ref.removeprefix(RUNS)
    return RunId(text) if text != ref and is_run_id(text) else None


def experiment_id_of(ref: str) -> ExperimentId | None:
    """Returns the experiment that a ref holds, None for a ref that holds something else."""
    text = ref.removeprefix(EXPERIMENTS)
    return ExperimentId(text) if text != ref and _EXPERIMENT_ID.match(text) else None


def held_run_id_of(ref: str) -> RunId | None:
    """Returns the live run whose source a ref keeps, None for a ref that does something else."""
    text = ref.removeprefix(LOCAL_SOURCES)
    return RunId(text) if text != ref and is_run_id(text) else None


def _checked_run_id(run_id: RunId) -> RunId:
    if not is_run_id(run_id):
        raise InvalidInputError(f"'{run_id:.40}' is no run id", kind="bad-run-id")
    return run_id
