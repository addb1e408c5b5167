"""The small parts of a search: the single step, the bracket, reaching out, spread orders."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.planners.bracket import Bracket, find_bracket, reach_out
from orchestrator.planners.evidence import Evidence
from orchestrator.planners.monotone import best_cut, find_crossing
from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.space import contains, grid_points, round_within, spread_order
from search_spaces.axis import RangeAxis
from search_spaces.point import Point
from search_spaces.study import PlannerKind, Question
from tests.orchestrator.planners.studies import CONDITIONAL_AXES, LR_AXIS, make_study

STUDY = make_study(PlannerKind.GRID, Question.GRID, CONDITIONAL_AXES)


def count_wrong(positions: list[float], labels: list[bool], cut: float) -> int:
    return sum(label != (x > cut) for x, label in zip(positions, labels, strict=True))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-9, 9), st.booleans()), min_size=1, max_size=12).map(sorted))
def test_no_cut_contradicts_fewer_labels_than_the_best(trials: list[tuple[int, bool]]) -> None:
    positions = [float(x) for x, _ in trials]
    labels = [label for _, label in trials]
    cut = best_cut(np.array(positions), np.array(labels))
    others = [x + offset for x in positions for offset in (-0.5, 0.5)]
    fewest = min(count_wrong(positions, labels, other) for other in others)
    assert count_wrong(positions, labels, cut) == fewest


@pytest.mark.parametrize(
    ("labels", "contradictions", "is_reentrant"),
    [
        pytest.param("HHHCCC", (), False, id="one-step"),
        pytest.param("HCHHHH", (1.0,), False, id="one-lapse"),
        pytest.param("HHHCCHCC", (5.0,), False, id="lapse-above"),
        pytest.param("HHHCCCHHCCC", (6.0, 7.0), True, id="re-entrant"),
    ],
)
def test_two_contradictions_side_by_side_are_a_second_crossing(
    labels: str, contradictions: tuple[float, ...], is_reentrant: bool
) -> None:
    crossing = find_crossing(
        np.arange(len(labels), dtype=np.float64), np.array([c == "C" for c in labels])
    )
    assert crossing.contradictions == contradictions
    assert crossing.is_reentrant is is_reentrant


def test_a_lapse_is_outvoted_by_the_other_seeds_at_its_place() -> None:
    x_n = np.array([0.0, 1.0, 2.0, 3.0, 3.0, 3.0])
    crossing = find_crossing(x_n, np.array([False, True, True, True, True, False]))
    assert crossing.contradictions == (3.0,)
    assert not crossing.is_reentrant


def test_disagreement_close_to_the_step_is_seed_noise() -> None:
    crossing = find_crossing(
        np.array([0.0, 0.1, 0.15, 0.2, 0.3]), np.array([False, True, False, False, True])
    )
    assert crossing.contradictions == ()
    assert (crossing.last_healthy, crossing.first_collapsed) == (0.0, 0.3)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("HHCC", Bracket(1.0, 2.0)),
        ("HHHH", Bracket(3.0, None)),
        ("CCCC", Bracket(None, 0.0)),
        ("HHCCHC", Bracket(1.0, 2.0)),
        ("", Bracket(None, None)),
    ],
)
def test_brackets(labels: str, expected: Bracket) -> None:
    positions = [float(i) for i in range(len(labels))]
    assert find_bracket(positions, [c == "C" for c in labels]) == expected


def test_reaching_out_doubles_the_span_and_stops_at_the_end_of_the_axis() -> None:
    up, down = Bracket(0.25, None), Bracket(None, 0.0)
    assert reach_out([0.0, 0.25], up, -2, 2) == 0.5
    assert reach_out([0.0, 0.25, 0.5], up, -2, 2) == 1.0
    assert reach_out([0.0, 0.25, 0.5, 1.0], up, -2, 1.5) == 1.5
    assert reach_out([0.0, 0.25], down, -2, 2) == -0.25


@pytest.mark.parametrize(("count", "order"), [(0, []), (1, [0]), (2, [0, 1]), (5, [0, 4, 2, 1, 3])])
def test_spread_orders(count: int, order: list[int]) -> None:
    assert spread_order(count) == order


@given(st.integers(0, 40))
def test_a_spread_order_is_a_permutation(count: int) -> None:
    assert sorted(spread_order(count)) == list(range(count))


def test_rounding_keeps_four_digits_and_the_exact_ends() -> None:
    axis = RangeAxis("lr", 0.0123456, 98.7654, log=True)
    assert round_within(3.141592, axis) == 3.142
    assert round_within(0.0123456, axis) == 0.0123456
    assert round_within(98.7654, axis) == 98.7654


def test_the_grid_has_each_kind_with_its_own_axes() -> None:
    points = grid_points(STUDY)
    assert len(points) == len(set(points)) == 5 * (5 + 5 + 5 * 3)
    assert all(contains(STUDY, point) for point in points)
    assert [point["lr"] for point in points[::25]] == [0.01, 100.0, 1.0, 0.1, 10.0]


@pytest.mark.parametrize(
    "coordinates",
    [
        pytest.param({"lr": 1.0}, id="axes-missing"),
        pytest.param(
            {"lr": 1.0, "objective.kind": "infonce", "objective.temperature": 2.0}, id="outside"
        ),
        pytest.param(
            {"lr": 1.0, "objective.kind": "clop", "objective.temperature": 0.5}, id="no-lambda"
        ),
        pytest.param(
            {"lr": "1", "objective.kind": "infonce", "objective.temperature": 0.5}, id="a-word"
        ),
        pytest.param(
            {"lr": 1.0, "objective.kind": "other", "objective.temperature": 0.5}, id="no-such-kind"
        ),
    ],
)
def test_points_off_the_axes_are_not_in_the_space(coordinates: dict[str, float | str]) -> None:
    assert not contains(STUDY, Point.of(coordinates))


def test_the_first_finding_of_a_trial_stands() -> None:
    evidence = Evidence()
    proposal = Proposal(Point.of({LR_AXIS.path: 1.0}), 0)
    first, second = (Finding(score, False, False, None, 1) for score in (5.0, 6.0))
    evidence.tell(proposal, first)
    evidence.tell(proposal, second)
    assert list(evidence.findings()) == [(proposal, first)]
    assert evidence.spent == 1
