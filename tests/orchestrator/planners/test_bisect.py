"""Bisection against simulated surfaces: what a round is, what it costs, what it finds."""

import math
from dataclasses import replace

import pytest

from orchestrator.planners.bisect import BisectPlanner
from orchestrator.planners.factory import build_planner
from orchestrator.planners.protocol import Finding
from orchestrator.planners.readout import read_thresholds
from orchestrator.planners.simulated import Simulation, Surface, simulate
from orchestrator.planners.threshold import Threshold, Verdict
from search_spaces.axis import ChoiceAxis
from search_spaces.study import PlannerKind, Question, Study
from tests.orchestrator.planners.studies import KIND_AXIS, LR_AXIS, make_study

DEMO = make_study(PlannerKind.BISECT, Question.BOUNDARY)
ONE_SLICE = make_study(PlannerKind.BISECT, Question.BOUNDARY, (LR_AXIS,), trials=60)
WORLD = Surface(
    base=0.5,
    slopes={"objective.temperature": 1.0},
    offsets={("objective.kind", "supcon"): -0.7},
)


def run(study: Study, surface: Surface) -> tuple[Simulation, list[Threshold]]:
    simulation = simulate(build_planner(study), surface)
    labels = [
        (proposal, simulation.findings[proposal.key].is_collapsed)
        for asked in simulation.rounds
        for proposal in asked
    ]
    return simulation, list(read_thresholds(study, labels).values())


def test_the_demo_finds_fifteen_thresholds_within_its_budget() -> None:
    simulation, thresholds = run(DEMO, WORLD)
    truths = [WORLD.threshold_at(point) for point in DEMO.slices()]
    errors = [abs(t.median - truth) for t, truth in zip(thresholds, truths, strict=True)]

    assert 200 <= simulation.trials <= 360
    assert len(simulation.rounds) <= 9
    assert {t.verdict for t in thresholds} == {Verdict.INSIDE}
    assert sum(errors) / len(errors) < 0.03
    assert max(t.width for t in thresholds) < 0.5


def test_the_first_round_walks_every_slice_with_the_scout() -> None:
    first = BisectPlanner(DEMO).ask()
    assert len(first) == 15 * 9
    assert {proposal.replicate for proposal in first} == {0}
    assert {proposal.point["lr"] for proposal in first} == {
        0.01, 0.03162, 0.1, 0.3162, 1.0, 3.162, 10.0, 31.62, 100.0
    }  # fmt: skip


def test_a_small_budget_walks_in_whole_decades_and_cuts_every_slice_alike() -> None:
    small = make_study(PlannerKind.BISECT, Question.BOUNDARY, trials=40)
    first = BisectPlanner(small).ask()
    by_slice = [sum(p.point.without("lr") == s for p in first) for s in small.slices()]

    assert sum(by_slice) == 40
    assert max(by_slice) - min(by_slice) <= 1
    assert {p.point["lr"] for p in first} == {0.01, 100.0, 1.0}


@pytest.mark.parametrize(
    ("base", "verdict"), [(5.0, Verdict.ABOVE), (-5.0, Verdict.BELOW)], ids=["above", "below"]
)
def test_slices_without_a_crossing_stop_early(base: float, verdict: Verdict) -> None:
    simulation, (threshold,) = run(ONE_SLICE, Surface(base=base))
    assert threshold.verdict is verdict
    assert simulation.trials == 9 + 2 * 2  # the walk; two values at the end by two seeds


@pytest.mark.parametrize("healthy_again", [(0.5, 1.2), (0.4, 9.0)])
def test_a_second_crossing_is_probed_and_becomes_an_interval(
    healthy_again: tuple[float, float],
) -> None:
    simulation, (threshold,) = run(ONE_SLICE, Surface(base=-0.7, healthy_again=healthy_again))
    assert threshold.verdict is Verdict.TRANSITION
    assert threshold.transition[0] <= -0.7 + 0.15
    assert threshold.transition[1] >= min(-0.7 + healthy_again[1] - 0.15, 2.0)
    assert simulation.trials < 25


def test_quieter_seeds_need_fewer_trials_and_give_a_narrower_band() -> None:
    quiet, quiet_bands = run(DEMO, replace(WORLD, seed_noise=0.005))
    noisy, noisy_bands = run(DEMO, replace(WORLD, seed_noise=0.1))
    assert quiet.trials < noisy.trials
    assert sum(t.width for t in quiet_bands) < 0.6 * sum(t.width for t in noisy_bands)


def test_a_slice_stops_where_its_band_is_as_narrow_as_asked() -> None:
    wide = make_study(PlannerKind.BISECT, Question.BOUNDARY, band_decades=0.5)
    simulation, thresholds = run(wide, WORLD)
    assert simulation.trials < 250
    assert max(t.width for t in thresholds) <= 0.5


@pytest.mark.parametrize("seed", range(4))
def test_coin_flip_labels_end_within_the_budget(seed: int) -> None:
    simulation, thresholds = run(DEMO, replace(WORLD, lapse=1.0, seed=seed))
    assert simulation.trials <= 360
    assert all(math.isfinite(t.width) for t in thresholds)


def test_bisection_ends_by_itself_under_any_budget() -> None:
    endless = make_study(PlannerKind.BISECT, Question.BOUNDARY, trials=10**6, band_decades=1e-3)
    simulation, _ = run(endless, replace(WORLD, lapse=0.1))
    assert simulation.trials < 15 * 100


def test_a_lost_scout_is_replaced_by_the_next_replicate() -> None:
    planner = BisectPlanner(ONE_SLICE)
    for proposal in planner.ask():
        planner.tell_missing(proposal)
    assert {proposal.replicate for proposal in planner.ask()} == {1}


def test_a_missing_middle_is_replaced_by_a_point_beside_it() -> None:
    planner = BisectPlanner(ONE_SLICE)
    for proposal in planner.ask():
        planner.tell(proposal, Surface(base=0.2).find(proposal))
    (middle,) = planner.ask()
    planner.tell_missing(middle)
    (beside,) = planner.ask()
    assert (middle.point["lr"], beside.point["lr"]) == (1.778, 1.552)


def test_conditional_axes_make_slices_of_their_own() -> None:
    axes = (LR_AXIS, KIND_AXIS, ChoiceAxis("objective.lambda", (0.5, 1.0), frozenset({"clop"})))
    study = make_study(PlannerKind.BISECT, Question.BOUNDARY, axes)
    _, thresholds = run(study, WORLD)
    assert len(thresholds) == 4
    assert {t.verdict for t in thresholds} == {Verdict.INSIDE}


def test_learning_rates_have_four_digits() -> None:
    simulation, _ = run(DEMO, WORLD)
    rates = {float(str(p.point["lr"])) for asked in simulation.rounds for p in asked}
    assert all(rate == float(f"{rate:.4g}") for rate in rates)


def test_a_study_without_a_range_is_refused() -> None:
    listed = make_study(PlannerKind.BISECT, Question.BOUNDARY, (ChoiceAxis("lr", (0.1, 1.0)),))
    with pytest.raises(ValueError, match=r"bisection needs lr: \{low, high, log: true\}"):
        BisectPlanner(listed)


def test_divergence_counts_as_collapse() -> None:
    planner = BisectPlanner(ONE_SLICE)
    for proposal in planner.ask():
        is_diverged = float(str(proposal.point["lr"])) > 1.0
        planner.tell(
            proposal,
            Finding(0.0 if is_diverged else 20.0, is_diverged, is_diverged, None, 10),
        )
    (middle,) = planner.ask()
    assert middle.point["lr"] == 1.778
