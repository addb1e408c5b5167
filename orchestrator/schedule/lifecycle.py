"""What happens to schedules: they fire, are paused, go on, and are removed. No Ray.

Each function is one transaction's worth: a fire time is entered as a firing, and the schedule
moved on to its next one, together or not at all. That is why no kill can lose or double one.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from orchestrator.errors import ScheduleError
from orchestrator.schedule.misfire import Due, Misfire, find_due, first_after
from orchestrator.schedule.schedule import FiringState, Schedule, stamp
from orchestrator.schedule.store import (
    add_firing,
    change_firing,
    find_schedule,
    list_active,
    list_schedules,
    remove_schedule,
    update_schedule,
)

REMOVED = "its schedule was removed"
_MOST_BY_HAND = 10


def fire_due(connection: Connection, now: datetime) -> None:
    """Enter every fire time that has come as a firing, and move the schedules on."""
    for schedule in list_schedules(connection):
        if schedule.is_paused or schedule.next_fire is None or schedule.next_fire > now:
            continue
        due = find_due(schedule.timing, schedule.next_fire, now, schedule.misfire, schedule.until)
        _enter_missed(connection, schedule, due, now)
        for fire_time in due.fires:
            reason = _describe_missed(due) if fire_time == due.missed_to else None
            add_firing(connection, schedule, fire_time, reason=reason, now=now)
        update_schedule(connection, schedule.name, next_fire=due.next_fire)


def fire_by_hand(connection: Connection, name: str, now: datetime) -> datetime:
    """Enter a firing at this second, or the next that is free, and return its fire time.

    Raises:
        ScheduleError: If there is no such schedule, or it was fired ten times this second.
    """
    schedule = find_schedule(connection, name)
    for seconds in range(_MOST_BY_HAND):
        fire_time = now.replace(microsecond=0) + timedelta(seconds=seconds)
        if add_firing(connection, schedule, fire_time, is_by_hand=True, now=now):
            return fire_time
    raise ScheduleError(f"{name} was fired {_MOST_BY_HAND} times just now: wait a few seconds")


def pause_schedule(connection: Connection, name: str) -> None:
    """Let a schedule's fire times pass by unseen; what waits or runs goes on.

    Raises:
        ScheduleError: If there is no such schedule.
    """
    find_schedule(connection, name)
    update_schedule(connection, name, is_paused=True)


def resume_schedule(connection: Connection, name: str, now: datetime) -> Schedule:
    """Let a paused schedule go on with the first fire time after now.

    Raises:
        ScheduleError: If there is no such schedule.
    """
    schedule = find_schedule(connection, name)
    if schedule.is_paused:
        next_fire = first_after(schedule.timing, now, schedule.until)
        update_schedule(connection, name, is_paused=False, next_fire=next_fire)
    return find_schedule(connection, name)


def forget_schedule(connection: Connection, name: str, now: datetime) -> list[str]:
    """Remove a schedule and what waits of it; return the jobs of it that run on.

    Raises:
        ScheduleError: If there is no such schedule.
    """
    find_schedule(connection, name)
    remove_schedule(connection, name)
    running = []
    for firing in list_active(connection):
        if firing.schedule != name:
            continue
        if firing.state is FiringState.QUEUED:
            end = {"state": FiringState.SKIPPED, "reason": REMOVED, "ended_at": now}
            change_firing(connection, firing, **end)
        else:
            running.append(firing.job_id)
    return running


def _enter_missed(connection: Connection, schedule: Schedule, due: Due, now: datetime) -> None:
    """Write down what was missed and is not made up for, so that history does not hide it."""
    if due.missed_to is not None and schedule.misfire is Misfire.SKIP:
        reason = _describe_missed(due)
        skipped = FiringState.SKIPPED
        add_firing(connection, schedule, due.missed_to, state=skipped, reason=reason, now=now)


def _describe_missed(due: Due) -> str:
    assert due.missed_from is not None
    assert due.missed_to is not None
    if due.missed_from == due.missed_to:
        return "missed: no scheduler ran"
    return f"missed from {stamp(due.missed_from)} to {stamp(due.missed_to)}: no scheduler ran"
