"""A store in memory's place (a file), a clock that is told the time, a cluster that keeps score."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from orchestrator.errors import ClusterError
from orchestrator.job import Job, JobState
from orchestrator.job_request import JobRequest
from orchestrator.schedule.fire_times import Cron, Once, Timing
from orchestrator.schedule.misfire import Misfire, first_after
from orchestrator.schedule.movement import Interval
from orchestrator.schedule.roles import Findings
from orchestrator.schedule.schedule import Firing, Overlap, Schedule
from orchestrator.schedule.scheduler import Scheduler
from orchestrator.schedule.store import add_schedule, list_firings
from orchestrator.schedule.tables import open_engine, transaction
from tests.orchestrator.test_job_request import REQUEST

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EVERY_MINUTE = Cron("* * * * *", "UTC")
STUDY_REQUEST = REQUEST.model_copy(update={"results": "/maps"})


def make_schedule(
    name: str = "nightly", timing: Timing = EVERY_MINUTE, **changes: object
) -> Schedule:
    """Return a schedule as it is when it is added at NOON."""
    schedule = Schedule(
        name=name,
        request=STUDY_REQUEST,
        timing=timing,
        overlap=Overlap.QUEUE,
        misfire=Misfire.ONCE,
        until=None,
        alert_decades=None,
        priority=0,
        is_paused=False,
        next_fire=timing.moment if isinstance(timing, Once) else first_after(timing, NOON, None),
    )
    return replace(schedule, **changes)  # type: ignore[arg-type]


class ToldClock:
    """Says the time that it was told."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time


@dataclass
class ScoreKeeper:
    """A cluster in memory that takes an id in once, as Ray does, and keeps score of it.

    ``log`` is every delivery that was taken in, across restarts of the head.
    """

    states: dict[str, JobState] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    is_away: bool = False

    def jobs(self) -> list[Job]:
        self._answer()
        return [make_job(job_id, state) for job_id, state in self.states.items()]

    def deliver(self, job_id: str, request: JobRequest) -> None:
        self._answer()
        assert request.results.startswith("/maps/schedules/")
        if job_id not in self.states:
            self.states[job_id] = JobState.PENDING
            self.log.append(job_id)

    def stop(self, job_id: str) -> None:
        self._answer()
        self.asked.append(job_id)

    def end(self, *job_ids: str, state: JobState = JobState.SUCCEEDED) -> None:
        """Let jobs end."""
        self.states |= dict.fromkeys(job_ids, state)

    def forget(self) -> None:
        """Be started anew."""
        self.states.clear()

    def _answer(self) -> None:
        if self.is_away:
            raise ClusterError("no Ray cluster answers")


def make_job(job_id: str, state: JobState = JobState.RUNNING) -> Job:
    """Return a job as the cluster lists it."""
    return Job(
        id=job_id,
        study="demo",
        state=state,
        request=STUDY_REQUEST,
        started_at=None,
        ended_at=None,
        message=None,
        exit_code=None,
    )


@dataclass
class ToldReader:
    """Finds what it was told: by firing, else nothing."""

    findings: dict[str, Findings] = field(default_factory=dict)

    def read(self, request: JobRequest) -> Findings:
        return self.findings.get(request.results, Findings(None, (), "no ledger"))

    def learn(self, folder: str, hours: float, *intervals: tuple[float, float]) -> None:
        """Be told what the firing at a time of NOON's hour found."""
        boundaries = tuple(
            Interval(f"t={place}", "inside", low, high, 10 ** ((low + high) / 2))
            for place, (low, high) in enumerate(intervals)
        )
        self.findings[f"/maps/schedules/{folder}"] = Findings(hours, boundaries)


@dataclass
class KeptHerald:
    """Keeps what it was to announce."""

    told: list[str] = field(default_factory=list)

    def announce(self, firing: Firing) -> None:
        self.told.append(firing.job_id)


@dataclass
class World:
    """A store and a scheduler in a world that a test moves on."""

    engine: sa.Engine
    clock: ToldClock = field(default_factory=ToldClock)
    cluster: ScoreKeeper = field(default_factory=ScoreKeeper)
    reader: ToldReader = field(default_factory=ToldReader)
    herald: KeptHerald = field(default_factory=KeptHerald)

    @classmethod
    def on(cls, url: str) -> "World":
        world = cls(open_engine(url))
        if url.startswith("sqlite"):
            hurry(world.engine)
        return world

    @property
    def scheduler(self) -> Scheduler:
        """A scheduler that was started just now: it knows only what the store holds."""
        return Scheduler(self.engine, self.cluster, self.clock, self.reader, self.herald)

    def add(self, *schedules: Schedule) -> None:
        with transaction(self.engine) as connection:
            for schedule in schedules:
                add_schedule(connection, schedule)

    def tick(self, minutes: float = 0.0) -> None:
        """Move the clock on and let a scheduler do what it can."""
        self.clock.time += minutes * MINUTE
        self.scheduler.tick()

    def firings(self) -> list[Firing]:
        with transaction(self.engine) as connection:
            return list_firings(connection)

    def states(self) -> list[str]:
        return [firing.state.value for firing in self.firings()]


def hurry(engine: sa.Engine) -> None:
    """Let a file's store not wait for the disk: no test cuts the power."""

    @sa.event.listens_for(engine, "connect")
    def relax(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    engine.dispose()


def store_url(folder: Path) -> str:
    """Return the URL of a store in a folder."""
    return f"sqlite:///{folder / 'scheduler.db'}"


def at(minute: int, schedule: str = "nightly") -> str:
    """Return the job id of a firing so many minutes after NOON."""
    return f"demo-{schedule}-20261122T12{minute:02d}00Z"
