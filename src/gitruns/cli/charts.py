"""Curves of metrics, drawn in the terminal or into a picture."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitruns.cli.cells import cut, number, printable
from gitruns.cli.terminal import Terminal
from gitruns.errors import InvalidInputError
from gitruns.exchange import import_extra

PICTURES = ("png", "svg", "pdf", "html")

_COLOURS = (12, 9, 10, 13, 11, 14, 208, 141, 37, 217)
_MARKS = "ox+*#@%&=~"
_HEX = ("#4269d0", "#ff725c", "#3ca951", "#a463f2", "#efb118", "#6cc5b0", "#ff8ab7", "#97bbf5", "#9c6b4e", "#9498a0")
_ASCII = str.maketrans({**dict.fromkeys("┌┐└┘├┤┬┴┼", "+"), "─": "-", "│": "|"})


@dataclass(frozen=True, slots=True)
class Curve:
    """One run's points: `xs` ascending, and as many `ys`; all of them can be drawn."""

    name: str
    run_id: str
    xs: Sequence[float]
    ys: Sequence[float]


@dataclass(frozen=True, slots=True)
class Chart:
    """Some curves of one metric, and what the axes show."""

    metric: str
    x_title: str
    curves: Sequence[Curve]
    log: bool = False


def terminal_chart(chart: Chart, terminal: Terminal, height: int) -> str:
    """Returns the chart as text, a legend below it; raises `InvalidInputError` (kind `extra-missing`)."""
    plot = import_extra("plotext", "plot", "drawing in the terminal")
    many = len(chart.curves) > 1
    plot.clear_figure()
    plot.theme("clear")
    plot.plotsize(max(terminal.width - 1, 20), max(height, 8))
    plot.title(_plain(chart.metric, terminal))
    plot.xlabel(chart.x_title)
    if chart.log:
        plot.yscale("log")
    for place, curve in enumerate(chart.curves):
        marker = "braille" if terminal.unicode and (terminal.colour or not many) else _MARKS[place % len(_MARKS)]
        plot.plot(list(curve.xs), list(curve.ys), marker=marker, color=_COLOURS[place % len(_COLOURS)])
    text = str(plot.build())
    plot.clear_figure()
    text = text if terminal.colour else str(plot.uncolorize(text))
    lines = [line.rstrip() for line in (text if terminal.unicode else text.translate(_ASCII)).rstrip("\n").split("\n")]
    return "\n".join([*lines, *_legend(chart, terminal)]) + "\n"


def _legend(chart: Chart, terminal: Terminal) -> list[str]:
    lines = []
    for place, curve in enumerate(chart.curves):
        mark = (
            "━━"
            if terminal.unicode and (terminal.colour or len(chart.curves) == 1)
            else _MARKS[place % len(_MARKS)] * 2
        )
        if terminal.colour:
            mark = f"\033[38;5;{_COLOURS[place % len(_COLOURS)]}m{mark}\033[m"
        name = cut(printable(curve.name), 32, "…" if terminal.unicode else "~")
        last = number(curve.ys[-1]) if curve.ys else "-"
        lines.append(f"{mark} {terminal.paint(curve.run_id[:8], 'id')}  {name}  {terminal.paint(last, 'metric')}")
    return lines


def _plain(text: str, terminal: Terminal) -> str:
    return cut(printable(text), max(terminal.width - 10, 10))


def check_picture(path: Path) -> None:
    """Raises `InvalidInputError` (kind `bad-picture`) when nothing can be drawn into such a file."""
    if path.suffix.lower().removeprefix(".") not in PICTURES:
        known = " ".join(f".{one}" for one in PICTURES)
        raise InvalidInputError(f"cannot draw into '{path}'", kind="bad-picture", hint=f"its ending may be: {known}")


def draw_picture(chart: Chart, path: Path) -> None:
    """Draws the chart into a file: `.png`, `.svg` and `.pdf` by matplotlib, `.html` by plotly.

    Raises `InvalidInputError` (kind `extra-missing`).
    """
    if path.suffix.lower() == ".html":
        _draw_html(chart, path)
    else:
        _draw_still(chart, path)


def _draw_still(chart: Chart, path: Path) -> None:
    figures: Any = import_extra("matplotlib.figure", "plot", f"drawing '{path.suffix}'")
    figure = figures.Figure(figsize=(8, 4.5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for place, curve in enumerate(chart.curves):
        label = f"{_text(curve.name)} {curve.run_id[:8]}"
        axes.plot(curve.xs, curve.ys, label=label, color=_HEX[place % len(_HEX)], linewidth=1.5)
    axes.set_xlabel(chart.x_title)
    axes.set_ylabel(_text(chart.metric))
    if chart.log:
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a name in letters that the font does not have
        figure.savefig(path)


def _text(text: str) -> str:
    """A dollar would begin a formula, and a leading underscore hides a label."""
    return printable(text).replace("$", r"\$").lstrip("_") or "-"


def _draw_html(chart: Chart, path: Path) -> None:
    plotly: Any = import_extra("plotly.graph_objects", "plot", "drawing '.html'")
    figure = plotly.Figure()
    for place, curve in enumerate(chart.curves):
        name = f"{_harmless(curve.name)} {curve.run_id[:8]}"
        line = {"color": _HEX[place % len(_HEX)]}
        figure.add_scatter(x=list(curve.xs), y=list(curve.ys), mode="lines", name=name, line=line)
    figure.update_layout(
        title=_harmless(chart.metric),
        xaxis_title=chart.x_title,
        yaxis_type="log" if chart.log else "linear",
        template="plotly_white",
        showlegend=True,
    )
    figure.write_html(path, include_plotlyjs=True)


def _harmless(text: str) -> str:
    """plotly takes some HTML in its texts: links too."""
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def drawable(xs: Sequence[float], ys: Sequence[float], *, log: bool) -> tuple[list[float], list[float]]:
    """Returns the points that can be drawn: finite, and above zero on a logarithmic scale."""
    pairs = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y) and (y > 0 or not log)]
    return [x for x, _ in pairs], [y for _, y in pairs]
