"""`mlflow.entities.model_registry`."""

from gitruns.mlflow.entities.records import ModelVersion, RegisteredModel

__all__ = ["ModelVersion", "RegisteredModel"]
