"""The space a boundary is searched in: one learning-rate axis, and the axes it may depend on.

Numbers become coordinates in [0, 1] by their axis's own scale, so that rescaling an axis
changes nothing; words become indices.

Shape legend: n = places, A = numeric axes, B = categorical axes.
"""

import math
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces.point import Point, Value

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

INACTIVE = 0.5
"""Coordinate on an axis that a place does not have: its middle, as if it did not matter."""

NO_WORD = -1
"""Index on a categorical axis that a place does not have."""


@dataclass(frozen=True, slots=True)
class NumberAxis:
    """A numeric axis other than the learning rate's.

    Attributes:
        name: What places call it.
        low: Smallest value.
        high: Largest value, above ``low``.
        log: Whether equal ratios are equal steps; then ``low`` is above 0.
        is_integer: Whether only whole numbers are asked.
        values: The only values that may be asked, ascending or not; None allows all between.
            Listed values are even steps, whatever they are.
        when: (categorical axis, its values) where the axis exists; None means everywhere.
    """

    name: str
    low: float
    high: float
    log: bool = False
    is_integer: bool = False
    values: tuple[float, ...] | None = None
    when: tuple[str, frozenset[Value]] | None = None

    def to_unit(self, value: Value) -> float:
        """Return where a value lies, 0 to 1 (beyond that outside the axis)."""
        number = float(value)
        if self.values is not None and number in self.values:
            ordered = sorted(self.values)
            return ordered.index(number) / max(len(ordered) - 1, 1)
        if self.values is not None and len(self.values) > 1:
            return _interpolate(number, sorted(self.values))
        if self.log and self.low > 0 and number > 0:
            return math.log(number / self.low) / math.log(self.high / self.low)
        return (number - self.low) / (self.high - self.low)

    def from_unit(self, share: float) -> float | int:
        """Return the value nearest to a place on the axis."""
        share = min(max(share, 0.0), 1.0)
        if self.values is not None:
            return sorted(self.values)[round(share * (len(self.values) - 1))]
        if share in (0.0, 1.0):
            value = self.low if share == 0.0 else self.high
        elif self.log:
            value = self.low * math.exp(share * math.log(self.high / self.low))
        else:
            value = self.low + share * (self.high - self.low)
        if self.is_integer:
            return min(max(round(value), math.ceil(self.low)), math.floor(self.high))
        return min(max(float(f"{value:.4g}"), self.low), self.high)


@dataclass(frozen=True, slots=True)
class WordAxis:
    """A categorical axis.

    Attributes:
        name: What places call it.
        values: Its values, no two equal.
        when: As for :class:`NumberAxis`.
    """

    name: str
    values: tuple[Value, ...]
    when: tuple[str, frozenset[Value]] | None = None


@dataclass(frozen=True, slots=True)
class BoundarySpace:
    """One learning-rate axis and 0 to about 5 others.

    Attributes:
        low: log10 of the lowest learning rate.
        high: log10 of the highest, above ``low``.
        axes: The other axes. One that depends on another (``when``) stands after it.
        replicates: Seeds a place can be tried with; at least 1.
    """

    low: float
    high: float
    axes: tuple[NumberAxis | WordAxis, ...] = ()
    replicates: int = 3

    def __post_init__(self) -> None:
        """Check the range.

        Raises:
            ValueError: If ``low`` is not below ``high`` or there is no replicate.
        """
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got [{self.low}, {self.high}]")
        if self.replicates < 1:
            raise ValueError(f"a place needs at least 1 replicate, got {self.replicates}")

    @property
    def numbers(self) -> tuple[NumberAxis, ...]:
        """The numeric axes."""
        return tuple(axis for axis in self.axes if isinstance(axis, NumberAxis))

    @property
    def words(self) -> tuple[WordAxis, ...]:
        """The categorical axes."""
        return tuple(axis for axis in self.axes if isinstance(axis, WordAxis))

    def encode(self, places: Sequence[Point]) -> tuple[Floats, Ints]:
        """Return coordinates (n, A) and indices (n, B) of places."""
        rows = [dict(place.coordinates) for place in places]
        units_nA = [[_to_unit(axis, row.get(axis.name)) for axis in self.numbers] for row in rows]
        words_nB = [[_to_index(axis, row.get(axis.name)) for axis in self.words] for row in rows]
        return (
            np.array(units_nA, dtype=np.float64).reshape(len(rows), len(self.numbers)),
            np.array(words_nB, dtype=np.int64).reshape(len(rows), len(self.words)),
        )

    def place_at(self, shares: Sequence[float]) -> Point:
        """Return the place at a point of the unit cube, one share for each of ``axes``."""
        found: dict[str, Value] = {}
        for axis, share in zip(self.axes, shares, strict=True):
            if axis.when is not None and found.get(axis.when[0]) not in axis.when[1]:
                continue
            if isinstance(axis, NumberAxis):
                found[axis.name] = axis.from_unit(share)
            else:
                found[axis.name] = axis.values[
                    min(int(share * len(axis.values)), len(axis.values) - 1)
                ]
        return Point.of(found)

    def contains(self, place: Point) -> bool:
        """Whether a place has exactly the coordinates it should, each on its axis."""
        found = dict(place.coordinates)
        expected = {
            axis.name
            for axis in self.axes
            if axis.when is None or found.get(axis.when[0]) in axis.when[1]
        }
        return found.keys() == expected and all(
            _lies_on(found[axis.name], axis) for axis in self.axes if axis.name in found
        )


def _interpolate(number: float, ordered: Sequence[float]) -> float:
    """Return where a number lies among even steps; outermost steps go on beyond the ends."""
    above = min(max(bisect(ordered, number), 1), len(ordered) - 1)
    low, high = ordered[above - 1], ordered[above]
    return (above - 1 + (number - low) / (high - low)) / (len(ordered) - 1)


def _to_unit(axis: NumberAxis, value: Value | None) -> float:
    return INACTIVE if value is None or isinstance(value, str) else axis.to_unit(value)


def _to_index(axis: WordAxis, value: Value | None) -> int:
    return axis.values.index(value) if value is not None and value in axis.values else NO_WORD


def _lies_on(value: Value, axis: NumberAxis | WordAxis) -> bool:
    if isinstance(axis, WordAxis):
        return value in axis.values
    if isinstance(value, str | bool):
        return False
    if axis.values is not None:
        return float(value) in axis.values
    return axis.low <= value <= axis.high
