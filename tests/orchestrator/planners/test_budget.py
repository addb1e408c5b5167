"""Budgets of trials, trial-steps and seconds end any planner's study; one place enforces them."""

from dataclasses import replace

import pytest

from orchestrator.planners.evidence import Evidence
from orchestrator.planners.factory import build_planner
from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.simulated import Surface, simulate
from search_spaces.axis import RangeAxis
from search_spaces.point import Point
from search_spaces.study import Budget, PlannerKind, Question, Study
from tests.orchestrator.planners.studies import LR_AXIS, make_study

AXES = (RangeAxis("objective.temperature", 0.05, 1.0, log=True), LR_AXIS)


def study_with(planner: PlannerKind, budget: Budget) -> Study:
    question = Question.OPTIMISE if planner is PlannerKind.TPE else Question.BOUNDARY
    return replace(make_study(planner, question, AXES), budget=budget)


def planned_steps(study: Study) -> int:
    return study.settings_at(study.corner("infonce").replace("lr", 1.0)).train.steps


@pytest.mark.parametrize("planner", list(PlannerKind))
def test_no_planner_exceeds_a_budget_of_steps(planner: PlannerKind) -> None:
    study = study_with(planner, Budget(trials=500, trial_steps=20_000, band_decades=0.001))
    world = Surface(base=0.3, steps=planned_steps(study))
    simulation = simulate(build_planner(study), world)
    assert 20_000 - planned_steps(study) < simulation.trial_steps <= 20_000


def test_seconds_end_a_study_within_a_round() -> None:
    study = study_with(PlannerKind.SURFACE, Budget(trials=500, seconds=100.0, band_decades=0.001))
    planner, world, spent = build_planner(study), Surface(base=0.3), 0.0
    while asked := planner.ask():
        for proposal in asked:
            planner.tell(proposal, replace(world.find(proposal), seconds=2.0))
            spent += 2.0
    assert 90.0 <= spent <= 100.0


def test_missing_trials_spend_trials_but_neither_steps_nor_seconds() -> None:
    study = study_with(PlannerKind.SURFACE, Budget(trials=10, trial_steps=10**9, seconds=10.0))
    evidence = Evidence()
    evidence.tell_missing(Proposal(Point.of({"lr": 1.0}), 0))
    assert evidence.remaining(study) == 9
    evidence.tell(Proposal(Point.of({"lr": 2.0}), 0), Finding(9.0, False, False, None, 5, 4.0))
    assert evidence.remaining(study) == 1
    evidence.tell(Proposal(Point.of({"lr": 3.0}), 0), Finding(9.0, False, False, None, 5, 7.0))
    assert evidence.remaining(study) == 0
