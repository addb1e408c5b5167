"""Simulated surfaces, the read-out of thresholds, and the forecast made with both."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.planners.forecast import forecast
from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.readout import read_thresholds
from orchestrator.planners.simulated import Surface, simulate
from search_spaces.axis import ChoiceAxis
from search_spaces.point import Point
from search_spaces.study import PlannerKind, Question
from tests.orchestrator.planners.studies import LR_AXIS, make_study

SMOOTH = Surface(base=0.5, slopes={"t": 2.0}, kinks={"t": (10.0, -1.0)}, offsets={("k", "b"): 0.3})
NOISELESS = replace(SMOOTH, seed_noise=0.0)


def trial_at(lr: float, replicate: int = 0, **axes: float | str) -> Proposal:
    return Proposal(Point.of({"lr": lr, **axes}), replicate)


@pytest.mark.parametrize(
    ("axes", "threshold"),
    [({"t": 1.0}, 0.5), ({"t": 10.0}, 2.5), ({"t": 100.0}, 3.5), ({"t": 0.1, "k": "b"}, -1.2)],
)
def test_thresholds_add_slopes_kinks_and_offsets(
    axes: dict[str, float | str], threshold: float
) -> None:
    assert SMOOTH.threshold_at(trial_at(7.0, 0, **axes).point) == pytest.approx(threshold)


def test_the_score_meets_the_level_at_the_threshold_and_falls_with_the_learning_rate() -> None:
    scores = [NOISELESS.find(trial_at(10.0 ** (0.5 + d))).score for d in (-1, -0.2, 0, 0.2, 1, 2)]
    assert scores[2] == pytest.approx(2.0)
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] == 0.0


def test_labels_are_the_score_below_the_level() -> None:
    for distance in (-0.3, -0.01, 0.01, 0.3, 1.6):
        finding = NOISELESS.find(trial_at(10.0 ** (0.5 + distance)))
        assert finding.is_collapsed == (distance > 0)
        assert finding.is_diverged == (finding.utility is None) == (distance > 1.5)


def test_equal_trials_give_equal_findings_and_seeds_differ() -> None:
    noisy = replace(SMOOTH, seed_noise=0.1, jitter=0.02, lapse=0.2)
    assert noisy.find(trial_at(3.0)) == noisy.find(trial_at(3.0))
    assert len({noisy.find(trial_at(3.0, r)).score for r in range(10)}) > 5


def test_a_reentrant_world_is_healthy_again_where_it_says() -> None:
    world = replace(NOISELESS, healthy_again=(0.4, 0.8))
    labels = [world.find(trial_at(10.0 ** (0.5 + d))).is_collapsed for d in (-0.2, 0.2, 0.6, 1.0)]
    assert labels == [False, True, False, True]


class Endless:
    """A planner that never finishes."""

    def ask(self) -> Sequence[Proposal]:
        return [trial_at(1.0)]

    def tell(self, proposal: Proposal, finding: Finding) -> None:
        pass

    def tell_missing(self, proposal: Proposal) -> None:
        pass


def test_a_planner_that_never_ends_is_reported() -> None:
    with pytest.raises(RuntimeError, match="has not ended after 5 rounds"):
        simulate(Endless(), SMOOTH, max_rounds=5)


def test_another_level_moves_the_threshold_with_the_score() -> None:
    study = make_study(PlannerKind.BISECT, Question.BOUNDARY, (LR_AXIS,))
    world = replace(NOISELESS, slopes={})
    trials = [trial_at(round(10 ** (0.1 * i), 4)) for i in range(-20, 21)]
    strict, lax = (
        read_thresholds(study, [(t, world.find(t).score < level) for t in trials])[Point.of({})]
        for level in (2.0, 12.0)
    )
    assert strict.median == pytest.approx(0.5, abs=0.06)
    assert strict.median - lax.median == pytest.approx(0.15 * math.log(22 * 12 / 11), abs=0.1)


def test_trials_off_the_slices_are_left_out_of_the_thresholds() -> None:
    study = make_study(PlannerKind.BISECT, Question.BOUNDARY, (LR_AXIS,))
    labels = [(trial_at(1.0, t=3.0), True), (trial_at(1e5), True), (trial_at(1.0), False)]
    (threshold,) = read_thresholds(study, labels).values()
    assert threshold.trials == 1


def test_thresholds_need_a_learning_rate_range() -> None:
    study = make_study(PlannerKind.GRID, Question.GRID, (ChoiceAxis("lr", (0.1, 1.0)),))
    with pytest.raises(ValueError, match="no learning-rate range"):
        read_thresholds(study, [])


def test_the_forecast_of_the_demo_names_trials_rounds_and_band() -> None:
    expected = forecast(make_study(PlannerKind.BISECT, Question.BOUNDARY))
    assert 250 <= expected.trials <= 360
    assert 5 <= expected.rounds <= 12
    assert expected.largest_round == 15 * 9
    assert expected.slices == 15
    assert expected.band_decades is not None
    assert 0.05 < expected.band_decades < 0.2


def test_a_smaller_budget_forecasts_a_wider_band() -> None:
    small, large = (
        forecast(make_study(PlannerKind.BISECT, Question.BOUNDARY, trials=n)) for n in (90, 360)
    )
    assert small.is_cut_by_budget
    assert small.trials == 90
    assert small.band_decades is not None
    assert large.band_decades is not None
    assert small.band_decades > 2 * large.band_decades


@pytest.mark.parametrize(
    ("kind", "rounds"), [(PlannerKind.GRID, 1), (PlannerKind.QMC, 1), (PlannerKind.TPE, 7)]
)
def test_other_questions_forecast_no_band(kind: PlannerKind, rounds: int) -> None:
    expected = forecast(make_study(kind, Question.OPTIMISE, trials=100))
    assert (expected.trials, expected.rounds) == (100, rounds)
    assert expected.band_decades is None


def test_a_study_without_a_learning_rate_axis_has_a_forecast() -> None:
    axes = (ChoiceAxis("model.norm", ("none", "batch")),)
    assert forecast(make_study(PlannerKind.GRID, Question.GRID, axes)).trials == 6


def test_the_forecast_knows_budgets_of_steps_and_of_seconds() -> None:
    whole = forecast(make_study(PlannerKind.BISECT, Question.BOUNDARY), 0.01)
    assert whole.trials * 40 < whole.trial_steps < whole.trials * 400
    limits = ({"trial_steps": whole.trial_steps // 2}, {"seconds": whole.trial_steps * 0.01 / 2})
    for limit in limits:
        study = make_study(PlannerKind.BISECT, Question.BOUNDARY)
        budget = study.budget.model_copy(update=limit)
        cut = forecast(replace(study, budget=budget), 0.01)
        assert cut.is_cut_by_budget
        assert cut.trials < whole.trials
        assert 0.4 * whole.trial_steps < cut.trial_steps < 0.7 * whole.trial_steps
