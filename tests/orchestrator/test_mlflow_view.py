"""Views of trials: names, time stamps, decimation; pure, no MLflow."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.mlflow_overview import count_regimes
from orchestrator.mlflow_view import (
    HISTORY_POINTS,
    TEXT_LIMIT,
    name_measure,
    name_trial,
    tag_provenance,
    view_trial,
)
from orchestrator.record import Provenance, TrialState
from tests.orchestrator.report.builder import make_record, make_records, make_study, without_outcome
from trainer.cohort import History

STUDY = make_study()
RECORDS = make_records(STUDY)


def test_names_say_kind_coordinates_rate_and_replicate() -> None:
    point = STUDY.slices()[0].replace("lr", 3.14159)
    assert name_trial(make_record(STUDY, point, 2, 1.0)) == "infonce tau=0.05 lr=3.14 r2"


@pytest.mark.parametrize(
    ("measure", "key"),
    [
        ("train_loss", "train/loss"),
        ("knn_accuracy", "utility/knn_accuracy"),
        ("effective_rank", "collapse/effective_rank"),
        ("cka_features", "coupling/cka_features"),
    ],
)
def test_measures_are_grouped_as_mlflow_groups_charts(measure: str, key: str) -> None:
    assert name_measure(measure) == key


@pytest.mark.parametrize(
    ("commit", "tags"),
    [
        ("abc", {"mlflow.source.git.commit": "abc", "rankfall.git_dirty": "false"}),
        ("abc+dirty", {"mlflow.source.git.commit": "abc", "rankfall.git_dirty": "true"}),
        (None, {}),
    ],
)
def test_the_commit_is_a_link_and_the_dirt_a_tag(commit: str | None, tags: dict[str, str]) -> None:
    found = tag_provenance(Provenance(commit, {}, "rankfall run x.yaml"))
    assert {key: value for key, value in found.items() if "git" in key} == tags


def test_views_are_equal_each_time_and_differ_when_the_outcome_does() -> None:
    record = RECORDS[0]
    assert record.outcome is not None
    other = replace(record, outcome=record.outcome.model_copy(update={"seconds": 0.75}))
    assert view_trial(STUDY, record).content == view_trial(STUDY, record).content
    assert view_trial(STUDY, record).content != view_trial(STUDY, other).content


def test_a_diverged_trial_says_when_and_has_no_final_rank() -> None:
    record = next(r for r in RECORDS if r.outcome and r.outcome.diverged_at_step is not None)
    view = view_trial(STUDY, record)
    last = {point.key: point for point in view.metrics}
    assert view.tags["regime"] == "diverged"
    assert view.status == "FINISHED"
    assert (last["diverged_at_step"].value, last["score"].value) == (31.0, 0.0)
    assert last["collapse/effective_rank"].step == 25


def test_a_coupled_trial_shows_how_alike_it_stays_to_its_reference() -> None:
    record = RECORDS[0]
    assert record.outcome is not None
    coupling = History(steps=(25, 50), values={"cka_features": (0.9, 0.7)})
    outcome = record.outcome.model_copy(update={"coupling": coupling})
    view = view_trial(STUDY, replace(record, outcome=outcome))
    shown = [(p.step, p.value) for p in view.metrics if p.key == "coupling/cka_features"]
    assert shown == [(25, 0.9), (50, 0.7)]


def test_a_long_failure_is_cut_to_what_mlflow_stores() -> None:
    missing = replace(without_outcome(RECORDS[0], TrialState.MISSING), failure="x" * 10_000)
    assert len(view_trial(STUDY, missing).tags["failure"]) == TEXT_LIMIT


def test_counts_leave_pending_trials_out_and_name_every_regime() -> None:
    records = [
        RECORDS[0],
        without_outcome(RECORDS[1], TrialState.MISSING),
        without_outcome(RECORDS[2], TrialState.PENDING),
    ]
    assert count_regimes(records) == {
        "healthy": 1,
        "dimensional": 0,
        "complete": 0,
        "diverged": 0,
        "undertrained": 0,
        "missing": 1,
    }


@settings(max_examples=30, deadline=None)
@given(checks=st.integers(1, 300), every=st.integers(1, 40), seconds=st.floats(0.0, 1e5))
def test_histories_keep_both_ends_and_time_runs_with_the_steps(
    checks: int, every: int, seconds: float
) -> None:
    record = RECORDS[0]
    assert record.outcome is not None
    steps = tuple(every * (i + 1) for i in range(checks))
    history = History(steps=steps, values={"stable_rank": tuple(float(s) for s in steps)})
    outcome = record.outcome.model_copy(update={"history": history, "steps_done": steps[-1]})
    told_at = record.asked_at + timedelta(seconds=seconds)
    view = view_trial(STUDY, replace(record, outcome=outcome, told_at=told_at))
    points = [p for p in view.metrics if p.key == "collapse/stable_rank"]

    assert len(points) == min(checks, HISTORY_POINTS)
    assert (points[0].step, points[-1].step) == (steps[0], steps[-1])
    assert all(p.value == p.step for p in points)
    assert all(view.start <= p.timestamp <= view.end for p in view.metrics)
    assert [p.timestamp for p in points] == sorted(p.timestamp for p in points)
    assert len({(p.key, p.step) for p in view.metrics}) == len(view.metrics)
