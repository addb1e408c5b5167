"""How a claim's numbers are said: factors for learning rates, points for accuracies."""

import numpy as np

from orchestrator.claims.result import ClaimResult, ContrastResult
from search_spaces.claim import THRESHOLD_MEASURES

_FARTHEST = 99.0  # decades: an interval of three seeds may reach beyond what a float holds
_PERCENT = ("_accuracy", "_accuracy_projection")


def say_finding(contrast: ContrastResult) -> str:
    """Return a contrast's mean and 95 % interval in words, e.g. ``+2.1 points [1.4, 2.9]``."""
    if contrast.mean is None:
        return "no seed counts"
    number = say_number(contrast, contrast.mean)
    if contrast.low is None or contrast.high is None:
        return f"{number} (too few seeds for an interval)"
    low, high = (say_plain(contrast, end) for end in (contrast.low, contrast.high))
    return f"{number} [{low}, {high}]"


def say_number(contrast: ContrastResult, value: float) -> str:
    """Return a value of a contrast with its unit."""
    plain = say_plain(contrast, value)
    if _is_factor(contrast):
        return f"×{plain}" if len(contrast.arms) == 2 else plain
    if contrast.measure.endswith(_PERCENT):
        per = "" if not contrast.is_slope else " per decade" if contrast.is_log else " per unit"
        return f"{plain} points{per}"
    if contrast.measure == "angle_excess":
        return f"{plain} degrees"
    return plain


def say_plain(contrast: ContrastResult, value: float) -> str:
    """Return a value of a contrast in its unit, without the unit's name."""
    if _is_factor(contrast):
        return f"{10 ** min(max(value, -_FARTHEST), _FARTHEST):.3g}"
    if contrast.measure.endswith(_PERCENT):
        is_per_unit = contrast.is_slope and not contrast.is_log
        return f"{100 * value:+.2g}" if is_per_unit else f"{100 * value:+.1f}"
    is_plain = contrast.is_slope or value == 0
    return f"{value:.3g}" if is_plain else f"{value:+.3g}"


def _is_factor(contrast: ContrastResult) -> bool:
    """Say whether values are decades of learning rate, which a slope is not."""
    return contrast.measure in THRESHOLD_MEASURES and not contrast.is_slope


def say_expectation(contrast: ContrastResult) -> str:
    """Return where the claim says the mean lies, in the contrast's unit."""
    target = say_number(contrast, contrast.target)
    if contrast.expect == "near":
        margin = contrast.margin or 0.0
        ends = [say_plain(contrast, contrast.target + side * margin) for side in (-1, 1)]
        return f"within {ends[0]} to {ends[1]}"
    return f"{contrast.expect} {target}"


def say_ours(result: ClaimResult) -> list[str]:
    """Return one line for each deciding contrast, or the bound."""
    if result.bound is not None:
        bound = result.bound
        least = "" if bound.least is None else f", least margin {bound.least:.2g}"
        return [f"{bound.label}: {bound.violated} of {bound.checked:,} checks violate it{least}"]
    return [f"{c.label}: {say_finding(c)}{_say_caveats(c)}" for c in result.contrasts]


def _say_caveats(contrast: ContrastResult) -> str:
    notes = []
    residual = find_residual(contrast)
    if residual is not None:
        notes.append(f"means lie {residual:.2g} off the line, root mean square")
    if contrast.censored:
        notes.append(f"{contrast.censored} of {contrast.thresholds} thresholds beyond the range")
    if contrast.dropped:
        notes.append(f"{contrast.dropped} seeds dropped")
    return f" ({'; '.join(notes)})" if notes else ""


def find_residual(contrast: ContrastResult) -> float | None:
    """Return how far the arms' means lie off their least-squares line, root mean square.

    In the measure's own unit (decades for a critical learning rate); None for what is no slope
    or has fewer than three arms, through which a line always goes.
    """
    if not contrast.is_slope or len(contrast.arms) < 3 or not contrast.seeds:
        return None
    x_A = np.array([arm.at for arm in contrast.arms], dtype=np.float64)
    x_A = np.log10(x_A) if contrast.is_log else x_A
    y_A = np.array([np.mean(arm.values) for arm in contrast.arms])
    line_A = np.polyval(np.polyfit(x_A, y_A, 1), x_A)
    return float(np.sqrt(np.mean((y_A - line_A) ** 2)))


def say_p(p: float | None) -> str:
    """Return a p-value with two digits; a dash where there is none."""
    return "-" if p is None else f"{p:.2g}"
