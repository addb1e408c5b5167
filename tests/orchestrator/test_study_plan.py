"""What trials cost and what a study takes, against arithmetic by hand; nothing is trained."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.lane_plan import LanePlan
from orchestrator.planners.forecast import foresee
from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.simulated import Simulation
from orchestrator.step_time import (
    FEWEST_TRIALS,
    StepTime,
    StepTimes,
    TimedTrial,
    TimeSource,
    cost_of,
    describe_settings,
    summarise_times,
)
from orchestrator.study_plan import list_costs, plan_workload
from search_spaces.point import Point
from search_spaces.study import Study
from tests.orchestrator.fabricated import make_tiny, propose


def probe(low: float = 0.5, middle: float = 1.0, high: float = 2.0) -> StepTimes:
    return StepTimes(TimeSource.PROBE, "by hand", 0, {"": StepTime(low, middle, high)})


def simulation_of(*rounds: list[Proposal], steps: int = 4) -> Simulation:
    """Return rounds whose trials all took so many steps."""
    finding = Finding(score=1.0, is_collapsed=True, is_diverged=False, utility=None, steps=steps)
    return Simulation(tuple(tuple(r) for r in rounds), {p.key: finding for r in rounds for p in r})


def settings_at(study: Study, lr: float, kind: str) -> Mapping[str, str]:
    point = Point.of({"lr": lr, "objective.kind": kind})
    return describe_settings(study.settings_at(point))


def test_cost_is_decided_by_the_work_and_not_by_rates_and_temperatures() -> None:
    study = make_tiny()
    cost = cost_of(settings_at(study, 0.1, "infonce"))
    for same in ("objective.temperature=0.5", "collapse.below=1.5", "train.steps=8", "seeds=5"):
        assert cost_of(settings_at(make_tiny(same), 3.0, "infonce")) == cost
    for other in ("model.hidden=[16]", "train.batch_size=64", "collapse.every_steps=1"):
        assert cost_of(settings_at(make_tiny(other), 0.1, "infonce")) != cost
    assert cost_of(settings_at(study, 0.1, "supcon")) != cost
    assert list_costs(study, foresee(study)) == {
        cost,
        cost_of(settings_at(study, 0.1, "supcon")),
    }


def test_earlier_trials_tell_by_their_median_and_the_middle_four_fifths() -> None:
    trials = [TimedTrial("a", "x", float(n)) for n in range(1, 12)]
    trials += [TimedTrial("b", "y", 2.0)] * FEWEST_TRIALS
    times = summarise_times(trials, {"x", "y"}, TimeSource.LEDGERS)
    assert times is not None
    assert times.by_cost == {"x": StepTime(2.0, 6.0, 10.0), "y": StepTime(2.0, 2.0, 2.0)}
    assert times.trials == len(trials)
    assert "(a, b)" in times.said


def test_earlier_trials_that_leave_a_cost_out_tell_nothing() -> None:
    trials = [TimedTrial("a", "x", 1.0)] * FEWEST_TRIALS
    assert summarise_times(trials, {"x", "z"}, TimeSource.MLFLOW) is None
    assert summarise_times(trials[1:], {"x"}, TimeSource.MLFLOW) is None


def test_equal_trials_take_turns_on_workers_and_rounds_follow_each_other() -> None:
    study = make_tiny()
    first = propose(*(0.01 * n for n in range(1, 9)))  # 8 trials of 4 steps: 1 cohort
    second = propose(0.5, 0.6)
    simulation = simulation_of(first, second)
    work = plan_workload(study, simulation, LanePlan(1, 2, 2), probe())
    # 8 trials on 2 workers: packs of 2, two turns of 2 * 4 s; then 2 trials, one on each.
    assert (work.cohorts, work.packs) == (2, 6)
    assert work.training.middle == pytest.approx(40.0)
    assert work.wall.middle == pytest.approx(16.0 + 4.0)
    assert (work.wall.low, work.wall.high) == pytest.approx((10.0, 40.0))
    alone = plan_workload(study, simulation, LanePlan(1, 1, 2), probe())
    assert alone.wall.middle == pytest.approx(40.0)
    lanes = plan_workload(study, simulation, LanePlan(2, 2, 2), probe())
    assert lanes.wall.middle == pytest.approx(8.0 + 4.0)


def test_trials_decided_early_count_for_the_likely_time_and_not_for_the_longest() -> None:
    simulation = simulation_of(propose(0.1, 1.0), steps=2)
    work = plan_workload(make_tiny(), simulation, LanePlan(1, 1, 16), probe())
    assert (work.wall.low, work.wall.middle, work.wall.high) == pytest.approx((2.0, 4.0, 16.0))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.01, 100, allow_nan=False), min_size=1, max_size=40, unique=True),
    st.integers(1, 5),
    st.integers(1, 4),
)
def test_a_plan_never_promises_more_than_perfect_sharing(
    rates: list[float], workers: int, lanes: int
) -> None:
    simulation = simulation_of(propose(*rates))
    work = plan_workload(make_tiny(), simulation, LanePlan(lanes, workers, 16), probe())
    assert work.training.middle == pytest.approx(4.0 * len(rates))
    assert work.wall.low <= work.wall.middle <= work.wall.high
    assert work.wall.middle >= work.training.middle / (workers * lanes) - 1e-9
    assert work.wall.middle <= work.training.middle + 1e-9
