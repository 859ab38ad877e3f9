"""What goes into a model and comes out: columns or tensors, with MLflow's names and JSON.

Source of the form: the `signature` of MLflow's `MLmodel` files, JSON of a list of `{"type", "name", "required"}` or
of `{"type": "tensor", "tensor-spec": {"dtype", "shape"}}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class DataType(Enum):
    """The types that a column can have, by MLflow's names."""

    boolean = 1
    integer = 2
    long = 3
    float = 4
    double = 5
    string = 6
    binary = 7
    datetime = 8

    def __repr__(self) -> str:
        return self.name

    def to_numpy(self) -> Any:
        """Returns numpy's type of such a column."""
        import numpy as np

        return np.dtype(_NUMPY[self.name])

    to_pandas = to_numpy


_NUMPY = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "O",
    "binary": "O",
    "datetime": "datetime64[ns]",
}


@dataclass(frozen=True)
class ColSpec:
    """One column. A type that is no `DataType` (a list, an object) is kept as MLflow's JSON of it."""

    type: Any
    name: str | int | None = None
    required: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.type, str):
            object.__setattr__(self, "type", DataType[self.type])

    def to_dict(self) -> dict[str, Any]:
        """Returns MLflow's JSON of it."""
        kind = {"type": self.type.name} if isinstance(self.type, DataType) else dict(self.type)
        named = {} if self.name is None else {"name": self.name}
        return {**kind, **named, "required": self.required}

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> ColSpec:
        """Returns what MLflow's JSON says."""
        rest = {key: value for key, value in said.items() if key not in ("name", "required", "optional")}
        kind = DataType.__members__.get(str(said["type"]), rest)
        required = said["required"] if "required" in said else not said.get("optional", False)
        return cls(kind, said.get("name"), bool(required))


class TensorSpec:
    """One tensor: its numpy type and shape; -1 stands for any length."""

    def __init__(self, type: Any, shape: Sequence[int], name: str | None = None) -> None:  # noqa: A002  MLflow's name
        self.dtype_name = str(type) if isinstance(type, str) else _dtype_name(type)
        self.shape = tuple(int(length) for length in shape)
        self.name = name
        self.required = True

    @property
    def type(self) -> Any:
        """numpy's type of the values."""
        import numpy as np

        return np.dtype(self.dtype_name)

    def to_dict(self) -> dict[str, Any]:
        """Returns MLflow's JSON of it."""
        spec = {"type": "tensor", "tensor-spec": {"dtype": self.dtype_name, "shape": list(self.shape)}}
        return spec if self.name is None else {"name": self.name, **spec}

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> TensorSpec:
        """Returns what MLflow's JSON says."""
        spec = said["tensor-spec"]
        return cls(str(spec["dtype"]), spec["shape"], said.get("name"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.dtype_name, self.shape, self.name))

    def __repr__(self) -> str:
        named = "" if self.name is None else f"{self.name!r}: "
        return f"{named}Tensor({self.dtype_name!r}, {self.shape})"


def _dtype_name(kind: Any) -> str:
    import numpy as np

    dtype = np.dtype(kind)
    return {"U": "str", "S": "bytes"}.get(dtype.kind, str(dtype))


class Schema:
    """Columns or tensors, in order."""

    def __init__(self, inputs: Sequence[ColSpec | TensorSpec]) -> None:
        self.inputs = list(inputs)

    def __len__(self) -> int:
        return len(self.inputs)

    def __iter__(self) -> Iterator[ColSpec | TensorSpec]:
        return iter(self.inputs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # equal by what it holds, as MLflow's

    def __repr__(self) -> str:
        return repr(self.inputs)

    def is_tensor_spec(self) -> bool:
        """Returns whether it is of tensors."""
        return bool(self.inputs) and isinstance(self.inputs[0], TensorSpec)

    def has_input_names(self) -> bool:
        """Returns whether the columns or tensors have names."""
        return bool(self.inputs) and self.inputs[0].name is not None

    def input_names(self) -> list[str | int]:
        """Returns the names, a number for what has none."""
        return [place if one.name is None else one.name for place, one in enumerate(self.inputs)]

    def required_input_names(self) -> list[str | int]:
        """Returns the names of what must be given."""
        return [name for name, one in zip(self.input_names(), self.inputs, strict=True) if one.required]

    def input_types(self) -> list[Any]:
        """Returns the types."""
        return [one.type for one in self.inputs]

    def to_dict(self) -> list[dict[str, Any]]:
        """Returns MLflow's JSON of it, as values."""
        return [one.to_dict() for one in self.inputs]

    def to_json(self) -> str:
        """Returns MLflow's JSON of it."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """Returns what MLflow's JSON says."""
        specs = json.loads(text)
        return cls([TensorSpec.from_dict(one) if one["type"] == "tensor" else ColSpec.from_dict(one) for one in specs])


@dataclass(frozen=True)
class ParamSpec:
    """One parameter of inference, with its default; a `shape` says that it is a list."""

    name: str
    dtype: DataType
    default: Any
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.dtype, str):
            object.__setattr__(self, "dtype", DataType[self.dtype])

    def to_dict(self) -> dict[str, Any]:
        """Returns MLflow's JSON of it."""
        shape = None if self.shape is None else list(self.shape)
        return {"name": self.name, "type": self.dtype.name, "default": self.default, "shape": shape}


class ParamSchema:
    """The parameters of inference."""

    def __init__(self, params: Sequence[ParamSpec]) -> None:
        self.params = list(params)

    def __iter__(self) -> Iterator[ParamSpec]:
        return iter(self.params)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParamSchema) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # equal by what it holds, as MLflow's

    def __repr__(self) -> str:
        return repr(self.params)

    def to_dict(self) -> list[dict[str, Any]]:
        """Returns MLflow's JSON of it, as values."""
        return [one.to_dict() for one in self.params]

    def to_json(self) -> str:
        """Returns MLflow's JSON of it."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> ParamSchema:
        """Returns what MLflow's JSON says."""
        specs = json.loads(text)
        return cls(
            [
                ParamSpec(
                    one["name"],
                    DataType[one.get("type", one.get("dtype"))],
                    one["default"],
                    None if one.get("shape") is None else tuple(one["shape"]),
                )
                for one in specs
            ]
        )
