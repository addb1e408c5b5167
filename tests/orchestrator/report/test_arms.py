"""Arms over training and alignment with a reference: means and bands recomputed from records."""

import pytest

from orchestrator.collapse_map import build_map
from orchestrator.report.alignment import summarise_alignment
from orchestrator.report.answer import answer_question
from orchestrator.report.arm_charts import chart_arms
from orchestrator.report.arms import group_arms
from search_spaces.study import Question
from tests.orchestrator.report.aligned import LEVELS, STEPS, make_aligned
from tests.orchestrator.report.builder import make_records, make_small_study
from tests.orchestrator.report.test_html import open_page


def test_arms_of_a_grid_are_its_objectives_in_the_order_of_the_file() -> None:
    study, records = make_aligned()
    (group,) = group_arms(build_map(study, records))
    assert [arm.label for arm in group.arms] == ["cl", "nscl", "supcon"]
    assert [len(arm.trials) for arm in group.arms] == [3, 3, 3]


def test_other_axes_make_groups_sorted_as_numbers() -> None:
    study, records = make_aligned("objective.temperature=[10.0, 0.5, 2.0]")
    groups = group_arms(build_map(study, records))
    assert [group.label for group in groups] == [
        "temperature 0.5",
        "temperature 2",
        "temperature 10",
    ]


def test_an_optimisations_arms_are_its_best_points() -> None:
    study = make_small_study(Question.OPTIMISE)
    (group,) = group_arms(build_map(study, make_records(study)))
    assert [arm.label for arm in group.arms] == [f"place {place}" for place in range(1, 7)]
    boundary = make_small_study()
    assert group_arms(build_map(boundary, make_records(boundary))) == ()


def test_alignment_is_drawn_over_steps_with_its_mean_and_band() -> None:
    study, records = make_aligned()
    (group,) = chart_arms(build_map(study, records))
    cka, gap = group["alignment"]
    assert (cka["label"], gap["label"]) == ("CKA features", "Weight gap")
    band, line = cka["traces"][:2]
    assert line["name"] == "nscl"
    assert line["x"] == list(STEPS)
    assert line["y"][-1] == pytest.approx(LEVELS["nscl"] - 0.01)
    assert min(band["y"]) == pytest.approx(LEVELS["nscl"] - 0.02)
    assert band["y"][len(STEPS) - 1] == pytest.approx(LEVELS["nscl"] - 0.02)
    names = {trace["name"] for trace in cka["traces"] if "name" in trace}
    assert names == {"nscl", "supcon"}, "the reference is compared with nobody"
    loss = group["learning"][0]
    assert len([trace for trace in loss["traces"] if "name" in trace]) == 3


def test_the_answer_of_an_align_study_is_how_alike_the_others_stay() -> None:
    study, records = make_aligned()
    answer = answer_question(build_map(study, records))
    assert answer.question == (
        "How close to cl do nscl and supcon stay, trained from the same weights on the same "
        "batches?"
    )
    assert answer.sentences == (
        "At the end the features' CKA with cl is 0.89 [0.88, 0.9] for nscl and 0.49 [0.48, 0.5] "
        "for supcon.",
        "With a cl from other weights and batches it is 0.84 [0.83, 0.85] for nscl and 0.44 "
        "[0.43, 0.45] for supcon.",
    )
    found = summarise_alignment(build_map(study, records))
    means = {each.kind: each.mean for each in found if each.measure == "cka_features"}
    assert means == pytest.approx({"nscl": 0.89, "supcon": 0.49})
    page = open_page(study, records)
    assert "Alignment with cl over training" in page.text


def test_several_settings_are_told_by_their_range() -> None:
    study, records = make_aligned("objective.temperature=[0.5, 2.0]")
    first, _ = answer_question(build_map(study, records)).sentences
    assert "0.89 to 0.89 for nscl" in first


def test_without_finished_trials_nothing_is_aligned() -> None:
    study, _ = make_aligned()
    answer = answer_question(build_map(study, []))
    assert answer.sentences == ("No trial has finished yet, so there is no answer.",)
    assert answer.numbers == ()
