"""Phase diagrams: which regime training ends in, over learning rate and slice.

The column of a slice is cut half way (in decades) between neighbouring learning rates that were
tried; a piece shows the regime of most seeds at its rate, the worse one of equals. So a wide
piece is one that nothing was tried in. Regimes differ in colour and in pattern.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import sqrt
from typing import Any

from orchestrator.collapse_map import CollapseMap, SliceMap
from orchestrator.report.axes import scale_rates
from orchestrator.report.layout import Curve, Layout
from orchestrator.report.palette import INK, MARKS
from orchestrator.report.wording import describe_point, format_number, format_value, name_regime
from search_spaces.point import Point
from search_spaces.study import LR
from trainer.collapse.regime import Regime

Json = dict[str, Any]

MOST_DIAGRAMS = 9
MOST_ROWS = 40

_PATTERNS: dict[Regime, str] = {
    Regime.HEALTHY: "",
    Regime.UNDERTRAINED: ".",
    Regime.DIMENSIONAL: "/",
    Regime.COMPLETE: "x",
    Regime.DIVERGED: "-",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of learning rates with the regime of the trials at ``lr``, which is inside it."""

    regime: Regime
    low: float
    high: float
    lr: float
    trials: int
    agreeing: int


def cut_pieces(
    trials: Sequence[tuple[float, Regime]], lr_range: tuple[float, float]
) -> tuple[Piece, ...]:
    """Return the pieces of one slice, from the lowest learning rate to the highest.

    Args:
        trials: Learning rate and regime of every finished trial.
        lr_range: The studied learning rates, which the pieces fill without a gap.
    """
    by_rate: dict[float, list[Regime]] = {}
    for rate, regime in sorted(trials, key=lambda trial: trial[0]):
        by_rate.setdefault(rate, []).append(regime)
    rates = list(by_rate)
    cuts = [sqrt(a * b) for a, b in pairwise(rates)]
    edges = [min(lr_range[0], *rates), *cuts, max(lr_range[1], *rates)] if rates else []
    return tuple(
        Piece(regime, low, high, rate, len(by_rate[rate]), count)
        for rate, (low, high) in zip(rates, pairwise(edges), strict=True)
        for regime, count in [_choose(by_rate[rate])]
    )


def chart_phases(collapse_map: CollapseMap, layout: Layout) -> list[Json]:
    """Return a diagram for each curve, or one with a row a slice where nothing runs across."""
    assert collapse_map.lr_range is not None
    trials: dict[Point, list[tuple[float, Regime]]] = {}
    for record, outcome in collapse_map.outcomes:
        point = record.proposal.point.without(LR)
        trials.setdefault(point, []).append((record.settings.lr, outcome.regime))
    pieces = {point: cut_pieces(own, collapse_map.lr_range) for point, own in trials.items()}
    if layout.horizontal is None:
        slices = [curve.slices[0] for curve in layout.curves if curve.slices[0].point in pieces]
        return [_chart_rows(slices[:MOST_ROWS], pieces, collapse_map)] if slices else []
    shown = [c for c in layout.curves if any(s.point in pieces for s in c.slices)]
    return [_chart_curve(c, layout, pieces, collapse_map) for c in shown[:MOST_DIAGRAMS]]


def _choose(regimes: Sequence[Regime]) -> tuple[Regime, int]:
    """Return the regime of most, the worse of equals, and how many have it."""
    severity = list(MARKS)
    counts = Counter(regimes)
    return max(counts.items(), key=lambda item: (item[1], severity.index(item[0])))


