"""What a claim derives from a single outcome: of its history, or of several measures."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from statistics import fmean

from search_spaces.claim import SELECTABLE_MEASURES, SELECTED
from trainer.cohort import Outcome
from trainer.collapse.regime import Regime


def _weight_gap_growth(outcome: Outcome) -> float | None:
    coupling = outcome.coupling
    if coupling is None or len(coupling.steps) < 2:
        return None
    gaps = coupling.values["weight_gap"]
    quarter = next(i for i, s in enumerate(coupling.steps) if s >= coupling.steps[-1] / 4)
    return gaps[-1] - gaps[quarter]


def _angle_excess(outcome: Outcome) -> float | None:
    """A gap g between weights of equal length is 2 sin(angle / 2)."""
    gap, cka = outcome.measures.get("weight_gap"), outcome.measures.get("cka_features")
    if gap is None or cka is None:
        return None
    weights = 2 * math.asin(min(1.0, gap / 2))
    return math.degrees(weights - math.acos(min(1.0, max(0.0, cka))))


def _cka_shared_excess(outcome: Outcome) -> float | None:
    shared, other = (outcome.measures.get(f"cka_features{end}") for end in ("", "_unshared"))
    return None if shared is None or other is None else shared - other


def _mean_after_start(name: str, outcome: Outcome) -> float | None:
    """A history begins before the first step, where no step has drifted yet."""
    values = _values(name, outcome)
    return fmean(values[1:]) if len(values) > 1 else None


def _early_recall(outcome: Outcome) -> float | None:
    """Diverging early is to retrieve nothing; what is known of it would be another quarter."""
    if outcome.regime is Regime.DIVERGED:
        return 0.0
    values, steps = _values("val_recall_at_1", outcome), outcome.history.steps
    if not values:
        return None
    early = [v for v, step in zip(values, steps, strict=True) if 0 < step <= steps[-1] / 4]
    return fmean(early) if early else None


def _selected(name: str, outcome: Outcome) -> float | None:
    """Choose the check by the val clips, the earliest of equals; read the measure there."""
    if outcome.regime is Regime.DIVERGED:
        return 0.0
    by, values = _values("val_recall_at_1", outcome), _values(name, outcome)
    if not by or not values:
        return None
    return values[max(range(len(by)), key=lambda check: by[check])]


def _growth(name: str, outcome: Outcome) -> float | None:
    values = _values(name, outcome)
    return values[-1] - values[0] if len(values) > 1 else None


def _values(name: str, outcome: Outcome) -> tuple[float, ...]:
    return outcome.history.values.get(name, ())


DERIVED: Mapping[str, Callable[[Outcome], float | None]] = {
    "weight_gap_growth": _weight_gap_growth,
    "angle_excess": _angle_excess,
    "cka_shared_excess": _cka_shared_excess,
    "drift_step_text_mean": partial(_mean_after_start, "drift_step_text"),
    "drift_step_audio_mean": partial(_mean_after_start, "drift_step_audio"),
    "drift_grad_text_mean": partial(_mean_after_start, "drift_grad_text"),
    "drift_grad_audio_mean": partial(_mean_after_start, "drift_grad_audio"),
    "early_recall": _early_recall,
    **{SELECTED + name: partial(_selected, name) for name in SELECTABLE_MEASURES},
    "radius_growth": partial(_growth, "radius"),
    "pair_distance_growth": partial(_growth, "pair_distance"),
}
"""Measures that a claim derives from an outcome, by name; see ``search_spaces.claim``."""
