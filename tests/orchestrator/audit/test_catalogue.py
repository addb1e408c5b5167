"""The numbers of a report: every id of a page is known, ids are stable, values are the trials'."""

import json
from statistics import fmean

import pytest

from orchestrator.audit.catalogue import list_numbers
from orchestrator.audit.number import Family, Number, identify
from orchestrator.collapse_map import build_map
from orchestrator.map_file import to_json
from orchestrator.record import TrialRecord
from search_spaces.study import Question, Study
from tests.orchestrator.report.aligned import make_aligned
from tests.orchestrator.report.builder import LR_AXIS, make_records, make_small_study, make_study
from tests.orchestrator.report.test_html import STUDIES, open_page


def numbers_of(study: Study, records: list[TrialRecord]) -> dict[str, Number]:
    listed = list_numbers(build_map(study, records), records)
    found = {number.id: number for number in listed}
    assert len(found) == len(listed), "two numbers have one id"
    return found


@pytest.mark.parametrize("name", [*STUDIES, "aligned"])
def test_every_number_of_a_page_is_in_the_catalogue_and_says_what_it_is(name: str) -> None:
    study, records = make_aligned() if name == "aligned" else (STUDIES[name], None)
    records = make_records(study) if records is None else records
    page = open_page(study, records)
    shown = {a["value"] for tag, a in page.tags if tag == "data"}
    numbers = numbers_of(study, records)
    assert shown
    assert shown <= numbers.keys()
    said = page.charts()["numbers"]
    for number in shown:
        assert number is not None
        is_of_trial = number.startswith(f"{Family.TRIAL}-")
        assert is_of_trial or said[number] == numbers[number].what


def test_every_trial_has_its_score_steps_and_seconds_on_the_page() -> None:
    study = make_small_study()
    records = make_records(study)
    shown = {a["value"] for tag, a in open_page(study, records).tags if tag == "data"}
    for record in records:
        for part in ("score", "steps_done", "seconds"):
            assert identify(study, Family.TRIAL, record.key, part) in shown


def test_an_id_stays_while_a_study_goes_on_and_differs_in_another_study() -> None:
    study = make_study((LR_AXIS,))
    records = make_records(study)
    early, late = numbers_of(study, records[:4]), numbers_of(study, records)
    assert early.keys() <= late.keys()
    other = make_study((LR_AXIS,), name="other")
    assert not late.keys() & numbers_of(other, make_records(other)).keys()


def test_values_and_trials_are_those_of_the_records() -> None:
    study = make_small_study(Question.OPTIMISE)
    records = make_records(study)
    numbers = numbers_of(study, records)
    by_key = {record.key: record for record in records}
    means = [n for n in numbers.values() if n.what.startswith("mean kNN accuracy")]
    assert len(means) > 10
    for number in means:
        outcomes = [by_key[key].outcome for key in number.trials]
        values = [o.measures["knn_accuracy"] for o in outcomes if o is not None]
        assert len({by_key[key].proposal.point for key in number.trials}) == 1
        assert number.value == pytest.approx(fmean(values))
    steps = numbers[identify(study, Family.COST, "trial_steps")]
    assert steps.value == sum(r.outcome.steps_done for r in records if r.outcome)
    assert len(steps.trials) == len(records)


def test_a_slices_number_has_the_slices_trials_and_its_boundary() -> None:
    study = make_small_study()
    records = make_records(study)
    numbers = numbers_of(study, records)
    collapse_map = build_map(study, records)
    for slice_map in collapse_map.slices:
        parts = (Family.BOUNDARY, slice_map.point.key, study.collapse.below, "critical_lr")
        number = numbers[identify(study, *parts)]
        expected = {r.key for r in records if r.proposal.point.without("lr") == slice_map.point}
        assert set(number.trials) == expected
        assert number.value == pytest.approx(slice_map.boundary.critical_lr, rel=1e-5)


def test_the_map_file_has_the_numbers_but_for_those_of_a_clock() -> None:
    study = make_small_study()
    records = make_records(study)
    content = json.loads(to_json(build_map(study, records)))
    numbers = numbers_of(study, records)
    listed = {each["id"]: each for each in content["numbers"]}
    expected = {n.id for n in numbers.values() if not n.is_timed and n.id[0] != "t"}
    assert listed.keys() == expected
    seconds = identify(study, Family.COST, "seconds")
    assert seconds in numbers
    assert seconds not in listed
    assert {each["score_number"] for each in content["outcomes"]} <= numbers.keys()
