"""`git runs watch`"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import RUN
from gitruns.cli.cells import columns_of, cut, number, param, printable
from gitruns.cli.commands import CHECKING, command
from gitruns.cli.exitcodes import DONE, NO
from gitruns.cli.live_view import LiveView
from gitruns.cli.output import json_text
from gitruns.cli.screen import Screen
from gitruns.cli.sparkline import ASCII_BLOCKS, BLOCKS, sparkline
from gitruns.cli.times import duration
from gitruns.errors import GitRunsError

if TYPE_CHECKING:
    from gitruns.entities.ids import RunId
    from gitruns.entities.run import Run

_REMOTE_EVERY_S = 5.0
_MOST_PARAMS = 6
_CURVE_WIDTH = 30
_LEAST_CURVE = 8

Line = Sequence[tuple[str, "str | None"]]
"""Pieces of text, each with the style to paint it in."""


@command(
    "watch",
    exits=CHECKING,
    examples=["git runs watch", "git runs watch latest", "git runs watch --json latest"],
)
@click.option("--interval", type=click.FloatRange(min=0.05), default=1.0, metavar="SECONDS", help="Look so often (1).")
@click.option("-m", "--metric", "metrics", multiple=True, metavar="KEY", help="Show this metric; again for more.")
@click.option("--remote", "remote", is_flag=True, help="Also runs on other machines that push checkpoints.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a change.")
@click.argument("run", type=RUN, required=False)
@pass_app
def watch(app: App, interval: float, metrics: Sequence[str], remote: bool, as_json: bool, run: str | None) -> int:
    """Follow runs while they are running

    Shows how far a run is, how fast, how long it will still take where a param says how many steps there are
    (total_steps, max_steps, epochs…), and its metrics with their curves, until it ends. Without RUN all that are
    running, until none is. Runs of other machines are seen through a shared file system, or with --remote through
    the checkpoints that `git runs exec --live` pushes. In a pipe a line is printed for each change. Exits 0 when
    what was watched has finished, 1 when something failed or was killed.
    """
    watching = _Watching(app, metrics, remote=remote)
    if run is not None:
        if remote:
            watching.fetch()
        watching.only = app.run(run).info.id
    draws = app.out.terminal.is_tty and not as_json
    with ExitStack() as stack:
        screen = Screen()
        if draws:
            stack.enter_context(screen.watching())
        while True:
            changed = watching.look()
            if draws:
                columns, _ = screen.size()
                lines = [_cut(line, columns - 1) for line in watching.lines(columns - 1)]
                painted = ["".join(app.out.paint(text, style) for text, style in line) for line in lines]
                screen.draw(painted, ["".join(text for text, _ in line) for line in lines])
            for view in () if draws else changed:
                app.out.line(json_text(view.record(app.now_ms)) if as_json else watching.plain(view))
            sys.stdout.flush()
            if watching.over:
                break
            time.sleep(interval)
    if not watching.views:
        app.out.talk("nothing is running")
    return DONE if all(_went_well(view) for view in watching.views.values()) else NO


def _went_well(view: LiveView) -> bool:
    return view.run.info.status.value in ("FINISHED", "RUNNING", "SCHEDULED")


def _is_known(view: LiveView) -> bool:
    """Returns whether it is known how the run stands: one whose checkpoint went has ended, nobody here knows how."""
    return view.run.live or view.run.info.end_time_ms is not None


class _Watching:
    """What is watched, and what was seen of it. `only` is the one run that was named, if any."""

    def __init__(self, app: App, metrics: Sequence[str], *, remote: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._remote = remote
        self._fetch_at = 0.0
        self._fetch_failed = False
        self.only: RunId | None = None
        self.views: dict[RunId, LiveView] = {}

    @property
    def over(self) -> bool:
        """Whether nothing that is watched goes on."""
        return not any(view.run.live for view in self.views.values())

    def look(self) -> list[LiveView]:
        """Looks at what is running now and returns what has changed."""
        if self._remote and time.monotonic() >= self._fetch_at:
            self.fetch()
        repo = self._app.open_repo()
        elsewhere = repo.elsewhere.runs()
        changed = []
        for run_id in self._wanted(repo.live_ids(), elsewhere):
            try:
                run = repo.find_run(run_id)
            except GitRunsError:
                continue
            if run is None:  # its checkpoint is gone, so it has ended there, and has not come here yet
                changed += self._gone(run_id)
            elif run.live or run_id in self.views or run_id == self.only:
                changed += self._see(run, remote=run_id in elsewhere and repo.live(run_id) is None)
        return changed

    def _wanted(self, live: Sequence[RunId], elsewhere: Mapping[RunId, Run]) -> list[RunId]:
        if self.only is not None:
            return [self.only]
        return list(dict.fromkeys([*self.views, *live, *elsewhere]))

    def _see(self, run: Run, *, remote: bool) -> list[LiveView]:
        view = self.views.get(run.info.id)
        fresh = view is None
        if view is None:
            view = self.views[run.info.id] = LiveView(run)
            if not remote:
                self._begin(view)
        return [view] if view.see(run, self._app.now_ms, remote=remote) or fresh else []

    def _begin(self, view: LiveView) -> None:
        try:
            view.begin(self._app.open_repo().iter_points(view.run.info.id))
        except GitRunsError:  # points that are on another machine: the curve begins now
            view.begin(())

    def _gone(self, run_id: RunId) -> list[LiveView]:
        from dataclasses import replace

        view = self.views.get(run_id)
        if view is None or not view.run.live:
            return []
        ended = self._fetched(run_id)
        if ended is not None:
            return self._see(ended, remote=False)
        view.run = replace(view.run, live=False)
        return [view]

    def _fetched(self, run_id: RunId) -> Run | None:
        """Returns the run as it ended, if it was pushed; None when it is not on the remote yet."""
        from gitruns.sync import fetch, select

        try:
            fetch(self._app.open_repo(), selection=select([run_id]))
            return self._app.open_repo().find_run(run_id)
        except GitRunsError:
            return None

    def fetch(self) -> None:
        """Brings the checkpoints that the remote has now; a remote that is out of reach is said once."""
        from gitruns.sync.watching import fetch_checkpoints

        try:
            fetch_checkpoints(self._app.open_repo())
        except GitRunsError as error:
            if not self._fetch_failed:
                self._app.out.talk(f"warning: cannot see the runs of other machines: {error}")
            self._fetch_failed = True
        self._fetch_at = time.monotonic() + _REMOTE_EVERY_S

    # What is shown

    def lines(self, width: int) -> Iterator[Line]:
        """Yields what a person sees: a page on one run, or some lines on each of several."""
        views = sorted(self.views.values(), key=lambda view: (not view.run.live, -view.run.info.start_time_ms))
        if len(views) == 1:
            yield from self._page(views[0], width)
            return
        for view in views:
            yield self._title(view)
            yield [("    ", None), *self._short(view)]

    def _page(self, view: LiveView, width: int) -> Iterator[Line]:
        yield self._title(view)
        progress = self._progress(view)
        if progress:
            yield [("    " + progress, None)]
        params = [f"{printable(key)} {param(value)}" for key, value in view.run.params.items()]
        if params:
            more = ["…"] if len(params) > _MOST_PARAMS else []
            yield [("    " + ", ".join(params[:_MOST_PARAMS] + more), "faint")]
        keys = self._keys(view)
        name_width = min(max((columns_of(printable(key)) for key in keys), default=0), 24)
        room = max(min(width - name_width - 40, _CURVE_WIDTH), _LEAST_CURVE)
        for key in keys:
            yield self._metric_line(view, key, name_width, room)

    def _metric_line(self, view: LiveView, key: str, name_width: int, room: int) -> Line:
        summary = view.run.metrics[key]
        name = cut(printable(key), name_width)
        blocks = BLOCKS if self._app.out.terminal.unicode else ASCII_BLOCKS
        curve = sparkline(view.curves[key].shown() if key in view.curves else [], room, blocks=blocks)
        reach = f"  min {number(summary.min)}  max {number(summary.max)}"
        return [
            ("    " + name + " " * (name_width - columns_of(name)) + "  ", "key"),
            (f"{number(summary.last):<10}", "metric"),
            (curve + " " * (room - columns_of(curve)), "curve"),
            (reach, "faint"),
        ]

    def _title(self, view: LiveView) -> Line:
        info = view.run.info
        word = info.status.value
        known = _is_known(view)
        text = f"{word.lower()} {'for' if view.run.live else 'after'} {duration(view.elapsed_ms(self._app.now_ms))}"
        where = f" on {printable(info.host)}" if info.host and (view.remote or not self._is_here(info.host)) else ""
        return [
            (printable(info.name), "heading"),
            (f"  {info.id[:8]}  ", "id"),
            (text if known else "ended, not fetched yet", word if known else "faint"),
            (where + (f": {printable(info.error)}" if info.error else ""), None),
        ]

    def _is_here(self, host: str) -> bool:
        import socket

        return host.split(".")[0] == socket.gethostname().split(".")[0]

    def _short(self, view: LiveView) -> Line:
        pieces: list[tuple[str, str | None]] = [(self._progress(view), None)] if self._progress(view) else []
        for key in self._keys(view):
            gap = "   " if pieces else ""
            pieces += [(f"{gap}{printable(key)} ", "key"), (number(view.run.metrics[key].last), "metric")]
        return pieces or [("no metric yet", "faint")]

    def _progress(self, view: LiveView) -> str:
        if view.step is None:
            return ""
        parts = [f"step {view.step}" + (f" of {view.total}" if view.total is not None else "")]
        if view.run.live and view.rate is not None:
            parts.append(f"{number(view.rate, 3)}/s")
        left = view.left_ms()
        if view.run.live and left is not None:
            parts.append(f"about {duration(left)} left")
        return "  ".join(parts)

    def _keys(self, view: LiveView) -> list[str]:
        if self._metrics:
            return [key for key in self._metrics if key in view.run.metrics]
        own = [key for key in view.run.metrics if not key.startswith("system/")]
        return own or list(view.run.metrics)

    def plain(self, view: LiveView) -> str:
        """Returns one line for a pipe: what the run is, how it stands, its metrics."""
        info = view.run.info
        words = [info.id[:8], printable(info.name), info.status.value.lower() if _is_known(view) else "ended"]
        words += [f"step={view.step}"] if view.step is not None else []
        words += [f"{printable(key)}={view.run.metrics[key].last!r}" for key in self._keys(view)]
        return " ".join(words)


def _cut(line: Line, width: int) -> Line:
    """Cuts a line to fit, piece by piece."""
    left, pieces = width, []
    for text, style in line:
        shown = cut(text, left)
        pieces.append((shown, style))
        left -= columns_of(shown)
        if shown != text:
            break
    return pieces


COMMAND = watch
