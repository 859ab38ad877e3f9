"""What the tests of capture share: opening the repository around a folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gitruns.gitstore import GitStore, open_store

OpenAt = Callable[[Path], GitStore]


@pytest.fixture
def open_at() -> OpenAt:
    """The function that opens the repository around a folder."""
    return lambda folder: open_store(folder, environ=dict(os.environ))
