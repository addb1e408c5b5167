"""Every planner passes the conformance suite, each on the studies it is made for."""

from typing import ClassVar

from orchestrator.planners.simulated import Simulation
from search_spaces.axis import ChoiceAxis
from search_spaces.study import PlannerKind, Question, Study
from tests.contracts.planner import PlannerContract
from tests.orchestrator.planners.studies import CONDITIONAL_AXES, LR_AXIS, make_study


class TestBisect(PlannerContract):
    def make_study(self, trials: int) -> Study:
        return make_study(PlannerKind.BISECT, Question.BOUNDARY, trials=trials)


class TestBisectWithConditionalAxes(PlannerContract):
    def make_study(self, trials: int) -> Study:
        return make_study(PlannerKind.BISECT, Question.BOUNDARY, CONDITIONAL_AXES, trials)


class SurfaceContract(PlannerContract):
    """Runs are made once: a surface takes a while to fit."""

    _runs: ClassVar[dict[tuple[str, int], Simulation]] = {}

    def run(self, trials: int = 150) -> Simulation:
        name = (type(self).__name__, trials)
        if name not in self._runs:
            self._runs[name] = super().run(trials)
        return self._runs[name]


class TestSurface(SurfaceContract):
    def make_study(self, trials: int) -> Study:
        return make_study(PlannerKind.SURFACE, Question.BOUNDARY, trials=trials, band_decades=0.001)


class TestSurfaceWithConditionalAxes(SurfaceContract):
    def make_study(self, trials: int) -> Study:
        return make_study(
            PlannerKind.SURFACE, Question.BOUNDARY, CONDITIONAL_AXES, trials, band_decades=0.001
        )


class TestSurfaceOfOneAxis(SurfaceContract):
    def make_study(self, trials: int) -> Study:
        return make_study(
            PlannerKind.SURFACE,
            Question.BOUNDARY,
            (LR_AXIS,),
            trials,
            replicates=1,
            band_decades=0.001,
        )


class TestGrid(PlannerContract):
    def make_study(self, trials: int) -> Study:
        return make_study(PlannerKind.GRID, Question.GRID, CONDITIONAL_AXES, trials)


class TestTpe(PlannerContract):
    def make_study(self, trials: int) -> Study:
        return make_study(PlannerKind.TPE, Question.OPTIMISE, CONDITIONAL_AXES, trials)


class TestTpeForTheBoundary(PlannerContract):
    def make_study(self, trials: int) -> Study:
        return make_study(PlannerKind.TPE, Question.BOUNDARY, trials=trials, replicates=2)


class TestTpeOverChoicesOnly(PlannerContract):
    def make_study(self, trials: int) -> Study:
        choices = (
            ChoiceAxis("lr", tuple(round(0.01 * i, 2) for i in range(1, 41))),
            ChoiceAxis("train.optimizer", ("sgd", "adam")),
        )
        return make_study(PlannerKind.TPE, Question.OPTIMISE, choices, trials, replicates=2)


class TestQmc(PlannerContract):
    def make_study(self, trials: int) -> Study:
        return make_study(PlannerKind.QMC, Question.GRID, CONDITIONAL_AXES, trials)


class TestBisectWithOneReplicate(PlannerContract):
    def make_study(self, trials: int) -> Study:
        return make_study(
            PlannerKind.BISECT, Question.BOUNDARY, trials=trials, replicates=1, band_decades=0.01
        )
