"""Addresses: `gitruns:` and a repository, and below it the artifacts of a run or of a logged model.

    gitruns:                                   the repository around the working directory (or GITRUNS_REPO)
    gitruns:/home/ada/project                  any repository
    gitruns:/home/ada/project/<run id>/artifacts/plots/loss.png
    gitruns:/home/ada/project/models/m-<32 hex>/artifacts

MLflow takes such addresses apart and puts paths behind them, so that they are paths and nothing else. They are never
stored: a repository that moves takes its artifacts with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from gitruns.entities.ids import RunId
from gitruns.errors import InvalidInputError

SCHEME = "gitruns:"
MODEL_PREFIX = "m-"

_ARTIFACTS = re.compile(
    r"(?P<repo>.*?)/(?:(?P<run>[0-9a-f]{32})|models/m-(?P<model>[0-9a-f]{32}))/artifacts(?:/(?P<path>.*))?\Z", re.DOTALL
)
_MODEL_ID = re.compile(r"m-([0-9a-f]{32})\Z")


@dataclass(frozen=True, slots=True)
class ArtifactPlace:
    """Where artifacts are: the address of a repository, the record that has them, and the path in it."""

    repo_uri: str
    record_id: RunId
    path: str


def repo_folder(uri: str) -> Path | None:
    """Returns the folder that an address names, None for the repository around the working directory."""
    text = uri.removeprefix(SCHEME)
    if text.startswith("//"):
        text = text[2:]
        if text and not text.startswith("/"):
            raise InvalidInputError(
                f"'{uri}' names a host, and a repository is a folder", kind="bad-address", hint="as in gitruns:/path"
            )
    if not text:
        return None
    folder = Path(text).expanduser()
    return folder if folder.exists() or "%" not in text else Path(unquote(text))


def repo_uri(folder: Path) -> str:
    """Returns the address of a repository."""
    return SCHEME + quote(str(folder))


def find_artifacts(uri: str) -> ArtifactPlace:
    """Returns where the artifacts are that an address names; raises `InvalidInputError` (kind `bad-address`)."""
    match = _ARTIFACTS.match(uri)
    if match is None or not uri.startswith(SCHEME):
        raise InvalidInputError(f"'{uri}' is no address of artifacts", kind="bad-address")
    return ArtifactPlace(match["repo"], RunId(match["run"] or match["model"]), (match["path"] or "").strip("/"))


def artifacts_below(root: str, uri: str) -> ArtifactPlace | None:
    """Returns where artifacts are that an address below a root names, None for any other address."""
    match = _ARTIFACTS.match(uri)
    if match is None or match["repo"] != root:
        return None
    return ArtifactPlace(root, RunId(match["run"] or match["model"]), (match["path"] or "").strip("/"))


def model_record(model_id: str) -> RunId | None:
    """Returns the record of a logged model, None for what is no id of one."""
    match = _MODEL_ID.match(model_id)
    return RunId(match[1]) if match else None


def below(uri: str, *parts: str) -> str:
    """Returns the address of what lies below another one; a query stays at its end."""
    end = len(uri)
    if "://" in uri:
        end = min((position for position in (uri.find("?"), uri.find("#")) if position >= 0), default=end)
    return f"{uri[:end].rstrip('/')}/{'/'.join(parts)}{uri[end:]}"
