"""Fire times: cron lines across both clock changes against a minute-by-minute reference."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import ScheduleError
from orchestrator.schedule.fire_times import (
    Cron,
    Once,
    find_zone,
    iterate_times,
    latest_time,
    next_time,
    parse_cron,
    parse_moment,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# Zones of one hour, of half an hour, on both hemispheres, and one without a change; the days on
# which their clocks changed in 2026.
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2026, 3, 29, tzinfo=UTC)),
]
zones = st.sampled_from(CHANGES)
# Where the clocks move by half an hour, "every hour" has no one meaning that night.
hour_zones = st.sampled_from([change for change in CHANGES if "Howe" not in change[0]])


def minutes_between(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += MINUTE


def times(cron: Cron, start: datetime, end: datetime) -> list[datetime]:
    """Return the fire times in ``(start, end]``."""
    found: list[datetime] = []
    for moment in iterate_times(cron, start):
        if moment > end:
            return found
        found.append(moment)
    return found


@settings(max_examples=40, deadline=None)
@given(change=zones, hour=st.integers(0, 23), minute=st.integers(0, 59))
def test_a_time_of_day_fires_once_on_every_date_as_the_clocks_of_the_zone_say(
    change: tuple[str, datetime], hour: int, minute: int
) -> None:
    name, day = change
    zone = ZoneInfo(name)
    start, end = day - 2 * DAY, day + 3 * DAY
    local = [(t, t.astimezone(zone)) for t in minutes_between(start - DAY, end + DAY)]
    expected: dict[date, datetime] = {}
    for moment, shown in local:
        # The first minute of that date at which the zone's clocks show the time or a later one.
        if (shown.hour, shown.minute) >= (hour, minute):
            expected.setdefault(shown.date(), moment)
    found = times(Cron(f"{minute} {hour} * * *", name), start, end)
    assert found == sorted(moment for moment in expected.values() if start < moment <= end)


@settings(max_examples=25, deadline=None)
@given(change=hour_zones, minute=st.integers(0, 59))
def test_an_hourly_line_fires_every_hour_of_real_time_across_the_change(
    change: tuple[str, datetime], minute: int
) -> None:
    name, day = change
    zone = ZoneInfo(name)
    start, end = day - DAY, day + 2 * DAY
    expected = [
        moment
        for moment in minutes_between(start + MINUTE, end + MINUTE)
        if moment.astimezone(zone).minute == minute
    ]
    assert times(Cron(f"{minute} * * * *", name), start, end) == expected


@settings(max_examples=25, deadline=None)
@given(
    change=zones,
    expression=st.sampled_from(
        ["30 2 * * *", "0,30 1-3 * * *", "*/20 * * * *", "15 */2 * * *", "0 2 * * SUN", "5 * * * *"]
    ),
    offsets=st.lists(st.integers(0, 5 * 24 * 60), min_size=1, max_size=12),
)
def test_asking_at_any_moments_gives_the_times_that_asking_once_gives(
    change: tuple[str, datetime], expression: str, offsets: list[int]
) -> None:
    name, day = change
    cron = Cron(expression, name)
    start, end = day - 2 * DAY, day + 3 * DAY
    all_times = times(cron, start, end)
    assert all(earlier < later for earlier, later in pairwise(all_times))
    for offset in offsets:
        moment = start + offset * MINUTE
        later = [t for t in all_times if t > moment]
        if later:
            assert next_time(cron, moment) == later[0]


def test_closed_forms_of_both_changes() -> None:
    night = Cron("30 2 * * *", "Europe/Berlin")
    spring = list(islice(iterate_times(night, datetime(2026, 3, 27, 12, tzinfo=UTC)), 3))
    assert [f"{t:%d %H:%M}" for t in spring] == ["28 01:30", "29 01:00", "30 00:30"]
    autumn = list(islice(iterate_times(night, datetime(2026, 10, 23, 12, tzinfo=UTC)), 3))
    assert [f"{t:%d %H:%M}" for t in autumn] == ["24 00:30", "25 00:30", "26 01:30"]


def test_weekdays_are_crons_with_sunday_as_0_and_7() -> None:
    after = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday
    days = [next_time(Cron(f"0 0 * * {d}", "UTC"), after) for d in (0, 1, 6, 7)]
    assert [t and t.day for t in days] == [29, 23, 28, 29]


def test_seconds_come_first_of_six_fields() -> None:
    after = datetime(2026, 1, 1, tzinfo=UTC)
    found = islice(iterate_times(Cron("*/20 * * * * *", "UTC"), after), 3)
    assert [t.second for t in found] == [20, 40, 0]


@settings(max_examples=40, deadline=None)
@given(
    expression=st.sampled_from(["* * * * *", "0 2 * * *", "0 0 1 * *", "0 0 1 1 *", "7 */5 * * *"]),
    after_hours=st.integers(0, 24 * 800),
    length_hours=st.integers(0, 24 * 90),
)
def test_the_latest_time_is_the_last_of_all_times(
    expression: str, after_hours: int, length_hours: int
) -> None:
    cron = Cron(expression, "Europe/Berlin")
    after = datetime(2025, 1, 1, 0, 30, tzinfo=UTC) + after_hours * HOUR
    until = after + length_hours * HOUR
    if expression == "* * * * *":
        after = until - min(until - after, 3 * DAY)
    found = times(cron, after, until)
    assert latest_time(cron, after, until) == (found[-1] if found else None)


def test_one_moment_comes_once() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert next_time(Once(moment), moment - MINUTE) == moment
    assert next_time(Once(moment), moment) is None


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "wrong number of fields; expected five fields"),
        ("0 2 * *", "wrong number of fields"),
        ("61 2 * * *", "bad minute"),
        ("0 2 * * FUNDAY", "bad day-of-week"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 */20 * 1L", "no such date comes"),
    ],
)
def test_a_wrong_cron_line_is_refused_with_what_is_expected(expression: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        parse_cron(expression, "UTC")


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "..", "/etc/passwd", "Europe", "a\0b"])
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ScheduleError, match="no such time zone"):
        find_zone(name)


def test_moments_are_read_in_the_zone_unless_they_name_an_offset() -> None:
    now = datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC)
    assert parse_moment("2026-07-01T02:00", "Europe/Berlin", now).hour == 0
    assert parse_moment("2026-07-01T02:00+00:00", "Europe/Berlin", now).hour == 2
    assert parse_moment("now", "Europe/Berlin", now) == now.replace(microsecond=0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tomorrow", "is no moment"),
        ("2026-13-01", "is no moment"),
        ("2026-03-29T02:30", "skip this time"),
    ],
)
def test_a_moment_that_never_comes_is_refused(text: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        parse_moment(text, "Europe/Berlin", datetime(2026, 1, 1, tzinfo=UTC))
