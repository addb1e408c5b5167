"""Smooth random hills over a study's axes: what a simulated boundary looks like between points.

A sum of cosine waves with Gaussian frequencies is a draw from a Gaussian process with a Gaussian
kernel (Rahimi & Recht, "Random features for large-scale kernel machines", NeurIPS 2007), here
over the unit cube of the axes. So no surface model of ours is exactly right about it.

Shape legend: W = waves, A = numeric axes.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from search_spaces.axis import Axis, ChoiceAxis
from search_spaces.point import Point, Value

WAVES = 48
OWN_SHARE = 0.5  # of the hills' height: what each category has for itself


@dataclass(frozen=True, slots=True)
class Relief:
    """Hills over the axes.

    Lists of numbers count as numeric axes, in even steps; every combination of other choices
    adds smaller hills of its own to those that all share. An axis that a point does not have
    counts as its middle.

    Attributes:
        axes: The axes but the learning rate's.
        height: Standard deviation of the hills, in decades of learning rate.
        length: Share of an axis over which they change.
        seed: Which hills.
    """

    axes: tuple[Axis, ...]
    height: float = 0.35
    length: float = 0.5
    seed: int = 0

    def height_at(self, point: Point) -> float:
        """Return the decades that the hills add to the threshold at a point."""
        if self.height == 0.0 or not self.axes:
            return 0.0
        coordinates = dict(point.coordinates)
        numeric = [axis for axis in self.axes if _is_numeric(axis)]
        unit_A = np.array([_place(axis, coordinates.get(axis.path)) for axis in numeric])
        words = [str(coordinates.get(a.path)) for a in self.axes if not _is_numeric(a)]
        shared = self._sum_waves(unit_A, "")
        own = self._sum_waves(unit_A, "|".join(words)) if words else 0.0
        return self.height * (shared + OWN_SHARE * own)

    def _sum_waves(self, unit_A: NDArray[np.float64], purpose: str) -> float:
        frequencies_WA, phases_W = _draw_waves(self.seed, purpose, len(unit_A), self.length)
        angles_W = frequencies_WA @ unit_A + phases_W
        return math.sqrt(2 / WAVES) * float(np.cos(angles_W).sum())


def _is_numeric(axis: Axis) -> bool:
    if not isinstance(axis, ChoiceAxis):
        return True
    return not any(isinstance(value, str | bool) for value in axis.values)


def _place(axis: Axis, value: Value | None) -> float:
    """Return a coordinate's place on its axis, 0 to 1."""
    if value is None:
        return 0.5
    if isinstance(axis, ChoiceAxis):
        return axis.values.index(value) / max(len(axis.values) - 1, 1)
    number = float(value)
    if axis.log:
        return math.log(number / axis.low) / math.log(axis.high / axis.low)
    return (number - axis.low) / (axis.high - axis.low)


@lru_cache(maxsize=512)
def _draw_waves(
    seed: int, purpose: str, axes: int, length: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    digest = hashlib.blake2b(f"{seed}|relief|{purpose}".encode(), digest_size=8).digest()
    draw = np.random.default_rng(int.from_bytes(digest))
    return draw.normal(0.0, 1.0 / length, (WAVES, axes)), draw.uniform(0.0, 2 * math.pi, WAVES)
