"""Interactive charts as plain plotly JSON: traces and layouts, no plotly object.

Plotly reads ``<b>`` and ``<a>`` in texts, so every text from a study is HTML-escaped here.
``meta`` on a trace names its curve and regime: the page's check boxes show and hide by it.
"""

from collections.abc import Sequence
from html import escape
from itertools import groupby
from typing import Any

from orchestrator.audit.number import Family, identify
from orchestrator.collapse_map import CollapseMap, SliceMap
from orchestrator.planners.threshold import Verdict
from orchestrator.record import TrialRecord
from orchestrator.report.axes import scale_horizontal, scale_rates
from orchestrator.report.layout import Curve, Horizontal, Layout, position
from orchestrator.report.palette import INK, MARKS, curve_colour, curve_dash
from orchestrator.report.theory_charts import overlay_lines
from orchestrator.report.wording import (
    describe_critical_lr,
    describe_interval,
    describe_point,
    format_number,
    name_metric,
    name_regime,
)
from search_spaces.study import Study
from trainer.cohort import Outcome
from trainer.collapse.regime import Regime

Json = dict[str, Any]
Trials = Sequence[tuple[TrialRecord, Outcome]]

ARROW_FACTOR = 1.6
"""Marks of "above 100" stand this factor beyond the range."""


def chart_map(collapse_map: CollapseMap, layout: Layout) -> Json:
    """Return the collapse map: trials under bands under boundaries."""
    assert collapse_map.lr_range is not None
    trials: list[Json] = []
    boundaries: list[Json] = []
    for index, curve in enumerate(layout.curves):
        place = _Place(layout, index, len(layout.curves), collapse_map.study.replicates)
        trials += _trial_traces(collapse_map, curve, index, place)
        boundaries += _boundary_traces(collapse_map, curve, index, place)
    lines = overlay_lines(layout.horizontal, collapse_map.lr_range)
    traces = trials + lines + boundaries  # in this order: boundaries lie on top
    rates = scale_rates(collapse_map.lr_range)
    if layout.horizontal is not None:
        across = scale_horizontal(layout.horizontal)
        return {"traces": traces, "layout": {"xaxis": across, "yaxis": rates}, "height": 520}
    rows = {
        "tickvals": list(range(len(layout.curves))),
        "ticktext": [escape(curve.label) for curve in layout.curves],
        "range": [len(layout.curves) - 0.4, -0.6],
        "automargin": True,
    }
    height = 160 + 48 * len(layout.curves)
    return {"traces": traces, "layout": {"xaxis": rates, "yaxis": rows}, "height": height}


def choose_colour(layout: Layout, index: int) -> str:
    """Return a curve's colour; rows carry their names, so they are all of one colour."""
    return curve_colour(index) if layout.horizontal is not None else INK


