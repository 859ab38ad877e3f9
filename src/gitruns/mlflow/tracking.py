"""`mlflow.tracking`: where the client was before MLflow 2."""

from gitruns.mlflow.address import get_tracking_uri, is_tracking_uri_set, set_tracking_uri
from gitruns.mlflow.client import MlflowClient

__all__ = ["MlflowClient", "get_tracking_uri", "is_tracking_uri_set", "set_tracking_uri"]
