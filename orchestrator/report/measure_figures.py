"""``spectra.png`` and ``effective_rank.png``: what collapse looks like, and how sharp it is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from orchestrator.collapse_map import CollapseMap
from orchestrator.record import TrialRecord
from orchestrator.report.canvas import (
    COLUMNS,
    MAX_PANELS,
    add_legend,
    count_rows,
    note_omitted,
    open_figure,
    say_empty,
    title_panel,
    to_png,
    use_log_rates,
)
from orchestrator.report.layout import Curve, Horizontal, lay_out
from orchestrator.report.palette import INK, MARKS, sequential_colour
from orchestrator.report.representatives import (
    Representatives,
    choose_representatives,
    shade_trials,
)
from orchestrator.report.wording import describe_point, format_number, format_value, name_metric
from search_spaces.point import Point
from search_spaces.study import LR
from trainer.cohort import Outcome
from trainer.collapse.regime import Regime

SLIM: Any = {"handlelength": 1.4, "columnspacing": 1.0, "handletextpad": 0.5}
SMALLEST_SHARE = 1e-8
"""Eigenvalue shares below this are float32 rounding and are drawn at the lower edge."""


def draw_spectra(collapse_map: CollapseMap) -> bytes:
    """Return spectra of trials round the boundary, one panel a curve (its middle slice)."""
    representatives = {each.point: each for each in choose_representatives(collapse_map)}
    points = [curve.slices[len(curve.slices) // 2].point for curve in lay_out(collapse_map).curves]
    shown = points[:MAX_PANELS]
    with open_figure(
        1.2 + 3.0 * max(count_rows(len(shown)), 1), "Spectra of the embeddings round the boundary"
    ) as figure:
        for index, axes in enumerate(_panels(figure, len(shown))):
            _show_spectra(
                axes, shown[index], representatives.get(shown[index]), index % COLUMNS == 0
            )
        note_omitted(figure, _omitted(len(points) - len(shown)))
        return to_png(figure)


def draw_scores(collapse_map: CollapseMap) -> bytes:
    """Return the score of every trial against its learning rate, one panel a curve."""
    layout = lay_out(collapse_map)
    curves = layout.curves[:MAX_PANELS]
    metric = name_metric(collapse_map.study.collapse.metric)
    with open_figure(
        1.4 + 3.0 * max(count_rows(len(curves)), 1), f"{metric.capitalize()} against learning rate"
    ) as figure:
        for index, axes in enumerate(_panels(figure, len(curves))):
            _show_scores(axes, collapse_map, curves[index])
            axes.set_ylabel(metric if index % COLUMNS == 0 else "")
        handles = _score_handles(curves, layout.horizontal)
        add_legend(figure, handles, 4, _omitted(len(layout.curves) - len(curves)))
        return to_png(figure)


def _panels(figure: Figure, panels: int) -> list[Axes]:
    columns = max(min(panels, COLUMNS), 1)
    grid = figure.add_gridspec(max(count_rows(panels), 1), columns)
    return [figure.add_subplot(grid[divmod(index, columns)]) for index in range(panels)]


def _show_spectra(
    axes: Axes, point: Point, shown: Representatives | None, is_leftmost: bool
) -> None:
    axes.set_yscale("log")
    title_panel(axes, describe_point(point) if point.coordinates else "")
    axes.set_xlabel("eigenvalue, largest first")
    axes.set_ylabel("share of the energy" if is_leftmost else "")
    trials = [trial for trial in shown.trials if trial[1].spectrum] if shown else []
    if not trials:
        say_empty(axes, "no finished trial\nwith a spectrum")
        return
    assert shown is not None
    for (record, outcome), colour in zip(shown.trials, shade_trials(shown), strict=True):
        if outcome.spectrum:
            _draw_spectrum(axes, record, outcome, colour)
    axes.set_ylim(bottom=SMALLEST_SHARE)
    diverged = len(shown.trials) - len(trials)
    title = f"learning rate ({diverged} diverged)" if diverged else "learning rate"
    axes.legend(title=title, loc="upper center", bbox_to_anchor=(0.5, -0.23), ncols=3, **SLIM)


def _draw_spectrum(axes: Axes, record: TrialRecord, outcome: Outcome, colour: str) -> None:
    axes.plot(
        np.arange(1, len(outcome.spectrum) + 1),
        np.maximum(outcome.spectrum, SMALLEST_SHARE),
        color=colour,
        ls="--" if outcome.is_collapsed else "-",
        lw=1.7,
        label=format_number(record.settings.lr),
    )


def _show_scores(axes: Axes, collapse_map: CollapseMap, curve: Curve) -> None:
    axes.set_xscale("log")
    title_panel(axes, curve.label if curve.point.coordinates else "")
    axes.set_xlabel("learning rate")
    if collapse_map.lr_range is not None:
        axes.set_xlim(collapse_map.lr_range[0] / 1.5, collapse_map.lr_range[1] * 1.5)
    use_log_rates(axes.xaxis)
    for level in collapse_map.levels:
        is_study_level = level == collapse_map.levels[0]
        axes.axhline(level, color=INK, lw=1.1 if is_study_level else 0.5, ls=(0, (5, 3)), zorder=1)
    for index, slice_map in enumerate(curve.slices):
        mine = [t for t in curve.trials if t[0].proposal.point.without(LR) == slice_map.point]
        _draw_slice_scores(axes, mine, sequential_colour(_share(index, len(curve.slices))))
    if not curve.trials:
        say_empty(axes, "no finished trials")
    axes.set_ylim(bottom=-0.4)


def _draw_slice_scores(
    axes: Axes, trials: Sequence[tuple[TrialRecord, Outcome]], colour: str
) -> None:
    finite = [(r.settings.lr, o.score) for r, o in trials if o.regime is not Regime.DIVERGED]
    rates = sorted({lr for lr, _ in finite})
    means = [float(np.mean([score for lr, score in finite if lr == rate])) for rate in rates]
    axes.plot(rates, means, color=colour, lw=1.6, zorder=3)
    axes.scatter(
        [lr for lr, _ in finite], [s for _, s in finite], s=9, color=colour, lw=0, zorder=4
    )
    diverged = [r.settings.lr for r, o in trials if o.regime is Regime.DIVERGED]
    mark = MARKS[Regime.DIVERGED]
    axes.scatter(diverged, [0.0] * len(diverged), s=20, c=mark.colour, marker="x", lw=1, zorder=5)


def _score_handles(curves: Sequence[Curve], horizontal: Horizontal | None) -> list[Line2D]:
    handles = [
        Line2D([], [], color=INK, ls="--", lw=1.1, label="collapse levels"),
        Line2D([], [], color=INK, ls="", marker="x", label="diverged (no score)"),
    ]
    if horizontal is None or not curves:
        return handles
    slices = curves[0].slices
    names = [f"{horizontal.name} {format_value(s.point[horizontal.path])}" for s in slices]
    colours = [sequential_colour(_share(index, len(slices))) for index in range(len(slices))]
    return [
        Line2D([], [], color=colours[index], marker="o", ms=4, label=names[index])
        for index in _spread(len(slices), 5)
    ] + handles


def _share(index: int, count: int) -> float:
    return index / (count - 1) if count > 1 else 0.0


def _spread(count: int, most: int) -> list[int]:
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})


def _omitted(count: int) -> list[str]:
    return [f"{count} more curves in the tables"] if count > 0 else []
