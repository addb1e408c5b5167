"""Boundary searches run against simulated worlds of which the truth is known."""

from dataclasses import dataclass

import numpy as np

from orchestrator.planners.boundary_search import BoundarySearch, Observation, Setting
from orchestrator.planners.protocol import Proposal
from orchestrator.planners.simulated import Surface
from orchestrator.planners.study_space import space_of
from orchestrator.planners.world_kind import WorldKind
from orchestrator.planners.worlds import build_world
from search_spaces.axis import Axis, ChoiceAxis, RangeAxis
from search_spaces.point import Point
from search_spaces.study import PlannerKind, Question, Study
from tests.orchestrator.planners.studies import LR_AXIS, make_study

WORDS = ChoiceAxis("objective.kind", ("infonce", "supcon"))


def study_over(axes: int, *, has_words: bool = False, replicates: int = 3) -> Study:
    """Return a boundary study over so many logarithmic ranges beside the learning rate."""
    others: list[Axis] = [RangeAxis(f"a{i}", 0.05, 1.0, log=True) for i in range(axes)]
    others += [WORDS] if has_words else []
    return make_study(
        PlannerKind.SURFACE, Question.BOUNDARY, (*others, LR_AXIS), replicates=replicates
    )


def observe(world: Surface, setting: Setting) -> Observation:
    """Run a trial in a world."""
    proposal = Proposal(setting.place.replace("lr", 10.0**setting.x), setting.replicate)
    found = world.find(proposal)
    return Observation(found.score, found.is_collapsed, found.is_diverged, found.steps)


@dataclass(frozen=True)
class Searched:
    """A finished search, places spread over its space, and the truth there."""

    search: BoundarySearch
    places: list[Point]
    truths: list[float]

    @property
    def error(self) -> float:
        """Mean distance of the median from the truth, decades."""
        found = self.search.posterior(self.places)
        return float(np.mean([abs(f.median - t) for f, t in zip(found, self.truths, strict=True)]))

    @property
    def coverage(self) -> float:
        """Share of places whose band holds the truth."""
        found = self.search.posterior(self.places)
        return float(np.mean([f.lo <= t <= f.hi for f, t in zip(found, self.truths, strict=True)]))


def search_world(
    kind: WorldKind, study: Study, seed: int, trials: int, seed_noise: float | None = None
) -> Searched:
    """Search a world in batches of 24."""
    world = build_world(kind, study, seed, seed_noise)
    space = space_of(study)
    search = BoundarySearch(space, study.collapse.below)
    done = 0
    while done < trials:
        for setting in search.ask(min(24, trials - done)):
            search.tell(setting, observe(world, setting))
            done += 1
    rows = np.random.default_rng(999).random((100, max(len(space.axes), 1)))
    places = [space.place_at([float(v) for v in row[: len(space.axes)]]) for row in rows]
    return Searched(search, places, [world.threshold_at(place) for place in places])
