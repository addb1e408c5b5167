"""The collapse map against an analytic surface, and what it says when there is little to say."""

from dataclasses import replace
from math import log10

import pytest

from orchestrator.collapse_map import build_map, choose_levels, find_lr_range
from orchestrator.planners.threshold import Verdict
from orchestrator.record import TrialRecord, TrialState
from search_spaces.axis import ChoiceAxis
from search_spaces.point import Point
from tests.orchestrator.report.builder import (
    LR_AXIS,
    demo_surface,
    make_outcome,
    make_record,
    make_records,
    make_small_study,
    make_study,
    without_outcome,
)
from trainer.cohort import Outcome
from trainer.collapse.regime import Regime


def with_outcome(record: TrialRecord, outcome: Outcome) -> TrialRecord:
    return replace(record, outcome=outcome.model_copy(update={"trial": record.key}))


def test_every_slice_finds_its_critical_learning_rate() -> None:
    study = make_small_study()
    collapse_map = build_map(study, make_records(study))
    for slice_map in collapse_map.slices:
        boundary, truth = slice_map.boundary, demo_surface(slice_map.point)
        assert boundary.verdict is Verdict.INSIDE
        assert boundary.critical_lr is not None
        assert boundary.band_lr is not None
        assert boundary.band_lr[0] < truth < boundary.band_lr[1]
        assert abs(log10(boundary.critical_lr / truth)) < 0.05


def test_a_higher_level_is_crossed_at_a_lower_learning_rate() -> None:
    study = make_small_study()
    collapse_map = build_map(study, make_records(study))
    assert collapse_map.levels == (2.0, 3.0, 4.0, 8.0)
    for slice_map in collapse_map.slices:
        rates = [boundary.critical_lr or 0.0 for boundary in slice_map.boundaries]
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] < 0.8 * rates[0]


def test_levels_stay_below_the_smallest_embedding() -> None:
    assert choose_levels(2.0, [32, 6]) == (2.0, 3.0, 4.0)
    assert choose_levels(2.0, [2]) == (2.0,)
    assert choose_levels(3.0, []) == (3.0, 4.5, 6.0, 12.0)


def test_where_nothing_collapses_no_number_is_given() -> None:
    study = make_small_study()
    boundary = build_map(study, make_records(study, lambda _: 1e5)).slices[0].boundary
    assert boundary.verdict is Verdict.ABOVE
    assert boundary.critical_lr is None
    assert boundary.band_lr is None


def test_divergence_counts_as_collapse_at_every_level() -> None:
    study = make_small_study()
    collapse_map = build_map(study, make_records(study, lambda _: 1e-5))
    assert dict(collapse_map.counts.regimes) == {"diverged": collapse_map.counts.finished}
    for boundary in collapse_map.slices[0].boundaries:
        assert boundary.verdict is Verdict.BELOW


def test_a_second_crossing_is_a_transition_with_an_interval() -> None:
    study = make_study((LR_AXIS,))
    rates_and_distances = [
        (lr, distance)
        for lr, distance in [
            (0.01, -2.0),
            (0.1, -2.0),
            (0.5, 0.4),
            (1.0, 0.4),
            (4.0, -1.0),
            (8.0, -1.0),
            (40.0, 1.2),
        ]
    ]
    records = [
        make_record(study, Point.of({"lr": lr}), replicate, lr / 10**distance)
        for lr, distance in rates_and_distances
        for replicate in range(3)
    ]
    boundary = build_map(study, records).slices[0].boundary
    assert boundary.verdict is Verdict.TRANSITION
    assert boundary.critical_lr is None
    assert boundary.band_lr == pytest.approx((0.1, 40.0))


def test_slices_without_trials_are_there_and_undecided() -> None:
    study = make_small_study()
    collapse_map = build_map(study, [])
    assert [s.point for s in collapse_map.slices] == list(study.slices())
    assert {s.boundary.verdict for s in collapse_map.slices} == {Verdict.UNDECIDED}
    assert collapse_map.counts.trial_steps == 0


def test_missing_and_pending_trials_are_counted_but_not_used() -> None:
    study = make_small_study()
    records = make_records(study)
    records[0] = without_outcome(records[0], TrialState.MISSING)
    records[1] = without_outcome(records[1], TrialState.PENDING)
    counts = build_map(study, records).slices[0].counts
    whole = build_map(study, make_records(study)).slices[0].counts
    assert (counts.missing, counts.not_finished) == (1, 1)
    assert counts.finished == whole.finished - 2


def test_trials_between_the_slices_are_counted_apart() -> None:
    study = make_small_study()
    stray = Point.of({"lr": 1.0, "objective.kind": "infonce", "objective.temperature": 0.3})
    collapse_map = build_map(study, [*make_records(study), make_record(study, stray, 0, 5.0)])
    assert collapse_map.off_slice == 1
    assert len(collapse_map.outcomes) == 1 + sum(s.counts.finished for s in collapse_map.slices)


def test_the_audit_counts_members_that_an_early_decision_got_wrong() -> None:
    study = make_study((LR_AXIS,))
    healthy, collapsed = make_outcome("a", -1.0), make_outcome("b", 0.8)
    transient = healthy.model_copy(update={"early_regime": Regime.COMPLETE})
    confirmed = collapsed.model_copy(update={"early_regime": Regime.COMPLETE})
    deepened = collapsed.model_copy(update={"early_regime": Regime.DIMENSIONAL})
    records = [
        with_outcome(make_record(study, Point.of({"lr": lr}), 0, 1.0), outcome)
        for lr, outcome in zip(
            (0.1, 0.2, 0.3, 0.4), (healthy, transient, confirmed, deepened), strict=True
        )
    ]
    audit = build_map(study, records).audit
    assert (audit.audited, audit.disagreed, audit.changed_regime) == (3, 1, 2)


def test_a_list_of_learning_rates_has_a_range_and_a_single_one_has_none() -> None:
    rates = ChoiceAxis("lr", (1.0, 0.1, 10.0))
    assert find_lr_range(make_study((rates,))) == (0.1, 10.0)
    fixed = make_study((ChoiceAxis("objective.temperature", (0.1, 0.5)),))
    assert find_lr_range(fixed) is None
    assert build_map(fixed, []).slices == ()
