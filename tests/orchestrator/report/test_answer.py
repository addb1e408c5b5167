"""The answer in sentences: honest about edges, transitions, and what is still open."""

import pytest

from orchestrator.collapse_map import build_map
from orchestrator.record import TrialRecord, TrialState
from orchestrator.report.answer import Answer, answer_question
from search_spaces.axis import ChoiceAxis
from search_spaces.point import Point
from search_spaces.study import Question, Study
from tests.orchestrator.report.builder import (
    KIND_AXIS,
    LR_AXIS,
    TEMPERATURE_AXIS,
    make_record,
    make_records,
    make_small_study,
    make_study,
    without_outcome,
)


def answer(study: Study, records: list[TrialRecord]) -> Answer:
    return answer_question(build_map(study, records))


def test_a_boundary_over_temperature_is_answered_in_two_sentences() -> None:
    study = make_small_study()
    found = answer(study, make_records(study))
    assert found.question == (
        "At which learning rate does training lose its rank (effective rank below 2), over "
        "objective (infonce, supcon) and temperature (0.05 to 1)?"
    )
    first, second = found.sentences
    assert first.startswith("At temperature 0.22 infonce collapses above learning rate 6.7 [")
    assert "; supcon collapses above learning rate 1.1 [" in first
    assert second.startswith(
        "From temperature 0.05 to 1 the critical learning rate goes for infonce"
    )
    assert "(×15)" in second
    assert found.open_points == ""


@pytest.mark.parametrize(
    ("critical_lr", "expected"),
    [
        pytest.param(1e5, "Training did not collapse up to learning rate 100.", id="above"),
        pytest.param(
            1e-5, "Training was collapsed at every learning rate from 0.01 on.", id="below"
        ),
    ],
)
def test_an_edge_that_was_not_found_is_no_number(critical_lr: float, expected: str) -> None:
    study = make_study((LR_AXIS,))
    assert answer(study, make_records(study, lambda _: critical_lr)).sentences == (expected,)


def test_a_few_trials_decide_nothing() -> None:
    study = make_study((LR_AXIS,))
    records = [make_record(study, Point.of({"lr": 1.0}), 0, 50.0)]
    assert answer(study, records).sentences == ("Training is not decided yet (1 finished trial).",)


def test_no_trials_no_answer() -> None:
    study = make_small_study()
    pending = [without_outcome(r, TrialState.PENDING) for r in make_records(study)[:3]]
    found = answer(study, pending)
    assert found.sentences == ("No trial has finished yet, so there is no answer.",)
    assert found.open_points == "Trials without an outcome: 3 still to run."


def test_missing_trials_are_confessed() -> None:
    study = make_small_study()
    records = make_records(study)
    records[0] = without_outcome(records[0], TrialState.MISSING)
    assert "1 missing because every attempt failed" in answer(study, records).open_points


def test_many_curves_are_answered_by_their_extremes() -> None:
    study = make_study(
        (LR_AXIS, KIND_AXIS, TEMPERATURE_AXIS, ChoiceAxis("model.norm", ("none", "layer")))
    )
    records = [
        r for r in make_records(study) if r.proposal.point["objective.temperature"] in (0.05, 1)
    ]
    first, second = answer(study, records).sentences
    assert first.startswith(
        "In 10 of 30 slices training collapses above a learning rate between 0.5 ["
    )
    assert "(supcon, normalisation none, temperature 0.05)" in first
    assert second == "The others: 2 without collapse in the range and 18 not decided yet."


def test_optimise_names_the_best_point_and_its_spread() -> None:
    study = make_study((LR_AXIS,), Question.OPTIMISE)
    records = [
        make_record(study, Point.of({"lr": lr}), replicate, 1.0)
        for lr in (0.5, 0.9, 2.0)
        for replicate in range(3)
    ]
    first, second = answer(study, records).sentences
    assert first == "The best of 3 points is learning rate 0.5."
    assert "the mean of 3 seeds, from" in second
