"""The measure that was optimised against every axis, one chart each."""

from collections.abc import Sequence
from html import escape
from typing import Any

from orchestrator.collapse_map import CollapseMap
from orchestrator.record import TrialRecord
from orchestrator.report.axes import scale_rates
from orchestrator.report.best import choose_metric
from orchestrator.report.charts import describe_trial, style_marker
from orchestrator.report.palette import MARKS, PRUNED, PRUNED_MARKER
from orchestrator.report.wording import format_number, name_axis, name_metric, name_regime
from search_spaces.axis import Axis, RangeAxis
from search_spaces.point import Value
from search_spaces.study import LR
from trainer.cohort import Outcome

Json = dict[str, Any]
Trials = list[tuple[TrialRecord, Outcome]]

MOST_AXES = 6


def chart_best(collapse_map: CollapseMap) -> list[Json]:
    """Return one chart for each of the first axes; none without a measured trial."""
    metric, _ = choose_metric(collapse_map.study)
    if not any(metric in outcome.measures for _, outcome in collapse_map.outcomes):
        return []
    return [_chart_axis(collapse_map, axis, metric) for axis in collapse_map.study.axes[:MOST_AXES]]


def _chart_axis(collapse_map: CollapseMap, axis: Axis, metric: str) -> Json:
    shown = [
        (record, outcome)
        for record, outcome in collapse_map.outcomes
        if metric in outcome.measures and axis.path in dict(record.proposal.point.coordinates)
    ]
    groups: list[tuple[str, Json, Trials]] = [(PRUNED, PRUNED_MARKER, [])]
    groups += [(name_regime(regime), style_marker(regime), []) for regime in MARKS]
    by_name = {name: trials for name, _, trials in groups}
    for record, outcome in shown:
        is_pruned = outcome.pruned_at_step is not None
        by_name[PRUNED if is_pruned else name_regime(outcome.regime)].append((record, outcome))
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": _place(axis, [record.proposal.point[axis.path] for record, _ in trials]),
            "y": [outcome.measures[metric] for _, outcome in trials],
            "marker": marker,
            "text": [describe_trial(collapse_map.study, record, o) for record, o in trials],
            "hovertemplate": "%{y:.4g}<br>%{text}<extra></extra>",
        }
        for name, marker, trials in groups
        if trials
    ]
    title = escape(name_axis(axis.path))
    yaxis = {"title": {"text": escape(name_metric(metric))}}
    layout = {"xaxis": _scale(collapse_map, axis) | {"title": {"text": title}}, "yaxis": yaxis}
    return {"label": name_axis(axis.path), "traces": traces, "layout": layout}


def _place(axis: Axis, values: Sequence[Value]) -> list[Value]:
    """Return coordinates as plotly takes them: numbers on ranges, escaped names on choices."""
    return [v if isinstance(axis, RangeAxis) else escape(str(v)) for v in values]


def _scale(collapse_map: CollapseMap, axis: Axis) -> Json:
    if axis.path == LR and collapse_map.lr_range is not None:
        return scale_rates(collapse_map.lr_range, margin=1.5)
    if isinstance(axis, RangeAxis):
        ticks = list(axis.grid())
        labels = [format_number(tick) for tick in ticks]
        return {"type": "log" if axis.log else "linear", "tickvals": ticks, "ticktext": labels}
    values = [str(value) for value in axis.grid()]
    names = [escape(value) for value in values]
    return {"type": "category", "categoryorder": "array", "categoryarray": names}
