"""Moves of a boundary: the gap between two intervals, none while they meet."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.schedule.movement import Interval, Move, compare, describe_moves, find_moved

ends = st.tuples(st.floats(-3, 3), st.floats(-3, 3)).map(lambda pair: (min(pair), max(pair)))


def interval(low: float | None, high: float | None, part: str = "") -> Interval:
    return Interval(part, "inside", low, high, None)


@pytest.mark.parametrize(
    ("before", "after", "decades"),
    [
        pytest.param((0.0, 0.1), (0.0, 0.1), 0.0, id="same"),
        pytest.param((0.0, 0.1), (0.1, 0.2), 0.0, id="touching"),
        pytest.param((0.0, 0.1), (0.4, 0.5), 0.3, id="up"),
        pytest.param((0.0, 0.1), (-0.5, -0.2), -0.2, id="down"),
        pytest.param((0.0, 0.1), (2.0, None), 1.9, id="no-collapse-any-more"),
        pytest.param((0.0, 0.1), (None, -2.0), -2.0, id="all-collapse-now"),
        pytest.param((2.0, None), (0.0, 0.1), -1.9, id="collapses-now"),
        pytest.param((0.0, 0.1), (None, None), 0.0, id="nothing-decided"),
        pytest.param((0.0, 0.1), (0.05, 3.0), 0.0, id="wide-band-overlaps"),
    ],
)
def test_closed_forms(
    before: tuple[float, float], after: tuple[float, float], decades: float
) -> None:
    (move,) = compare([interval(*before)], [interval(*after)])
    assert move.decades == pytest.approx(decades)


@settings(max_examples=60, deadline=None)
@given(first=ends, second=ends, shift=st.floats(-2, 2))
def test_a_move_back_is_the_move_reversed_and_only_differences_count(
    first: tuple[float, float], second: tuple[float, float], shift: float
) -> None:
    (there,) = compare([interval(*first)], [interval(*second)])
    (back,) = compare([interval(*second)], [interval(*first)])
    shifted = compare(
        [interval(first[0] + shift, first[1] + shift)],
        [interval(second[0] + shift, second[1] + shift)],
    )
    assert there.decades == -back.decades
    assert shifted[0].decades == pytest.approx(there.decades, abs=1e-9)
    overlap = max(first[0], second[0]) <= min(first[1], second[1])
    assert (there.decades == 0.0) is overlap


def test_slices_are_compared_with_themselves_and_new_ones_with_nothing() -> None:
    before = [interval(0.0, 0.1, "t=1"), interval(1.0, 1.1, "t=2")]
    after = [interval(1.0, 1.1, "t=2"), interval(0.5, 0.6, "t=1"), interval(9.0, 9.0, "t=3")]
    assert compare(before, after) == (Move("t=2", 0.0), Move("t=1", 0.5 - 0.1))


def test_only_moves_further_than_allowed_count_and_are_told() -> None:
    moves = (Move("t=1", 0.2), Move("t=2", -0.31), Move("", 0.25))
    moved = find_moved(moves, 0.2)
    assert moved == moves[1:]
    assert describe_moves(moved) == "0.31 decades down at t=2; 0.25 decades up"
