"""The scheduler against a store in a file and a cluster that keeps score; time is told."""

import dataclasses
from datetime import timedelta

import pytest

from orchestrator.errors import ClusterError, JobError
from orchestrator.job import JobState
from orchestrator.job_request import JobRequest
from orchestrator.schedule.fire_times import Once
from orchestrator.schedule.misfire import Misfire
from orchestrator.schedule.schedule import Overlap
from orchestrator.schedule.scheduler import MOST_ATTEMPTS
from orchestrator.schedule.store import Limits, write_limits
from orchestrator.schedule.tables import transaction
from tests.orchestrator.schedule.cases import NOON, ScoreKeeper, World, at, make_schedule


def allow(world: World, studies: int, hours: float | None = None) -> None:
    with transaction(world.engine) as connection:
        write_limits(connection, Limits(studies, hours))


def test_nothing_fires_before_its_time_and_each_time_is_submitted_once(world: World) -> None:
    world.add(make_schedule())
    world.tick(0.9)
    assert world.firings() == []
    for minute in (1, 2, 3):
        world.tick(0.1 if minute == 1 else 1)
        world.tick()
        assert world.cluster.log[-1] == at(minute)
        world.cluster.end(at(minute))
    world.tick()
    assert world.cluster.log == [at(1), at(2), at(3)]
    assert world.states() == ["succeeded"] * 3


def test_each_firing_has_a_results_folder_of_its_own(world: World) -> None:
    world.add(make_schedule())
    world.tick(2)
    folders = [firing.request.results for firing in world.firings()]
    assert folders == [
        "/maps/schedules/nightly/20261122T120100Z",
        "/maps/schedules/nightly/20261122T120200Z",
    ]


def test_while_the_cluster_is_away_firings_are_kept(world: World) -> None:
    world.add(make_schedule())
    world.cluster.is_away = True
    for _ in range(2):
        with pytest.raises(ClusterError):
            world.tick(1)
    assert world.states() == ["queued", "queued"]
    world.cluster.is_away = False
    world.tick()
    assert world.cluster.log == [at(1)]


def test_a_head_that_was_started_anew_is_given_what_it_forgot(world: World) -> None:
    world.add(make_schedule(timing=Once(NOON)))
    world.tick()
    for attempt in range(1, MOST_ATTEMPTS):
        assert world.firings()[0].attempts == attempt
        world.cluster.forget()
        world.tick()
        assert world.cluster.log == [at(0)] * (attempt + 1)
    world.cluster.forget()
    world.tick()
    (firing,) = world.firings()
    assert (firing.state, firing.reason) == ("lost", f"the cluster forgot it {MOST_ATTEMPTS} times")
    assert len(world.cluster.log) == MOST_ATTEMPTS


def test_forbid_skips_what_comes_while_an_earlier_one_runs(world: World) -> None:
    world.add(make_schedule(overlap=Overlap.FORBID))
    world.tick(1)
    world.tick(1)
    world.cluster.end(at(1))
    world.tick(1)
    assert world.states() == ["succeeded", "skipped", "running"]
    assert world.firings()[1].reason == f"{at(1)} had not ended"
    assert world.cluster.log == [at(1), at(3)]


def test_queue_runs_one_after_the_other_even_where_there_is_room(world: World) -> None:
    allow(world, 5)
    world.add(make_schedule(overlap=Overlap.QUEUE))
    for _ in range(3):
        world.tick(1)
    assert world.states() == ["running", "queued", "queued"]
    assert world.firings()[1].reason == f"waits for the end of {at(1)}"
    world.cluster.end(at(1))
    world.tick()
    assert world.cluster.log == [at(1), at(2)]


def test_replace_stops_the_earlier_one_and_waits_for_its_end(world: World) -> None:
    world.add(make_schedule(overlap=Overlap.REPLACE))
    for _ in range(3):
        world.tick(1)
        world.tick()
    assert world.cluster.asked == [at(1)]
    assert world.cluster.log == [at(1)]
    assert world.states() == ["running", "skipped", "queued"]
    world.cluster.end(at(1), state=JobState.STOPPED)
    world.tick()
    assert world.states() == ["stopped", "skipped", "running"]
    assert world.firings()[0].reason == f"replaced by {at(2)}"
    assert world.cluster.log == [at(1), at(3)]


