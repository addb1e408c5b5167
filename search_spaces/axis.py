"""Axes: what a study varies.

A list in the study file is a :class:`ChoiceAxis`, ``{low, high, log, points}`` a
:class:`RangeAxis`. Both are values: they know no file and no planner.
"""

import math
from dataclasses import dataclass

from search_spaces.point import Value

DEFAULT_POINTS = 5

GRID_DIGITS = 10
"""Significant digits of inner grid values: libraries' last bits differ, keys of points must not."""


@dataclass(frozen=True, slots=True)
class RangeAxis:
    """A continuous axis from ``low`` to ``high``, both included.

    Attributes:
        path: Dotted path of the setting, e.g. ``lr`` or ``objective.temperature``.
        low: Smallest value, finite; above 0 when ``log``.
        high: Largest value, finite, above ``low``.
        log: Whether equal ratios, not equal differences, are equal steps.
        points: How many values a grid, or a planner that works slice by slice, puts on the
            axis; at least 2.
        kinds: Objective kinds the axis applies to; None means all of the study's.
    """

    path: str
    low: float
    high: float
    log: bool
    points: int = DEFAULT_POINTS
    kinds: frozenset[str] | None = None

    def grid(self) -> tuple[float, ...]:
        """Return ``points`` ascending values, evenly spaced to 10 digits, both ends exact."""
        inner = (self._at(i / (self.points - 1)) for i in range(1, self.points - 1))
        return (self.low, *(float(f"{x:.{GRID_DIGITS}g}") for x in inner), self.high)

    def _at(self, share: float) -> float:
        if self.log:
            start, stop = math.log(self.low), math.log(self.high)
            return math.exp(start + share * (stop - start))
        return self.low + share * (self.high - self.low)


@dataclass(frozen=True, slots=True)
class ChoiceAxis:
    """A categorical axis: its values in file order, no two equal.

    Attributes:
        path: Dotted path of the setting, e.g. ``objective.kind``.
        values: At least one value.
        kinds: Objective kinds the axis applies to; None means all of the study's.
    """

    path: str
    values: tuple[Value, ...]
    kinds: frozenset[str] | None = None

    def grid(self) -> tuple[Value, ...]:
        """Return the values."""
        return self.values


Axis = RangeAxis | ChoiceAxis
