"""What is due: however often and late one looks, every fire time is dealt with exactly once."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.schedule.fire_times import Cron, Once, Timing, iterate_times
from orchestrator.schedule.misfire import GRACE, Misfire, find_due

START = datetime(2026, 10, 24, 20, 0, tzinfo=UTC)  # the clocks of Berlin go back that night
SECOND = timedelta(seconds=1)
timings = st.sampled_from(
    [
        Cron("* * * * *", "Europe/Berlin"),
        Cron("*/10 * * * * *", "UTC"),
        Cron("30 2 * * *", "Europe/Berlin"),
        Cron("*/7 * * * *", "Europe/Berlin"),
    ]
)


def times_until(timing: Timing, after: datetime, end: datetime) -> list[datetime]:
    return list(takewhile(lambda moment: moment <= end, iterate_times(timing, after)))


@settings(max_examples=60, deadline=None)
@given(
    timing=timings,
    waits=st.lists(st.one_of(st.integers(0, 30), st.integers(0, 900)), min_size=1, max_size=20),
    misfire=st.sampled_from(Misfire),
)
def test_every_fire_time_is_fired_once_or_missed_once(
    timing: Timing, waits: list[int], misfire: Misfire
) -> None:
    now, next_fire = START, next(iterate_times(timing, START))
    fired: list[datetime] = []
    missed: list[datetime] = []
    for wait in waits:
        now += wait * SECOND
        if next_fire > now:
            continue
        due = find_due(timing, next_fire, now, misfire, None)
        if due.missed_from is not None and due.missed_to is not None:
            assert now - due.missed_to > GRACE
            missed += times_until(timing, due.missed_from - SECOND, due.missed_to)
        fired += due.fires
        assert due.next_fire is not None
        next_fire = due.next_fire
        assert next_fire > now
    due_so_far = times_until(timing, START, now)
    made_up_for = set(fired) & set(missed)
    assert len(fired) == len(set(fired)), "a time was fired twice"
    assert len(missed) == len(set(missed)), "a time was missed twice"
    assert sorted(set(fired) | set(missed)) == due_so_far
    assert bool(made_up_for) == (bool(missed) and misfire is Misfire.ONCE)


@pytest.mark.parametrize(
    ("late_seconds", "misfire", "fires", "missed"),
    [
        pytest.param(0, Misfire.SKIP, [0], False, id="on-time"),
        pytest.param(60, Misfire.SKIP, [0, 60], False, id="in-grace"),
        pytest.param(61, Misfire.SKIP, [60], True, id="just-too-late"),
        pytest.param(61, Misfire.ONCE, [0, 60], True, id="made-up-for"),
        pytest.param(3600, Misfire.SKIP, [3540, 3600], True, id="an-hour-skipped"),
        pytest.param(3600, Misfire.ONCE, [3480, 3540, 3600], True, id="an-hour-gives-one"),
    ],
)
def test_lateness_up_to_a_minute_is_no_miss(
    late_seconds: int, misfire: Misfire, fires: list[int], missed: bool
) -> None:
    due = find_due(Cron("* * * * *", "UTC"), START, START + late_seconds * SECOND, misfire, None)
    assert [(t - START) / SECOND for t in due.fires] == fires
    assert (due.missed_from == START) is missed


def test_nothing_fires_after_until_and_until_itself_fires() -> None:
    cron = Cron("* * * * *", "UTC")
    until = START + 60 * SECOND
    assert find_due(cron, START, START, Misfire.ONCE, until).next_fire == until
    due = find_due(cron, until, START + 100 * SECOND, Misfire.ONCE, until)
    assert (due.fires, due.next_fire) == ((until,), None)
    long_after = find_due(cron, START, START + timedelta(days=3), Misfire.ONCE, until)
    assert (long_after.fires, long_after.next_fire) == ((until,), None)


@pytest.mark.parametrize(("misfire", "count"), [(Misfire.ONCE, 1), (Misfire.SKIP, 0)])
def test_a_moment_that_was_missed_is_made_up_for_or_not(misfire: Misfire, count: int) -> None:
    due = find_due(Once(START), START, START + timedelta(days=400), misfire, None)
    assert due.fires == (START,) * count
    assert (due.missed_to, due.next_fire) == (START, None)
