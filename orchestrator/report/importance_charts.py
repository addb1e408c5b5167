"""Bars of parameter importance, and contours of the metric over pairs of ranges.

As plain plotly JSON. Contours are linear interpolation between points that were tried (Delaunay
triangles, on the axes' own scale); outside of them nothing is drawn.
"""

from collections.abc import Sequence
from html import escape
from itertools import combinations
from math import log10
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import QhullError

from orchestrator.collapse_map import CollapseMap
from orchestrator.report.best import rank_points
from orchestrator.report.importance import Importance
from orchestrator.report.palette import CURVE_COLOURS, INK, PRUNED, PRUNED_MARKER, VIRIDIS
from orchestrator.report.wording import (
    begin,
    describe_point,
    format_number,
    name_axis,
    name_metric,
)
from search_spaces.axis import RangeAxis
from search_spaces.point import Point

Json = dict[str, Any]
Floats = npt.NDArray[np.float64]

MOST_CONTOURS = 3
TRIED_MARKER = {"size": 6, "color": "white", "line": {"color": INK, "width": 1}}
_CELLS = 40
_FEWEST_POINTS = 4


def chart_importance(ranked: Sequence[Importance]) -> Json | None:
    """Return a bar an axis, the longest on top; None without any."""
    if not ranked:
        return None
    names = [escape(name_axis(each.path)) for each in ranked]
    trace: Json = {
        "type": "bar",
        "orientation": "h",
        "x": [each.share for each in ranked],
        "y": names,
        "marker": {"color": CURVE_COLOURS[0]},
        "text": [f"{100 * each.share:.0f} %" for each in ranked],
        "textposition": "auto",
        "textangle": 0,
        "hovertemplate": "%{y}: %{x:.3f}<extra></extra>",
    }
    axis = {"title": {"text": "share of importance"}, "rangemode": "tozero", "tickformat": ".0%"}
    rows = {"autorange": "reversed", "type": "category", "automargin": True}
    return {"traces": [trace], "layout": {"xaxis": axis, "yaxis": rows}}


def chart_contours(collapse_map: CollapseMap, ranked: Sequence[Importance]) -> list[Json]:
    """Return a contour for each pair of the most important ranges, at most three."""
    axes = {a.path: a for a in collapse_map.study.axes if isinstance(a, RangeAxis)}
    chosen = [axes[each.path] for each in ranked if each.path in axes]
    charts = [_chart_pair(collapse_map, first, second) for first, second in combinations(chosen, 2)]
    return [chart for chart in charts if chart is not None][:MOST_CONTOURS]


def _chart_pair(collapse_map: CollapseMap, first: RangeAxis, second: RangeAxis) -> Json | None:
    ranking = rank_points(collapse_map)
    points = [p for p in ranking.points if {first.path, second.path} <= _paths(p.point)]
    pruned = [p for p in ranking.pruned if {first.path, second.path} <= _paths(p)]
    x_P, y_P = (_place([p.point for p in points], axis) for axis in (first, second))
    grid = _interpolate(x_P, y_P, np.array([point.mean for point in points]))
    if grid is None:
        return None
    metric = name_metric(ranking.metric)
    values = [f"{metric} {format_number(p.mean, 4)}" for p in points]
    tried = _mark_points([p.point for p in points], (first, second), TRIED_MARKER, values)
    ended = _mark_points(pruned, (first, second), PRUNED_MARKER, [PRUNED] * len(pruned))
    seen = "dots are points that were tried"
    if pruned:
        seen = f"dots are points trained to the end, triangles those {PRUNED}"
    return {
        "label": begin(f"{metric} over {name_axis(first.path)} and {name_axis(second.path)}"),
        "seen": seen,
        "traces": [_fill_contour(grid), tried, *([ended] if pruned else [])],
        "layout": {"xaxis": _scale(first), "yaxis": _scale(second)},
    }


def _fill_contour(grid: tuple[Floats, Floats, Floats]) -> Json:
    x_C, y_C, values_CC = grid
    return {
        "type": "contour",
        "x": x_C.tolist(),
        "y": y_C.tolist(),
        "z": [[None if np.isnan(v) else float(v) for v in row] for row in values_CC],
        "colorscale": [[i / (len(VIRIDIS) - 1), c] for i, c in enumerate(VIRIDIS)],
        "colorbar": {"thickness": 12},
        "contours": {"showlabels": True, "labelfont": {"size": 10, "color": "white"}},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _mark_points(
    points: Sequence[Point], axes: tuple[RangeAxis, RangeAxis], marker: Json, said: Sequence[str]
) -> Json:
    x_P, y_P = (_place(points, axis).tolist() for axis in axes)
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x_P,
        "y": y_P,
        "marker": marker,
        "text": [
            f"{escape(words)}<br>{escape(describe_point(point))}"
            for words, point in zip(said, points, strict=True)
        ],
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": False,
    }


def _paths(point: Point) -> set[str]:
    return {path for path, _ in point.coordinates}


def _place(points: Sequence[Point], axis: RangeAxis) -> Floats:
    """Return coordinates on the axis' scale: decades if it is logarithmic.

    Plotly interpolates contours in the numbers it is given, so it is given these.
    """
    values = [float(point[axis.path]) for point in points]
    return np.array([log10(value) if axis.log else value for value in values])


def _interpolate(
    x_P: Floats, y_P: Floats, values_P: Floats
) -> tuple[Floats, Floats, Floats] | None:
    """Return grid lines and the values on them; None if the points span no area."""
    if len(values_P) < _FEWEST_POINTS or np.ptp(x_P) == 0 or np.ptp(y_P) == 0:
        return None
    places_PX = np.stack([x_P, y_P], axis=1)
    unique_UX, which_P = np.unique(places_PX, axis=0, return_inverse=True)
    sums_U = np.bincount(which_P.ravel(), weights=values_P)
    means_U = sums_U / np.bincount(which_P.ravel())
    x_C, y_C = (np.linspace(v.min(), v.max(), _CELLS) for v in (x_P, y_P))
    try:
        surface = LinearNDInterpolator(unique_UX, means_U, rescale=True)
    except (QhullError, ValueError):
        return None  # all on one line
    return x_C, y_C, np.asarray(surface(*np.meshgrid(x_C, y_C)), dtype=np.float64)


def _scale(axis: RangeAxis) -> Json:
    title = {"title": {"text": escape(name_axis(axis.path))}}
    if not axis.log:
        return title
    ticks = _round_ticks(axis.low, axis.high)
    return {
        **title,
        "tickvals": [log10(tick) for tick in ticks],
        "ticktext": [format_number(tick) for tick in ticks],
    }


def _round_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5 of every decade inside a range; decades only where there are many."""
    decades = range(int(np.floor(log10(low))), int(np.ceil(log10(high))) + 1)
    steps = (1, 2, 5) if len(decades) <= 3 else (1,)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
