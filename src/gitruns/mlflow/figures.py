"""Figures saved as the caller says, where that is more than their name."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitruns.repo import RunLog
from gitruns.tracking import contents


def log_figure_in(log: RunLog, figure: Any, artifact_file: str, save_kwargs: Mapping[str, Any] | None) -> None:
    """Keeps a figure as an artifact of an open run."""
    if not save_kwargs:
        contents.log_figure(log, figure, artifact_file)
        return
    with tempfile.TemporaryDirectory(prefix="gitruns-figure-") as scratch:
        file = Path(scratch) / Path(artifact_file).name
        save = figure.savefig if hasattr(figure, "savefig") else figure.write_image
        if file.suffix == ".html":
            save = figure.write_html
        save(str(file), **save_kwargs)
        log.add_bytes(file.read_bytes(), artifact_file)
