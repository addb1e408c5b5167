"""Simulated worlds with a known truth: how often the 95 % band of a bisected slice holds it."""

import pytest

from orchestrator.planners.factory import build_planner
from orchestrator.planners.readout import read_thresholds
from orchestrator.planners.simulated import Surface, simulate
from orchestrator.planners.threshold import Verdict
from search_spaces.axis import RangeAxis
from search_spaces.study import PlannerKind, Question
from tests.orchestrator.planners.studies import LR_AXIS, make_study


def count_covered(worlds: int, surface: Surface) -> int:
    """Bisect ``worlds`` slices whose truths spread over three decades; count bands that hold it."""
    axis = RangeAxis("objective.temperature", 0.03, 30.0, log=True, points=worlds)
    study = make_study(PlannerKind.BISECT, Question.BOUNDARY, (LR_AXIS, axis), trials=30 * worlds)
    simulation = simulate(build_planner(study), surface)
    labels = [
        (proposal, simulation.findings[proposal.key].is_collapsed)
        for asked in simulation.rounds
        for proposal in asked
    ]
    thresholds = read_thresholds(study, labels)
    assert sum(t.verdict is Verdict.INSIDE for t in thresholds.values()) >= 0.95 * worlds
    return sum(t.lo <= surface.threshold_at(p) <= t.hi for p, t in thresholds.items())


WORLDS = [
    pytest.param(Surface(slopes={"objective.temperature": 1.0}, seed_noise=0.04), id="plain"),
    pytest.param(
        Surface(slopes={"objective.temperature": 1.0}, seed_noise=0.06, lapse=0.02), id="lapses"
    ),
    pytest.param(
        Surface(slopes={"objective.temperature": -1.0}, seed_noise=0.03, jitter=0.01), id="jitter"
    ),
]


@pytest.mark.parametrize("surface", WORLDS[:2])
def test_the_band_covers_the_truth_in_most_of_40_worlds(surface: Surface) -> None:
    assert count_covered(40, surface) >= 34  # binomial: 3 sd below 95 %


@pytest.mark.slow
@pytest.mark.parametrize("surface", WORLDS)
def test_the_band_covers_the_truth_in_90_to_99_percent_of_200_worlds(surface: Surface) -> None:
    assert 180 <= count_covered(200, surface) <= 198
