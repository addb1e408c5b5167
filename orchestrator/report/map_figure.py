"""``collapse_map.png``: the critical learning rate with its band, over all trials.

With a numeric axis: one panel compares the curves, and one a curve shows its trials. Without:
one row a slice. "Above 100" is an arrow at the edge of the studied range, never a number.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from orchestrator.collapse_map import CollapseMap, SliceMap
from orchestrator.planners.threshold import Verdict
from orchestrator.record import TrialRecord
from orchestrator.report.canvas import (
    COLUMNS,
    MAX_PANELS,
    add_legend,
    count_columns,
    count_rows,
    open_figure,
    say_empty,
    shift,
    title_panel,
    to_png,
    use_horizontal,
    use_log_rates,
)
from orchestrator.report.layout import Curve, Horizontal, Layout, lay_out, position
from orchestrator.report.palette import INK, MARKS, MATPLOTLIB_DASHES, curve_colour
from orchestrator.report.wording import format_number, name_metric, name_regime
from trainer.cohort import Outcome

MARGIN = 2.8
"""The learning-rate axis reaches this factor beyond the studied range: room for arrows."""
MAX_ROWS = 24


def draw_map(collapse_map: CollapseMap) -> bytes:
    """Return the map as PNG. Studies that do not vary the learning rate have none.

    Raises:
        ValueError: If the learning rate is not an axis of the study.
    """
    if collapse_map.lr_range is None:
        raise ValueError("a study that does not vary the learning rate has no collapse map")
    layout = lay_out(collapse_map)
    if layout.horizontal is None:
        return _draw_rows(collapse_map, layout)
    return _draw_curves(collapse_map, layout, layout.horizontal)


def _draw_curves(collapse_map: CollapseMap, layout: Layout, horizontal: Horizontal) -> bytes:
    curves = layout.curves[:MAX_PANELS]
    columns = min(len(curves), COLUMNS)
    rows = count_rows(len(curves))
    has_overview = len(curves) > 1
    heights = ([3.6] if has_overview else []) + [2.7 if has_overview else 4.2] * rows
    with open_figure(1.3 + sum(heights), _title(collapse_map)) as figure:
        grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
        if has_overview:
            overview = figure.add_subplot(grid[0, :])
            _compare(overview, collapse_map, curves, horizontal)
        for index, curve in enumerate(curves):
            row, column = divmod(index, columns)
            axes = figure.add_subplot(grid[row + has_overview, column])
            _show_trials(axes, collapse_map, curve, horizontal)
            axes.set_ylabel("learning rate" if column == 0 else "")
        _finish(figure, collapse_map, len(layout.curves) - len(curves), "curves")
        return to_png(figure)


def _compare(
    axes: Axes, collapse_map: CollapseMap, curves: Sequence[Curve], horizontal: Horizontal
) -> None:
    _frame(axes, collapse_map, horizontal)
    for index, curve in enumerate(curves):
        dodge = 0.012 * (index - (len(curves) - 1) / 2)
        colour, dash = curve_colour(index), MATPLOTLIB_DASHES[index % len(MATPLOTLIB_DASHES)]
        _draw_boundary(axes, collapse_map, curve, horizontal, (colour, dash, dodge))
    axes.set_ylabel("critical learning rate")
    handles = [
        Line2D(
            [], [], color=curve_colour(i), ls=MATPLOTLIB_DASHES[i % 4], marker="o", label=c.label
        )
        for i, c in enumerate(curves)
    ]
    columns = count_columns([curve.label for curve in curves], 4)
    axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2
    )


def _show_trials(
    axes: Axes, collapse_map: CollapseMap, curve: Curve, horizontal: Horizontal
) -> None:
    _frame(axes, collapse_map, horizontal)
    replicates = collapse_map.study.replicates
    x = [
        shift(
            horizontal,
            position(record.proposal.point, horizontal),
            0.018 * (record.proposal.replicate - (replicates - 1) / 2) * 3 / max(replicates, 3),
        )
        for record, _ in curve.trials
    ]
    _scatter(axes, curve.trials, x, [record.settings.lr for record, _ in curve.trials])
    _draw_boundary(axes, collapse_map, curve, horizontal, (INK, "-", 0.0))
    title_panel(axes, curve.label if curve.point.coordinates else "")
    if not curve.trials:
        say_empty(axes, "no finished trials")


def _frame(axes: Axes, collapse_map: CollapseMap, horizontal: Horizontal) -> None:
    assert collapse_map.lr_range is not None
    low, high = collapse_map.lr_range
    axes.set_yscale("log")
    axes.set_ylim(low / MARGIN, high * MARGIN)
    use_log_rates(axes.yaxis)
    use_horizontal(axes, horizontal)
    for inner, outer in ((low, low / MARGIN), (high, high * MARGIN)):
        axes.axhspan(inner, outer, facecolor="none", edgecolor="#C9CED4", hatch="////", lw=0)


def _draw_boundary(
    axes: Axes,
    collapse_map: CollapseMap,
    curve: Curve,
    horizontal: Horizontal,
    style: tuple[str, str, float],
) -> None:
    """Draw line, band, intervals and arrows; ``style`` is colour, dash and shift to the right."""
    colour, dash, dodge = style
    assert collapse_map.lr_range is not None
    for verdict, group in groupby(curve.slices, key=lambda s: s.boundary.verdict):
        run = list(group)
        x = [shift(horizontal, position(s.point, horizontal), dodge) for s in run]
        if verdict is Verdict.INSIDE:
            _draw_inside(axes, x, run, colour, dash)
        elif verdict is Verdict.TRANSITION:
            bands = [s.boundary.band_lr or (np.nan, np.nan) for s in run]
            axes.vlines(
                x, [b[0] for b in bands], [b[1] for b in bands], colour, ":", lw=3, zorder=5
            )
        elif verdict in (Verdict.ABOVE, Verdict.BELOW):
            for place in x:
                _draw_arrow(axes, place, verdict, collapse_map.lr_range, colour)
            _label_edge(axes, x[0], verdict, collapse_map.lr_range, colour)


def _draw_inside(
    axes: Axes, x: Sequence[float], run: Sequence[SliceMap], colour: str, dash: str
) -> None:
    y = [s.boundary.critical_lr or np.nan for s in run]
    bands = [s.boundary.band_lr or (np.nan, np.nan) for s in run]
    lows, highs = [b[0] for b in bands], [b[1] for b in bands]
    axes.fill_between(x, lows, highs, color=colour, alpha=0.18, lw=0, zorder=3)
    axes.vlines(x, lows, highs, colour, lw=1.2, zorder=5)
    axes.plot(x, y, color=colour, ls=dash, lw=1.8, marker="o", ms=4.5, mec="white", zorder=6)


def _draw_arrow(
    axes: Axes, x: float, verdict: Verdict, lr_range: tuple[float, float], colour: str
) -> None:
    is_above = verdict is Verdict.ABOVE
    edge = lr_range[1] if is_above else lr_range[0]
    tip = edge * MARGIN**0.8 if is_above else edge / MARGIN**0.8
    arrow = {"arrowstyle": "-|>", "color": colour, "lw": 1.8, "mutation_scale": 13}
    axes.annotate("", (x, tip), (x, edge / 1.15 if is_above else edge * 1.15), arrowprops=arrow)


def _label_edge(
    axes: Axes, x: float, verdict: Verdict, lr_range: tuple[float, float], colour: str
) -> None:
    is_above = verdict is Verdict.ABOVE
    edge = lr_range[1] if is_above else lr_range[0]
    axes.annotate(
        f"{'above' if is_above else 'below'} {format_number(edge)}",
        (x, edge * MARGIN**0.48 if is_above else edge / MARGIN**0.48),
        xytext=(-8, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=8.5,
        color=colour,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
        zorder=7,
    )


def _scatter(
    axes: Axes,
    trials: Sequence[tuple[TrialRecord, Outcome]],
    x: Sequence[float],
    y: Sequence[float],
) -> None:
    for regime, mark in MARKS.items():
        chosen = [i for i, (_, outcome) in enumerate(trials) if outcome.regime is regime]
        axes.scatter(
            [x[i] for i in chosen],
            [y[i] for i in chosen],
            s=17,
            marker=mark.matplotlib,
            c=mark.colour if mark.is_filled or mark.matplotlib == "x" else "none",
            edgecolors="white"
            if mark.is_filled
            else None
            if mark.matplotlib == "x"
            else mark.colour,
            linewidths=0.4 if mark.is_filled else 1.0,
            zorder=4,
        )


def _draw_rows(collapse_map: CollapseMap, layout: Layout) -> bytes:
    curves = layout.curves[:MAX_ROWS]
    with open_figure(1.9 + 0.55 * len(curves), _title(collapse_map)) as figure:
        axes = figure.add_subplot()
        assert collapse_map.lr_range is not None
        low, high = collapse_map.lr_range
        axes.set_xscale("log")
        axes.set_xlim(low / MARGIN, high * MARGIN)
        use_log_rates(axes.xaxis)
        axes.set_xlabel("learning rate")
        axes.set_yticks(range(len(curves)), [curve.label for curve in curves])
        axes.set_ylim(len(curves) - 0.4, -0.6)
        for inner, outer in ((low, low / MARGIN), (high, high * MARGIN)):
            axes.axvspan(inner, outer, facecolor="none", edgecolor="#C9CED4", hatch="////", lw=0)
        for row, curve in enumerate(curves):
            _draw_row(axes, collapse_map, curve, row)
        if not collapse_map.outcomes:
            say_empty(axes, "no finished trials yet")
        _finish(figure, collapse_map, len(layout.curves) - len(curves), "rows")
        return to_png(figure)


def _draw_row(axes: Axes, collapse_map: CollapseMap, curve: Curve, row: int) -> None:
    replicates = collapse_map.study.replicates
    y = [
        row + 0.09 + 0.28 * (record.proposal.replicate + 0.5) / replicates
        for record, _ in curve.trials
    ]
    _scatter(axes, curve.trials, [record.settings.lr for record, _ in curve.trials], y)
    boundary, assumed = curve.slices[0].boundary, collapse_map.lr_range
    assert assumed is not None
    if boundary.band_lr is not None:
        is_inside = boundary.critical_lr is not None
        axes.hlines(row - 0.1, *boundary.band_lr, INK, "-" if is_inside else ":", lw=3)
    if boundary.critical_lr is not None:
        axes.plot([boundary.critical_lr], [row - 0.1], "o", color=INK, ms=7, mec="white")
    if boundary.verdict in (Verdict.ABOVE, Verdict.BELOW):
        is_above = boundary.verdict is Verdict.ABOVE
        edge = assumed[1] if is_above else assumed[0]
        tip = edge * MARGIN**0.8 if is_above else edge / MARGIN**0.8
        arrow = {"arrowstyle": "-|>", "color": INK, "lw": 1.8, "mutation_scale": 13}
        axes.annotate("", (tip, row - 0.1), (edge, row - 0.1), arrowprops=arrow)
        axes.text(
            edge,
            row - 0.18,
            f"{'above' if is_above else 'below'} {format_number(edge)}",
            ha="right" if is_above else "left",
            va="bottom",
            fontsize=8.5,
        )


def _title(collapse_map: CollapseMap) -> str:
    rule = collapse_map.study.collapse
    return f"Where training collapses: {name_metric(rule.metric)} below {format_number(rule.below)}"


def _finish(figure: Figure, collapse_map: CollapseMap, omitted: int, what: str) -> None:
    seen = dict(collapse_map.counts.regimes)
    handles = [
        Line2D(
            [],
            [],
            ls="",
            marker=mark.matplotlib,
            color=mark.colour,
            mfc=mark.colour if mark.is_filled else "none",
            label=f"{name_regime(regime)} ({seen[regime.value]})",
        )
        for regime, mark in MARKS.items()
        if regime.value in seen
    ]
    handles.append(Line2D([], [], color=INK, lw=1.8, marker="o", label="boundary, 95 % band"))
    undecided = sum(s.boundary.verdict is Verdict.UNDECIDED for s in collapse_map.slices)
    notes = [f"{omitted} more {what} in the tables"] if omitted else []
    notes += [f"{undecided} slices not decided yet"] if undecided else []
    if collapse_map.counts.missing:
        notes.append(f"{collapse_map.counts.missing} trials missing (failed)")
    add_legend(figure, handles, len(handles), notes)
