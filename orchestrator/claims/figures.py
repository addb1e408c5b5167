"""Pictures of claims: each contrast's seeds with interval and target, and the scoreboard."""

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from orchestrator.claims.result import ClaimResult, ClaimVerdict, ContrastResult
from orchestrator.claims.scoreboard import Row
from orchestrator.claims.wording import say_expectation, say_finding, say_plain
from orchestrator.report.canvas import open_figure, to_png
from orchestrator.report.palette import CURVE_COLOURS, GRID, INK
from search_spaces.claim import Claim

_ROW_INCHES = 1.25
_HEAD_INCHES = 1.0
_ROOM = 4.0
COLOURS = {
    ClaimVerdict.SUPPORTED: "#00785A",
    ClaimVerdict.CONTRADICTED: "#D55E00",
    ClaimVerdict.INCONCLUSIVE: "#7F7F7F",
}
MARKS = {
    ClaimVerdict.SUPPORTED: "o",
    ClaimVerdict.CONTRADICTED: "X",
    ClaimVerdict.INCONCLUSIVE: "s",
}


def draw_claim(claim: Claim, result: ClaimResult) -> bytes:
    """Return the PNG of a claim: left one number a seed, right the arms they come from."""
    contrasts = (*result.contrasts, *result.also)
    title = "\n".join(wrap(f"{claim.claim}: {result.verdict}. {claim.sentence}", 74))
    rows = max(len(contrasts), 1)
    with open_figure(_HEAD_INCHES + _ROW_INCHES * rows, title) as figure:
        grid = figure.subplots(rows, 2, squeeze=False, width_ratios=(3, 2))
        for (left, right), contrast in zip(grid, contrasts, strict=False):
            _draw_values(left, contrast, is_deciding=contrast in result.contrasts)
            _draw_arms(right, contrast)
        if not contrasts:
            _draw_bound(grid[0][0], result)
            grid[0][1].set_axis_off()
        return to_png(figure)


def _draw_values(axes: Axes, contrast: ContrastResult, *, is_deciding: bool) -> None:
    role = "" if is_deciding else " (decides nothing)"
    axes.set_title("\n".join(wrap(f"{contrast.label}{role}", 52)), fontsize=9.5)
    if contrast.expect == "near" and contrast.margin is not None:
        ends = contrast.target - contrast.margin, contrast.target + contrast.margin
        axes.axvspan(*ends, color=GRID, alpha=0.6, zorder=0)
    axes.axvline(contrast.target, color=INK, linestyle="--", linewidth=1)
    heights = np.linspace(0.62, 0.95, max(len(contrast.values), 1))
    axes.scatter(
        contrast.values, heights[: len(contrast.values)], s=16, color=CURVE_COLOURS[0], alpha=0.8
    )
    if contrast.mean is not None:
        if contrast.low is not None and contrast.high is not None:
            axes.plot([contrast.low, contrast.high], [0.3, 0.3], color=INK, linewidth=2)
        axes.plot([contrast.mean], [0.3], marker="D", color=INK, markersize=6)
    axes.set_ylim(0, 1.1)
    axes.set_yticks([0.3, 0.78], ["mean, 95 %", "seeds"], fontsize=8)
    # The unit of the words below it: factors and points, not decades and shares.
    axes.xaxis.set_major_formatter(lambda value, _: say_plain(contrast, value))
    axes.set_xlabel(f"{say_finding(contrast)}; claim: {say_expectation(contrast)}", fontsize=8.5)


def _draw_arms(axes: Axes, contrast: ContrastResult) -> None:
    """Draw the arms' values seed by seed, lines joining what is paired."""
    names = [arm.label for arm in contrast.arms]
    places = [arm.at for arm in contrast.arms]
    x = [float(p) for p in places if p is not None] or list(map(float, range(len(names))))
    for values in zip(*(arm.values for arm in contrast.arms), strict=True):
        axes.plot(x, values, color=CURVE_COLOURS[0], alpha=0.35, linewidth=1, marker=".")
    means = [float(np.mean(arm.values)) for arm in contrast.arms if arm.values]
    if len(means) == len(x):
        axes.plot(x, means, color=INK, linewidth=1.8, marker="D", markersize=4)
    if contrast.is_log:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(x, ["\n".join(wrap(name, 18)) for name in names], fontsize=8)
    if contrast.measure == "critical_lr" and contrast.is_slope:
        _draw_theory(axes, x)
    axes.set_ylabel(_name_measure(contrast.measure), fontsize=8)


