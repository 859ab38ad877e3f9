"""`mlflow.protos.databricks_pb2`: the codes of errors, for code that compares them. Here a code is its name."""

from __future__ import annotations

import re

from gitruns.mlflow.exceptions import refused

_CODE = re.compile(r"[A-Z][A-Z_]+\Z")

__all__ = ["ErrorCode"]


class ErrorCode:
    """Turns codes into names and back."""

    @staticmethod
    def Name(code: object) -> str:  # noqa: N802  MLflow's name
        """Returns the name of a code."""
        if not isinstance(code, str) or _CODE.match(code) is None:
            raise refused(f"'{code}' is no code of an error")
        return code

    @staticmethod
    def Value(name: str) -> str:  # noqa: N802  MLflow's name
        """Returns the code of a name."""
        return ErrorCode.Name(name)


def __getattr__(name: str) -> str:
    if _CODE.match(name):
        return name
    raise AttributeError(f"module 'mlflow.protos.databricks_pb2' has no attribute '{name}'")
