"""`git runs unbundle`"""

from __future__ import annotations

from pathlib import Path

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import WRITING, command
from gitruns.cli.exitcodes import CORRUPT, DONE
from gitruns.cli.output import json_text
from gitruns.cli.sync_text import SyncProgress, fetch_lines, fetch_record


@command("unbundle", exits=WRITING, examples=["git runs bundle runs.bundle", "git runs unbundle runs.bundle"])
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def unbundle(app: App, file: Path, as_json: bool) -> int:
    """Take in runs from a file that bundle has written

    They are checked and merged as by a fetch; twice is once. Exits with 15 when an artifact in it is damaged.
    """
    from gitruns.sync.bundle import read_bundle

    with SyncProgress(app.environ, quiet=as_json) as progress:
        report = read_bundle(app.open_repo(), file, progress=progress)
    if as_json:
        record = {"artifacts": report.artifacts, "bad_artifacts": report.bad_artifacts}
        app.out.line(json_text({**fetch_record(report.fetched), **record}))
    else:
        for line in fetch_lines(report.fetched, app.now_ms):
            app.out.talk(line)
        if report.artifacts:
            noun = "artifact" if report.artifacts == 1 else "artifacts"
            app.out.talk(f"took {report.artifacts} {noun} into the cache")
        if report.bad_artifacts:
            app.out.talk(f"warning: {report.bad_artifacts} artifacts are damaged and left out")
    return CORRUPT if report.bad_artifacts else DONE


COMMAND = unbundle
