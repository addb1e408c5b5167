"""Grid, Sobol and TPE: what they propose and whether TPE learns."""

import math
from statistics import fmean

from orchestrator.planners.factory import build_planner
from orchestrator.planners.grid import GridPlanner
from orchestrator.planners.optuna_sampler import TpePlanner
from orchestrator.planners.protocol import Finding
from orchestrator.planners.quasirandom import QmcPlanner, fresh_points
from orchestrator.planners.simulated import Surface, simulate
from search_spaces.axis import ChoiceAxis
from search_spaces.study import PlannerKind, Question, Study
from tests.orchestrator.planners.studies import CONDITIONAL_AXES, LR_AXIS, make_study

WORLD = Surface(base=0.5, slopes={"objective.temperature": 1.0}, seed_noise=0.02)


def test_the_factory_gives_each_kind_its_planner() -> None:
    kinds = {
        PlannerKind.GRID: GridPlanner,
        PlannerKind.QMC: QmcPlanner,
        PlannerKind.TPE: TpePlanner,
    }
    for kind, expected in kinds.items():
        assert type(build_planner(make_study(kind, Question.GRID))) is expected


def test_the_grid_asks_everything_once_in_one_round() -> None:
    study = make_study(PlannerKind.GRID, Question.GRID, trials=1000)
    simulation = simulate(build_planner(study), WORLD)
    assert [len(asked) for asked in simulation.rounds] == [3 * 5 * 5 * 3]


def test_a_cut_grid_keeps_whole_replicates_first() -> None:
    study = make_study(PlannerKind.GRID, Question.GRID, trials=75 + 15)
    asked = build_planner(study).ask()
    assert [proposal.replicate for proposal in asked] == [0] * 75 + [1] * 15
    assert {proposal.point["lr"] for proposal in asked[75:]} == {0.01}


def test_a_grid_of_a_study_with_a_fixed_learning_rate() -> None:
    axes = (ChoiceAxis("model.norm", ("none", "batch")),)
    asked = GridPlanner(make_study(PlannerKind.GRID, Question.GRID, axes, replicates=2)).ask()
    assert len(asked) == 4


def test_sobol_points_spread_over_ranges_and_choices() -> None:
    study = make_study(PlannerKind.QMC, Question.GRID, CONDITIONAL_AXES, 192, replicates=1)
    points = [proposal.point for proposal in QmcPlanner(study).ask()]
    kinds = [point["objective.kind"] for point in points]

    assert all(abs(kinds.count(kind) - 64) <= 2 for kind in study.kinds)
    decades = [math.floor(math.log10(float(str(point["lr"])))) for point in points]
    assert all(abs(decades.count(decade) - 48) <= 2 for decade in (-2, -1, 0, 1))


def test_sobol_replicates_stand_side_by_side() -> None:
    asked = QmcPlanner(make_study(PlannerKind.QMC, Question.GRID, trials=10)).ask()
    assert [proposal.replicate for proposal in asked] == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
    assert len({proposal.point for proposal in asked}) == 4


def test_a_larger_budget_extends_the_same_sobol_sequence() -> None:
    small, large = (
        QmcPlanner(make_study(PlannerKind.QMC, Question.GRID, trials=n)).ask() for n in (90, 500)
    )
    assert list(large[:90]) == list(small)


def test_other_seeds_give_other_sequences() -> None:
    first, second = (
        next(fresh_points(make_study(PlannerKind.QMC, Question.GRID, seed=seed))) for seed in (0, 1)
    )
    assert first != second


def late_mean_utility(study: Study) -> tuple[float, float]:
    """Mean utility of the first and of the last 60 trials."""
    simulation = simulate(build_planner(study), WORLD)
    utilities = [f.utility or 0.0 for f in simulation.findings.values()]
    return fmean(utilities[:60]), fmean(utilities[-60:])


def test_tpe_moves_to_where_the_utility_is_high() -> None:
    study = make_study(PlannerKind.TPE, Question.OPTIMISE, CONDITIONAL_AXES, trials=240)
    early, late = late_mean_utility(study)
    assert late > early + 0.15


def test_tpe_for_the_boundary_moves_to_where_the_score_meets_the_level() -> None:
    study = make_study(PlannerKind.TPE, Question.BOUNDARY, trials=240, replicates=2)
    rounds = simulate(build_planner(study), WORLD).rounds
    first, last = (
        fmean(
            abs(math.log10(float(str(p.point["lr"]))) - WORLD.threshold_at(p.point)) for p in asked
        )
        for asked in (rounds[0], rounds[-1])
    )
    assert last < 0.5 * first


def test_tpe_asks_about_sixteen_trials_with_all_replicates_of_a_point() -> None:
    asked = build_planner(make_study(PlannerKind.TPE, Question.OPTIMISE)).ask()
    assert [proposal.replicate for proposal in asked] == [0, 1, 2] * 5


def test_tpe_avoids_points_that_diverged() -> None:
    study = make_study(PlannerKind.TPE, Question.OPTIMISE, (LR_AXIS,), trials=120, replicates=1)
    planner = build_planner(study)
    rounds = []
    while asked := planner.ask():
        rounds.append([float(str(proposal.point["lr"])) for proposal in asked])
        for proposal, lr in zip(asked, rounds[-1], strict=True):
            is_diverged = lr > 1.0
            utility = None if is_diverged else 0.5
            planner.tell(proposal, Finding(9.0, is_diverged, is_diverged, utility, 1))
    assert fmean(lr > 1.0 for lr in rounds[-1]) < 0.3 < fmean(lr > 1.0 for lr in rounds[0])


def test_tpe_finishes_when_a_finite_study_is_exhausted() -> None:
    choices = (ChoiceAxis("lr", (0.1, 1.0, 10.0)), ChoiceAxis("model.norm", ("none", "batch")))
    study = make_study(PlannerKind.TPE, Question.OPTIMISE, choices, trials=500, replicates=2)
    simulation = simulate(build_planner(study), WORLD)
    assert simulation.trials == 3 * 2 * 2
