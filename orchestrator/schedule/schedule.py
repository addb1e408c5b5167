"""A schedule and its firings: the values that the store keeps. No database, no Ray."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestrator.errors import ScheduleError
from orchestrator.job_request import JobRequest
from orchestrator.schedule.fire_times import Timing
from orchestrator.schedule.misfire import Misfire
from orchestrator.schedule.movement import Interval, Move, describe_moves, find_moved

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Overlap(StrEnum):
    """What a firing does while an earlier one of its schedule has not ended."""

    FORBID = "forbid"
    QUEUE = "queue"
    REPLACE = "replace"


class FiringState(StrEnum):
    """Where a firing stands; those after RUNNING are ends.

    SUBMITTING was handed to Ray, whose answer we may not have lived to hear. SKIPPED never ran:
    missed, overlapping, replaced, or its schedule was removed. LOST was forgotten by the cluster
    too often.
    """

    QUEUED = "queued"
    SUBMITTING = "submitting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    SKIPPED = "skipped"
    LOST = "lost"

    @property
    def is_end(self) -> bool:
        """Whether nothing will change any more."""
        return self not in ACTIVE


ON_CLUSTER = (FiringState.SUBMITTING, FiringState.RUNNING)
ACTIVE = (FiringState.QUEUED, *ON_CLUSTER)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A study to be submitted at certain times.

    Attributes:
        request: What is submitted; ``results`` is the root below which each firing has a folder.
        until: Last moment at which it may fire (UTC).
        alert_decades: Say so when a boundary moved further than this; None compares nothing.
        priority: Higher ones leave the queue first.
        next_fire: First fire time not dealt with (UTC); None if it has fired for the last time.
    """

    name: str
    request: JobRequest
    timing: Timing
    overlap: Overlap
    misfire: Misfire
    until: datetime | None
    alert_decades: float | None
    priority: int
    is_paused: bool
    next_fire: datetime | None


@dataclass(frozen=True, slots=True)
class Firing:
    """One fire time of a schedule, with all that it needs if the schedule is changed or removed.

    Attributes:
        id: The store's number.
        job_id: ``<study>-<schedule>-<fire time>``: the id under which Ray takes it in once.
        request: What is submitted, in a results folder of its own.
        is_by_hand: Asked for by ``run-now``.
        attempts: How often it was handed to Ray.
        reason: Why it stands as it does, in one line.
        submitted_at: When it was last handed to Ray.
        stop_asked_at: When Ray was asked to end it for the sake of a later one.
        trial_hours: Training time over its trials; None unless its ledger could be read.
        boundaries: Where its slices' boundaries lie.
        moves: How far they moved from the previous firing's.
        has_moved: Whether any moved further than the schedule allows; None if not compared.
        is_alerted: Whether somebody was told that it moved.
    """

    id: int
    schedule: str
    fire_time: datetime
    job_id: str
    request: JobRequest
    overlap: Overlap
    priority: int
    alert_decades: float | None
    is_by_hand: bool
    state: FiringState
    attempts: int = 0
    reason: str | None = None
    submitted_at: datetime | None = None
    stop_asked_at: datetime | None = None
    ended_at: datetime | None = None
    trial_hours: float | None = None
    boundaries: tuple[Interval, ...] = field(default=())
    moves: tuple[Move, ...] = field(default=())
    has_moved: bool | None = None
    is_alerted: bool = False

    def describe_moved(self) -> str:
        """Return in words how far boundaries moved further than allowed; empty if none did."""
        if self.alert_decades is None:
            return ""
        return describe_moves(find_moved(self.moves, self.alert_decades))


def require_name(name: str) -> str:
    """Return a schedule's name.

    Raises:
        ScheduleError: If it cannot be part of a job's id and of a folder.
    """
    if _NAME.fullmatch(name):
        return name
    raise ScheduleError(
        f"schedule name {name!r}: expected at most 64 letters, digits, '_' and '-', no '-' first"
    )


def stamp(fire_time: datetime) -> str:
    """Return a fire time (UTC) as it stands in ids and folders, to the second."""
    return f"{fire_time:%Y%m%dT%H%M%SZ}"


def job_prefix(schedule: Schedule) -> str:
    """Return what the ids of a schedule's firings begin with; the store keeps it unique."""
    return f"{schedule.request.study}-{schedule.name}"


def make_job_id(schedule: Schedule, fire_time: datetime) -> str:
    """Return the id under which a fire time is submitted, however often we try."""
    return f"{job_prefix(schedule)}-{stamp(fire_time)}"


def make_request(schedule: Schedule, fire_time: datetime) -> JobRequest:
    """Return the request of one firing: a study is told once, so each has a ledger of its own."""
    folder = f"{schedule.request.results}/schedules/{schedule.name}/{stamp(fire_time)}"
    return schedule.request.model_copy(update={"results": folder})
