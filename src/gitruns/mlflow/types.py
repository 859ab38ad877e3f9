"""`mlflow.types`: what columns, tensors and parameters of a model are made of."""

from gitruns.mlflow.models.schema import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

__all__ = ["ColSpec", "DataType", "ParamSchema", "ParamSpec", "Schema", "TensorSpec"]
