"""Which fire times are due, and what becomes of those that nobody was there to see. Pure.

A fire time that is at most :data:`GRACE` late is fired, each by itself. Older ones are missed:
together they give one firing under the latest of their times (``once``), or none (``skip``).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.schedule.fire_times import Timing, iterate_times, latest_time, next_time

GRACE = timedelta(seconds=60)
_TICK = timedelta(microseconds=1)


class Misfire(StrEnum):
    """What becomes of fire times at which no scheduler ran."""

    SKIP = "skip"
    ONCE = "once"


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done about a schedule now; every time in UTC.

    Attributes:
        fires: Times to fire, rising.
        missed_from: First of the missed times; None if none was missed.
        missed_to: Last of them.
        next_fire: First time after now; None if there is none, or none until ``until``.
    """

    fires: tuple[datetime, ...]
    missed_from: datetime | None
    missed_to: datetime | None
    next_fire: datetime | None


def find_due(
    timing: Timing, next_fire: datetime, now: datetime, misfire: Misfire, until: datetime | None
) -> Due:
    """Return what is due of a schedule whose first time not dealt with is ``next_fire``."""
    horizon = now if until is None else min(now, until)
    edge = min(max(next_fire - _TICK, now - GRACE - _TICK), horizon)
    missed_to = latest_time(timing, next_fire - _TICK, edge)
    fires = []
    for moment in iterate_times(timing, edge):
        if moment > horizon:
            break
        fires.append(moment)
    if missed_to is not None and misfire is Misfire.ONCE:
        fires.insert(0, missed_to)
    return Due(
        fires=tuple(fires),
        missed_from=None if missed_to is None else next_fire,
        missed_to=missed_to,
        next_fire=first_after(timing, now, until),
    )


def first_after(timing: Timing, moment: datetime, until: datetime | None) -> datetime | None:
    """Return the first fire time after a moment that is not after ``until``."""
    following = next_time(timing, moment)
    return following if following is None or until is None or following <= until else None
