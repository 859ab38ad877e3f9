"""`mlflow.data`: datasets that a run reads, described and fingerprinted; the data itself is never kept."""

from __future__ import annotations

import json
from typing import Any

from gitruns.entities.dataset import DatasetInput
from gitruns.mlflow.absent import Absent
from gitruns.mlflow.entities.records import Dataset as DatasetRecord
from gitruns.tracking import datasets

__all__ = ["Dataset", "from_numpy", "from_pandas"]


class Dataset:
    """What is known of a dataset, and the data it was made from."""

    def __init__(self, kept: DatasetInput, **data: Any) -> None:
        self.kept = kept
        self.__dict__.update(data)

    @property
    def name(self) -> str:
        """Its name."""
        return self.kept.name

    @property
    def digest(self) -> str:
        """A fingerprint of the data. MLflow's looks at the first 10,000 rows only, this one at all."""
        return self.kept.digest

    @property
    def source(self) -> str:
        """Where the data came from, as JSON."""
        return self.kept.source

    @property
    def schema(self) -> Any:
        """Columns or tensors, as MLflow's JSON says them."""
        return None if self.kept.schema is None else json.loads(self.kept.schema)

    @property
    def profile(self) -> Any:
        """Numbers of rows and elements."""
        return None if self.kept.profile is None else json.loads(self.kept.profile)

    def to_dict(self) -> dict[str, Any]:
        """Returns it as texts, in MLflow's form."""
        kept = self.kept
        return {
            "name": kept.name,
            "digest": kept.digest,
            "source": kept.source,
            "source_type": kept.source_type,
            "schema": kept.schema,
            "profile": kept.profile,
        }

    def to_json(self) -> str:
        """Returns it as JSON."""
        return json.dumps(self.to_dict())

    def _to_mlflow_entity(self) -> DatasetRecord:
        return DatasetRecord(**self.to_dict())

    def __repr__(self) -> str:
        return f"<Dataset {self.name} {self.digest}>"


def from_pandas(
    df: Any,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> Dataset:
    """Returns the description of a DataFrame; `targets` and `predictions` name columns."""
    kept = datasets.from_pandas(df, source=_source(source), name=name, digest=digest)
    return Dataset(kept, df=df, targets=targets, predictions=predictions)


def from_numpy(
    features: Any, source: Any = None, targets: Any = None, name: str | None = None, digest: str | None = None
) -> Dataset:
    """Returns the description of an array, or of a dict of arrays, and its targets."""
    kept = datasets.from_numpy(features, targets=targets, source=_source(source), name=name, digest=digest)
    return Dataset(kept, features=features, targets=targets)


def _source(source: Any) -> Any:
    return source if source is None or isinstance(source, str) or hasattr(source, "__fspath__") else str(source)


_ABSENT = frozenset(
    "from_huggingface from_polars from_spark from_tensorflow get_source load_delta delete_dataset".split()
)


def __getattr__(name: str) -> Any:
    if name in _ABSENT:
        return Absent(f"data.{name}")
    raise AttributeError(f"module 'gitruns.mlflow.data' has no attribute '{name}'")
