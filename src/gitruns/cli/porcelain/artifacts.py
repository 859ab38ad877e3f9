"""`git runs artifacts`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import form_of, latest_argument, output_options, run_argument
from gitruns.cli.cells import printable
from gitruns.cli.commands import CHECKING, READING, command, group
from gitruns.cli.exitcodes import DONE, NO
from gitruns.cli.progress import BYTES, progress_bar
from gitruns.cli.run_json import ARTIFACT_KEYS, artifact_record, folder_record
from gitruns.cli.template import Template
from gitruns.cli.times import size

if TYPE_CHECKING:
    from gitruns.entities.run import Run


@group("artifacts", default="ls", examples=["git runs artifacts latest", "git runs artifacts get latest -o out"])
def artifacts() -> None:
    """List, fetch and check the files that a run kept

    The run may also be an address: runs:/ID/path, models:/NAME/3, models:/NAME@ALIAS. Without a command, lists them.
    """


@command(
    "ls",
    exits=READING,
    examples=[
        "git runs artifacts ls latest",
        "git runs artifacts ls latest plots",
        "git runs artifacts ls -r latest --format '{sha256} {path}'",
    ],
)
@latest_argument
@click.argument("path", required=False, default="")
@click.option("-r", "--recursive", is_flag=True, help="List all files, at any depth.")
@output_options(ARTIFACT_KEYS)
@pass_app
def ls(app: App, run: str, path: str, recursive: bool, as_json: bool, template: Template | None, zero: bool) -> None:
    """List the files of a run, or those in a folder of it

    RUN is the latest one when none is named. A folder ends in `/`. In a pipe, lines with tabs: path, size in bytes,
    SHA-256.
    """
    form = form_of(as_json, template, zero)
    found, path = app.place(run, path)
    records = _below(app, found, path) if recursive else _directly_below(app, found, path)
    with app.out.paging():
        if not form.for_people:
            for record in records:
                app.out.record(record, form)
        elif records:
            app.out.write(_listing(app, records))
    if not records:
        app.out.talk(f"run '{found.info.name}' has no artifacts" + (f" below '{path}'" if path else ""))


def _below(app: App, run: Run, path: str) -> list[dict[str, object]]:
    prefix = path.strip("/")
    return [
        artifact_record(artifact)
        for artifact in app.open_repo().artifacts_of(run)
        if not prefix or artifact.path == prefix or artifact.path.startswith(prefix + "/")
    ]


def _directly_below(app: App, run: Run, path: str) -> list[dict[str, object]]:
    """A folder's files and folders; the file itself where the path names one."""
    below = {str(record["path"]): record for record in _below(app, run, path)}
    found = app.open_repo().list_artifacts(run.info.id, path)
    if not found:
        return [record for place, record in below.items() if place == path.strip("/")]
    return [folder_record(entry.path) if entry.is_dir else below[entry.path] for entry in found]


def _listing(app: App, records: Sequence[dict[str, object]]) -> str:
    from gitruns.cli.tables import Column, render, tab_separated

    paths = [printable(str(record["path"])) + ("/" if record["is_dir"] else "") for record in records]
    sizes = [record["size_bytes"] for record in records]
    digests = [str(record["sha256"] or "") for record in records]
    if not app.out.terminal.is_tty:
        rows = [["" if count is None else str(count), digest] for count, digest in zip(sizes, digests, strict=True)]
        return tab_separated([[path, *row] for path, row in zip(paths, rows, strict=True)])
    columns = [
        Column(title="PATH", cells=paths, least=20, styles="key"),
        Column(
            title="SIZE", cells=[size(count) if isinstance(count, int) else "" for count in sizes], rank=1, right=True
        ),
        Column(title="SHA-256", cells=[digest[:12] for digest in digests], rank=2, styles="faint"),
    ]
    return render(columns, app.out.terminal)


@command(
    "get",
    exits=READING,
    examples=["git runs artifacts get latest", "git runs artifacts get latest model.txt plots -o out"],
)
@run_argument
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option(
    "-o",
    "--output",
    "target",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where to; a folder named as the run's id unless said.",
)
@pass_app
def get(app: App, run: str, paths: Sequence[str], target: Path | None) -> None:
    """Copy files of a run, all of them or those named, into a folder

    What is not on this machine comes from the store. The folder is made where it is missing. Each file is checked
    against its address before it gets its name, and a file that is there already is replaced. Prints where each
    path is.
    """
    found = app.run(run)
    folder = target or Path(found.info.id[:8])
    for path in (app.place(run, named)[1] for named in paths or ("",)):
        with progress_bar("fetching", BYTES, app.environ) as bar:
            place = app.open_repo().download_artifacts(
                found.info.id,
                path,
                folder,
                progress=lambda now: bar(now.bytes_done, now.bytes, f"{now.files_done:,} of {now.files:,} files"),
            )
        app.out.line(printable(str(place)))


@command("verify", exits=CHECKING, examples=["git runs artifacts verify latest"])
@run_argument
@pass_app
def verify(app: App, run: str) -> int:
    """Check that the files of a run are here and unchanged

    Exits with 1 when one is missing or changed, and names each.
    """
    found = app.run(run)
    paths = {artifact.path for artifact in app.open_repo().artifacts_of(found)}
    problems = [problem for problem in app.open_repo().verify([found.info.id]) if problem.place in paths]
    for problem in problems:
        app.out.line(f"{printable(problem.place)}: {printable(problem.message)}")
    if not problems:
        app.out.talk(f"{len(paths):,} {'file is' if len(paths) == 1 else 'files are'} here and unchanged")
    return NO if problems else DONE


for _command in (ls, get, verify):
    artifacts.add_command(_command)

COMMAND = artifacts
