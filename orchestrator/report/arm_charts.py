"""Measures over training, arm by arm: learning curves, alignment with a reference, spectra.

As plain plotly JSON. A line is the mean over the seeds that reached a step, its band the lowest
and the highest of them.
"""

from collections.abc import Mapping, Sequence
from html import escape
from statistics import fmean
from typing import Any

from orchestrator.collapse_map import CollapseMap
from orchestrator.report.arms import Arm, ArmGroup, group_arms, history_of
from orchestrator.report.palette import curve_colour, curve_dash
from orchestrator.report.slice_charts import SMALLEST_SHARE
from orchestrator.report.wording import begin, name_metric

Json = dict[str, Any]

ALIGNMENT = (
    "cka_features",
    "cka_projections",
    "rsa_features",
    "weight_gap",
)
LEARNING = (
    "train_loss",
    "effective_rank",
    "val_recall_at_1",
    "radius",
    "radius_over_distance",
    "drift_grad_text",
    "drift_grad_audio",
    "drift_step_text",
    "drift_step_audio",
)
"""Measures that are drawn, in this order, where the trials have them over training."""

MOST_ARMS = 8


def chart_arms(collapse_map: CollapseMap) -> list[Json]:
    """Return, for each group of arms, its charts of alignment and of learning."""
    metric = collapse_map.study.collapse.metric
    learning = dict.fromkeys((*LEARNING[:1], metric, *LEARNING[1:]))
    groups = group_arms(collapse_map)
    charts = [_chart_group(group, list(learning)) for group in groups]
    return [chart for chart in charts if chart["alignment"] or chart["learning"]]


def _chart_group(group: ArmGroup, learning: Sequence[str]) -> Json:
    arms = group.arms[:MOST_ARMS]
    alignment = [_chart_measure(arms, name) for name in ALIGNMENT]
    curves = [_chart_measure(arms, name) for name in learning]
    spectra = _chart_spectra(arms)
    drawn = [chart for chart in [*curves, spectra] if chart["traces"]]
    return {
        "label": group.label,
        "alignment": [chart for chart in alignment if chart["traces"]],
        "learning": drawn,
        "omitted": len(group.arms) - len(arms),
    }


def _chart_measure(arms: Sequence[Arm], name: str) -> Json:
    traces: list[Json] = []
    for index, arm in enumerate(arms):
        found = _collect(arm, name)
        if found:
            traces += _draw(arm.label, index, found)
    layout = {
        "xaxis": {"title": {"text": "step"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": escape(name_metric(name))}},
    }
    return {"label": begin(name_metric(name)), "traces": traces, "layout": layout}


def _collect(arm: Arm, name: str) -> dict[int, list[float]]:
    """Return the values of all seeds by step."""
    found: dict[int, list[float]] = {}
    for _, outcome in arm.trials:
        for step, value in history_of(name, outcome):
            found.setdefault(step, []).append(value)
    return dict(sorted(found.items()))


def _draw(label: str, index: int, found: Mapping[int, Sequence[float]]) -> list[Json]:
    steps = list(found)
    line: Json = {
        "type": "scatter",
        "mode": "lines",
        "name": escape(label),
        "legendgroup": str(index),
        "x": steps,
        "y": [fmean(sorted(values)) for values in found.values()],
        "line": {"color": curve_colour(index), "dash": curve_dash(index), "width": 2.2},
        "customdata": [len(values) for values in found.values()],
        "hovertemplate": f"{escape(label)}, step %{{x}}: %{{y:.4g}}"
        "<br>mean of %{customdata} seeds<extra></extra>",
    }
    if max(map(len, found.values())) == 1:
        return [line]
    lows, highs = [min(v) for v in found.values()], [max(v) for v in found.values()]
    band: Json = {
        "type": "scatter",
        "mode": "lines",
        "legendgroup": str(index),
        "showlegend": False,
        "x": [*steps, *reversed(steps)],
        "y": [*lows, *reversed(highs)],
        "fill": "toself",
        "fillcolor": f"{curve_colour(index)}2E",
        "line": {"width": 0},
        "hoverinfo": "skip",
    }
    return [band, line]


def _chart_spectra(arms: Sequence[Arm]) -> Json:
    traces: list[Json] = []
    for index, arm in enumerate(arms):
        found: dict[int, list[float]] = {}
        for _, outcome in arm.trials:
            for order, share in enumerate(outcome.spectrum, start=1):
                found.setdefault(order, []).append(max(share, SMALLEST_SHARE))
        if found:
            traces += _draw(arm.label, index, found)
    yaxis = {
        "type": "log",
        "title": {"text": "share of the energy"},
        "exponentformat": "power",
        "dtick": 2,
    }
    layout = {"xaxis": {"title": {"text": "eigenvalue, largest first"}}, "yaxis": yaxis}
    return {"label": "Spectrum at the end", "traces": traces, "layout": layout}