def _chart_curve(
    curve: Curve,
    layout: Layout,
    pieces: dict[Point, tuple[Piece, ...]],
    collapse_map: CollapseMap,
) -> Json:
    horizontal = layout.horizontal
    assert horizontal is not None
    assert collapse_map.lr_range is not None
    names = {s.point: format_value(s.point[horizontal.path]) for s in curve.slices}
    traces = _bars(curve.slices, pieces, names, is_upright=True)
    found = [s for s in curve.slices if s.boundary.critical_lr is not None]
    if found:
        rates = [s.boundary.critical_lr for s in found]
        traces.append(_boundary([names[s.point] for s in found], rates, is_upright=True))
    category = {"type": "category", "categoryorder": "array"}
    across = {
        **category,
        "categoryarray": list(names.values()),
        "title": {"text": escape(horizontal.name)},
    }
    rates_axis = scale_rates(collapse_map.lr_range, margin=1.0)
    label = curve.label if curve.point.coordinates else "All trials"
    return {
        "label": label,
        "traces": traces,
        "layout": {"xaxis": across, "yaxis": rates_axis, "barmode": "overlay", "bargap": 0.04},
    }


def _chart_rows(
    slices: Sequence[SliceMap],
    pieces: dict[Point, tuple[Piece, ...]],
    collapse_map: CollapseMap,
) -> Json:
    assert collapse_map.lr_range is not None
    names = {s.point: escape(describe_point(s.point)) for s in slices}
    traces = _bars(slices, pieces, names, is_upright=False)
    found = [s for s in slices if s.boundary.critical_lr is not None]
    if found:
        rates = [s.boundary.critical_lr for s in found]
        traces.append(_boundary([names[s.point] for s in found], rates, is_upright=False))
    rows = {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(reversed(names.values())),
        "automargin": True,
    }
    return {
        "label": "Every slice",
        "traces": traces,
        "layout": {
            "xaxis": scale_rates(collapse_map.lr_range, margin=1.0),
            "yaxis": rows,
            "barmode": "overlay",
            "bargap": 0.25,
        },
        "height": 140 + 34 * len(slices),
    }


def _bars(
    slices: Sequence[SliceMap],
    pieces: dict[Point, tuple[Piece, ...]],
    names: dict[Point, str],
    *,
    is_upright: bool,
) -> list[Json]:
    return [
        trace
        for regime in MARKS
        for trace in [_regime_bars(regime, slices, pieces, names, is_upright)]
        if trace["base"]
    ]


def _regime_bars(
    regime: Regime,
    slices: Sequence[SliceMap],
    pieces: dict[Point, tuple[Piece, ...]],
    names: dict[Point, str],
    is_upright: bool,
) -> Json:
    mine = [
        (names[s.point], piece)
        for s in slices
        for piece in pieces.get(s.point, ())
        if piece.regime is regime
    ]
    places, lengths = [name for name, _ in mine], [piece.high - piece.low for _, piece in mine]
    ends = {"x": places, "y": lengths} if is_upright else {"x": lengths, "y": places}
    colour = MARKS[regime].colour
    return {
        "type": "bar",
        "orientation": "v" if is_upright else "h",
        "name": name_regime(regime),
        **ends,
        "base": [piece.low for _, piece in mine],
        "marker": {
            "color": colour,
            "line": {"width": 1, "color": colour},  # else hairlines between equal neighbours
            "pattern": {
                "shape": _PATTERNS[regime],
                "fillmode": "overlay",
                "fgcolor": "rgba(255,255,255,0.55)",
                "size": 6,
                "solidity": 0.25,
            },
        },
        "text": [_describe(piece) for _, piece in mine],
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
    }


def _boundary(places: Sequence[str], rates: Sequence[float | None], *, is_upright: bool) -> Json:
    ends = {"x": places, "y": rates} if is_upright else {"x": rates, "y": places}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "critical learning rate",
        **{name: list(values) for name, values in ends.items()},
        "marker": {
            "symbol": "line-ew" if is_upright else "line-ns",
            "size": 20,
            "line": {"width": 3, "color": INK},
        },
        "hovertemplate": "critical learning rate %{" + ("y" if is_upright else "x") + ":.3g}"
        "<extra></extra>",
    }


def _describe(piece: Piece) -> str:
    count = f"{piece.agreeing} of {piece.trials} trials" if piece.trials > 1 else "one trial"
    return f"<b>{name_regime(piece.regime)}</b><br>{count} at learning rate " + format_number(
        piece.lr, 3
    )
