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
    assert sum(t.verdict is Verdict.INSIDE for t in thresholds.values()) >= 0.8 * worlds
    return sum(t.lo <= surface.threshold_at(p) <= t.hi for p, t in thresholds.items())


QUIET_TO_WILD = (0.02, 0.05, 0.1, 0.2, 0.5)
"""Seed noises in decades: the 10, 30, 50, 70 and 90 % quantiles of the prior."""

RISING, FALLING = {"objective.temperature": 1.0}, {"objective.temperature": -1.0}


def tilted(slopes: dict[str, float], noise: float, jitter: float, lapse: float) -> Surface:
    return Surface(slopes=slopes, seed_noise=noise, jitter=jitter, lapse=lapse)


@pytest.mark.parametrize("seed_noise", [0.1, 0.3])
def test_the_band_covers_the_truth_in_most_of_40_worlds(seed_noise: float) -> None:
    assert count_covered(40, tilted(RISING, seed_noise, 0.0, 0.0)) >= 34  # 3 sd below 95 %


@pytest.mark.slow
@pytest.mark.parametrize(
    ("slopes", "jitter", "lapse"),
    [
        pytest.param(RISING, 0.0, 0.0, id="plain"),
        pytest.param(RISING, 0.0, 0.02, id="lapses"),
        pytest.param(FALLING, 0.02, 0.0, id="jitter"),
    ],
)
def test_over_the_prior_of_seed_noise_the_band_covers_90_to_99_percent_of_200_worlds(
    slopes: dict[str, float], jitter: float, lapse: float
) -> None:
    # A quiet seed set is covered more often than that, a wild one less: only over worlds drawn
    # from the prior is the band calibrated, and three seeds say little about their own noise.
    covered = [count_covered(40, tilted(slopes, s, jitter, lapse)) for s in QUIET_TO_WILD]
    assert 180 <= sum(covered) <= 198, covered
    assert min(covered) >= 32, covered
