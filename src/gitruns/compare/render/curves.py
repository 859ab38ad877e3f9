"""Curves as SVG, drawn by matplotlib: equal curves give equal bytes, and colours follow the page they stand in.

Lines are drawn in stand-in colours that become variables of the page's stylesheet, so one picture serves light and
dark. No text from outside is in a picture: the metric's name stands beside it.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence

from gitruns.compare.extras import load
from gitruns.compare.render.elements import Markup
from gitruns.compare.review.report import Curves, Series

_STAND_INS = {"#010203": "var(--base)", "#010204": "var(--head)", "#010205": "var(--line)", "#010206": "var(--soft)"}
_BASE, _HEAD, _GRID, _TEXT = _STAND_INS
_SETTINGS = {
    "svg.hashsalt": "gitruns",
    "svg.fonttype": "none",
    "font.size": 10.5,
    "axes.edgecolor": _GRID,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "path.simplify": True,
    "axes.formatter.useoffset": False,
}
_OWN_IDS = re.compile(r' id="[a-zA-Z]+\w*_\d+"')
_STYLE = re.compile(r"<style.*?</style>", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)


def curve_svg(curves: Curves) -> Markup:
    """Returns the curves of one metric as an `<svg>` element; raises `InvalidInputError` (kind `extra-missing`)."""
    matplotlib = load("matplotlib", "review", "drawing curves")
    figure_module = load("matplotlib.figure", "review", "drawing curves")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # what a person has set in matplotlibrc must not change the bytes
        matplotlib.rcParams.update(_SETTINGS)
        figure = figure_module.Figure(figsize=(4.7, 2.6), layout="constrained")
        axes = figure.add_subplot()
        for series in curves.series:
            _draw(axes, series)
        axes.margins(x=0.02)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _cleaned(stream.getvalue().decode())


def _draw(axes: object, series: Series) -> None:
    steps, values = _numbers(series)
    colour = _HEAD if series.of_head else _BASE
    marker = "o" if len(steps) == 1 else None
    axes.plot(  # type: ignore[attr-defined]  # matplotlib's Axes, which is loaded when it is used
        steps,
        values,
        color=colour,
        linewidth=1.6,
        alpha=0.9,
        marker=marker,
        markersize=3.5,
        zorder=3 if series.of_head else 2,
        solid_capstyle="round",
    )


_LARGEST = 1e300
"""matplotlib overflows beyond it."""


def _numbers(series: Series) -> tuple[Sequence[float], Sequence[float]]:
    """Steps and values; what is no drawable number is a gap."""
    drawable = [point.value if abs(point.value) < _LARGEST else math.nan for point in series.points]
    return [float(point.step) for point in series.points], drawable


def _cleaned(text: str) -> Markup:
    """The element alone: no prologue, no style that would act on the page, no names that others may have too."""
    svg = text[text.index("<svg") :].strip()
    svg = _METADATA.sub("", _STYLE.sub("", _OWN_IDS.sub("", svg)))
    for stand_in, variable in _STAND_INS.items():
        svg = svg.replace(stand_in, variable)
    svg = svg.replace("<svg ", '<svg aria-hidden="true" stroke-linejoin="round" ', 1)
    return Markup(svg)