def test_the_queue_keeps_to_its_places_and_lets_priority_go_first(world: World) -> None:
    allow(world, 2)
    for name, priority in (("a", 0), ("b", 1), ("c", 5), ("d", -1)):
        world.add(make_schedule(name, timing=Once(NOON), priority=priority))
    world.tick()
    assert world.cluster.log == [at(0, "c"), at(0, "b")]
    waiting = [firing.reason for firing in world.firings() if firing.state == "queued"]
    assert waiting == ["waits for a place: 2 of at most 2 studies at work"] * 2
    world.cluster.end(at(0, "c"))
    world.tick()
    assert world.cluster.log[2:] == [at(0, "a")]


def test_studies_that_others_submitted_take_places_too(world: World) -> None:
    world.cluster.states["other-1"] = JobState.RUNNING
    world.add(make_schedule(timing=Once(NOON)))
    world.tick()
    assert world.cluster.log == []
    world.cluster.end("other-1")
    world.tick()
    assert world.cluster.log == [at(0)]


def test_nothing_starts_while_a_days_trial_hours_are_spent(world: World) -> None:
    allow(world, 1, hours=3.0)
    world.reader.learn("nightly/20261122T120000Z", 4.0)
    world.add(make_schedule(timing=Once(NOON)))
    world.add(make_schedule("next", timing=Once(NOON), priority=-1))
    world.tick()
    world.cluster.end(at(0))
    world.tick(1)
    assert world.cluster.log == [at(0)]
    (waiting,) = [firing for firing in world.firings() if firing.schedule == "next"]
    assert waiting.reason == "waits for trial-hours: 4.0 of 3 in the last 24 hours"
    world.clock.time = NOON + timedelta(hours=23, minutes=59)
    world.tick()
    assert world.cluster.log == [at(0)]
    world.tick(2)
    assert world.cluster.log == [at(0), at(0, "next")]


def test_a_study_at_work_counts_what_its_schedule_took_the_last_time(world: World) -> None:
    allow(world, 5, hours=6.0)
    world.reader.learn("nightly/20261122T120100Z", 4.0)
    world.add(make_schedule())
    world.tick(1)
    world.cluster.end(at(1))
    world.tick(1)
    assert world.cluster.log == [at(1), at(2)]
    # 4 hours spent, and 4 expected of the one at work: an unknown one has to wait.
    world.add(make_schedule("next", timing=Once(world.clock.time)))
    world.tick()
    assert len(world.cluster.log) == 2


def test_what_the_cluster_will_never_take_fails_and_holds_up_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = ScoreKeeper.deliver

    def refuse_one(cluster: ScoreKeeper, job_id: str, request: JobRequest) -> None:
        if "-bad-" in job_id:
            raise JobError("the text was too long")
        if "-odd-" in job_id:
            raise ClusterError("out of order")
        take(cluster, job_id, request)

    monkeypatch.setattr(ScoreKeeper, "deliver", refuse_one)
    allow(world, 5)
    for name in ("bad", "nightly", "odd"):
        world.add(make_schedule(name, timing=Once(NOON)))
    world.tick()
    by_schedule = {firing.schedule: firing for firing in world.firings()}
    assert [f.state for f in by_schedule.values()] == ["failed", "running", "submitting"]
    assert by_schedule["bad"].reason == "the text was too long"
    assert by_schedule["odd"].reason == "out of order"
    world.tick(9)
    assert world.states() == ["failed", "running", "submitting"]
    world.tick(2)
    assert world.states() == ["failed", "running", "failed"]
    assert world.cluster.log == [at(0)]


