"""`mlflow.utils.mlflow_tags`: the tags that MLflow keeps facts in."""

from gitruns.entities.run import NOTE_TAG as MLFLOW_RUN_NOTE
from gitruns.protocol.shown import COMMIT_TAG as MLFLOW_GIT_COMMIT
from gitruns.protocol.shown import CONTEXT_TAG as MLFLOW_DATASET_CONTEXT
from gitruns.protocol.shown import PARENT_TAG as MLFLOW_PARENT_RUN_ID
from gitruns.protocol.shown import RUN_NAME_TAG as MLFLOW_RUN_NAME

MLFLOW_USER = "mlflow.user"
MLFLOW_SOURCE_NAME = "mlflow.source.name"
MLFLOW_SOURCE_TYPE = "mlflow.source.type"
MLFLOW_GIT_BRANCH = "mlflow.source.git.branch"
MLFLOW_GIT_REPO_URL = "mlflow.source.git.repoURL"
MLFLOW_AUTOLOGGING = "mlflow.autologging"
MLFLOW_LOGGED_ARTIFACTS = "mlflow.loggedArtifacts"

__all__ = [
    "MLFLOW_AUTOLOGGING",
    "MLFLOW_DATASET_CONTEXT",
    "MLFLOW_GIT_BRANCH",
    "MLFLOW_GIT_COMMIT",
    "MLFLOW_GIT_REPO_URL",
    "MLFLOW_LOGGED_ARTIFACTS",
    "MLFLOW_PARENT_RUN_ID",
    "MLFLOW_RUN_NAME",
    "MLFLOW_RUN_NOTE",
    "MLFLOW_SOURCE_NAME",
    "MLFLOW_SOURCE_TYPE",
    "MLFLOW_USER",
]
