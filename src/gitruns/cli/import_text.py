"""What an import says it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitruns.cli.cells import printable
from gitruns.cli.times import size

if TYPE_CHECKING:
    from gitruns.exchange.foreign import Damage
    from gitruns.exchange.mlflow.exporting import ExportReport
    from gitruns.exchange.report import ImportReport

MAX_SHOWN = 20


def import_lines(report: ImportReport) -> Iterator[str]:
    """Yields what came, or would come, then what could not be carried."""
    counts = {
        "run": len(report.runs),
        "logged model": len(report.logged_models),
        "experiment": report.experiments,
        "registered model": report.models,
        "version": report.versions,
    }
    done = [_counted(count, noun) for noun, count in counts.items() if count]
    if done:
        yield f"{'would import' if report.dry_run else 'imported'} {', '.join(done)}"
    else:
        yield "no new runs" if report.updated else "nothing new"
    held = [_counted(report.points, "point")] if report.points else []
    if report.artifacts:
        held.append(f"{_counted(report.artifacts, 'artifact')} ({size(report.artifact_bytes)})")
    if held:
        yield f"with {' and '.join(held)}"
    if report.linked:
        yield f"{_counted(report.linked, 'run')} tied to the commit that they ran"
    if report.updated:
        yield f"{_counted(len(report.updated), 'run')} had gone on, and what is new came"
    if report.known:
        yield f"{_counted(report.known, 'run')} here already"
    for name, number in report.renumbered.items():
        yield f"{printable(name)} became v{number}: there is another v{name.rpartition(' v')[2]} here"
    yield from _problems(report.problems)
    if report.left_out:
        left = ", ".join(_counted(count, word.removesuffix("s")) for word, count in report.left_out.items())
        yield f"warning: not carried: {left}"


def export_lines(report: ExportReport, folder: Path) -> Iterator[str]:
    """Yields what was written into a store of MLflow, then what could not be."""
    done = [_counted(report.runs, "run"), _counted(report.experiments, "experiment")]
    if report.versions:
        done.append(_counted(report.versions, "version"))
    yield f"wrote {', '.join(done)} to '{printable(str(folder))}'"
    yield from _problems(report.problems)


def _problems(problems: Sequence[Damage]) -> Iterator[str]:
    for problem in problems[:MAX_SHOWN]:
        yield f"warning: {printable(problem.what)}: {printable(problem.why)}"
    if len(problems) > MAX_SHOWN:
        yield f"warning: and {len(problems) - MAX_SHOWN:,} more"


def import_record(report: ImportReport) -> dict[str, Any]:
    """Returns the report as JSON has it."""
    return {
        "dry_run": report.dry_run,
        "runs": list(report.runs),
        "logged_models": list(report.logged_models),
        "updated": list(report.updated),
        "known": report.known,
        "linked": report.linked,
        "experiments": report.experiments,
        "models": report.models,
        "versions": report.versions,
        "points": report.points,
        "artifacts": report.artifacts,
        "artifact_bytes": report.artifact_bytes,
        "renumbered": dict(report.renumbered),
        "problems": [{"what": one.what, "why": one.why} for one in report.problems],
        "left_out": dict(report.left_out),
    }


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
