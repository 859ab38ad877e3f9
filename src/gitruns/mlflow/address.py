"""Which repository is logged into: MLflow's tracking URI, where that names one.

    gitruns:             the repository around the working directory, or the one that GITRUNS_REPO names
    gitruns:/path, a path    any repository

It is kept in the environment, as MLflow keeps it, so that the processes that a script starts log there too.
"""

from __future__ import annotations

import atexit
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gitruns.errors import InvalidInputError
from gitruns.mlflow.exceptions import speaks_mlflow
from gitruns.protocol.addresses import SCHEME, repo_folder, repo_uri
from gitruns.protocol.hub import Hub, close_all, hub_at

VARIABLE = "MLFLOW_TRACKING_URI"
REPO_VARIABLE = "GITRUNS_REPO"

_AROUND = SCHEME
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

# Registered when this is imported, before a run can begin: so runs are ended first, and then what is left is closed.
atexit.register(close_all)

_given_repo: str | None = None
_set_repo: str | None = None
_seen: str | None = None


@speaks_mlflow
def set_tracking_uri(uri: str | Path) -> None:
    """Logs into this repository from now on: `gitruns:`, `gitruns:/path` or a path.

    Raises `MlflowException` (kind `no-repository-address`) for a server or a database: for those there is MLflow.
    """
    global _given_repo, _set_repo, _seen
    folder = folder_of(str(uri))
    if os.environ.get(REPO_VARIABLE) != _set_repo:
        _given_repo = os.environ.get(REPO_VARIABLE)
    wanted = _given_repo if folder is None else str(folder.absolute())
    if wanted is None:
        os.environ.pop(REPO_VARIABLE, None)
    else:
        os.environ[REPO_VARIABLE] = wanted
    _set_repo = None if folder is None else wanted
    _seen = _AROUND if folder is None else repo_uri(folder.absolute())
    os.environ[VARIABLE] = _seen


def folder_of(uri: str) -> Path | None:
    """Returns the folder that a tracking URI names, None for the repository around the working directory."""
    if uri in ("", _AROUND):
        return None
    if uri.startswith(SCHEME):
        return repo_folder(uri)
    if uri.startswith("file:"):
        return _existing(Path(unquote(urlsplit(uri).path)), uri)
    if _URI.match(uri) or uri == "databricks":
        raise InvalidInputError(
            f"'{uri}' is not a git repository, and gitruns.mlflow logs into one",
            kind="no-repository-address",
            hint="'gitruns:' is the repository around the script; for a server or a database pip install mlflow and "
            "'import mlflow', which with gitruns beside it logs into repositories too",
        )
    return _existing(Path(uri).expanduser(), uri)


def _existing(folder: Path, uri: str) -> Path:
    if not folder.is_dir():
        raise InvalidInputError(
            f"there is no folder '{uri}'",
            kind="no-repository-address",
            hint="'gitruns:' is the repository around the script, gitruns:/path any other",
        )
    return folder


def get_tracking_uri() -> str:
    """Returns where runs are logged to."""
    settle()
    return os.environ.get(VARIABLE) or _AROUND


def is_tracking_uri_set() -> bool:
    """Returns whether somebody has said where runs are logged to."""
    return bool(os.environ.get(VARIABLE))


def settle() -> None:
    """Does what the environment says, if nobody has yet."""
    said = os.environ.get(VARIABLE)
    if said and said != _seen:
        set_tracking_uri(said)


def current_hub() -> Hub:
    """Returns the repository that is logged into; raises `MlflowException` where there is none."""
    settle()
    return hub_at(_AROUND)


def hub_named(uri: str | None) -> Hub:
    """Returns the repository that a tracking URI names, by default the one that is logged into."""
    if uri is None:
        return current_hub()
    folder = folder_of(uri)
    return hub_at(_AROUND if folder is None else repo_uri(folder.absolute()))
