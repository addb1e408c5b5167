"""How a map of any number of axes is laid out on paper: one axis across, curves for the rest.

A *curve* is the set of slices that differ only in the horizontal axis. A study without a numeric
axis besides the learning rate has no horizontal axis: its slices become rows.
"""

from collections import defaultdict
from dataclasses import dataclass

from orchestrator.collapse_map import CollapseMap, SliceMap
from orchestrator.record import TrialRecord
from orchestrator.report.wording import describe_point, name_axis
from search_spaces.axis import Axis, RangeAxis
from search_spaces.point import Point
from search_spaces.study import KIND, LR, Study
from trainer.cohort import Outcome

LOG_FROM_RATIO = 5.0
"""A list of numbers is drawn on a log axis when the largest is this many times the smallest."""


@dataclass(frozen=True, slots=True)
class Horizontal:
    """The axis drawn from left to right."""

    path: str
    low: float
    high: float
    log: bool
    values: tuple[float, ...]

    @property
    def name(self) -> str:
        """The axis in words."""
        return name_axis(self.path)


@dataclass(frozen=True, slots=True)
class Curve:
    """Slices along the horizontal axis, from its low end to its high end.

    ``trials`` are all finished trials of the curve, those between slices included.
    """

    point: Point
    label: str
    slices: tuple[SliceMap, ...]
    trials: tuple[tuple[TrialRecord, Outcome], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A map ready to be drawn; ``horizontal`` is None for a study of choices only."""

    horizontal: Horizontal | None
    curves: tuple[Curve, ...]


def lay_out(collapse_map: CollapseMap) -> Layout:
    """Choose the horizontal axis and collect the curves, in the study's order."""
    horizontal = find_horizontal(collapse_map.study)
    path = horizontal.path if horizontal else LR
    slices: dict[Point, list[SliceMap]] = defaultdict(list)
    for slice_map in collapse_map.slices:
        slices[slice_map.point.without(path)].append(slice_map)
    trials: dict[Point, list[tuple[TrialRecord, Outcome]]] = defaultdict(list)
    for record, outcome in collapse_map.outcomes:
        trials[record.proposal.point.without(LR, path)].append((record, outcome))
    curves = tuple(
        Curve(point, describe_point(point), _ascending(members, path), tuple(trials[point]))
        for point, members in slices.items()
    )
    return Layout(horizontal, curves)


def find_horizontal(study: Study) -> Horizontal | None:
    """Return the first range axis that all objectives have, else the first list of numbers."""
    shared = [axis for axis in study.axes if axis.kinds is None and axis.path not in (LR, KIND)]
    shared += [
        axis
        for axis in study.axes
        if axis.kinds is not None and axis.kinds >= set(study.kinds) and axis.path != KIND
    ]
    ranges = [axis for axis in shared if isinstance(axis, RangeAxis)]
    lists = [axis for axis in shared if _is_numeric_list(axis)]
    return _as_horizontal([*ranges, *lists][0]) if ranges or lists else None


def position(point: Point, horizontal: Horizontal) -> float:
    """Return where a point lies on the horizontal axis."""
    return float(point[horizontal.path])


def _as_horizontal(axis: Axis) -> Horizontal:
    values = tuple(sorted(float(value) for value in axis.grid()))
    low, high = values[0], values[-1]
    is_log = axis.log if isinstance(axis, RangeAxis) else low > 0 and high / low >= LOG_FROM_RATIO
    return Horizontal(axis.path, low, high, is_log, values)


def _is_numeric_list(axis: Axis) -> bool:
    values = axis.grid()
    is_number = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return is_number and len(values) > 1


def _ascending(slices: list[SliceMap], path: str) -> tuple[SliceMap, ...]:
    if path == LR:
        return tuple(slices)
    return tuple(sorted(slices, key=lambda slice_map: float(slice_map.point[path])))
