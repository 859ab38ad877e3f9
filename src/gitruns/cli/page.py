"""One run as a page of text, in the manner of `git show`: a head, the note, then what went in and what came out."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from gitruns.cli.cells import number, param, printable
from gitruns.cli.sparkline import ASCII_BLOCKS, BLOCKS, sparkline
from gitruns.cli.tables import Column, render
from gitruns.cli.terminal import Terminal
from gitruns.cli.times import duration, local, relative, size
from gitruns.entities.artifact import Artifact
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment
from gitruns.entities.run import MODEL_KIND, NOTE_TAG, Lifecycle, Run
from gitruns.entities.source import Source
from gitruns.entities.values import MetricSummary, Point

_CURVE_WIDTH = 16
_MAX_ARTIFACTS = 20
_INDENT = 4
_DIGITS = 6
_KINDS: dict[str | None, str] = {MODEL_KIND: "logged model"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What the page needs beside the run."""

    experiment: str
    artifacts: Sequence[Artifact]
    now_ms: int
    curve: Callable[[str], Sequence[Point]]
    source_subject: str | None
    everything: bool = False


def run_page(run: Run, facts: PageFacts, terminal: Terminal) -> str:
    """Returns the page. Long lists end in a line that says how many more there are, unless `everything` is wanted."""
    page = _Page(terminal, facts)
    blocks = [
        "".join(page.head(run)),
        "".join(page.note(run)),
        page.params(run),
        page.metrics(run),
        page.tags(run),
        page.inputs(run),
        page.artifacts(),
        page.environment(run.environment),
    ]
    return "\n".join(block for block in blocks if block)