def _name_measure(measure: str) -> str:
    names = {"critical_lr": "log10 lr", "critical_lr_over_temperature": "log10 lr / τ"}
    return "\n".join(wrap(names.get(measure, measure.replace("_", " ")), 20))


def _draw_theory(axes: Axes, temperatures: Sequence[float]) -> None:
    """Draw eta = tau and tau / 2: references, never certificates (CLOP, section 3)."""
    tau, colour = np.array(temperatures), CURVE_COLOURS[1]
    above, below = np.log10(tau), np.log10(tau / 2)
    axes.plot(tau, above, ":", color=colour)
    axes.plot(tau, below, "--", color=colour)
    # Both rise to the right: above its right end and below its left end a line is not in the way.
    axes.text(tau[-1], above[-1], "lr = τ", fontsize=7, ha="right", va="bottom", color=colour)
    axes.text(tau[0], below[0], "lr = τ/2", fontsize=7, ha="left", va="top", color=colour)


def _draw_bound(axes: Axes, result: ClaimResult) -> None:
    axes.set_axis_off()
    if result.bound is not None:
        least = "none" if result.bound.least is None else f"{result.bound.least:.3g}"
        axes.text(
            0,
            0.5,
            f"{result.bound.label}\n{result.bound.checked:,} checks, {result.bound.violated} "
            f"violations; least margin {least}",
            fontsize=10,
            va="center",
        )


def draw_scoreboard(rows: Sequence[Row]) -> bytes:
    """Return the PNG of the scoreboard: for each claim its first contrast in units of its width.

    Contrasts have different units, so each is drawn as (mean - target) over half its interval:
    beyond 1 the interval excludes the target, on the side that the claim says if to the right.
    """
    height = _HEAD_INCHES + 0.8 + 0.34 * len(rows)
    with open_figure(height, "What the papers claim, and what was found here") as figure:
        axes = figure.subplots()
        axes.axvspan(-1, 1, color=GRID, alpha=0.6, zorder=0)
        axes.axvline(0, color=INK, linewidth=1)
        for height_index, row in enumerate(reversed(rows)):
            _draw_row(axes, height_index, row)
        axes.set_yticks(range(len(rows)), [row.claim.claim for row in reversed(rows)])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlim(-6.5, 6.5)
        axes.set_xlabel(
            "against the claim     |     weakest contrast, in half-intervals     |     for"
        )
        handles = [
            Line2D([], [], color=COLOURS[v], marker=MARKS[v], linestyle="", label=str(v))
            for v in ClaimVerdict
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        return to_png(figure)


def _draw_row(axes: Axes, height: int, row: Row) -> None:
    result = row.result
    if result is None:
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}  # hides the line at 0
        axes.text(0, height, "not run", ha="center", va="center", fontsize=8, bbox=paper)
        return
    place = place_result(result)
    axes.plot(
        [place], [height], marker=MARKS[result.verdict], color=COLOURS[result.verdict], markersize=8
    )
    outwards = 1 if place >= 0 else -1
    if abs(place) > _ROOM:
        outwards = -outwards  # no room beside the frame
    axes.text(
        place + 0.3 * outwards,
        height,
        str(result.verdict),
        fontsize=8,
        va="center",
        ha="left" if outwards > 0 else "right",
    )


def place_result(result: ClaimResult) -> float:
    """Return how far into its region the weakest contrast lies, in half-intervals, -6 to 6."""
    places = [_place_contrast(contrast) for contrast in result.contrasts]
    if result.bound is not None:
        places = [-6.0 if result.bound.violated else 6.0]
    return max(-6.0, min(6.0, min(places, default=0.0)))


def _place_contrast(contrast: ContrastResult) -> float:
    if contrast.mean is None or contrast.low is None or contrast.high is None:
        return 0.0
    half = max((contrast.high - contrast.low) / 2, 1e-12)
    distance = contrast.mean - contrast.target
    match contrast.expect:
        case "above":
            return distance / half
        case "below":
            return -distance / half
        case "near":
            return ((contrast.margin or 0.0) - abs(distance)) / half
