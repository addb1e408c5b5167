"""The store's sentences: each acts within a transaction that the caller holds.

What must happen together is put together by the caller, see :mod:`orchestrator.schedule.tables`.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy import Connection, RowMapping

from orchestrator.errors import ScheduleError
from orchestrator.job_request import JobRequest
from orchestrator.schedule.fire_times import Cron, Once, Timing
from orchestrator.schedule.misfire import Misfire
from orchestrator.schedule.movement import Interval, Move
from orchestrator.schedule.schedule import (
    ACTIVE,
    Firing,
    FiringState,
    Overlap,
    Schedule,
    job_prefix,
    make_job_id,
    make_request,
)
from orchestrator.schedule.tables import firings, queue, schedules

_INTERVALS, _MOVES = TypeAdapter(tuple[Interval, ...]), TypeAdapter(tuple[Move, ...])


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may run.

    Attributes:
        most_studies: Studies at work on the cluster at a time, whoever submitted them.
        daily_trial_hours: Nothing starts while the last 24 hours took as many; None: no limit.
    """

    most_studies: int
    daily_trial_hours: float | None


def add_schedule(connection: Connection, schedule: Schedule) -> None:
    """Write down a new schedule.

    Raises:
        ScheduleError: If there is one of that name, or one whose jobs would have the same ids.
    """
    for other in list_schedules(connection):
        if other.name == schedule.name:
            raise ScheduleError(
                f"there is a schedule {schedule.name} already: choose another --name, or remove "
                f"it with: rankfall schedule rm {schedule.name}"
            )
        if job_prefix(other) == job_prefix(schedule):
            raise ScheduleError(
                f"the jobs of schedule {other.name} are called {job_prefix(other)}-... too: "
                "choose another --name"
            )
    timing = schedule.timing
    cron = timing if isinstance(timing, Cron) else None
    connection.execute(
        schedules.insert().values(
            name=schedule.name,
            job_prefix=job_prefix(schedule),
            request=schedule.request.model_dump_json(),
            cron=cron and cron.expression,
            zone=cron and cron.zone,
            moment=timing.moment if isinstance(timing, Once) else None,
            overlap=schedule.overlap.value,
            misfire=schedule.misfire.value,
            until=schedule.until,
            alert_decades=schedule.alert_decades,
            priority=schedule.priority,
            is_paused=schedule.is_paused,
            next_fire=schedule.next_fire,
        )
    )


def find_schedule(connection: Connection, name: str) -> Schedule:
    """Return a schedule.

    Raises:
        ScheduleError: If there is none; the text names the nearest.
    """
    found = {schedule.name: schedule for schedule in list_schedules(connection)}
    if name in found:
        return found[name]
    near = get_close_matches(name, found, n=1)
    hint = f"did you mean {near[0]}?" if near else "see: rankfall schedule list"
    raise ScheduleError(f"there is no schedule {name!r}; {hint}")


def list_schedules(connection: Connection) -> list[Schedule]:
    """Return all schedules by name."""
    rows = connection.execute(sa.select(schedules).order_by(schedules.c.name)).mappings()
    return [_to_schedule(row) for row in rows]


def update_schedule(connection: Connection, name: str, **values: Any) -> None:
    """Change columns of a schedule."""
    connection.execute(schedules.update().where(schedules.c.name == name).values(**values))


def remove_schedule(connection: Connection, name: str) -> None:
    """Forget a schedule; its firings stay as history."""
    connection.execute(schedules.delete().where(schedules.c.name == name))


def add_firing(
    connection: Connection,
    schedule: Schedule,
    fire_time: datetime,
    *,
    state: FiringState = FiringState.QUEUED,
    reason: str | None = None,
    is_by_hand: bool = False,
    now: datetime,
) -> bool:
    """Write down that a schedule fired; False if it is written down that it did at that time."""
    job_id = make_job_id(schedule, fire_time)
    if connection.scalar(sa.select(firings.c.id).where(firings.c.job_id == job_id)) is not None:
        return False
    connection.execute(
        firings.insert().values(
            schedule=schedule.name,
            fire_time=fire_time,
            job_id=job_id,
            request=make_request(schedule, fire_time).model_dump_json(),
            overlap=schedule.overlap.value,
            priority=schedule.priority,
            alert_decades=schedule.alert_decades,
            is_by_hand=is_by_hand,
            state=state.value,
            attempts=0,
            reason=reason,
            ended_at=now if state.is_end else None,
            boundaries="[]",
            moves="[]",
            is_alerted=False,
        )
    )
    return True


