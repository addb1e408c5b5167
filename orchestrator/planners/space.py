"""A study's axes as planners walk them: clean values, even orders, every point of the grid."""

import itertools

from orchestrator.planners.protocol import Proposal
from search_spaces.axis import Axis, ChoiceAxis, RangeAxis
from search_spaces.point import Point, Value
from search_spaces.study import KIND, LR, Study

SIGNIFICANT_DIGITS = 4


def round_within(value: float, axis: RangeAxis) -> float:
    """Return ``value`` to four significant digits; the ends of the axis stay exact.

    Four digits are 0.0004 decade at worst, far below any band, and keep a trial's key readable.
    """
    if value in (axis.low, axis.high):
        return value
    rounded = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    return min(max(rounded, axis.low), axis.high)


def spread_order(count: int) -> list[int]:
    """Return 0..count-1 so that every beginning of it is spread out: ends first, then middles.

    What a budget cuts off is then detail everywhere, not one end of the axis.
    """
    order = [i for i in (0, count - 1) if 0 <= i < count]
    gaps = [(0, count - 1)]
    while gaps:
        middles = [((a + b) // 2, a, b) for a, b in gaps if b - a > 1]
        order += [middle for middle, _, _ in middles]
        gaps = [gap for m, a, b in middles for gap in ((a, m), (m, b))]
    return list(dict.fromkeys(order))


def grid_points(study: Study) -> list[Point]:
    """Return every point of the grid over all axes; learning rates in spread order, outermost."""
    slices = study.slices()
    values = _lr_values(study)
    if not values:
        return list(slices)
    order = [values[i] for i in spread_order(len(values))]
    return [point.replace(LR, lr) for lr, point in itertools.product(order, slices)]


def _lr_values(study: Study) -> tuple[Value, ...]:
    for axis in study.axes:
        if axis.path == LR:
            return axis.grid() if isinstance(axis, ChoiceAxis) else _rounded_grid(axis)
    return ()


def _rounded_grid(axis: RangeAxis) -> tuple[float, ...]:
    return tuple(dict.fromkeys(round_within(value, axis) for value in axis.grid()))


def is_finite(study: Study) -> bool:
    """Whether the study has finitely many points, so that ``grid_points`` are all of them."""
    return all(isinstance(axis, ChoiceAxis) for axis in study.axes)


def contains(study: Study, point: Point) -> bool:
    """Whether a point has exactly the coordinates of its objective kind, all on their axes."""
    coordinates = dict(point.coordinates)
    kind = str(coordinates.get(KIND, study.kinds[0]))
    axes = study.axes_for(kind)
    return coordinates.keys() == {axis.path for axis in axes} and all(
        _lies_on(coordinates[axis.path], axis) for axis in axes
    )


def _lies_on(value: Value, axis: Axis) -> bool:
    if isinstance(axis, ChoiceAxis):
        return value in axis.values
    return not isinstance(value, str | bool) and axis.low <= value <= axis.high


def replicates_of(study: Study, point: Point) -> list[Proposal]:
    """Return one proposal per replicate of a point."""
    return [Proposal(point, replicate) for replicate in range(study.replicates)]