class _Place:
    """Where trials and slices of one curve are drawn; curves stand side by side."""

    def __init__(self, layout: Layout, index: int, curves: int, replicates: int) -> None:
        self.horizontal: Horizontal | None = layout.horizontal
        self.row = index
        self.colour = choose_colour(layout, index)
        gap = min(0.05, 0.14 / curves)
        self.offset = gap * (index - (curves - 1) / 2)
        self.jitter = 0.5 * gap / max(replicates - 1, 1)
        self.replicates = replicates

    def of_slice(self, slice_map: SliceMap) -> float:
        """Return the coordinate that is not the learning rate."""
        if self.horizontal is None:
            return self.row - 0.15
        return _shift(self.horizontal, position(slice_map.point, self.horizontal), self.offset)

    def is_left(self, slice_map: SliceMap) -> bool:
        """Return whether a slice lies in the left half: words go where there is room."""
        assert self.horizontal is not None
        values = self.horizontal.values
        at = position(slice_map.point, self.horizontal)
        return at <= values[(len(values) - 1) // 2]

    def of_trial(self, record: TrialRecord) -> float:
        """Return the same for a trial; replicates stand next to one another."""
        replicate = record.proposal.replicate
        if self.horizontal is None:
            return self.row + 0.05 + 0.3 * (replicate + 0.5) / self.replicates
        jitter = self.jitter * (replicate - (self.replicates - 1) / 2)
        at = position(record.proposal.point, self.horizontal)
        return _shift(self.horizontal, at, self.offset + jitter)

    def arrange(self, across: Sequence[float | None], rates: Sequence[float | None]) -> Json:
        """Return plotly's x and y."""
        x, y = (rates, across) if self.horizontal is None else (across, rates)
        return {"x": list(x), "y": list(y)}


def _trial_traces(collapse_map: CollapseMap, curve: Curve, index: int, place: _Place) -> list[Json]:
    traces = []
    for regime in MARKS:
        mine = [(record, o) for record, o in curve.trials if o.regime is regime]
        if not mine:
            continue
        across = [place.of_trial(record) for record, _ in mine]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": escape(f"{curve.label}: {name_regime(regime)}"),
                "meta": {"curve": index, "regime": regime.value},
                **place.arrange(across, [record.settings.lr for record, _ in mine]),
                "marker": style_marker(regime),
                "text": [describe_trial(collapse_map.study, record, o) for record, o in mine],
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    return traces


def style_marker(regime: Regime) -> Json:
    """Return plotly's marker of a regime."""
    mark = MARKS[regime]
    line = {
        "color": "white" if mark.is_filled else mark.colour,
        "width": 0.5 if mark.is_filled else 1.6,
    }
    return {"symbol": mark.plotly, "color": mark.colour, "size": 7, "line": line}


def describe_trial(study: Study, record: TrialRecord, outcome: Outcome) -> str:
    """Return a trial's hover text; HTML, escaped."""
    metric = name_metric(study.collapse.metric)
    score = "none" if outcome.regime is Regime.DIVERGED else format_number(outcome.score, 3)
    early = ", decided early" if outcome.decided_early else ""
    lines = [
        f"<b>{name_regime(outcome.regime)}</b>",
        escape(describe_point(record.proposal.point)),
        f"{escape(metric)}: {score}",
        f"replicate {record.proposal.replicate}, seed {record.seed}",
        f"{outcome.steps_done} steps{early}",
        f"trial {escape(record.key)}",
        f"number {identify(study, Family.TRIAL, record.key, 'score')}",
    ]
    return "<br>".join(lines)


def _boundary_traces(
    collapse_map: CollapseMap, curve: Curve, index: int, place: _Place
) -> list[Json]:
    traces: list[Json] = []
    for verdict, group in groupby(curve.slices, key=lambda s: s.boundary.verdict):
        run = list(group)
        match verdict:
            case Verdict.INSIDE:
                traces += _inside_traces(collapse_map, run, index, place)
            case Verdict.TRANSITION:
                traces += [_interval_trace(collapse_map, s, place) for s in run]
            case Verdict.ABOVE | Verdict.BELOW:
                traces.append(_arrow_trace(collapse_map, run, place))
            case Verdict.UNDECIDED:
                pass
    for trace in traces:
        trace["meta"] = {"curve": index, "regime": None}
    return traces


def _inside_traces(
    collapse_map: CollapseMap, run: Sequence[SliceMap], index: int, place: _Place
) -> list[Json]:
    across = [place.of_slice(slice_map) for slice_map in run]
    bands = [slice_map.boundary.band_lr or (0.0, 0.0) for slice_map in run]
    medians = [slice_map.boundary.critical_lr or 0.0 for slice_map in run]
    rates = "y" if place.horizontal is not None else "x"
    line: Json = {
        "type": "scatter",
        "mode": "lines+markers" if place.horizontal is not None else "markers",
        **place.arrange(across, medians),
        "line": {"color": place.colour, "dash": curve_dash(index), "width": 2.5},
        "marker": {"size": 9, "color": place.colour, "line": {"color": "white", "width": 1.5}},
        f"error_{rates}": {
            "type": "data",
            "symmetric": False,
            "array": [high - m for (_, high), m in zip(bands, medians, strict=True)],
            "arrayminus": [m - low for (low, _), m in zip(bands, medians, strict=True)],
            "color": place.colour,
            "thickness": 1.6,
            "width": 4,
        },
        "text": [_describe_slice(collapse_map, slice_map) for slice_map in run],
        "hovertemplate": "%{text}<extra></extra>",
    }
    if place.horizontal is None or len(run) == 1:
        return [line]
    outline = place.arrange(
        [*across, *reversed(across)], [b[0] for b in bands] + [b[1] for b in reversed(bands)]
    )
    band: Json = {
        "type": "scatter",
        "mode": "lines",
        **outline,
        "fill": "toself",
        "fillcolor": f"{place.colour}33",
        "line": {"width": 0},
        "hoverinfo": "skip",
    }
    return [band, line]


def _interval_trace(collapse_map: CollapseMap, slice_map: SliceMap, place: _Place) -> Json:
    assert slice_map.boundary.band_lr is not None
    across = place.of_slice(slice_map)
    return {
        "type": "scatter",
        "mode": "lines",
        **place.arrange([across, across], list(slice_map.boundary.band_lr)),
        "line": {"color": place.colour, "dash": "dot", "width": 5},
        "text": [_describe_slice(collapse_map, slice_map)] * 2,
        "hovertemplate": "%{text}<extra></extra>",
    }


def _arrow_trace(collapse_map: CollapseMap, run: Sequence[SliceMap], place: _Place) -> Json:
    assert collapse_map.lr_range is not None
    is_above = run[0].boundary.verdict is Verdict.ABOVE
    edge = (
        collapse_map.lr_range[1] * ARROW_FACTOR
        if is_above
        else collapse_map.lr_range[0] / ARROW_FACTOR
    )
    if place.horizontal is None:
        symbol = "triangle-right" if is_above else "triangle-left"
    else:
        symbol = "triangle-up" if is_above else "triangle-down"
    label = describe_critical_lr(run[0].boundary, collapse_map.lr_range)
    is_left = place.horizontal is not None and place.is_left(run[0])
    return {
        "type": "scatter",
        "mode": "markers+text",
        **place.arrange([place.of_slice(s) for s in run], [edge] * len(run)),
        "marker": {"symbol": symbol, "size": 13, "color": place.colour},
        "text": [label, *[""] * (len(run) - 1)],
        "textposition": "middle right" if is_left else "middle left",
        "textfont": {"color": place.colour, "size": 11},
        "customdata": [_describe_slice(collapse_map, slice_map) for slice_map in run],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _describe_slice(collapse_map: CollapseMap, slice_map: SliceMap) -> str:
    assert collapse_map.lr_range is not None
    boundary = slice_map.boundary
    band = describe_interval(boundary.band_lr)
    parts = (Family.BOUNDARY, slice_map.point.key, boundary.level, "critical_lr")
    number = identify(collapse_map.study, *parts)
    return (
        f"<b>{escape(describe_point(slice_map.point))}</b><br>critical learning rate: "
        f"{describe_critical_lr(boundary, collapse_map.lr_range)} {band}<br>"
        f"{boundary.trials} trials<br>number {number}"
    )


def _shift(horizontal: Horizontal, value: float, share: float) -> float:
    low, high = horizontal.low, horizontal.high
    if horizontal.log:
        return float(value * (high / low) ** share)
    return value + share * (high - low)