def test_a_time_that_nobody_saw_is_made_up_for_or_told_in_history(world: World) -> None:
    world.add(make_schedule("once"), make_schedule("skip", misfire=Misfire.SKIP))
    world.tick(30.5)
    skipped = [f for f in world.firings() if f.state == "skipped"]
    assert [f.schedule for f in skipped] == ["skip"]
    told = "missed from 20261122T120100Z to 20261122T122900Z: no scheduler ran"
    assert skipped[0].reason == told
    made_up = [f for f in world.firings() if f.schedule == "once"]
    assert [f.job_id for f in made_up] == [at(29, "once"), at(30, "once")]


@pytest.mark.parametrize(
    ("second", "told"),
    [((0.35, 0.45), True), ((0.25, 0.35), False), ((-1.0, 0.1), False)],
    ids=["moved", "within-what-is-allowed", "overlapping"],
)
def test_a_boundary_that_moved_beyond_both_bands_is_announced_once(
    second: tuple[float, float], told: bool, world: World
) -> None:
    world.reader.learn("nightly/20261122T120100Z", 1.0, (0.0, 0.1), (2.0, 2.1))
    world.reader.learn("nightly/20261122T120200Z", 1.0, second, (2.0, 2.1))
    world.add(make_schedule(alert_decades=0.2))
    world.tick(1)
    world.cluster.end(at(1))
    world.tick(1)
    world.cluster.end(at(2))
    world.tick()
    world.tick()
    world.tick()
    first, last = world.firings()
    assert (first.has_moved, last.has_moved) == (None, told)
    assert world.herald.told == ([at(2)] if told else [])
    assert last.is_alerted is told
    assert [move.slice for move in last.moves] == ["t=0", "t=1"]


def test_a_failed_firing_is_passed_over_in_the_comparison(world: World) -> None:
    world.reader.learn("nightly/20261122T120100Z", 1.0, (0.0, 0.1))
    world.reader.learn("nightly/20261122T120200Z", 1.0, (9.0, 9.1))
    world.reader.learn("nightly/20261122T120300Z", 1.0, (1.0, 1.1))
    world.add(make_schedule(alert_decades=0.2))
    for minute, state in ((1, "SUCCEEDED"), (2, "FAILED"), (3, "SUCCEEDED")):
        world.tick(1)
        world.cluster.end(at(minute), state=JobState(state))
        world.tick()
    last = world.firings()[-1]
    assert last.moves[0].decades == pytest.approx(0.9)


def test_a_result_that_cannot_be_seen_is_not_compared_and_says_so(world: World) -> None:
    world.add(make_schedule(alert_decades=0.2))
    world.tick(1)
    world.cluster.end(at(1))
    world.tick()
    (firing,) = world.firings()
    assert (firing.state, firing.has_moved, firing.reason) == ("succeeded", None, "no ledger")


def test_two_schedulers_beside_each_other_submit_each_time_once(world: World) -> None:
    allow(world, 9)
    world.add(make_schedule(), make_schedule("other"))
    beside = dataclasses.replace(world)
    for minute in (1, 2):
        world.tick(1)
        beside.tick()
        world.cluster.end(at(minute), at(minute, "other"))
        beside.tick()
        world.tick()
    assert sorted(world.cluster.log) == sorted(
        at(minute, name) for minute in (1, 2) for name in ("nightly", "other")
    )
    assert set(world.states()) == {"succeeded"}


def test_what_a_stopped_service_hands_back_goes_on_and_was_no_attempt(world: World) -> None:
    allow(world, 5)
    world.add(*(make_schedule(name, timing=Once(NOON)) for name in ("a", "b", "c")))
    world.tick()
    world.cluster.end(at(0, "b"))
    world.cluster.end(at(0, "c"), state=JobState.STOPPED)
    world.scheduler.hand_back()
    assert world.states() == ["queued", "succeeded", "queued"]
    assert [firing.attempts for firing in world.firings()] == [0, 1, 0]
    world.cluster.forget()
    world.tick()
    assert world.cluster.log[3:] == [at(0, "a"), at(0, "c")]