def list_firings(connection: Connection, schedule: str | None = None) -> list[Firing]:
    """Return firings, the oldest fire time first: of one schedule, or of all."""
    of_it = sa.true() if schedule is None else firings.c.schedule == schedule
    return _select_firings(connection, of_it)


def list_active(connection: Connection) -> list[Firing]:
    """Return the firings that have not ended, the oldest fire time first."""
    return _select_firings(connection, firings.c.state.in_([state.value for state in ACTIVE]))


def list_started_since(connection: Connection, moment: datetime) -> list[Firing]:
    """Return the firings that were handed to Ray since a moment, or run still."""
    running = firings.c.state.in_([FiringState.SUBMITTING.value, FiringState.RUNNING.value])
    return _select_firings(connection, sa.or_(running, firings.c.submitted_at >= moment))


def list_expected_hours(connection: Connection) -> dict[str, float]:
    """Return by schedule how many trial-hours its latest firing took, where that is known."""
    wanted = sa.select(firings.c.schedule, firings.c.trial_hours).where(
        firings.c.trial_hours.is_not(None)
    )
    rows = connection.execute(wanted.order_by(firings.c.fire_time))
    return {row.schedule: row.trial_hours for row in rows}


def list_unalerted(connection: Connection) -> list[Firing]:
    """Return the firings whose boundary moved and of which nobody was told."""
    return _select_firings(
        connection, sa.and_(firings.c.has_moved.is_(True), firings.c.is_alerted.is_(False))
    )


def find_predecessor(connection: Connection, firing: Firing) -> Firing | None:
    """Return the latest earlier firing of the same schedule and question with boundaries."""
    earlier = _select_firings(
        connection,
        sa.and_(
            firings.c.schedule == firing.schedule,
            firings.c.fire_time < firing.fire_time,
            firings.c.boundaries != "[]",
        ),
    )
    same = [other for other in earlier if other.request.digest == firing.request.digest]
    return same[-1] if same else None


def change_firing(connection: Connection, firing: Firing, **values: Any) -> bool:
    """Change columns of a firing; False, and nothing is done, if it stands elsewhere by now."""
    changed = connection.execute(
        firings.update()
        .where(
            firings.c.id == firing.id,
            firings.c.state == firing.state.value,
            firings.c.attempts == firing.attempts,
        )
        .values(**{name: _encode(name, value) for name, value in values.items()})
    )
    return bool(changed.rowcount)


def read_limits(connection: Connection) -> Limits:
    """Return how much may run."""
    row = connection.execute(sa.select(queue)).mappings().one()
    return Limits(row["most_studies"], row["daily_trial_hours"])


def write_limits(connection: Connection, limits: Limits) -> None:
    """Change how much may run."""
    connection.execute(queue.update().values(**asdict(limits)))


def _select_firings(connection: Connection, condition: sa.ColumnElement[bool]) -> list[Firing]:
    wanted = sa.select(firings).where(condition).order_by(firings.c.fire_time, firings.c.id)
    return [_to_firing(row) for row in connection.execute(wanted).mappings()]


def _encode(name: str, value: Any) -> Any:
    if name == "boundaries":
        return _INTERVALS.dump_json(value).decode()
    if name == "moves":
        return _MOVES.dump_json(value).decode()
    return value.value if isinstance(value, FiringState) else value


def _to_schedule(row: RowMapping) -> Schedule:
    timing: Timing = Once(row["moment"]) if row["cron"] is None else Cron(row["cron"], row["zone"])
    return Schedule(
        name=row["name"],
        request=JobRequest.model_validate_json(row["request"]),
        timing=timing,
        overlap=Overlap(row["overlap"]),
        misfire=Misfire(row["misfire"]),
        until=row["until"],
        alert_decades=row["alert_decades"],
        priority=row["priority"],
        is_paused=row["is_paused"],
        next_fire=row["next_fire"],
    )


def _to_firing(row: RowMapping) -> Firing:
    decoded = {
        "request": JobRequest.model_validate_json(row["request"]),
        "overlap": Overlap(row["overlap"]),
        "state": FiringState(row["state"]),
        "boundaries": _INTERVALS.validate_json(row["boundaries"]),
        "moves": _MOVES.validate_json(row["moves"]),
    }
    return Firing(**{**row, **decoded})
