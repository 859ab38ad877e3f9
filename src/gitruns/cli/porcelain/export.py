"""`git runs export`"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import READING, command
from gitruns.cli.exitcodes import CONFLICT, DONE, NO
from gitruns.cli.queries import Asked, Query, order_of, search_options
from gitruns.errors import GitRunsError, InvalidInputError

if TYPE_CHECKING:
    from gitruns.entities.ids import RunId
    from gitruns.exchange import RunColumns

MLFLOW = "mlflow:"
"""How a target begins that is a store of MLflow."""

FORMS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
}


@command(
    "export",
    exits=(*READING, CONFLICT, NO),
    examples=[
        "git runs export --to /tmp/runs.csv",
        "git runs export --to /tmp/runs.sqlite --history",
        "git runs export --to /tmp/good.json 'acc > 0.9' --sort -acc",
        "git runs export --to /tmp/runs.parquet --history --force",
        "git runs export --to mlflow:/tmp/mlruns",
    ],
)
@search_options
@click.option(
    "-o",
    "--output",
    "--to",
    "target",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="The file to write; its ending says the form: .parquet, .csv, .json, .sqlite. Or mlflow:FOLDER.",
)
@click.option("--history", is_flag=True, help="Also all points of all metrics.")
@click.option("--sort", "sorts", metavar="FIELD", multiple=True, help="The order of the runs, as for list.")
@click.option("--force", is_flag=True, help="Write the file anew when it is there.")
@pass_app
def export(app: App, asked: Asked, target: Path, history: bool, sorts: Sequence[str], force: bool) -> int:
    """Write runs into a file: parquet, CSV, JSON lines, SQLite

    Parquet (`pip install 'gitruns[arrow]'`) and CSV have a row a run: facts, last values of metrics, params, tags;
    with --history the points are in a second file beside it, runs.points.csv. SQLite has the tables runs, metrics,
    params, tags and points. JSON has an object a line, as `git runs list --json`, its points under `history`. The
    file gets its name when it is whole.

    mlflow:FOLDER is a new folder that MLflow opens as its mlruns: experiments, runs with all points and artifacts,
    logged and registered models; without QUERY all of them, also what was taken out of sight. Exits with 1 when
    something of it could not be written; it is named.
    """
    if str(target).startswith(MLFLOW):
        return _to_mlflow(app, asked, Path(str(target)[len(MLFLOW) :]))
    form = FORMS.get(target.suffix.lower())
    if form is None:
        known = " ".join(FORMS)
        raise InvalidInputError(f"cannot export to '{target}'", kind="bad-export", hint=f"its ending may be: {known}")
    exported = _Export(app, Query(app, asked, order_of(app, sorts)), target, history=history, force=force)
    runs = exported.write(form)
    app.out.talk(
        f"wrote {runs:,} run{'' if runs == 1 else 's'} to " + " and ".join(f"'{one}'" for one in exported.files)
    )
    return DONE


def _to_mlflow(app: App, asked: Asked, folder: Path) -> int:
    """Writes a store of MLflow: of all there is, deleted or not, unless a query says which runs."""
    from gitruns.cli.import_text import export_lines
    from gitruns.exchange.mlflow.exporting import export_file_store

    repo = app.open_repo()
    everything = not asked.is_narrow
    query = Query(app, replace(asked, everything=True) if everything else asked)
    ids = [*query.ids()[0], *repo.search_run_ids("", lifecycle=None, kind="model")[0]] if everything else query.ids()[0]
    bar = app.bar("exporting", "runs")
    report = export_file_store(repo, folder, ids, everything=everything, progress=bar)
    bar.close()
    for line in export_lines(report, folder):
        app.out.talk(line)
    return NO if report.problems else DONE


class _Export:
    def __init__(self, app: App, query: Query, target: Path, *, history: bool, force: bool) -> None:
        from gitruns.exchange import check_free

        self._app, self._query, self._target = app, query, target
        self._history, self._force = history, force
        self._second = target.with_name(f"{target.stem}.points{target.suffix}")
        self.files = [target]
        for path in (target, *([self._second] if history else [])):
            check_free(path, replace=force)

    def write(self, form: str) -> int:
        """Writes what was asked for; returns how many runs there are."""
        return {"parquet": self._parquet, "csv": self._csv, "json": self._json, "sqlite": self._sqlite}[form]()

    def _columns(self, attributes: Sequence[str] | None = None) -> RunColumns:
        from gitruns.exchange import ATTRIBUTES, read_columns

        how: dict[str, Any] = {**self._query.how, "order_by": self._query.order_by}
        return read_columns(self._app.open_repo(), self._query.text, attributes=attributes or tuple(ATTRIBUTES), **how)

    def _parquet(self) -> int:
        from gitruns.exchange import writers

        found = self._columns()
        with self._new(self._target) as path:
            writers.write_parquet(path, found)
        if self._history:
            with self._new(self._second) as path, self._points(found.run_ids) as points:
                writers.write_parquet_points(path, points)
        return len(found)

    def _csv(self) -> int:
        from gitruns.exchange import writers

        found = self._columns()
        with self._new(self._target) as path:
            writers.write_csv(path, found)
        if self._history:
            with self._new(self._second) as path, self._points(found.run_ids) as points:
                writers.write_csv_points(path, points)
        return len(found)

    def _sqlite(self) -> int:
        from gitruns.exchange import writers

        ids, _ = self._query.ids()
        runs = list(self._query.runs(ids)) if len(ids) <= 1000 else self._query.runs(ids)
        found = self._columns()
        facts = type(found)(found.run_ids, {k: v for k, v in found.columns.items() if "." not in k})
        with self._new(self._target) as path, self._points(found.run_ids) as points:
            writers.write_sqlite(path, facts, runs, points if self._history else None)
        return len(found)

    def _json(self) -> int:
        from gitruns.cli.output import json_text
        from gitruns.cli.run_json import as_json, run_record
        from gitruns.exchange import writers

        app = self._app
        ids, _ = self._query.ids()
        names = app.experiment_names()

        def records(points: Iterator[tuple[RunId, list[Any]]]) -> Iterator[str]:
            for run in self._query.runs(ids):
                record = run_record(run, names.get(run.info.experiment_id), app.now_ms)
                if self._history:
                    history: dict[str, list[list[Any]]] = {}
                    for point in _points_of(points, run.info.id):
                        values = [point.step, point.time_ms, as_json(point.value)]
                        history.setdefault(point.metric, []).append(values)
                    record["history"] = history
                yield json_text(record)

        with self._new(self._target) as path, self._points(ids) as points:
            writers.write_json(path, records(points))
        return len(ids)

    @contextlib.contextmanager
    def _new(self, path: Path) -> Iterator[Path]:
        from gitruns.exchange import new_file

        with new_file(path, replace=self._force) as partial:
            yield partial
        if path not in self.files:
            self.files.append(path)

    @contextlib.contextmanager
    def _points(self, ids: Sequence[RunId]) -> Iterator[Iterator[tuple[RunId, list[Any]]]]:
        """Gives the points run by run, with a bar; at the end says of how many runs they are not here."""
        from gitruns.exchange import points_of, writers

        missing: list[tuple[RunId, GitRunsError]] = []
        bar = self._app.bar("exporting", "runs")
        points = points_of(self._app.open_repo(), ids, lambda run_id, error: missing.append((run_id, error)))
        yield writers.watched(points, lambda done: bar(done, len(ids)))
        bar.close()
        if missing:
            run_id, error = missing[0]
            self._app.out.talk(
                f"warning: the points of {len(missing):,} runs are left out, as of {run_id[:8]}: {error}"
            )


def _points_of(points: Iterator[tuple[RunId, list[Any]]], wanted: RunId) -> list[Any]:
    """Returns the points of the next run that is wanted; runs that have gone meanwhile are passed over."""
    return next((found for run_id, found in points if run_id == wanted), [])


COMMAND = export
