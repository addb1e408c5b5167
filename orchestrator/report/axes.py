"""Axes of the interactive charts, as plotly JSON."""

from html import escape
from math import ceil, floor, log10
from typing import Any

from orchestrator.report.layout import Horizontal
from orchestrator.report.wording import format_number

Json = dict[str, Any]

MARGIN = 2.8
"""Learning-rate axes reach this factor beyond the studied range: room for arrows."""


def scale_rates(lr_range: tuple[float, float], margin: float = MARGIN) -> Json:
    """Return a logarithmic learning-rate axis with one tick a decade, written out."""
    low, high = log10(lr_range[0] / margin), log10(lr_range[1] * margin)
    decades = [10.0**exponent for exponent in range(ceil(low), floor(high) + 1)]
    return {
        "type": "log",
        "range": [low, high],
        "title": {"text": "learning rate"},
        "tickvals": decades,
        "ticktext": [format_number(decade) for decade in decades],
    }


def scale_horizontal(horizontal: Horizontal) -> Json:
    """Return the axis that runs across; ticks at the slices when they are few."""
    low, high = horizontal.low, horizontal.high
    if horizontal.log:
        low, high = log10(low), log10(high)
    pad = 0.1 * (high - low)
    axis: Json = {
        "type": "log" if horizontal.log else "linear",
        "range": [low - pad, high + pad],
        "title": {"text": escape(horizontal.name)},
    }
    if len(horizontal.values) <= 7:
        axis["tickvals"] = list(horizontal.values)
        axis["ticktext"] = [format_number(value) for value in horizontal.values]
    return axis
