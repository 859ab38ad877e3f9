"""The `MLmodel` file: what a folder with a model says of itself, in MLflow's form."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gitruns.mlflow.entities.records import LoggedModel
from gitruns.mlflow.exceptions import MlflowException, refused
from gitruns.mlflow.models.example import read_example
from gitruns.mlflow.models.signature import ModelSignature

MLMODEL_FILE = "MLmodel"
PYFUNC = "python_function"

_LARGEST_FILE = 16 << 20


class Model:
    """What is known of a saved model: its flavors, signature, example, and the run it belongs to."""

    def __init__(
        self,
        artifact_path: str | None = None,
        run_id: str | None = None,
        utc_time_created: str | None = None,
        flavors: Mapping[str, dict[str, Any]] | None = None,
        signature: ModelSignature | None = None,
        saved_input_example_info: dict[str, Any] | None = None,
        model_uuid: str | None = None,
        mlflow_version: str | None = None,
        metadata: dict[str, Any] | None = None,
        model_size_bytes: int | None = None,
        model_id: str | None = None,
        **more: Any,
    ) -> None:
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        self.artifact_path = artifact_path
        self.run_id = run_id
        self.utc_time_created = str(utc_time_created or now)
        self.flavors: dict[str, dict[str, Any]] = dict(flavors or {})
        self.signature = signature
        self.saved_input_example_info = saved_input_example_info
        self.model_uuid = model_uuid or uuid.uuid4().hex
        self.mlflow_version = mlflow_version
        self.metadata = metadata
        self.model_size_bytes = model_size_bytes
        self.model_id = model_id
        self._more = more

    def add_flavor(self, name: str, **params: Any) -> Model:
        """Says how the model is loaded in one more way."""
        self.flavors[name] = params
        return self

    def get_input_schema(self) -> Any:
        """Returns the schema of the input, None when it is not known."""
        return None if self.signature is None else self.signature.inputs

    def get_output_schema(self) -> Any:
        """Returns the schema of the output, None when it is not known."""
        return None if self.signature is None else self.signature.outputs

    def get_params_schema(self) -> Any:
        """Returns the schema of the parameters of inference, None when it is not known."""
        return None if self.signature is None else self.signature.params

    def load_input_example(self, path: str) -> Any:
        """Returns the example that is saved in the folder of the model, None when there is none."""
        return None if not self.saved_input_example_info else read_example(self.saved_input_example_info, Path(path))

    def to_dict(self) -> dict[str, Any]:
        """Returns what the file holds."""
        said = {
            "artifact_path": self.artifact_path,
            "flavors": self.flavors,
            "metadata": self.metadata,
            "mlflow_version": self.mlflow_version,
            "model_id": self.model_id,
            "model_size_bytes": self.model_size_bytes,
            "model_uuid": self.model_uuid,
            "run_id": self.run_id,
            "saved_input_example_info": self.saved_input_example_info,
            "utc_time_created": self.utc_time_created,
            **self._more,
        }
        if self.signature is not None:
            said["signature"] = self.signature.to_dict()
        return {key: value for key, value in sorted(said.items()) if value is not None}

    def to_yaml(self) -> str:
        """Returns the text of the file."""
        text: str = yaml.safe_dump(self.to_dict(), default_flow_style=False, allow_unicode=True)
        return text

    def save(self, path: str | Path) -> None:
        """Writes the file."""
        Path(path).write_text(self.to_yaml(), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Returns what a folder, its `MLmodel` file, or an address of either says."""
        from gitruns.mlflow.artifacts import local_copy

        place = local_copy(str(path))
        file = place / MLMODEL_FILE if place.is_dir() else place
        if not file.is_file():
            raise MlflowException(
                f'Could not find an "{MLMODEL_FILE}" configuration file at "{path}"',
                "RESOURCE_DOES_NOT_EXIST",
                kind="not-found",
            )
        if file.stat().st_size > _LARGEST_FILE:
            raise refused(f"'{file}' is too large for an {MLMODEL_FILE} file")
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(said, dict) or not isinstance(said.get("flavors"), dict):
            raise refused(f"'{file}' is no {MLMODEL_FILE} file")
        return cls.from_dict(said)

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Model:
        """Returns what the file says; what is not known here is kept."""
        known = {str(key): value for key, value in said.items()}
        if isinstance(known.get("signature"), Mapping):
            known["signature"] = ModelSignature.from_dict(known["signature"])
        return cls(**known)

    def get_model_info(self, logged: LoggedModel | None = None) -> ModelInfo:
        """Returns it as `log_model` does."""
        place = f"runs:/{self.run_id}/{self.artifact_path}" if self.model_id is None else f"models:/{self.model_id}"
        info = ModelInfo(
            artifact_path=str(self.artifact_path) if logged is None else logged.artifact_location,
            flavors=self.flavors,
            model_uri=place,
            model_uuid=self.model_uuid,
            run_id=self.run_id,
            saved_input_example_info=self.saved_input_example_info,
            signature=self.signature,
            utc_time_created=self.utc_time_created,
            mlflow_version=self.mlflow_version,
            metadata=self.metadata,
            model_id=self.model_id,
            name=self.artifact_path,
        )
        if logged is not None:
            info.name, info.params, info.tags = logged.name, logged.params, logged.tags
            info.creation_timestamp = logged.creation_timestamp
        return info


@dataclass(kw_only=True)
class ModelInfo:
    """What `log_model` returns: `model_uri` is what `load_model` takes."""

    artifact_path: str
    flavors: dict[str, Any]
    model_uri: str
    model_uuid: str
    run_id: str | None
    saved_input_example_info: dict[str, Any] | None
    signature: ModelSignature | None
    utc_time_created: str
    mlflow_version: str | None = None
    metadata: dict[str, Any] | None = None
    registered_model_version: str | None = None
    model_id: str | None = None
    name: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    creation_timestamp: int | None = None


def get_model_info(model_uri: str) -> ModelInfo:
    """Returns what is known of the model at an address or in a folder."""
    return Model.load(model_uri).get_model_info()
