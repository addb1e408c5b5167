"""How a claim's numbers are said: factors for learning rates, points for accuracies."""

from orchestrator.claims.result import ClaimResult, ContrastResult
from search_spaces.claim import THRESHOLD_MEASURES

_PERCENT = ("_accuracy",)


def say_finding(contrast: ContrastResult) -> str:
    """Return a contrast's mean and 95 % interval in words, e.g. ``+2.1 points [1.4, 2.9]``."""
    if contrast.mean is None:
        return "no seed counts"
    number = say_number(contrast, contrast.mean)
    if contrast.low is None or contrast.high is None:
        return f"{number} (one seed)"
    low, high = (_say_plain(contrast, end) for end in (contrast.low, contrast.high))
    return f"{number} [{low}, {high}]"


def say_number(contrast: ContrastResult, value: float) -> str:
    """Return a value of a contrast with its unit."""
    plain = _say_plain(contrast, value)
    if _is_factor(contrast):
        return f"×{plain}" if len(contrast.arms) == 2 else plain
    if contrast.measure.endswith(_PERCENT):
        return f"{plain} points{' per decade' if contrast.is_slope else ''}"
    if contrast.measure == "angle_excess":
        return f"{plain} degrees"
    return plain


def _say_plain(contrast: ContrastResult, value: float) -> str:
    if _is_factor(contrast):
        return f"{10**value:.3g}"
    if contrast.measure.endswith(_PERCENT):
        return f"{100 * value:+.1f}"
    return f"{value:+.3g}" if not contrast.is_slope else f"{value:.3g}"


def _is_factor(contrast: ContrastResult) -> bool:
    """Say whether values are decades of learning rate, which a slope is not."""
    return contrast.measure in THRESHOLD_MEASURES and not contrast.is_slope


def say_expectation(contrast: ContrastResult) -> str:
    """Return where the claim says the mean lies, in the contrast's unit."""
    target = say_number(contrast, contrast.target)
    if contrast.expect == "near":
        margin = contrast.margin or 0.0
        ends = [_say_plain(contrast, contrast.target + side * margin) for side in (-1, 1)]
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
    if contrast.censored:
        thresholds = sum(len(arm.values) for arm in contrast.arms)
        notes.append(f"{contrast.censored} of {thresholds} thresholds beyond the range")
    if contrast.dropped:
        notes.append(f"{contrast.dropped} seeds dropped")
    return f" ({'; '.join(notes)})" if notes else ""


def say_p(p: float | None) -> str:
    """Return a p-value with two digits; a dash where there is none."""
    return "-" if p is None else f"{p:.2g}"
