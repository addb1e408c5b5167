"""Schedules and firings as plain values, for tables and JSON."""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from orchestrator.schedule.fire_times import Cron, Once, find_zone, iterate_times
from orchestrator.schedule.schedule import Firing, Schedule

SHOWN_TIMES = 5


def describe_schedule(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule as plain values; times in UTC."""
    timing, request = schedule.timing, schedule.request
    cron = timing if isinstance(timing, Cron) else None
    return {
        "name": schedule.name,
        "study": request.study,
        "digest": request.digest,
        "overrides": list(request.overrides),
        "cron": cron and cron.expression,
        "tz": cron and cron.zone,
        "at": say_time(timing.moment) if isinstance(timing, Once) else None,
        "next_fire": say_time(schedule.next_fire),
        "is_paused": schedule.is_paused,
        "overlap": schedule.overlap.value,
        "misfire": schedule.misfire.value,
        "until": say_time(schedule.until),
        "priority": schedule.priority,
        "alert_if_moved_decades": schedule.alert_decades,
        "results": f"{request.results}/schedules/{schedule.name}",
    }


def describe_firing(firing: Firing) -> dict[str, Any]:
    """Return a firing as plain values; times in UTC, boundaries as learning rates."""
    return {
        "schedule": firing.schedule,
        "fire_time": say_time(firing.fire_time),
        "job": firing.job_id,
        "state": firing.state.value,
        "reason": firing.reason,
        "by_hand": firing.is_by_hand,
        "priority": firing.priority,
        "attempts": firing.attempts,
        "submitted_at": say_time(firing.submitted_at),
        "ended_at": say_time(firing.ended_at),
        "trial_hours": firing.trial_hours,
        "results": str(Path(firing.request.results) / firing.request.study),
        "boundaries": [
            {"slice": b.slice, "verdict": b.verdict, "critical_lr": b.critical_lr}
            for b in firing.boundaries
        ],
        "moves": [{"slice": move.slice, "decades": move.decades} for move in firing.moves],
        "has_moved": firing.has_moved,
        "moved": firing.describe_moved() or None,
    }


def list_next(schedule: Schedule) -> list[str]:
    """Return the next fire times, in the schedule's own time zone."""
    if schedule.next_fire is None:
        return []
    zone = find_zone(schedule.timing.zone if isinstance(schedule.timing, Cron) else "UTC")
    times = [schedule.next_fire]
    times += islice(iterate_times(schedule.timing, schedule.next_fire), SHOWN_TIMES - 1)
    until = schedule.until
    return [
        t.astimezone(zone).isoformat(timespec="seconds")
        for t in times
        if until is None or t <= until
    ]


def describe_latest(firing: Firing | None) -> dict[str, Any] | None:
    """Return in short where a firing stands."""
    if firing is None:
        return None
    told: Mapping[str, Any] = describe_firing(firing)
    return {name: told[name] for name in ("fire_time", "job", "state", "reason", "has_moved")}


def say_time(moment: datetime | None) -> str | None:
    """Return a moment as ISO 8601, to the second."""
    return None if moment is None else moment.isoformat(timespec="seconds")
