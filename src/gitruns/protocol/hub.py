"""One repository as all doors of this process share it."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gitruns.errors import GitRunsError
from gitruns.protocol.addresses import repo_folder, repo_uri
from gitruns.protocol.open_logs import OpenLogs
from gitruns.repo import Repo
from gitruns.tracking.session import Session

_SERVER_VARIABLE = "_MLFLOW_SERVER_FILE_STORE"
"""What MLflow's server tells its workers where runs are: who has it logs on behalf of others."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A repository and the logs that are open.

    `uri` is what addresses of artifacts begin with. `in_server`: clients are other processes than this.
    """

    repo: Repo
    uri: str
    logs: OpenLogs
    session: Session
    in_server: bool


_hubs: dict[str, Hub] = {}
_by_place: dict[tuple[str, ...], Hub] = {}
_lock = threading.RLock()


def hub_at(uri: str) -> Hub:
    """Returns the repository that an address names; raises `NotFoundError` (kind `not-a-repository`)."""
    folder = repo_folder(uri)
    place = ("", str(Path.cwd()), os.environ.get("GITRUNS_REPO", "")) if folder is None else (str(folder.absolute()),)
    with _lock:
        found = _by_place.get(place)
        if found is None:
            session = Session.open(folder)
            repo = session.repo
            root = repo_uri(Path(repo.store.paths.work_tree or repo.store.paths.git_dir).resolve())
            found = _hubs.get(root)
            if found is None:
                in_server = _SERVER_VARIABLE in os.environ
                logs = OpenLogs(repo, in_server=in_server)
                found = _hubs[root] = Hub(repo, root, logs, session, in_server)
            _by_place[place] = found
        return found


def serving_hub(session: Session, uri: str) -> Hub:
    """Returns a hub of its own for a server; whoever asks for it closes its `logs`.

    What a server that was killed has left open is sealed beside the first requests.
    """
    threading.Thread(target=_recover, args=(session.repo,), name="gitruns-recover", daemon=True).start()
    return Hub(session.repo, uri, OpenLogs(session.repo, in_server=True), session, in_server=True)


def _recover(repo: Repo) -> None:
    with suppress(GitRunsError, OSError):  # whoever needs what is in the way says so
        repo.recover(archive=False)


def local_hub(session: Session) -> Hub:
    """Returns a hub over a repository that is open already, for a program that only looks."""
    root = repo_uri(Path(session.repo.store.paths.work_tree or session.repo.store.paths.git_dir).resolve())
    return Hub(session.repo, root, OpenLogs(session.repo, in_server=False), session, in_server=False)


def close_all() -> None:
    """Closes all repositories: at the end of the process."""
    with _lock:
        for hub in _hubs.values():
            hub.logs.close()
        _hubs.clear()
        _by_place.clear()
