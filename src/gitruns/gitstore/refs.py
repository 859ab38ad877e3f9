"""Where things live among the refs: the one place that makes a ref's name, and reads it back.

Ids are hex or digits of ours. A model's name comes from outside, so it is encoded; the encoding is injective and safe
on file systems that ignore case. Source: docs/format.md, "Refs".
"""

from __future__ import annotations

import hashlib
import re

from gitruns.entities.ids import ExperimentId, RunId, SegmentId, WriterId, is_object_id, is_run_id
from gitruns.entities.model import ModelId
from gitruns.errors import InvalidInputError

RUNS = "refs/runs/"
ARCHIVE = "refs/runs/archive/"
EXPERIMENTS = "refs/runs/experiments/"
MODELS = "refs/runs/models/"
LIVE = "refs/runs/live/"
RECORDS = "refs/runs/records/"
LOCAL_SOURCES = "refs/runs-local/"
MIRRORS = "refs/runs-remotes/"
VERSION_TAGS = "refs/tags/models/"
KEPT = "refs/runs-local/keep/"
PURGED = "refs/runs-local/purged/"

MAX_MODEL_REF_LENGTH = 200

_EXPERIMENT_ID = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z")
_PLAIN_MODEL = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
_WINDOWS_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?\Z")
_ENCODED_MODEL = re.compile(r"(?:=[0-9a-f]{2}|[a-z0-9_-])+\Z")
_SHORTENED_MODEL = re.compile(r"=[=0-9a-z_-]{99}==[0-9a-f]{64}\Z")
_VERSION_NUMBER = re.compile(r"v[1-9][0-9]{0,17}\Z")
_WRITER_ID = re.compile(r"[0-9a-f]{16}\Z")
_KEPT_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")


def run_ref(run_id: RunId) -> str:
    """Returns the ref that holds a run."""
    return RUNS + _checked_run_id(run_id)


def local_source_ref(run_id: RunId) -> str:
    """Returns the ref that keeps the source of a live run; never pushed."""
    return LOCAL_SOURCES + _checked_run_id(run_id)


def archive_ref(segment_id: SegmentId) -> str:
    """Returns the ref that holds a segment of the archive."""
    if not is_object_id(segment_id):
        raise InvalidInputError(f"'{segment_id:.40}' is no id of a segment", kind="bad-segment-id")
    return ARCHIVE + segment_id


def kept_ref(run_id: RunId) -> str:
    """Returns the ref by which this clone keeps a run whatever others say; never pushed."""
    return KEPT + _checked_run_id(run_id)


def purged_ref(run_id: RunId) -> str:
    """Returns the ref that holds what a purged run was, until it may go; never pushed."""
    return PURGED + _checked_run_id(run_id)


def records_ref(writer: WriterId) -> str:
    """Returns the ref that holds the records of a writer."""
    if _WRITER_ID.match(writer) is None:
        raise InvalidInputError(f"'{writer:.40}' is no writer id", kind="bad-writer-id")
    return RECORDS + writer


def experiment_ref(experiment_id: ExperimentId) -> str:
    """Returns the ref that holds an experiment."""
    if _EXPERIMENT_ID.match(experiment_id) is None:
        raise InvalidInputError(f"'{experiment_id:.40}' is no experiment id", kind="bad-experiment-id")
    return EXPERIMENTS + experiment_id


def model_id_candidate(name: str, attempt: int = 0) -> ModelId:
    """Returns the id that a new model of this name takes; `attempt` counts up when the id bears another name now."""
    return ModelId(encode_model_name(name if attempt == 0 else f"{name}\0{attempt}"))


def model_id_ref(model_id: ModelId) -> str:
    """Returns the ref that holds a model."""
    return MODELS + _checked_model_id(model_id)


def version_tag(model_id: ModelId, number: int) -> str:
    """Returns the git tag of a version, without `refs/tags/`."""
    if number < 1:
        raise InvalidInputError(f"{number} is no number of a version: they begin at 1", kind="bad-version")
    return f"models/{_checked_model_id(model_id)}/v{number}"


def version_tag_ref(model_id: ModelId, number: int) -> str:
    """Returns the ref of the git tag of a version."""
    return "refs/tags/" + version_tag(model_id, number)


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


def segment_id_of(ref: str) -> SegmentId | None:
    """Returns the segment of the archive that a ref holds, None for a ref that holds something else."""
    text = ref.removeprefix(ARCHIVE)
    return SegmentId(text) if text != ref and is_object_id(text) else None


def kept_run_id_of(ref: str) -> RunId | None:
    """Returns the run that a ref keeps, None for a ref that does something else."""
    text = ref.removeprefix(KEPT)
    return RunId(text) if text != ref and is_run_id(text) else None


def purged_run_id_of(ref: str) -> RunId | None:
    """Returns the purged run that a ref still holds, None for a ref that does something else."""
    text = ref.removeprefix(PURGED)
    return RunId(text) if text != ref and is_run_id(text) else None


def experiment_id_of(ref: str) -> ExperimentId | None:
    """Returns the experiment that a ref holds, None for a ref that holds something else."""
    text = ref.removeprefix(EXPERIMENTS)
    return ExperimentId(text) if text != ref and _EXPERIMENT_ID.match(text) else None


def model_id_of(ref: str) -> ModelId | None:
    """Returns the model that a ref holds, None for a ref that holds something else."""
    text = ref.removeprefix(MODELS)
    return ModelId(text) if text != ref and _is_model_id(text) else None


def version_of_tag(ref: str) -> tuple[ModelId, int] | None:
    """Returns model and number of the version that a git tag names, None for a ref that is no such tag."""
    model, _, number = ref.removeprefix(VERSION_TAGS).partition("/")
    if not ref.startswith(VERSION_TAGS) or not _is_model_id(model) or _VERSION_NUMBER.match(number) is None:
        return None
    return ModelId(model), int(number[1:])


def records_writer_of(ref: str) -> WriterId | None:
    """Returns the writer whose records a ref holds, None for a ref that holds something else."""
    text = ref.removeprefix(RECORDS)
    return WriterId(text) if text != ref and _WRITER_ID.match(text) else None


def _is_model_id(text: str) -> bool:
    if not text.startswith("="):
        return len(text) <= MAX_MODEL_REF_LENGTH and _is_plain(text)
    if len(text) > MAX_MODEL_REF_LENGTH:
        return False
    return _ENCODED_MODEL.match(text) is not None or _SHORTENED_MODEL.match(text) is not None


def _checked_model_id(model_id: ModelId) -> ModelId:
    if not _is_model_id(model_id):
        raise InvalidInputError(f"'{model_id:.40}' is no id of a model", kind="bad-model-id")
    return model_id


def _checked_run_id(run_id: RunId) -> RunId:
    if not is_run_id(run_id):
        raise InvalidInputError(f"'{run_id:.40}' is no run id", kind="bad-run-id")
    return run_id
