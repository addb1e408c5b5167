"""How far a boundary moved from one firing to the next. Pure; every number is log10 of a lr.

What is known of a boundary is an interval: its credible band; from the top of the range up, if
no trial collapsed; below the bottom, if all did; where trials disagreed, if there is no single
threshold; everything, if nothing could be decided. The move is the gap between two intervals:
0 while they overlap, so noise that the bands admit is no move.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the boundary of one slice lies.

    Attributes:
        slice: The slice's coordinates, as text; empty where the study has one slice.
        verdict: What the collapse map says of it.
        low: Lower end of the interval; None: no lower end.
        high: Upper end; None: no upper end.
        critical_lr: The critical learning rate itself; None unless it lies inside the range.
    """

    slice: str
    verdict: str
    low: float | None
    high: float | None
    critical_lr: float | None


@dataclass(frozen=True, slots=True)
class Move:
    """A slice's move: ``decades`` > 0 towards higher learning rates, 0 if the intervals meet."""

    slice: str
    decades: float


def compare(previous: Sequence[Interval], current: Sequence[Interval]) -> tuple[Move, ...]:
    """Return the moves of the slices that both firings know, in the current order."""
    before = {interval.slice: interval for interval in previous}
    return tuple(
        Move(interval.slice, _gap(before[interval.slice], interval))
        for interval in current
        if interval.slice in before
    )


def find_moved(moves: Sequence[Move], allowed_decades: float) -> tuple[Move, ...]:
    """Return the moves further than allowed."""
    return tuple(move for move in moves if abs(move.decades) > allowed_decades)


def describe_moves(moves: Sequence[Move]) -> str:
    """Return moves in words: ``0.31 decades up at temperature=0.1``."""
    told = [
        f"{abs(move.decades):.2f} decades {'up' if move.decades > 0 else 'down'}"
        + (f" at {move.slice}" if move.slice else "")
        for move in moves
    ]
    return "; ".join(told)


def _gap(previous: Interval, current: Interval) -> float:
    if previous.high is not None and current.low is not None and current.low > previous.high:
        return current.low - previous.high
    if previous.low is not None and current.high is not None and current.high < previous.low:
        return current.high - previous.low
    return 0.0
