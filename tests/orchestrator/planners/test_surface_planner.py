"""The surface planner against simulated worlds: when it ends, and how its study is read."""

from dataclasses import replace

import pytest

from orchestrator.planners.factory import build_planner
from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.readout import read_boundary
from orchestrator.planners.simulated import Surface, simulate
from orchestrator.planners.surface_planner import SurfacePlanner
from orchestrator.planners.threshold import Verdict
from orchestrator.planners.world_kind import WorldKind
from orchestrator.planners.worlds import build_world
from search_spaces.axis import ChoiceAxis
from search_spaces.study import PlannerKind, Question, Study
from tests.orchestrator.planners.studies import CONDITIONAL_AXES, make_study

DEMO = make_study(PlannerKind.SURFACE, Question.BOUNDARY)


def run(study: Study, world: Surface) -> list[tuple[Proposal, Finding]]:
    simulation = simulate(build_planner(study), world)
    return [(p, simulation.findings[p.key]) for asked in simulation.rounds for p in asked]


def test_the_demo_is_answered_with_less_than_bisection_spends() -> None:
    world = build_world(WorldKind.SMOOTH, DEMO, 0)
    told = run(DEMO, world)
    found = read_boundary(DEMO, told)
    bisected = run(replace(DEMO, planner=PlannerKind.BISECT), world)

    assert len(told) < 0.75 * len(bisected)
    assert list(found) == list(DEMO.slices())
    assert all(t.verdict is Verdict.INSIDE and t.width <= 0.1 for t in found.values())
    errors = [abs(t.median - world.threshold_at(point)) for point, t in found.items()]
    assert sum(errors) / len(errors) < 0.03


def test_conditional_axes_belong_to_their_kind_alone() -> None:
    study = make_study(PlannerKind.SURFACE, Question.BOUNDARY, CONDITIONAL_AXES, trials=60)
    told = run(study, build_world(WorldKind.SMOOTH, study, 1))
    has_lambda = {"objective.lambda" in dict(proposal.point.coordinates) for proposal, _ in told}
    assert has_lambda == {True, False}
    assert len(read_boundary(study, told)) == 5 + 5 + 15


def test_a_world_without_a_crossing_ends_early_and_says_so() -> None:
    told = run(DEMO, build_world(WorldKind.NONE, DEMO, 0))
    assert len(told) < 360
    assert {t.verdict for t in read_boundary(DEMO, told).values()} == {Verdict.ABOVE}


def test_a_higher_level_is_crossed_at_lower_learning_rates() -> None:
    told = run(DEMO, build_world(WorldKind.SMOOTH, DEMO, 2))
    own, higher = read_boundary(DEMO, told), read_boundary(DEMO, told, level=4.0)
    assert all(higher[point].median < own[point].median for point in own)


def test_a_study_without_a_range_is_refused() -> None:
    listed = make_study(PlannerKind.SURFACE, Question.BOUNDARY, (ChoiceAxis("lr", (0.1, 1.0)),))
    with pytest.raises(ValueError, match=r"the boundary search needs lr: \{low, high, log: true\}"):
        SurfacePlanner(listed)
