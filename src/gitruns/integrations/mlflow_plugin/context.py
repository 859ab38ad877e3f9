"""Where the code of a client stands in git: what MLflow's own context does not say."""

from __future__ import annotations

from gitruns.errors import GitRunsError
from gitruns.protocol.addresses import SCHEME


def is_ours() -> bool:
    """Returns whether MLflow logs into a repository of ours."""
    import mlflow

    return str(mlflow.get_tracking_uri()).startswith(SCHEME)


def git_tags() -> dict[str, str]:
    """Returns commit, branch and remote of the repository, as MLflow names them.

    The commit is that of the repository that the run goes into, whose snapshot the run is a child of. MLflow's own
    context looks for a repository around the script, and needs a package for it.
    """
    import mlflow

    from gitruns.capture import strip_credentials
    from gitruns.protocol.hub import hub_at

    try:
        store = hub_at(mlflow.get_tracking_uri()).repo.store
        head = store.head()
        remote = store.config("remote.origin.url")
    except GitRunsError:
        return {}  # the store says it, to whoever calls it
    found = {
        "mlflow.source.git.commit": head.commit,
        "mlflow.source.git.branch": head.branch,
        "mlflow.source.git.repoURL": None if remote is None else strip_credentials(remote),
    }
    return {key: str(text) for key, text in found.items() if text}
