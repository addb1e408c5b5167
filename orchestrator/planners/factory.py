"""From a study to its planner."""

from typing import assert_never

from orchestrator.planners.bisect import BisectPlanner
from orchestrator.planners.grid import GridPlanner
from orchestrator.planners.optuna_sampler import TpePlanner
from orchestrator.planners.protocol import Planner
from orchestrator.planners.quasirandom import QmcPlanner
from orchestrator.planners.surface_planner import SurfacePlanner
from search_spaces.study import PlannerKind, Study


def build_planner(study: Study) -> Planner:
    """Return a planner that was told nothing yet.

    Raises:
        ValueError: If the study looks for a boundary but has no learning-rate range.
    """
    match study.planner:
        case PlannerKind.SURFACE:
            return SurfacePlanner(study)
        case PlannerKind.BISECT:
            return BisectPlanner(study)
        case PlannerKind.GRID:
            return GridPlanner(study)
        case PlannerKind.TPE:
            return TpePlanner(study)
        case PlannerKind.QMC:
            return QmcPlanner(study)
        case _ as never:
            assert_never(never)
