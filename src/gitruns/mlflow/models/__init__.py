"""`mlflow.models`: models saved in MLflow's own format, so that MLflow opens them and the other way round."""

from gitruns.mlflow.models.model import Model, ModelInfo, get_model_info
from gitruns.mlflow.models.signature import ModelSignature, infer_signature

__all__ = ["Model", "ModelInfo", "ModelSignature", "get_model_info", "infer_signature"]
