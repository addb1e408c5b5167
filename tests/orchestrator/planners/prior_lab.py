"""A study, its successor at higher temperatures, and what the one leaves to the other."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from orchestrator.planners.factory import build_planner
from orchestrator.planners.prior import sum_up_boundary
from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.simulated import Surface, simulate
from orchestrator.planners.study_space import open_search
from orchestrator.planners.world_kind import WorldKind
from orchestrator.planners.worlds import build_world
from search_spaces.axis import Axis, ChoiceAxis, RangeAxis
from search_spaces.point import Point
from search_spaces.prior_boundary import PriorBoundary
from search_spaces.study import PlannerKind, Question, Study
from tests.orchestrator.planners.lab import observe
from tests.orchestrator.planners.studies import LR_AXIS, make_study

TEMPERATURE = "objective.temperature"
KINDS = ChoiceAxis("objective.kind", ("infonce", "supcon"))
Told = list[tuple[Proposal, Finding]]


def study_between(low: float, high: float, name: str, *more: Axis, trials: int = 96) -> Study:
    """Return a study over temperatures and two kinds, or over other axes than the kinds."""
    axes = (LR_AXIS, RangeAxis(TEMPERATURE, low, high, log=True), *(more or (KINDS,)))
    plain = make_study(PlannerKind.SURFACE, Question.BOUNDARY, axes, trials, band_decades=0.08)
    return replace(plain, name=name)


EARLIER = study_between(0.05, 0.5, "earlier")
LATER = study_between(0.1, 1.0, "later")


@cache
def world_of(seed: int) -> Surface:
    """Return the truth of both studies."""
    return build_world(WorldKind.SMOOTH, LATER, seed)


@cache
def told_earlier(seed: int) -> Told:
    """Return what the earlier study found."""
    simulation = simulate(build_planner(EARLIER), world_of(seed))
    return [(p, simulation.findings[p.key]) for asked in simulation.rounds for p in asked]


@cache
def inherit(seed: int) -> PriorBoundary:
    """Return what the earlier study leaves to the later one."""
    return sum_up_boundary(EARLIER, told_earlier(seed), LATER)


def spoil(start: PriorBoundary, error: Callable[[Point], float]) -> PriorBoundary:
    """Return a prior that is wrong by so many decades at each place."""
    pairs = zip(start.medians, start.places, strict=True)
    return replace(start, medians=tuple(float(m + error(p)) for m, p in pairs))


@cache
def search_later(seed: int, start: PriorBoundary | None, trials: int) -> tuple[float, float, float]:
    """Search the later study in batches of 8: error and band in decades, coverage; slice means."""
    study, world = replace(LATER, start=start), world_of(seed)
    search, done = open_search(study, ()), 0
    while done < trials:
        for setting in search.ask(8):
            search.tell(setting, observe(world, setting))
            done += 1
    truths = [world.threshold_at(place) for place in study.slices()]
    pairs = list(zip(search.posterior(study.slices()), truths, strict=True))
    return (
        float(np.mean([abs(found.median - truth) for found, truth in pairs])),
        float(np.mean([found.width for found, _ in pairs])),
        float(np.mean([found.lo <= truth <= found.hi for found, truth in pairs])),
    )
