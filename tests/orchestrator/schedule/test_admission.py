"""The queue's decisions, for any queue: places kept, nobody overtaken, nothing starved."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.schedule.admission import Skip, Start, Stop, Wait, decide, sum_hours
from orchestrator.schedule.schedule import (
    ON_CLUSTER,
    Firing,
    FiringState,
    Overlap,
    make_job_id,
    make_request,
)
from orchestrator.schedule.store import Limits
from tests.orchestrator.schedule.cases import MINUTE, NOON, make_schedule

HOUR = timedelta(hours=1)


def make_firing(number: int, **changes: object) -> Firing:
    """Return a queued firing that is so many minutes after NOON."""
    made, fire_time = make_schedule(str(changes.get("schedule", "a"))), NOON + number * MINUTE
    firing = Firing(
        id=number,
        schedule=made.name,
        fire_time=fire_time,
        job_id=make_job_id(made, fire_time),
        request=make_request(made, fire_time),
        overlap=made.overlap,
        priority=0,
        alert_decades=None,
        is_by_hand=False,
        state=FiringState.QUEUED,
    )
    return replace(firing, **changes)  # type: ignore[arg-type]


@st.composite
def queues(draw: st.DrawFn) -> list[Firing]:
    """Return any firings that have not ended; per schedule at most one is on the cluster."""
    overlaps = {name: draw(st.sampled_from(Overlap)) for name in "abc"}
    busy: set[str] = set()
    made: list[Firing] = []
    for number in range(draw(st.integers(0, 8))):
        name = draw(st.sampled_from("abc"))
        state = FiringState.QUEUED
        if name not in busy and not any(f.schedule == name for f in made) and draw(st.booleans()):
            state = draw(st.sampled_from(ON_CLUSTER))
            busy.add(name)
        priority = draw(st.integers(-1, 1))
        changes = {
            "schedule": name,
            "overlap": overlaps[name],
            "state": state,
            "priority": priority,
        }
        made.append(make_firing(number, **changes))
    return made


@settings(max_examples=40, deadline=None)
@given(active=queues(), places=st.integers(1, 4), others=st.integers(0, 2))
def test_the_rules_of_the_queue_hold_for_any_queue(
    active: list[Firing], places: int, others: int
) -> None:
    at_work = sum(f.state in ON_CLUSTER for f in active) + others
    steps = decide(active, Limits(places, None), at_work, 0.0, {})
    started = [step.firing for step in steps if isinstance(step, Start)]
    skipped = {step.firing.id for step in steps if isinstance(step, Skip)}
    stopped = [step.firing for step in steps if isinstance(step, Stop)]
    queued = [f for f in active if f.state is FiringState.QUEUED]

    assert len(started) <= max(0, places - at_work)
    assert all(f.state in ON_CLUSTER and f.overlap is Overlap.REPLACE for f in stopped)
    # Every queued firing gets exactly one answer.
    answered = [s.firing.id for s in steps if not isinstance(s, Stop)]
    assert sorted(answered) == sorted(f.id for f in queued)
    for firing in queued:
        earlier = [f for f in active if f.schedule == firing.schedule and f.id < firing.id]
        later = [f for f in active if f.schedule == firing.schedule and f.id > firing.id]
        if firing in started:
            assert all(f.id in skipped for f in earlier), "it overtook one of its schedule"
        if firing.id in skipped:
            assert firing.overlap is not Overlap.QUEUE
            assert earlier if firing.overlap is Overlap.FORBID else later
    # A place is left empty only if nobody may take it.
    heads = {f.schedule for f in queued} - {f.schedule for f in active if f.state in ON_CLUSTER}
    assert len(started) == min(len(heads), max(0, places - at_work))
    # Whoever waits though its turn had come is no more important than who started.
    refused = [s.firing for s in steps if isinstance(s, Wait) and "for a place" in s.reason]
    for firing in refused:
        assert all(other.priority >= firing.priority for other in started)


def test_a_study_that_is_being_stopped_is_not_asked_again() -> None:
    asked = make_firing(1, state=FiringState.RUNNING, overlap=Overlap.REPLACE, stop_asked_at=NOON)
    waiting = make_firing(2, overlap=Overlap.REPLACE)
    (step,) = decide([asked, waiting], Limits(5, None), 1, 0.0, {})
    assert isinstance(step, Wait)
    assert "which it replaces" in step.reason


@pytest.mark.parametrize(
    ("changes", "hours"),
    [
        pytest.param({"submitted_at": None}, 0.0, id="never-started"),
        pytest.param(
            {"state": "succeeded", "trial_hours": 7.0}, 7.0, id="ended-as-its-ledger-says"
        ),
        pytest.param({"state": "failed"}, 2.0, id="ended-without-a-ledger"),
        pytest.param({"state": "running"}, 5.0, id="at-work-as-the-last-time"),
        pytest.param({"state": "running", "schedule": "new"}, 3.0, id="at-work-the-first-time"),
    ],
)
def test_trial_hours_are_counted_by_the_rule(changes: dict[str, object], hours: float) -> None:
    state = FiringState(str(changes.get("state", "queued")))
    ended = {"ended_at": NOON + 2 * HOUR} if state.is_end else {}
    firing = make_firing(0, **({"submitted_at": NOON} | ended | changes | {"state": state}))
    assert sum_hours([firing], {"a": 5.0}, NOON + 3 * HOUR) == pytest.approx(hours)


def test_hours_expected_of_what_starts_now_count_at_once() -> None:
    firings = [make_firing(number, schedule=name) for number, name in enumerate("abc")]
    steps = decide(firings, Limits(9, 10.0), 0, 4.0, {"a": 5.0, "b": 5.0, "c": 5.0})
    assert [type(step) for step in steps] == [Start, Start, Wait]
