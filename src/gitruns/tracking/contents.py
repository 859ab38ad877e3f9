"""Things logged as artifacts: turned into bytes here, kept by the run's log.

The modules that know figures, images, tables, data and the machine are imported when they are first used.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitruns.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from gitruns.entities.dataset import DatasetInput
    from gitruns.repo import LogPlace, RunLog


CELLS_FILE = "notebook/cells.py"


def log_folder(log: RunLog, folder: Path, artifact_path: str | None) -> None:
    """Keeps all files of a folder; raises `InvalidInputError` when it is none."""
    if not folder.is_dir():
        raise InvalidInputError(f"'{folder}' is not a folder", kind="not-a-folder", hint="for one file: log_artifact")
    log.add_path(folder, artifact_path)


def log_text(log: RunLog, text: str, artifact_file: str) -> None:
    """Keeps text as UTF-8."""
    from gitruns.tracking import media

    log.add_made(lambda: media.text_bytes(text), artifact_file)


def log_dict(log: RunLog, dictionary: Mapping[str, Any] | Sequence[Any], artifact_file: str) -> None:
    """Keeps a mapping or list as YAML or JSON, by the ending."""
    from gitruns.tracking import media

    log.add_made(lambda: media.dict_bytes(dictionary, artifact_file), artifact_file)


def log_figure(log: RunLog, figure: Any, artifact_file: str) -> None:
    """Keeps a figure in the form that the ending says."""
    from gitruns.tracking import media

    log.add_made(lambda: media.figure_bytes(figure, artifact_file), artifact_file)


def log_image(
    log: RunLog,
    image: Any,
    artifact_file: str | None,
    *,
    key: str | None,
    step: int | None,
    time_ms: int | None,
) -> None:
    """Keeps an image under its file name, or as one of a key's images at a step."""
    from gitruns.tracking import media

    if (artifact_file is None) == (key is None):
        raise InvalidInputError("give either artifact_file or key", kind="bad-argument")
    if artifact_file is not None:
        log.add_made(lambda: media.image_bytes(image, artifact_file), artifact_file)
        return
    path = _stepped_image_path(str(key), step, time_ms)
    log.add_made(lambda: media.image_bytes(image, path + ".png"), path + ".png")
    log.add_made(lambda: media.compressed_image_bytes(image), path + "+compressed.webp")


def _stepped_image_path(key: str, step: int | None, time_ms: int | None) -> str:
    """Returns the path of a stepped image, without its ending, in the form that MLflow's UI looks for."""
    import uuid

    from gitruns.entities.names import check_step

    whole, time_of_image = check_step(key, step), time.time_ns() // 1_000_000 if time_ms is None else time_ms
    return f"images/{key.replace('/', '~')}+step+{whole}+timestamp+{time_of_image}+{uuid.uuid4()}"


def log_table(log: RunLog, data: Any, artifact_file: str, place: LogPlace) -> None:
    """Keeps a table; when the run has the file already, the rows are added to it."""
    from gitruns.tracking import tables

    def table() -> bytes:
        try:
            with place.open_artifact(log.run_id, artifact_file) as file:
                before = file.read()
        except NotFoundError:
            before = None
        return tables.table_bytes(data, artifact_file, before)

    log.add_made(table, artifact_file)


def log_input(log: RunLog, dataset: Any, context: str | None, name: str | None) -> DatasetInput | None:
    """Notes a dataset that the run reads, and returns what is kept of it; None when that could not be made out."""
    from gitruns.tracking import datasets

    return log.add_input_made(lambda: datasets.from_any(dataset, name=name, context=context))


def start_system_metrics(log: RunLog) -> Callable[[], None]:
    """Samples the machine in the background into the run; returns the function that stops it."""
    from gitruns.tracking import system_metrics

    monitor = system_metrics.SystemMetricsMonitor.from_environ(log.log_metrics, os.environ)
    monitor.start()
    return monitor.stop


def new_download_folder() -> Path:
    """Returns a new empty folder to bring artifacts into."""
    return Path(tempfile.mkdtemp(prefix="gitruns-artifacts-"))


def in_notebook() -> bool:
    """Returns whether this process is the kernel of a notebook."""
    kernel = sys.modules.get("ipykernel.kernelapp") or sys.modules.get("google.colab")
    return kernel is not None


def keep_cells(log: RunLog) -> None:
    """Keeps the cells that a notebook has executed so far: out of order or edited since, they are what ran."""
    history: list[Any] = list(getattr(sys.modules.get("__main__"), "In", ()))
    cells = [cell for cell in history if isinstance(cell, str) and cell.strip()]
    if cells:
        text = "".join(f"# In [{number}]\n{cell.rstrip()}\n\n" for number, cell in enumerate(cells, 1))
        log_text(log, text, CELLS_FILE)
