"""``rankfall schedule``: schedules entered, listed and changed; their firings told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from orchestrator.errors import ScheduleError
from orchestrator.job_options import JobOptions, make_request
from orchestrator.schedule import lifecycle, store
from orchestrator.schedule.describe import (
    describe_firing,
    describe_latest,
    describe_schedule,
    list_next,
    say_time,
)
from orchestrator.schedule.fire_times import Cron, Once, Timing, parse_cron, parse_moment
from orchestrator.schedule.misfire import Misfire, first_after
from orchestrator.schedule.schedule import Overlap, Schedule, require_name
from orchestrator.schedule.tables import default_url, open_engine, transaction

if TYPE_CHECKING:
    from search_spaces.study import Study

THIS_MACHINE = "http://127.0.0.1"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a schedule shall be like, as it was typed."""

    name: str | None
    cron: str | None
    at: str | None
    zone: str
    overlap: Overlap
    misfire: Misfire
    until: str | None
    alert_decades: float | None
    priority: int


def open_store(url: str | None) -> sa.Engine:
    """Open the store at a URL; None: where it is by default."""
    return open_engine(default_url() if url is None else url)


def add_schedule(
    engine: sa.Engine, study_name: str, overrides: Sequence[str], options: JobOptions, wish: Wish
) -> dict[str, Any]:
    """Enter a schedule and return it as plain values.

    Raises:
        SearchSpaceError, OrchestratorError: What the user can mend; nothing was entered.
    """
    now = datetime.now(UTC)
    timing = _read_timing(wish, now)
    until = None if wish.until is None else parse_moment(wish.until, wish.zone, now)
    just_before = now if isinstance(timing, Cron) else datetime.min.replace(tzinfo=UTC)
    next_fire = first_after(timing, just_before, until)
    if next_fire is None:
        raise ScheduleError(f"--until {wish.until}: it would never fire before that")
    from orchestrator.command_submit import read_study  # noqa: PLC0415 (loads torch and Ray)

    study, obstacle = read_study(study_name, overrides)
    if options.python is None and obstacle is not None:
        raise obstacle
    if wish.alert_decades is not None:
        _require_boundary(study)
    schedule = Schedule(
        name=require_name(wish.name or study.name),
        request=make_request(study, study_name, options, THIS_MACHINE),
        timing=timing,
        overlap=wish.overlap,
        misfire=wish.misfire,
        until=until,
        alert_decades=wish.alert_decades,
        priority=wish.priority,
        is_paused=False,
        next_fire=next_fire,
    )
    with transaction(engine) as connection:
        store.add_schedule(connection, schedule)
    return describe_schedule(schedule)


def list_schedules(engine: sa.Engine) -> list[dict[str, Any]]:
    """Return every schedule with its latest firing."""
    with transaction(engine) as connection:
        schedules = store.list_schedules(connection)
        firings = store.list_firings(connection)
    latest = {firing.schedule: firing for firing in firings}
    return [
        describe_schedule(schedule) | {"latest": describe_latest(latest.get(schedule.name))}
        for schedule in schedules
    ]


def show_one(engine: sa.Engine, name: str) -> dict[str, Any]:
    """Return one schedule with the times at which it will fire next, in its time zone."""
    with transaction(engine) as connection:
        schedule = store.find_schedule(connection, name)
        firings = store.list_firings(connection, name)
    return describe_schedule(schedule) | {
        "next_times": list_next(schedule),
        "latest": describe_latest(firings[-1] if firings else None),
        "text": schedule.request.text,
    }


def list_history(engine: sa.Engine, name: str | None, last: int | None) -> list[dict[str, Any]]:
    """Return the firings of one schedule (also one that was removed) or of all, oldest first.

    Raises:
        ScheduleError: If nothing of that name is or was there.
    """
    with transaction(engine) as connection:
        firings = store.list_firings(connection, name)
        if name is not None and not firings:
            store.find_schedule(connection, name)
    return [describe_firing(firing) for firing in firings[-last if last else 0 :]]


def pause(engine: sa.Engine, name: str) -> None:
    """Pause a schedule."""
    with transaction(engine) as connection:
        lifecycle.pause_schedule(connection, name)


def resume(engine: sa.Engine, name: str) -> str | None:
    """Let a schedule go on; return when it fires next."""
    with transaction(engine) as connection:
        return say_time(lifecycle.resume_schedule(connection, name, datetime.now(UTC)).next_fire)


def remove(engine: sa.Engine, name: str) -> list[str]:
    """Remove a schedule; return the jobs of it that run on."""
    with transaction(engine) as connection:
        return lifecycle.forget_schedule(connection, name, datetime.now(UTC))


def run_now(engine: sa.Engine, name: str) -> dict[str, Any]:
    """Queue a firing of a schedule now, and return it."""
    with transaction(engine) as connection:
        fire_time = lifecycle.fire_by_hand(connection, name, datetime.now(UTC))
        firings = store.list_firings(connection, name)
    return describe_firing(next(f for f in firings if f.fire_time == fire_time))


def change_limits(
    engine: sa.Engine, most_studies: int | None, daily_trial_hours: float | None
) -> dict[str, Any]:
    """Change what is given (0 trial-hours: no limit), and return the limits as they are."""
    with transaction(engine) as connection:
        limits = store.read_limits(connection)
        if most_studies is not None:
            limits = replace(limits, most_studies=most_studies)
        if daily_trial_hours is not None:
            limits = replace(limits, daily_trial_hours=daily_trial_hours or None)
        store.write_limits(connection, limits)
    return {
        "studies": limits.most_studies,
        "trial_hours_per_day": limits.daily_trial_hours,
    }


def check_moved(engine: sa.Engine, name: str) -> dict[str, Any] | None:
    """Return the latest firing whose boundaries were compared; None if none was yet.

    Raises:
        ScheduleError: If there is no such schedule, or it compares nothing.
    """
    with transaction(engine) as connection:
        schedule = store.find_schedule(connection, name)
        firings = store.list_firings(connection, name)
    if schedule.alert_decades is None:
        raise ScheduleError(
            f"{name} compares nothing: it was added without --alert-if-moved DECADES"
        )
    compared = [firing for firing in firings if firing.has_moved is not None]
    return describe_firing(compared[-1]) if compared else None


def _read_timing(wish: Wish, now: datetime) -> Timing:
    if (wish.cron is None) == (wish.at is None):
        raise ScheduleError(
            'say when: --cron "0 2 * * *" for every night, or --at 2027-01-31T02:00 for once'
        )
    if wish.cron is not None:
        return parse_cron(wish.cron, wish.zone)
    assert wish.at is not None
    moment = parse_moment(wish.at, wish.zone, now)
    if moment < now.replace(microsecond=0):
        raise ScheduleError(f"--at {wish.at}: that is past (it is {say_time(now)})")
    return Once(moment)


def _require_boundary(study: "Study") -> None:
    from orchestrator.collapse_map import find_lr_range  # noqa: PLC0415 (loads torch)

    if find_lr_range(study) is None or not study.slices():
        raise ScheduleError(
            f"--alert-if-moved: study {study.name} maps no boundary: it needs an axis lr"
        )
