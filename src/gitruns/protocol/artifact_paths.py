"""Addresses and paths of artifacts as they come in over MLflow's protocol: what they name, and which are refused.

    <run id>/artifacts/plots/loss.png
    models/m-<32 hex>/artifacts/model.pkl
    traces/<trace id>/artifacts/spans.json

In front may stand the id of an experiment, as MLflow's own addresses have it; it says nothing. A path is only ever
looked up in the manifest of what it names, never joined to a folder. `check_path` is the one function that lets a path
in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from gitruns.entities.ids import RunId
from gitruns.entities.names import check_artifact_path
from gitruns.errors import InvalidInputError
from gitruns.protocol.errors import missing, refused

_ADDRESS = re.compile(
    r"(?:[0-9]{1,19}/)?"
    r"(?:(?P<run>[0-9a-f]{32})|models/m-(?P<model>[0-9a-f]{32})|traces/(?P<trace>[^/]+))"
    r"/artifacts(?:/(?P<path>.*))?\Z",
    re.DOTALL,
)
_DRIVE = re.compile(r"[A-Za-z]:")
_DECODINGS = 8


@dataclass(frozen=True, slots=True)
class Target:
    """What a proxied address names: a record (of a run or a logged model) or a trace, and a path in it."""

    record: RunId | None
    trace: str | None
    path: str


def check_path(text: str) -> str:
    """Returns a path in its one form, or refuses it: it stays below its root however often somebody decodes it."""
    _refuse_unsafe(text)
    try:
        return check_artifact_path(text)
    except InvalidInputError as error:
        raise refused(f"Invalid path: {error.message}") from error


def _refuse_unsafe(text: str) -> None:
    """Refuses a text that would leave its root, now or decoded again."""
    for _ in range(_DECODINGS):
        _refuse_leaving(text)
        plain = unquote(text)
        if plain == text:
            return
        text = plain
    raise refused("Invalid path")


def _refuse_leaving(text: str) -> None:
    if (
        text.startswith("/")
        or "\\" in text
        or "\0" in text
        or ".." in text.split("/")
        or _DRIVE.match(text)
        or text.lower().startswith("file:")
    ):
        raise refused("Invalid path")


def check_folder(text: str | None) -> str:
    """Returns the path of a folder, empty for the root."""
    stripped = (text or "").rstrip("/")
    return check_path(stripped) if stripped not in ("", ".") else ""


def target_of(address: str) -> Target:
    """Returns what a proxied address names; refuses anything else: there is no artifact outside of a run."""
    _refuse_unsafe(address)
    match = _ADDRESS.match(address)
    if match is None:
        raise missing(f"No such artifact: '{address}'")
    record = match["run"] or match["model"]
    return Target(RunId(record) if record else None, match["trace"], check_folder(match["path"]))
