"""When a schedule fires: a cron line in a time zone, or one moment.

The cron arithmetic is cronsim's, which follows Debian's cron across daylight-saving changes:
a line with a fixed hour and minute fires once on every matching date (a time that the clocks
skip fires right after the gap, a time that comes twice fires at the first), a line with ``*``
in the hour or minute follows the local clock, so ``0 * * * *`` fires every hour of real time.
Six fields begin with seconds; those always follow the local clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from orchestrator.errors import ScheduleError

_WINDOWS = tuple(timedelta(days=days) for days in (1 / 24, 1, 31, 366))
_EXPECTED = (
    'expected five fields "minute hour day month weekday", e.g. "0 2 * * *" for every night '
    "at 2, or six with seconds first"
)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron line, read in a time zone (IANA name)."""

    expression: str
    zone: str


@dataclass(frozen=True, slots=True)
class Once:
    """One moment (UTC)."""

    moment: datetime


Timing = Cron | Once


def parse_cron(expression: str, zone: str) -> Cron:
    """Return the cron line, checked.

    Raises:
        ScheduleError: If it or the time zone is wrong, or it never fires.
    """
    find_zone(zone)
    cron = Cron(" ".join(expression.split()), zone)
    try:
        first = next_time(cron, datetime.now(UTC))
    except CronSimError as error:
        raise ScheduleError(f"--cron {expression!r}: {str(error).lower()}; {_EXPECTED}") from error
    if first is None:
        raise ScheduleError(f"--cron {expression!r}: no such date comes in the next 50 years")
    return cron


def parse_moment(text: str, zone: str, now: datetime) -> datetime:
    """Return a moment in UTC: ``now``, or ISO 8601, in the zone unless it names an offset.

    Raises:
        ScheduleError: If it is none, or the clocks of the zone skip it.
    """
    local = find_zone(zone)
    if text == "now":
        return now.replace(microsecond=0)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ScheduleError(
            f"{text!r} is no moment: expected e.g. 2027-01-31T02:00, which is read in the time "
            "zone, or 2027-01-31T02:00+00:00, or now"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=local)
        if moment.astimezone(UTC).astimezone(local).replace(tzinfo=None) != datetime.fromisoformat(
            text
        ):
            raise ScheduleError(f"{text}: the clocks of {zone} skip this time: choose another")
    return moment.astimezone(UTC).replace(microsecond=0)


def find_zone(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises:
        ScheduleError: If there is none of that name.
    """
    try:
        return ZoneInfo(name)
    # A folder's name, or one outside the folder, are other errors than an unknown name.
    except (LookupError, ValueError, OSError) as error:
        raise ScheduleError(
            f"--tz {name!r}: no such time zone; expected an IANA name such as Europe/Berlin or UTC"
        ) from error


def next_time(timing: Timing, after: datetime) -> datetime | None:
    """Return the first fire time after a moment, both UTC; None if there is none any more."""
    return next(iterate_times(timing, after), None)


def iterate_times(timing: Timing, after: datetime) -> Iterator[datetime]:
    """Yield the fire times after a moment, strictly rising, in UTC."""
    if isinstance(timing, Once):
        if timing.moment > after:
            yield timing.moment
        return
    latest = after
    for local in CronSim(timing.expression, after.astimezone(find_zone(timing.zone))):
        moment = local.astimezone(UTC)
        # In the hour that comes twice cronsim may look back, and a gap folds two times into one.
        if moment > latest:
            latest = moment
            yield moment


def latest_time(timing: Timing, after: datetime, until: datetime) -> datetime | None:
    """Return the last fire time in ``(after, until]``; None if there is none.

    Looks back through growing windows: a line that fires every minute costs an hour's times
    even if nobody looked for a year.
    """
    starts = [until - window for window in _WINDOWS if until - window > after]
    for start in (*starts, after):
        found = None
        for moment in iterate_times(timing, start):
            if moment > until:
                break
            found = moment
        if found is not None:
            return found
    return None
