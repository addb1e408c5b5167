"""The lines of theory on the collapse map, and the distance of every slice from them.

As plain plotly JSON, like :mod:`orchestrator.report.charts`.
"""

from collections.abc import Sequence
from html import escape
from math import log10, sqrt
from typing import Any

from orchestrator.report.layout import Horizontal
from orchestrator.report.palette import INK, curve_colour, curve_dash
from orchestrator.report.theory import LINES, TEMPERATURE, Fit
from orchestrator.report.wording import describe_point, format_number

Json = dict[str, Any]

_DASHES = ("longdashdot", "dot")


def overlay_lines(horizontal: Horizontal | None, lr_range: tuple[float, float]) -> list[Json]:
    """Return the lines across a map whose horizontal axis is the temperature; else nothing.

    Cut off where they leave the studied learning rates.
    """
    if horizontal is None or horizontal.path != TEMPERATURE:
        return []
    traces: list[Json] = []
    for (name, factor), dash in zip(LINES, _DASHES, strict=True):
        low = max(horizontal.low, lr_range[0] / factor)
        high = min(horizontal.high, lr_range[1] / factor)
        if low >= high:
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+text",
                "name": name,
                "meta": {"curve": None, "regime": None},
                "x": [low, sqrt(low * high), high],
                "y": [factor * x for x in (low, sqrt(low * high), high)],
                "line": {"color": INK, "dash": dash, "width": 1.3},
                "text": ["", name, ""],
                "textposition": "bottom right",
                "textfont": {"size": 11, "color": INK},
                "hovertemplate": f"{name}: a reference (CLOP, section 3)<extra></extra>",
            }
        )
    return traces


def chart_residuals(fits: Sequence[Fit]) -> Json | None:
    """Return critical learning rate over temperature against temperature; None without any."""
    if not fits:
        return None
    temperatures = sorted({r.temperature for fit in fits for r in fit.residuals})
    traces = [_fit_trace(fit, index, len(fits)) for index, fit in enumerate(fits)]
    ends = [value for fit in fits for r in fit.residuals for value in (r.low, r.high, 0.4, 1.2)]
    low, high = log10(min(ends)) - 0.15, log10(max(ends)) + 0.15
    decades = [10.0**exponent for exponent in range(round(low - 0.5), round(high + 0.5) + 1)]
    across = [log10(temperatures[0]) - 0.15, log10(temperatures[-1]) + 0.15]
    layout: Json = {
        "xaxis": {
            "type": "log",
            "range": across,
            "title": {"text": "temperature"},
            "tickvals": temperatures,
            "ticktext": [format_number(value) for value in temperatures],
        },
        "yaxis": {
            "type": "log",
            "range": [low, high],
            "title": {"text": "critical learning rate / temperature"},
            "tickvals": decades,
            "ticktext": [format_number(decade) for decade in decades],
        },
        "shapes": [_line_shape(factor, dash) for (_, factor), dash in _pairs()],
        "annotations": [_line_label(name, factor) for (name, factor), _ in _pairs()],
    }
    return {"traces": traces, "layout": layout}


def _pairs() -> list[tuple[tuple[str, float], str]]:
    return list(zip(LINES, _DASHES, strict=True))


def _fit_trace(fit: Fit, index: int, count: int) -> Json:
    shift = 10 ** (0.012 * (index - (count - 1) / 2))
    factors = [r.factor for r in fit.residuals]
    label = describe_point(fit.point)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": escape(label),
        "x": [r.temperature * shift for r in fit.residuals],
        "y": factors,
        "line": {"color": curve_colour(index), "dash": curve_dash(index), "width": 2},
        "marker": {"size": 8, "color": curve_colour(index)},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [r.high - r.factor for r in fit.residuals],
            "arrayminus": [r.factor - r.low for r in fit.residuals],
            "thickness": 1.4,
            "width": 3,
        },
        "hovertemplate": f"{escape(label)}, temperature %{{x:.3g}}: ×%{{y:.3g}}<extra></extra>",
    }


def _line_shape(factor: float, dash: str) -> Json:
    line = {"color": INK, "dash": dash, "width": 1.3}
    ends = {"xref": "paper", "x0": 0, "x1": 1, "y0": factor, "y1": factor}
    return {"type": "line", **ends, "line": line, "layer": "below"}


def _line_label(name: str, factor: float) -> Json:
    side = "bottom" if factor == 1.0 else "top"
    place = {"xref": "paper", "x": 1, "xanchor": "right", "y": log10(factor), "yanchor": side}
    return {**place, "text": name, "showarrow": False, "font": {"size": 11, "color": INK}}
