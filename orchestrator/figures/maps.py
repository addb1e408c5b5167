"""collapse-map, boundary and spectrum: where training collapses, and what it looks like there.

Rows of a map's table are trials (``layer`` trial: ``lr`` and ``regime``) and boundaries
(``layer`` boundary: ``lr`` the median, ``low`` and ``high`` its band, ``verdict``).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from orchestrator.collapse_map import CollapseMap
from orchestrator.errors import FigureError
from orchestrator.figures.paper import PaperFigure
from orchestrator.planners.threshold import Verdict
from orchestrator.report.canvas import use_log_rates
from orchestrator.report.layout import Horizontal, lay_out, position
from orchestrator.report.palette import INK, MARKS, MATPLOTLIB_DASHES, curve_colour
from orchestrator.report.representatives import choose_representatives, shade_trials
from orchestrator.report.wording import describe_point, format_number, name_regime
from trainer.collapse.regime import Regime

COLUMNS = ["layer", "curve", "x", "lr", "low", "high", "regime", "verdict"]
SMALLEST_SHARE = 1e-8
_MOST_PANELS = 6


def make_map(collapse_map: CollapseMap, *, with_trials: bool) -> PaperFigure:
    """Return critical learning rates with bands, over all trials or alone.

    Raises:
        FigureError: If the study does not vary the learning rate, or nothing has finished.
    """
    _check(collapse_map)
    layout = lay_out(collapse_map)
    rows: list[dict[str, Any]] = []
    for number, curve in enumerate(layout.curves):
        for slice_map in curve.slices:
            rows.append(_boundary_row(slice_map, curve.label, number, layout.horizontal))
        if with_trials:
            rows += [
                {
                    "layer": "trial",
                    "curve": curve.label,
                    "x": _place(record.proposal.point, number, layout.horizontal),
                    "lr": record.settings.lr,
                    "regime": outcome.regime.value,
                }
                for record, outcome in curve.trials
            ]
    data = pd.DataFrame(rows, columns=COLUMNS)
    assert collapse_map.lr_range is not None
    draw = partial(_draw_map, horizontal=layout.horizontal, lr_range=collapse_map.lr_range)
    panels = len(layout.curves) if with_trials and layout.horizontal else 1
    if panels > _MOST_PANELS:
        raise FigureError(f"{panels} panels do not fit a column; choose with --at AXIS=VALUE")
    return PaperFigure(data, 0.12 + (0.62 if panels == 1 else 0.5 * panels), draw)


def _check(collapse_map: CollapseMap) -> None:
    name = collapse_map.study.name
    if not collapse_map.slices:
        raise FigureError(f"study {name} has no boundary: it does not vary lr")
    if not collapse_map.outcomes:
        raise FigureError(f"study {name} has no finished trials to draw")


def _place(point: Any, number: int, horizontal: Horizontal | None) -> float:
    return float(number) if horizontal is None else position(point, horizontal)


def _boundary_row(
    slice_map: Any, label: str, number: int, horizontal: Horizontal | None
) -> dict[str, Any]:
    boundary = slice_map.boundary
    low, high = boundary.band_lr or (None, None)
    return {
        "layer": "boundary",
        "curve": label,
        "x": _place(slice_map.point, number, horizontal),
        "lr": boundary.critical_lr,
        "low": low,
        "high": high,
        "verdict": boundary.verdict.value,
    }


def _draw_map(
    figure: Figure,
    data: pd.DataFrame,
    *,
    horizontal: Horizontal | None,
    lr_range: tuple[float, float],
) -> None:
    labels = list(dict.fromkeys(data["curve"]))
    trials = data[data["layer"] == "trial"]
    is_split = horizontal is not None and len(trials) > 0
    panels = [[label] for label in labels] if is_split else [labels]
    grid = figure.subplots(len(panels), 1, squeeze=False, sharex=True)
    for axes, shown in zip(grid[:, 0], panels, strict=True):
        _frame(axes, horizontal, lr_range, labels)
        for label in shown:
            index = labels.index(label)
            _draw_trials(axes, trials[trials["curve"] == label])
            own = data[(data["curve"] == label) & (data["layer"] == "boundary")]
            dodge = (
                0.0
                if len(shown) == 1 or horizontal is None
                else 0.015 * (index - (len(labels) - 1) / 2)
            )
            colour = INK if len(trials) else curve_colour(index)
            _draw_boundary(axes, own, (colour, MATPLOTLIB_DASHES[index % 4]), dodge, lr_range)
        if is_split and shown[0] != "all trials":
            axes.set_title(shown[0])
    grid[-1, 0].set_xlabel(horizontal.name if horizontal else "")
    _add_legend(figure, trials, labels if horizontal and not is_split else [])


def _frame(
    axes: Axes, horizontal: Horizontal | None, lr_range: tuple[float, float], labels: Sequence[str]
) -> None:
    axes.set_yscale("log")
    axes.set_ylim(lr_range[0] / 2.5, lr_range[1] * 2.5)
    use_log_rates(axes.yaxis)
    axes.set_ylabel("learning rate")
    if horizontal is None:
        axes.set_xticks(range(len(labels)), labels, rotation=30 if len(labels) > 3 else 0)
        axes.set_xlim(-0.6, len(labels) - 0.4)
        return
    axes.set_xscale("log" if horizontal.log else "linear")
    if len(horizontal.values) <= 7:
        axes.set_xticks(horizontal.values, [format_number(v) for v in horizontal.values])
        axes.minorticks_off()


def _draw_trials(axes: Axes, trials: pd.DataFrame) -> None:
    for regime, mark in MARKS.items():
        own = trials[trials["regime"] == regime.value]
        fill = mark.colour if mark.is_filled or mark.matplotlib == "x" else "none"
        axes.scatter(
            own["x"],
            own["lr"],
            s=6,
            marker=mark.matplotlib,
            c=fill,
            linewidths=0.5,
            edgecolors=None if mark.matplotlib == "x" else mark.colour,
        )


def _draw_boundary(
    axes: Axes,
    own: pd.DataFrame,
    style: tuple[str, str],
    dodge: float,
    lr_range: tuple[float, float],
) -> None:
    colour, dash = style
    own = own.sort_values("x")
    x = own["x"].to_numpy(dtype=float)
    x = x * 10**dodge if axes.get_xscale() == "log" else x + dodge
    columns = (own[name].astype(float).to_numpy() for name in ("lr", "low", "high"))
    median, low, high = columns
    inside = np.isfinite(median)
    axes.vlines(x[inside], low[inside], high[inside], colour, lw=1.0, zorder=5)
    axes.vlines(x[~inside], low[~inside], high[~inside], colour, ":", lw=1.4, zorder=5)
    axes.plot(x, median, color=colour, ls=dash, marker="o", mec="white", mew=0.4, zorder=6)
    for place, verdict in zip(x, own["verdict"], strict=True):
        if verdict in (Verdict.ABOVE, Verdict.BELOW):
            is_above = verdict == Verdict.ABOVE
            edge = lr_range[1] if is_above else lr_range[0]
            axes.plot(place, edge, marker="^" if is_above else "v", color=colour, ms=4, zorder=6)


def _add_legend(figure: Figure, trials: pd.DataFrame, labels: Sequence[str]) -> None:
    handles = [
        Line2D([], [], color=curve_colour(i), ls=MATPLOTLIB_DASHES[i % 4], marker="o", label=label)
        for i, label in enumerate(labels)
    ]
    for regime in (r for r in Regime if r.value in set(trials["regime"])):
        mark = MARKS[regime]
        fill = mark.colour if mark.is_filled else "none"
        style: Any = {"marker": mark.matplotlib, "color": mark.colour, "mfc": fill}
        handles.append(Line2D([], [], ls="", label=name_regime(regime), **style))
    if len(trials):
        handles.append(Line2D([], [], color=INK, marker="o", label="median, 95 % band"))
    if len(handles) > 1:
        longest = max(len(str(h.get_label())) for h in handles)
        columns = max(1, min(3, 62 // (longest + 6)))
        figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def make_spectrum(collapse_map: CollapseMap) -> PaperFigure:
    """Return eigenvalue shares of trials round the boundary, a panel a curve (middle slice).

    Raises:
        FigureError: If no trial round a boundary has a spectrum.
    """
    _check(collapse_map)
    middles = {c.slices[len(c.slices) // 2].point for c in lay_out(collapse_map).curves}
    rows = [
        {
            "panel": describe_point(shown.point),
            "trial": record.key,
            "lr": record.settings.lr,
            "is_collapsed": outcome.is_collapsed,
            "colour": colour,
            "eigenvalue": place + 1,
            "share": share,
        }
        for shown in choose_representatives(collapse_map)
        if shown.point in middles
        for (record, outcome), colour in zip(shown.trials, shade_trials(shown), strict=True)
        for place, share in enumerate(outcome.spectrum)
    ]
    if not rows:
        raise FigureError(f"study {collapse_map.study.name} has no trial with a spectrum")
    data = pd.DataFrame(rows)
    panels = data["panel"].nunique()
    if panels > _MOST_PANELS:
        raise FigureError(f"{panels} panels do not fit a column; choose with --at AXIS=VALUE")
    return PaperFigure(data, 0.1 + 0.55 * panels, _draw_spectra)


def _draw_spectra(figure: Figure, data: pd.DataFrame) -> None:
    names = list(dict.fromkeys(data["panel"]))
    grid = figure.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
    for axes, name in zip(grid, names, strict=True):
        for _, own in data[data["panel"] == name].groupby("trial", sort=False):
            first = own.iloc[0]
            axes.plot(
                own["eigenvalue"],
                own["share"].clip(lower=SMALLEST_SHARE),
                color=first["colour"],
                ls="--" if first["is_collapsed"] else "-",
                label=format_number(first["lr"]),
            )
        axes.set_yscale("log")
        axes.set_ylabel("share of energy")
        axes.set_title(name if name != "all trials" else "")
        axes.legend(title="lr", loc="center left", bbox_to_anchor=(1.0, 0.5))
    grid[-1].set_xlabel("eigenvalue, largest first")
