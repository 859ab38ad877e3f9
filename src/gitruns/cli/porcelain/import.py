# ruff: noqa: N999  # a module is named as its command
"""`git runs import`"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import WRITING, RunsGroup, command
from gitruns.cli.exitcodes import DONE, NO
from gitruns.cli.import_text import import_lines, import_record
from gitruns.cli.output import json_text

if TYPE_CHECKING:
    from gitruns.exchange.foreign import ForeignStore

F = TypeVar("F", bound=Callable[..., Any])


@click.group("import", cls=RunsGroup)
def import_() -> None:
    """Bring in runs from MLflow and other trackers

    Ids, times, users, histories, artifacts, models and tags come along. An import can be stopped, run again, and
    repeated while the other tracker is still in use: what is here stays, and a run that had not ended goes on.
    """


import_.examples = ("git runs export --to mlflow:/tmp/mlruns", "git runs import mlflow /tmp/mlruns")


def import_options(function: F) -> F:
    """Takes what every source has in common."""
    dry_run = click.option("-n", "--dry-run", is_flag=True, help="Only say what would come, and what could not.")
    as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    return dry_run(as_json(function))


def artifacts_option(says: str) -> Callable[[F], F]:
    """Takes folders that are not part of the source, and whose files may be taken all the same."""
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.option("--artifacts", "folders", metavar="DIR", multiple=True, type=folder, help=says)


@command(
    "mlflow",
    exits=(*WRITING, NO),
    examples=[
        "git runs export --to mlflow:/tmp/mlruns",
        "git runs import mlflow /tmp/mlruns --dry-run",
        "git runs import mlflow /tmp/mlruns --json",
    ],
)
@click.argument("source", metavar="SOURCE")
@artifacts_option("Also take artifacts that lie below DIR, which is not part of the store.")
@import_options
@pass_app
def mlflow(app: App, source: str, folders: Sequence[Path], dry_run: bool, as_json: bool) -> int:
    """Bring in everything from an MLflow store

    SOURCE is a folder (mlruns), an SQLite file, the address of a database (postgresql://host/mlflow) or of a server
    (http://host:5000): what MLFLOW_TRACKING_URI was. MLflow need not be installed. A server is asked with
    MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD. Exits with 1 when something could
    not be carried; it is named, the rest is there.
    """
    from gitruns.exchange.mlflow.opening import open_mlflow

    return bring(app, lambda: open_mlflow(source, artifacts=folders, environ=app.environ), dry_run, as_json)


@command(
    "tensorboard",
    exits=(*WRITING, NO),
    examples=["test ! -d logs || git runs import tensorboard logs"],
)
@click.argument("source", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@import_options
@pass_app
def tensorboard(app: App, source: Path, dry_run: bool, as_json: bool) -> int:
    """Bring in the event files of TensorBoard

    Each folder below DIR that has event files is a run, in an experiment of DIR's name: scalars become metrics,
    hyperparameters params, texts and images artifacts. TensorBoard need not be installed.
    """
    from gitruns.exchange.tensorboard.store import TensorBoardFolder

    return bring(app, lambda: TensorBoardFolder(source), dry_run, as_json)


@command(
    "table",
    exits=(*WRITING, NO),
    examples=[
        "git runs export --to /tmp/runs.csv --history",
        "git runs import table /tmp/runs.csv --points /tmp/runs.points.csv --dry-run",
    ],
)
@click.argument("source", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--points",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Also take points: run_id, metric, step, time, value.",
)
@click.option("--metric", "metrics", metavar="COLUMN", multiple=True, help="This column is a metric, and no param.")
@click.option("-e", "--experiment", metavar="NAME", help="The experiment of rows that name none; the file's name.")
@import_options
@pass_app
def table(
    app: App,
    source: Path,
    points: Path | None,
    metrics: Sequence[str],
    experiment: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Bring in a table with a row a run

    FILE is CSV or Parquet, as `git runs export`, `mlflow.search_runs` or the web page of Weights & Biases writes it.
    Columns named metrics.NAME, params.NAME and tags.NAME are that; run_id, name, status, start_time and others are
    facts of the run; any other column is a param.
    """
    from gitruns.exchange.table import RunTable

    return bring(app, lambda: RunTable(source, points, metrics, experiment), dry_run, as_json)


@command(
    "wandb",
    exits=(*WRITING, NO),
    examples=["test ! -d wandb || git runs import wandb wandb"],
)
@click.argument("source", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@artifacts_option("Also take files below DIR that a run kept as links.")
@import_options
@pass_app
def wandb(app: App, source: Path, folders: Sequence[Path], dry_run: bool, as_json: bool) -> int:
    """Bring in runs that Weights & Biases has on disk

    DIR is a folder as wandb, with offline runs or others, or the one that it is in. Projects become experiments, the
    config params, histories and system statistics metrics, files artifacts. The library need not be installed.
    """
    from gitruns.exchange.wandb.store import WandbFolder

    return bring(app, lambda: WandbFolder(source, folders), dry_run, as_json)


@command("dvc", exits=(*WRITING, NO), examples=["test ! -d .dvc || git runs import dvc"])
@click.argument(
    "source", metavar="[DIR]", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path()
)
@import_options
@pass_app
def dvc(app: App, source: Path, dry_run: bool, as_json: bool) -> int:
    """Bring in experiments of DVC

    Those of the repository at DIR, by default this one: each commit below refs/exps is a run, and its code. Params and
    metrics are read from the files that dvc.yaml names, histories from those of DVCLive, artifacts from DVC's cache.
    """
    from gitruns.exchange.dvc import DvcRepository

    return bring(app, lambda: DvcRepository(source, app.environ), dry_run, as_json)


for _command in (mlflow, tensorboard, wandb, dvc, table):
    import_.add_command(_command)


def bring(app: App, open_store: Callable[[], ForeignStore], dry_run: bool, as_json: bool) -> int:
    """Imports from a store and says what came of it; returns the exit code."""
    from gitruns.exchange.importing import import_all

    repo = app.open_repo()
    store = open_store()
    bar = app.bar("reading" if dry_run else "importing", "runs")
    try:
        report = import_all(repo, store, dry_run=dry_run, progress=bar)
    finally:
        bar.close()
        store.close()
    if as_json:
        app.out.line(json_text(import_record(report)))
    else:
        for line in import_lines(report):
            app.out.talk(line)
    return NO if report.problems else DONE


COMMAND = import_
