"""MLflow's stores on top of git: with `MLFLOW_TRACKING_URI=gitruns:` what MLflow does is kept in a repository.

MLflow finds the four names below by entry points, and loads them while `import mlflow` is still running: so this module
imports nothing of MLflow, only its functions do. What they return is in the modules beside this one, which import
MLflow as any code does. Source: docs/design/010-mlflow.md.
"""

from __future__ import annotations

import atexit
import sys
from typing import Any


def tracking_store(store_uri: str, artifact_uri: str | None = None) -> Any:
    """Returns the tracking store of a repository; artifacts are always kept with their runs."""
    from gitruns.integrations.mlflow_plugin.tracking_store import GitRunsTrackingStore

    return GitRunsTrackingStore(store_uri, artifact_uri)


def registry_store(store_uri: str, tracking_uri: str | None = None) -> Any:
    """Returns the model registry of a repository."""
    from gitruns.integrations.mlflow_plugin.registry_store import GitRunsRegistryStore

    return GitRunsRegistryStore(store_uri, tracking_uri)


def artifact_repository(artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> Any:
    """Returns the artifacts of a run, of a logged model or of a trace."""
    from gitruns.integrations.mlflow_plugin.artifact_repository import GitRunsArtifactRepository
    from gitruns.integrations.mlflow_plugin.trace_repository import GitRunsTraceRepository, is_of_trace

    if is_of_trace(artifact_uri):
        return GitRunsTraceRepository(artifact_uri, tracking_uri, registry_uri)
    return GitRunsArtifactRepository(artifact_uri, tracking_uri, registry_uri)


class RunContext:
    """Says where the code stands in git: tags that MLflow gives a run which a client starts."""

    def in_context(self) -> bool:
        """Returns whether runs go into a repository of ours."""
        from gitruns.integrations.mlflow_plugin.context import is_ours

        return is_ours()

    def tags(self) -> dict[str, str]:
        """Returns branch and remote of the repository, as MLflow names them."""
        from gitruns.integrations.mlflow_plugin.context import git_tags

        return git_tags()


def _close_all() -> None:
    hub = sys.modules.get("gitruns.protocol.hub")
    if hub is not None:
        hub.close_all()


# Registered while MLflow is being imported, and so before MLflow's own: what is registered first is called last, when
# MLflow has ended the runs that are still active.
atexit.register(_close_all)
