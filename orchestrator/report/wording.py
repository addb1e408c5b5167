"""How numbers, coordinates and verdicts are put into words, the same in every view.

Plain text only: whoever puts it into HTML escapes it there.
"""

from typing import assert_never

from orchestrator.collapse_map import Boundary, SliceMap
from orchestrator.planners.threshold import Verdict
from search_spaces.point import Point, Value
from trainer.collapse.regime import Regime

AXIS_NAMES = {
    "lr": "learning rate",
    "objective.kind": "objective",
    "objective.temperature": "temperature",
    "train.batch_size": "batch size",
    "model.embed_dim": "embedding size",
    "model.norm": "normalisation",
}

_WRITTEN = {"cka": "CKA", "rsa": "RSA", "knn": "kNN", "nccc": "NCCC", "cdnv": "CDNV"}
"""Words of measures that are written otherwise."""


def name_axis(path: str) -> str:
    """Return what people call an axis: ``objective.temperature`` is the temperature."""
    return AXIS_NAMES.get(path, path.rsplit(".", 1)[-1].replace("_", " "))


def name_metric(metric: str) -> str:
    """Return a measure's name in words: ``effective_rank`` is the effective rank."""
    return " ".join(_WRITTEN.get(word, word) for word in metric.split("_"))


def begin(text: str) -> str:
    """Return text with a capital first letter; the others stay as they are."""
    return text[:1].upper() + text[1:]


def name_regime(regime: Regime) -> str:
    """Return a regime as it is called in legends and tables."""
    match regime:
        case Regime.COMPLETE:
            return "complete collapse"
        case Regime.DIMENSIONAL:
            return "dimensional collapse"
        case Regime.HEALTHY | Regime.DIVERGED | Regime.UNDERTRAINED:
            return regime.value
        case _:
            assert_never(regime)


def format_number(value: float, digits: int = 2) -> str:
    """Return a number with ``digits`` significant digits, without an exponent where readable."""
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        rounded = float(f"{value:.{digits}g}")
        return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"
    return f"{value:.{digits - 1}e}"


def format_value(value: Value) -> str:
    """Return a coordinate: numbers short, choices as written."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return format_number(value)


def describe_point(point: Point) -> str:
    """Return a slice or point in words: ``infonce, temperature 0.22``."""
    named = sorted(point.coordinates, key=lambda item: (item[0] != "objective.kind", item[0]))
    parts = [
        format_value(value)
        if path == "objective.kind"
        else f"{name_axis(path)} {format_value(value)}"
        for path, value in named
    ]
    return ", ".join(parts) or "all trials"


def describe_interval(interval: tuple[float, float] | None, digits: int = 2) -> str:
    """Return ``[2.6, 3.9]``, or nothing."""
    if interval is None:
        return ""
    return f"[{format_number(interval[0], digits)}, {format_number(interval[1], digits)}]"


def describe_critical_lr(boundary: Boundary, lr_range: tuple[float, float], digits: int = 2) -> str:
    """Return the critical learning rate for a table cell; ``above 100`` where none was found."""
    low, high = (format_number(edge) for edge in lr_range)
    match boundary.verdict:
        case Verdict.UNDECIDED:
            return "not decided yet" if boundary.trials else "no finished trials"
        case Verdict.INSIDE:
            assert boundary.critical_lr is not None
            return format_number(boundary.critical_lr, digits)
        case Verdict.ABOVE:
            return f"above {high}"
        case Verdict.BELOW:
            return f"below {low}"
        case Verdict.TRANSITION:
            return "no single threshold"
        case _:
            assert_never(boundary.verdict)


def describe_bracket(boundary: Boundary) -> str:
    """Return ``2.4 → 3.7``: last learning rate without, first with collapse; a dash if none."""
    ends = (boundary.last_healthy_lr, boundary.first_collapsed_lr)
    return " → ".join("–" if end is None else format_number(end) for end in ends)


def describe_verdict(slice_map: SliceMap, lr_range: tuple[float, float]) -> str:
    """Return what happens in a slice, as the predicate of a sentence about it."""
    boundary = slice_map.boundary
    low, high = (format_number(edge) for edge in lr_range)
    match boundary.verdict:
        case Verdict.UNDECIDED:
            noun = "trial" if boundary.trials == 1 else "trials"
            return f"is not decided yet ({boundary.trials} finished {noun})"
        case Verdict.INSIDE:
            rate = describe_critical_lr(boundary, lr_range)
            return f"collapses above learning rate {rate} {describe_interval(boundary.band_lr)}"
        case Verdict.ABOVE:
            return f"did not collapse up to learning rate {high}"
        case Verdict.BELOW:
            return f"was collapsed at every learning rate from {low} on"
        case Verdict.TRANSITION:
            return (
                "has no single threshold: healthy and collapsed trials mix over learning rates "
                f"{describe_interval(boundary.band_lr)}"
            )
        case _:
            assert_never(boundary.verdict)
