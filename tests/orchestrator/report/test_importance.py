"""Importance is Optuna's own; contours pass through the points that were tried."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import optuna
import pytest

from orchestrator.collapse_map import CollapseMap, build_map
from orchestrator.record import TrialRecord
from orchestrator.report.answer import answer_question
from orchestrator.report.best import rank_points
from orchestrator.report.best_charts import chart_best
from orchestrator.report.importance import FEWEST_TRIALS, rank_axes
from orchestrator.report.importance_charts import chart_contours, chart_importance
from orchestrator.report.palette import PRUNED
from search_spaces.axis import ChoiceAxis, RangeAxis
from search_spaces.point import Point
from search_spaces.study import Question
from tests.orchestrator.report.builder import LR_AXIS, make_record, make_study
from trainer.cohort import Outcome

STUDY = make_study(
    (
        LR_AXIS,
        ChoiceAxis("objective.kind", ("infonce", "supcon")),
        RangeAxis("objective.temperature", 0.05, 1.0, log=True),
    ),
    Question.OPTIMISE,
)


def make_map(truth: Callable[[Point], float], count: int = 80) -> CollapseMap:
    draw = np.random.default_rng(0)
    points = [
        Point.of(
            {
                "lr": float(10 ** draw.uniform(-2, 2)),
                "objective.kind": str(draw.choice(["infonce", "supcon"])),
                "objective.temperature": float(0.05 * 20 ** draw.uniform()),
            }
        )
        for _ in range(count)
    ]
    return build_map(STUDY, [_measure(point, i, truth) for i, point in enumerate(points)])


def _measure(point: Point, number: int, truth: Callable[[Point], float]) -> TrialRecord:
    record = make_record(STUDY, point, 0, 1e6, number)
    assert record.outcome is not None
    measures = record.outcome.measures | {"knn_accuracy": truth(point)}
    return replace(record, outcome=record.outcome.model_copy(update={"measures": measures}))


def rate_alone(point: Point) -> float:
    return 1.0 - abs(float(np.log10(float(point["lr"])))) / 3


def test_the_axis_that_decides_is_first_and_shares_sum_to_one() -> None:
    ranked = rank_axes(make_map(rate_alone))
    assert ranked[0].path == "lr"
    assert ranked[0].share > 0.7
    assert sum(each.share for each in ranked) == pytest.approx(1.0)


def test_shares_are_those_of_optunas_own_call() -> None:
    collapse_map = make_map(lambda p: rate_alone(p) + float(p["objective.temperature"]))
    study = optuna.create_study(direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("lr", 1e-2, 100.0, log=True)
        trial.suggest_categorical("objective.kind", ["infonce", "supcon"])
        trial.suggest_float("objective.temperature", 0.05, 1.0, log=True)
        return outcomes[trial.number].measures["knn_accuracy"]

    outcomes = [outcome for _, outcome in collapse_map.outcomes]
    for record, _ in collapse_map.outcomes:
        study.enqueue_trial(dict(record.proposal.point.coordinates))
    study.optimize(objective, n_trials=len(outcomes))
    expected = optuna.importance.get_param_importances(study)
    found = {each.path: each.share for each in rank_axes(collapse_map)}
    assert found == pytest.approx(expected)


def test_too_few_or_equal_trials_say_nothing() -> None:
    assert rank_axes(make_map(rate_alone, FEWEST_TRIALS - 1)) == ()
    assert rank_axes(make_map(lambda _: 0.5)) == ()
    assert chart_importance(()) is None


def test_contours_are_drawn_over_ranges_and_stay_between_what_was_measured() -> None:
    collapse_map = make_map(rate_alone)
    (chart,) = chart_contours(collapse_map, rank_axes(collapse_map))
    contour, tried = chart["traces"]
    values = [v for row in contour["z"] for v in row if v is not None]
    measured = [outcome.measures["knn_accuracy"] for _, outcome in collapse_map.outcomes]
    assert len(tried["x"]) == len(measured)
    assert min(measured) - 1e-9 <= min(values) <= max(values) <= max(measured) + 1e-9
    assert any(v is None for row in contour["z"] for v in row), "nothing outside of the points"
    middle = contour["z"][20]
    axis = contour["x"]
    truth = [1.0 - abs(x) / 3 for x in axis]
    inside = [(v, t) for v, t in zip(middle, truth, strict=True) if v is not None]
    assert np.mean([abs(v - t) for v, t in inside]) < 0.05


def test_points_on_one_line_have_no_contour() -> None:
    collapse_map = make_map(rate_alone, 12)
    ranked = rank_axes(collapse_map)
    records = [
        _measure(p.replace("objective.temperature", 0.1), i, rate_alone)
        for i, p in enumerate(r.proposal.point for r, _ in collapse_map.outcomes)
    ]
    assert chart_contours(build_map(STUDY, records), ranked) == []


def test_what_a_pruner_ended_is_marked_and_decides_nothing() -> None:
    whole = make_map(rate_alone, 60)
    ended = [_prune(r, o) for r, o in make_map(lambda _: 9.0, 80).outcomes if r.number >= 60]
    mixed = build_map(STUDY, [*(record for record, _ in whole.outcomes), *ended])
    assert len(ended) == 20
    assert rank_axes(mixed) == rank_axes(whole)
    ranking = rank_points(mixed)
    assert ranking.points == rank_points(whole).points
    assert len(ranking.pruned) == 20
    (plain,), (chart,) = (chart_contours(m, rank_axes(m)) for m in (whole, mixed))
    assert chart["traces"][:2] == plain["traces"]
    assert len(chart["traces"][2]["x"]) == 20
    marked = [t for t in chart_best(mixed)[0]["traces"] if t["name"] == PRUNED]
    assert [len(trace["x"]) for trace in marked] == [20]
    first, _ = answer_question(mixed).sentences
    assert "of 60 points that were trained to the end (20 were not)" in first


def _prune(record: TrialRecord, outcome: Outcome) -> TrialRecord:
    return replace(record, outcome=outcome.model_copy(update={"pruned_at_step": 10}))
