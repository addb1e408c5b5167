"""Measured critical learning rates against the lines eta = tau and eta = tau / 2.

The lines are references, never certificates: CLOP's section 3 derives them for a simpler model
than any that is trained here, so a residual is a distance and no error of the training.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10, sqrt
from statistics import fmean

import numpy as np

from orchestrator.collapse_map import CollapseMap, SliceMap
from search_spaces.point import Point
from search_spaces.study import LR

TEMPERATURE = "objective.temperature"
LINES: tuple[tuple[str, float], ...] = (("η = τ", 1.0), ("η = τ/2", 0.5))
"""The lines: name, and critical learning rate over temperature."""

_FEWEST_FOR_SLOPE = 3


@dataclass(frozen=True, slots=True)
class Residual:
    """A slice's critical learning rate seen from the lines.

    Attributes:
        factor: Critical learning rate over temperature; ``low``, ``high`` its 95 % band.
        decades: From each of :data:`LINES`, positive above it.
    """

    slice_map: SliceMap
    temperature: float
    factor: float
    low: float
    high: float
    decades: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """The residuals of slices that differ in temperature only.

    Attributes:
        slope: Of log10 critical learning rate over log10 temperature, by least squares; the lines
            say 1. None with fewer than three slices.
        spread: Root mean square distance from each of :data:`LINES`, in decades.
    """

    point: Point
    residuals: tuple[Residual, ...]
    slope: float | None
    spread: tuple[float, ...]


def compare_with_lines(collapse_map: CollapseMap) -> tuple[Fit, ...]:
    """Return a fit for each set of slices along the temperature, in the study's order.

    Slices without a single threshold inside the range have no residual; empty for a study that
    varies no temperature.
    """
    groups: dict[Point, list[Residual]] = {}
    for slice_map in collapse_map.slices:
        residual = _measure(slice_map)
        if residual is not None:
            rest = slice_map.point.without(LR, TEMPERATURE)
            groups.setdefault(rest, []).append(residual)
    return tuple(_fit(point, residuals) for point, residuals in groups.items())


def _measure(slice_map: SliceMap) -> Residual | None:
    coordinates, boundary = dict(slice_map.point.coordinates), slice_map.boundary
    if TEMPERATURE not in coordinates or boundary.critical_lr is None or boundary.band_lr is None:
        return None
    temperature = float(coordinates[TEMPERATURE])
    factor = boundary.critical_lr / temperature
    low, high = (end / temperature for end in boundary.band_lr)
    decades = tuple(log10(factor / line) for _, line in LINES)
    return Residual(slice_map, temperature, factor, low, high, decades)


def _fit(point: Point, residuals: Sequence[Residual]) -> Fit:
    ordered = tuple(sorted(residuals, key=lambda residual: residual.temperature))
    slope = None
    if len(ordered) >= _FEWEST_FOR_SLOPE:
        x_N = np.log10([r.temperature for r in ordered])
        y_N = np.log10([r.factor * r.temperature for r in ordered])
        slope = float(np.polyfit(x_N, y_N, 1)[0])
    spread = tuple(
        sqrt(fmean(residual.decades[line] ** 2 for residual in ordered))
        for line in range(len(LINES))
    )
    return Fit(point, ordered, slope, spread)