class _Page:
    def __init__(self, terminal: Terminal, facts: PageFacts) -> None:
        self._terminal = terminal
        self._facts = facts

    # Head

    def head(self, run: Run) -> Iterator[str]:
        info = run.info
        paint = self._terminal.paint
        yield paint(f"{_KINDS.get(info.kind, 'run')} {info.id}", "id") + self._marks(run) + "\n"
        rows: list[tuple[str, str]] = [
            ("Name", printable(info.name)),
            ("Experiment", printable(self._facts.experiment)),
            ("Status", self._status(run)),
            ("Started", f"{local(info.start_time_ms)} ({relative(info.start_time_ms, self._facts.now_ms)})"),
            ("By", printable("@".join(part for part in (info.user, info.host) if part))),
            ("Command", printable(shlex.join(info.command))),
            ("Parent", printable(info.parent_run_id or "")),
            *self._source(info.source),
            ("Lost", f"{info.dropped} log records could not be kept" if info.dropped else ""),
        ]
        for title, text in rows:
            if text:
                yield f"{title + ':' if title else '':<12}{text}\n"

    def _marks(self, run: Run) -> str:
        words = [word for word, is_so in self._mark_words(run) if is_so]
        return f" ({self._terminal.paint(', '.join(words), 'mark')})" if words else ""

    def _mark_words(self, run: Run) -> Iterable[tuple[str, bool]]:
        return (
            ("running", run.live),
            ("deleted", run.info.lifecycle is Lifecycle.DELETED),
            ("not in git yet", run.commit is None and not run.live),
            (f"written by a newer version, format {run.format_version}", run.format_version > 1),
        )

    def _status(self, run: Run) -> str:
        info = run.info
        text = self._terminal.paint(info.status.value.lower(), info.status.value)
        if info.end_time_ms is not None:
            text += f" after {duration(info.end_time_ms - info.start_time_ms)}"
        elif run.live:
            text += f" for {duration(self._facts.now_ms - info.start_time_ms)}"
        reason = printable(info.error) if info.error else f"exit code {info.exit_code}" if info.exit_code else ""
        return f"{text}: {reason}" if reason else text

    def _source(self, source: Source) -> Iterator[tuple[str, str]]:
        commit = source.base or source.commit
        if commit is not None:
            subject = printable(self._facts.source_subject or "")
            branch = f"({printable(source.branch)}) " if source.branch else ""
            yield "Source", f"{self._terminal.paint(commit[:12], 'id')} {branch}{subject}".rstrip()
        if source.dirty:
            kept = f", kept as {self._terminal.paint(source.commit[:12], 'id')}" if source.commit else ""
            yield "", f"with changes that were not committed{kept}"
        if source.remote_url:
            yield "From", printable(source.remote_url)
        if source.incomplete:
            yield "", self._terminal.paint(f"incomplete: {_left_out(len(source.left_out))} not in it", "mark")
            shown = source.left_out if self._facts.everything else source.left_out[:_MAX_ARTIFACTS]
            for left in shown:
                bytes_ = f", {size(left.size)}" if left.size is not None else ""
                yield "", f"  {printable(left.path)} ({left.reason}{bytes_})"
            yield "", self._more(len(source.left_out) - len(shown)).strip()

    def note(self, run: Run) -> Iterator[str]:
        for line in run.note.splitlines():
            yield f"    {printable(line)}".rstrip() + "\n"

    # What went in and came out

    def params(self, run: Run) -> str:
        rows = [(key, param(value)) for key, value in sorted(run.params.items())]
        return self._pairs("Params", rows)

    def tags(self, run: Run) -> str:
        rows = [(key, printable(text)) for key, text in sorted(run.shown_tags.items()) if key != NOTE_TAG]
        return self._pairs("Tags", rows)

    def _pairs(self, title: str, rows: Sequence[tuple[str, str]]) -> str:
        columns = [
            Column(title="", cells=[printable(key) for key, _ in rows], least=16, most=40, styles="key"),
            Column(title="", cells=[value for _, value in rows], rank=1, least=10),
        ]
        return self._section(title, columns, header=False)

    def metrics(self, run: Run) -> str:
        keys = sorted(run.metrics)
        found = [run.metrics[key] for key in keys]
        stepped = any(summary.count > 1 for summary in found)
        columns = [
            Column(title="", cells=[printable(key) for key in keys], least=16, most=40, styles="key"),
            self._numbers("last", [summary.last for summary in found], rank=0, style="metric"),
        ]
        if stepped:
            columns += [
                Column(title="", cells=[self._curve(key, run.metrics[key]) for key in keys], rank=1, styles="curve"),
                self._numbers("min", [summary.min for summary in found], rank=2),
                self._numbers("max", [summary.max for summary in found], rank=3),
                self._numbers("mean", [summary.mean for summary in found], rank=6),
                Column(title="step", cells=[str(summary.step) for summary in found], rank=5, right=True),
                Column(title="points", cells=[str(summary.count) for summary in found], rank=4, right=True),
            ]
        return self._section("Metrics", columns, header=stepped)

    def _numbers(self, title: str, values: Iterable[float], *, rank: int, style: str | None = None) -> Column:
        return Column(
            title=title, cells=[number(value, _DIGITS) for value in values], rank=rank, right=True, styles=style
        )

    def _curve(self, key: str, summary: MetricSummary) -> str:
        if summary.count < 2:
            return ""
        blocks = BLOCKS if self._terminal.unicode else ASCII_BLOCKS
        return sparkline([point.value for point in self._facts.curve(key)], _CURVE_WIDTH, blocks=blocks)

    def inputs(self, run: Run) -> str:
        columns = [
            Column(title="", cells=[printable(data.name) for data in run.inputs], least=8, styles="key"),
            Column(title="", cells=[printable(data.context or "") for data in run.inputs], rank=1),
            Column(title="", cells=[printable(data.digest) for data in run.inputs], rank=2, most=16),
            Column(title="", cells=[_place(data) for data in run.inputs], rank=3, least=12),
        ]
        return self._section("Data", columns, header=False)

    def artifacts(self) -> str:
        kept = self._facts.artifacts
        shown = kept if self._facts.everything else kept[:_MAX_ARTIFACTS]
        total = size(sum(artifact.size_bytes for artifact in kept))
        title = f"Artifacts ({_counted(len(kept), 'file')}, {total})"
        return self._section(title, artifact_columns(shown), header=False) + self._more(
            len(kept) - len(shown), "git runs artifacts lists them"
        )

    def environment(self, environment: Environment | None) -> str:
        if environment is None:
            return ""
        rows = [("python", printable(environment.python)), ("platform", printable(environment.platform))]
        rows += [_hardware(key, value) for key, value in sorted(environment.hardware.items())]
        rows += [(key, printable(value)) for key, value in sorted(environment.variables.items())]
        if self._facts.everything:
            rows += [(key, printable(value)) for key, value in sorted(environment.packages.items())]
        elif environment.packages:
            rows.append(("packages", f"{len(environment.packages)}, listed with --all"))
        return self._pairs("Environment", rows)

    # Form

    def _section(self, title: str, columns: Sequence[Column], *, header: bool) -> str:
        table = render(columns, self._terminal, indent=_INDENT, header=header)
        return self._terminal.paint(title, "heading") + "\n" + table if table else ""

    def _more(self, count: int, how: str = "") -> str:
        return f"{'':{_INDENT}}… and {count} more{': ' + how if how else ''}\n" if count > 0 else ""


def artifact_columns(artifacts: Sequence[Artifact]) -> list[Column]:
    """Returns the columns of a list of artifacts."""
    return [
        Column(title="", cells=[printable(artifact.path) for artifact in artifacts], least=20, styles="key"),
        Column(title="", cells=[size(artifact.size_bytes) for artifact in artifacts], rank=1, right=True),
        Column(title="", cells=[artifact.digest[:12] for artifact in artifacts], rank=2, styles="faint"),
    ]


def _hardware(key: str, value: str) -> tuple[str, str]:
    """Returns a fact of the machine; bytes as a person reads them."""
    if key.endswith("_bytes") and value.isdigit():
        return key.removesuffix("_bytes"), size(int(value))
    return key, printable(value)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _left_out(count: int) -> str:
    return f"{_counted(count, 'file')} {'is' if count == 1 else 'are'}"


def _place(data: DatasetInput) -> str:
    """Where data came from; what was made in memory came from the run's own code, and that says nothing new."""
    return "" if data.source_type == "code" else printable(data.source)
