"""Axes: grids with exact ends, evenly spaced."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.axis import ChoiceAxis, RangeAxis


def test_a_log_grid_has_equal_ratios() -> None:
    grid = RangeAxis("lr", 0.01, 100.0, log=True, points=5).grid()
    assert grid == (0.01, 0.1, 1.0, 10.0, 100.0)


def test_a_linear_grid_has_equal_differences() -> None:
    assert RangeAxis("x", -1.0, 1.0, log=False, points=5).grid() == (-1.0, -0.5, 0.0, 0.5, 1.0)


def test_a_choice_grid_is_its_values_in_file_order() -> None:
    assert ChoiceAxis("objective.kind", ("supcon", "clop")).grid() == ("supcon", "clop")


@settings(max_examples=50, deadline=None)
@given(
    low=st.floats(1e-6, 1e3),
    decades=st.floats(0.01, 6),
    points=st.integers(2, 40),
    log=st.booleans(),
)
def test_a_grid_ascends_from_end_to_end_in_even_steps(
    low: float, decades: float, points: int, log: bool
) -> None:
    axis = RangeAxis("lr", low, low * 10**decades, log=log, points=points)
    grid = axis.grid()

    assert len(grid) == points
    assert (grid[0], grid[-1]) == (axis.low, axis.high)
    assert list(grid) == sorted(set(grid))
    scaled = [math.log(x) for x in grid] if log else list(grid)
    step = (scaled[-1] - scaled[0]) / (points - 1)
    even = [scaled[0] + i * step for i in range(points)]
    assert scaled == pytest.approx(even, abs=1e-8 * max(1.0, *(abs(x) for x in scaled)))
