"""collapse_map.json: equal outcomes give equal bytes, whatever else differs."""

import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.collapse_map import build_map
from orchestrator.map_file import SCHEMA_VERSION, to_json
from orchestrator.record import TrialRecord, TrialState
from tests.orchestrator.report.builder import (
    LR_AXIS,
    make_records,
    make_small_study,
    make_study,
    without_outcome,
)

STUDY = make_study((LR_AXIS,))
RECORDS = make_records(STUDY)
TEXT = to_json(build_map(STUDY, RECORDS))


def retime(record: TrialRecord, number: int) -> TrialRecord:
    """Return the record as if it had been asked for later, in another round, on a slow machine."""
    assert record.outcome is not None
    return replace(
        record,
        number=number,
        round_number=number,
        outcome=record.outcome.model_copy(update={"seconds": 99.0 + number}),
        asked_at=record.asked_at + timedelta(days=1),
    )


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(len(RECORDS))))
def test_order_and_time_change_no_byte(order: list[int]) -> None:
    shuffled = [retime(RECORDS[place], number) for number, place in enumerate(order)]
    assert to_json(build_map(STUDY, shuffled)) == TEXT


def test_another_outcome_changes_the_file() -> None:
    outcome = RECORDS[0].outcome
    assert outcome is not None
    changed = replace(RECORDS[0], outcome=outcome.model_copy(update={"score": outcome.score + 1}))
    assert to_json(build_map(STUDY, [changed, *RECORDS[1:]])) != TEXT


def test_the_file_says_what_it_is_about() -> None:
    content = json.loads(TEXT)
    assert content["schema_version"] == SCHEMA_VERSION
    assert content["study"]["name"] == "demo"
    assert content["study"]["digest"] == STUDY.digest
    assert content["lr_range"] == [0.01, 100.0]
    assert len(content["outcomes"]) == len(RECORDS)
    (only,) = content["slices"]
    assert [b["level"] for b in only["boundaries"]] == content["levels"]
    low, high = only["boundaries"][0]["band_95_or_transition_lr"]
    assert low < only["boundaries"][0]["critical_lr"] < high


def test_a_study_that_has_not_started_has_a_file_too() -> None:
    study = make_small_study()
    pending = [without_outcome(r, TrialState.PENDING) for r in make_records(study)]
    content = json.loads(to_json(build_map(study, pending)))
    assert content["outcomes"] == []
    assert content["totals"]["not_finished_trials"] == len(pending)
    assert {b["verdict"] for s in content["slices"] for b in s["boundaries"]} == {"undecided"}
