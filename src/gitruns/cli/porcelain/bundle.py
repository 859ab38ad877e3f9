"""`git runs bundle`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import RUN
from gitruns.cli.cells import printable
from gitruns.cli.commands import WRITING, command
from gitruns.cli.output import json_text
from gitruns.cli.sync_text import SyncProgress
from gitruns.cli.sync_words import choose_runs
from gitruns.cli.times import size


@command(
    "bundle",
    exits=WRITING,
    examples=["git runs bundle runs.bundle", "git runs bundle best.bundle latest --with-source"],
)
@click.argument("out", metavar="OUT", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("words", metavar="[QUERY|RANGE|RUN]...", type=RUN, nargs=-1)
@click.option("--with-source", is_flag=True, help="Put in all commits, also those that a remote has.")
@click.option("--with-artifacts", is_flag=True, help="Put in the artifacts too: OUT is then a tar.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def bundle(app: App, out: Path, words: Sequence[str], with_source: bool, with_artifacts: bool, as_json: bool) -> None:
    """Write runs into a file, to carry them where no network goes

    `git runs unbundle OUT` takes them in on the other side. Commits that a remote of this clone has are not in it, so
    the other side needs them. Plain git reads OUT as well: `git bundle verify OUT`, `git fetch OUT 'refs/runs/*:...'`.
    """
    from gitruns.sync.bundle import write_bundle

    selection = choose_runs(app, words)
    with SyncProgress(app.environ, quiet=as_json) as progress:
        report = write_bundle(
            app.open_repo(),
            out,
            selection=selection,
            with_source=with_source,
            with_artifacts=with_artifacts,
            progress=progress,
        )
    if as_json:
        record = {
            "path": str(report.path),
            "runs": list(report.runs),
            "size": report.size_bytes,
            "needs": list(report.needs),
            "artifacts": report.artifacts,
            "missing_artifacts": report.missing,
        }
        app.out.line(json_text(record))
        return
    count = len(report.runs)
    app.out.talk(f"wrote {count} run{'' if count == 1 else 's'} to {printable(str(out))}, {size(report.size_bytes)}")
    if with_artifacts:
        noun = "artifact" if report.artifacts == 1 else "artifacts"
        lacking = f"; {report.missing} more are not here" if report.missing else ""
        app.out.talk(f"with {report.artifacts} {noun}{lacking}")
    if report.needs:
        app.out.talk(
            f"the other side needs {len(report.needs)} commit{'s'[: len(report.needs) != 1]} that a remote has"
        )


COMMAND = bundle
