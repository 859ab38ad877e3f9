"""`git runs archive`"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import RUN
from gitruns.cli.commands import WRITING, command
from gitruns.cli.output import json_text
from gitruns.cli.progress import progress_bar

if TYPE_CHECKING:
    from gitruns.repo.archiving import ArchiveReport


@command("archive", exits=WRITING, examples=["git runs archive --dry-run", "git runs archive"])
@click.argument("runs", metavar="[RUN]...", type=RUN, nargs=-1)
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def archive(app: App, runs: Sequence[str], dry_run: bool, as_json: bool) -> None:
    """Put many finished runs under one git ref

    Nothing about the runs changes: every command shows, searches and edits them as before. Git has fewer refs to
    look at, so `git push` and `git fetch` stay quick with very many runs. Without RUN all finished ones are archived.
    This happens by itself above 1,000 runs; `git config runs.archive off` stops that.
    """
    from gitruns.repo.archiving import archive_runs

    repo = app.open_repo(recover=False)
    if not dry_run:
        repo.recover(archive=False)
    chosen = [app.run(name).info.id for name in runs] if runs else None
    with progress_bar("archiving", "runs", app.environ) as bar:
        report = archive_runs(repo, chosen, dry_run=dry_run, progress=bar)
    if as_json:
        app.out.line(json_text(_record(report, dry_run)))
        return
    for line in _lines(report, dry_run):
        app.out.talk(line)


def _record(report: ArchiveReport, dry_run: bool) -> dict[str, object]:
    return {
        "archived": list(report.folded),
        "dry_run": dry_run,
        "redundant": list(report.redundant),
        "replaced_segments": list(report.replaced),
        "segments": list(report.segments),
        "skipped": [{"id": run_id, "reason": reason} for run_id, reason in report.skipped.items()],
    }


def _lines(report: ArchiveReport, dry_run: bool) -> list[str]:
    would = "would " if dry_run else ""
    lines = []
    if report.folded:
        into = _count(report.segment_count, "ref")
        took = f", joined with {_count(len(report.replaced), 'smaller one')}" if report.replaced else ""
        lines.append(
            f"{'would archive' if dry_run else 'archived'} {_count(len(report.folded), 'run')} under {into}{took}"
        )
    if report.redundant:
        verb = "drop" if dry_run else "dropped"
        lines.append(f"{would}{verb} {_count(len(report.redundant), 'ref')} that the archive holds already")
    for reason, count in sorted(Counter(report.skipped.values()).items()):
        lines.append(f"left {_count(count, 'run')}: {reason}")
    return lines or ["nothing to archive"]


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


COMMAND = archive
