"""Warnings of the drop-in: something was left out, and the script runs on."""

from __future__ import annotations

import warnings

from gitruns.errors import GitRunsWarning


def warn(message: str, stacklevel: int = 3) -> None:
    """Warns of something that was left out."""
    warnings.warn(f"gitruns.mlflow: {message}", GitRunsWarning, stacklevel=stacklevel)
