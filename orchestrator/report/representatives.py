"""Which few trials stand for a slice in spectra and learning curves: those around its boundary."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10, sqrt

from orchestrator.collapse_map import CollapseMap, SliceMap
from orchestrator.record import TrialRecord
from orchestrator.report.palette import COLLAPSED_SHADES, HEALTHY_SHADES
from search_spaces.point import Point
from search_spaces.study import LR
from trainer.cohort import Outcome

DISTANCES_DECADES = (-1.0, -0.4, -0.1, 0.1, 0.4, 1.0)
"""Where representatives are sought, relative to the boundary."""


@dataclass(frozen=True, slots=True)
class Representatives:
    """A slice's representatives, by learning rate; ``centre_lr`` is what they lie around."""

    point: Point
    centre_lr: float
    trials: tuple[tuple[TrialRecord, Outcome], ...]


def choose_representatives(collapse_map: CollapseMap) -> tuple[Representatives, ...]:
    """Return representatives of every slice that has finished trials, in the study's order."""
    by_slice: dict[str, list[tuple[TrialRecord, Outcome]]] = {}
    for record, outcome in collapse_map.outcomes:
        by_slice.setdefault(record.proposal.point.without(LR).key, []).append((record, outcome))
    return tuple(
        _choose(slice_map, by_slice[slice_map.point.key], collapse_map.lr_range)
        for slice_map in collapse_map.slices
        if slice_map.point.key in by_slice
    )


def shade_trials(representatives: Representatives) -> tuple[str, ...]:
    """Return a colour for each trial: blues kept their rank, oranges lost it."""
    is_collapsed = [outcome.is_collapsed for _, outcome in representatives.trials]
    shades: list[str] = []
    for index, collapsed in enumerate(is_collapsed):
        palette = COLLAPSED_SHADES if collapsed else HEALTHY_SHADES
        place = is_collapsed[:index].count(collapsed)
        count = is_collapsed.count(collapsed)
        # Few trials keep away from the palest blue: the nearest to the boundary is the darkest.
        offset = 0 if collapsed else max(len(palette) - count, 0)
        shades.append(palette[min(place + offset, len(palette) - 1)])
    return tuple(shades)


def find_centre(slice_map: SliceMap, lr_range: tuple[float, float]) -> float:
    """Return the boundary, the middle of a transition, or the end that it lies beyond."""
    boundary = slice_map.boundary
    if boundary.critical_lr is not None:
        return boundary.critical_lr
    if boundary.band_lr is not None:
        return sqrt(boundary.band_lr[0] * boundary.band_lr[1])
    if slice_map.counts.regimes and boundary.first_collapsed_lr is None:
        return lr_range[1]
    return lr_range[0]


def _choose(
    slice_map: SliceMap,
    trials: Sequence[tuple[TrialRecord, Outcome]],
    lr_range: tuple[float, float] | None,
) -> Representatives:
    assert lr_range is not None, "slices exist only where the learning rate is varied"
    centre = find_centre(slice_map, lr_range)
    chosen: dict[float, tuple[TrialRecord, Outcome]] = {}
    for distance in DISTANCES_DECADES:
        target = log10(centre) + distance
        nearest = min(trials, key=lambda t: (abs(log10(t[0].settings.lr) - target), t[0].key))
        chosen.setdefault(nearest[0].settings.lr, nearest)
    ordered = sorted(chosen.values(), key=lambda t: t[0].settings.lr)
    return Representatives(slice_map.point, centre, tuple(ordered))
