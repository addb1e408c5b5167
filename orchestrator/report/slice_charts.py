"""Charts of one slice: score against learning rate; spectra and learning curves of a few trials.

As plain plotly JSON, like :mod:`orchestrator.report.charts`.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

from orchestrator.collapse_map import CollapseMap, SliceMap
from orchestrator.record import TrialRecord
from orchestrator.report.axes import scale_rates
from orchestrator.report.charts import describe_trial, style_marker
from orchestrator.report.palette import INK, MARKS
from orchestrator.report.representatives import (
    Representatives,
    choose_representatives,
    shade_trials,
)
from orchestrator.report.wording import describe_point, format_number, name_metric, name_regime
from search_spaces.point import Point
from search_spaces.study import LR, Study
from trainer.cohort import Outcome
from trainer.collapse.regime import Regime

Json = dict[str, Any]

MOST_SLICES = 60
SMALLEST_SHARE = 1e-8
LOSS = "train_loss"


def chart_slices(collapse_map: CollapseMap) -> list[Json]:
    """Return the charts of every slice with finished trials, at most 60 slices."""
    slices = {slice_map.point: slice_map for slice_map in collapse_map.slices}
    return [
        _chart_slice(collapse_map, slices[each.point], each)
        for each in choose_representatives(collapse_map)[:MOST_SLICES]
    ]


def _chart_slice(
    collapse_map: CollapseMap, slice_map: SliceMap, representatives: Representatives
) -> Json:
    metric = collapse_map.study.collapse.metric
    shades = shade_trials(representatives)
    return {
        "label": describe_point(slice_map.point),
        "scores": _chart_scores(collapse_map, slice_map),
        "spectra": _chart_spectra(representatives, shades),
        "loss": _chart_history(representatives, shades, LOSS),
        "rank": _chart_history(representatives, shades, metric),
    }


def _chart_scores(collapse_map: CollapseMap, slice_map: SliceMap) -> Json:
    assert collapse_map.lr_range is not None
    metric = name_metric(collapse_map.study.collapse.metric)
    trials = trials_of(collapse_map, slice_map.point)
    traces = [_score_trace(collapse_map.study, trials, regime) for regime in MARKS]
    return {
        "traces": [trace for trace in traces if trace["x"]],
        "layout": {
            "xaxis": scale_rates(collapse_map.lr_range, margin=1.5),
            "yaxis": {"title": {"text": escape(metric)}, "rangemode": "tozero"},
            "shapes": _level_lines(collapse_map.levels) + _boundary_lines(slice_map),
        },
    }


def trials_of(collapse_map: CollapseMap, point: Point) -> list[tuple[TrialRecord, Outcome]]:
    """Return a slice's finished trials."""
    return [t for t in collapse_map.outcomes if t[0].proposal.point.without(LR) == point]


def _score_trace(
    study: Study, trials: Sequence[tuple[TrialRecord, Outcome]], regime: Regime
) -> Json:
    mine = [(record, outcome) for record, outcome in trials if outcome.regime is regime]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name_regime(regime),
        "x": [record.settings.lr for record, _ in mine],
        "y": [outcome.score for _, outcome in mine],
        "marker": style_marker(regime),
        "cliponaxis": False,
        "text": [describe_trial(study, record, outcome) for record, outcome in mine],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _level_lines(levels: Sequence[float]) -> list[Json]:
    return [
        {
            "type": "line",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": level,
            "y1": level,
            "line": {"color": INK, "dash": "dash", "width": 1.5 if level == levels[0] else 0.6},
            "layer": "below",
        }
        for level in levels
    ]


def _boundary_lines(slice_map: SliceMap) -> list[Json]:
    if slice_map.boundary.band_lr is None:
        return []
    low, high = slice_map.boundary.band_lr
    band: Json = {
        "type": "rect",
        "yref": "paper",
        "x0": low,
        "x1": high,
        "y0": 0,
        "y1": 1,
        "fillcolor": "rgba(27,31,36,0.12)",
        "line": {"width": 0},
        "layer": "below",
    }
    return [band]


def _chart_spectra(representatives: Representatives, shades: Sequence[str]) -> Json:
    traces = []
    for (record, outcome), shade in zip(representatives.trials, shades, strict=True):
        if not outcome.spectrum:
            continue
        spectrum = [max(share, SMALLEST_SHARE) for share in outcome.spectrum]
        order = list(range(1, len(spectrum) + 1))
        traces.append(_line(record, outcome, shade, order, spectrum))
    return {
        "traces": traces,
        "layout": {
            "xaxis": {"title": {"text": "eigenvalue, largest first"}},
            "yaxis": {
                "type": "log",
                "title": {"text": "share of the energy"},
                "exponentformat": "power",
                "dtick": 2,
            },
        },
    }


def _chart_history(representatives: Representatives, shades: Sequence[str], measure: str) -> Json:
    traces = []
    for (record, outcome), shade in zip(representatives.trials, shades, strict=True):
        values = list(outcome.history.values.get(measure, ()))
        steps = list(outcome.history.steps)[: len(values)]
        if not values:
            continue
        if measure in outcome.initial and steps[0] > 0:
            steps, values = [0, *steps], [outcome.initial[measure], *values]
        traces.append(_line(record, outcome, shade, steps, values))
    return {
        "traces": traces,
        "layout": {
            "xaxis": {"title": {"text": "step"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": escape(name_metric(measure))}, "rangemode": "tozero"},
        },
    }


def _line(
    record: TrialRecord,
    outcome: Outcome,
    shade: str,
    x: Sequence[float],
    y: Sequence[float],
) -> Json:
    name = f"lr {format_number(record.settings.lr)}, {name_regime(outcome.regime)}"
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {
            "color": shade,
            "width": 2.2,
            "dash": "dash" if outcome.is_collapsed else "solid",
        },
        "hovertemplate": f"{name}, replicate {record.proposal.replicate}"
        "<br>%{x}: %{y:.4g}<extra></extra>",
    }
