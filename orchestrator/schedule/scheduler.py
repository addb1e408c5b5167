"""The scheduler: fires what is due, hands the queue to Ray, learns how it ended.

It may be killed at any moment and started again, even beside another one. Everything it knows is
in the store; the steps between store and Ray are these, and each can be done again:

1. A fire time becomes a firing in one transaction (:mod:`orchestrator.schedule.lifecycle`).
2. The firing is marked SUBMITTING, then handed to Ray under an id that follows from schedule and
   fire time, then marked RUNNING. Killed in between, the next scheduler asks Ray for that id:
   if Ray knows it, it runs; if not, it is handed over again. Ray takes an id in only once.
3. Once Ray says that it ended, its end and its boundaries are written down in one transaction.
4. If a boundary moved, somebody is told, and then it is written down that somebody was. Killed in
   between, somebody is told twice: that is the one step that is at-least-once.

A head that was started anew knows of nothing. What ran there is handed over again, and goes on
with its ledger: finished trials do not run twice.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

import sqlalchemy as sa

from orchestrator.errors import ClusterError, JobError, StoreError
from orchestrator.job import Job, JobState
from orchestrator.schedule.admission import (
    DAY,
    Decision,
    Skip,
    Start,
    Stop,
    Wait,
    decide,
    sum_hours,
)
from orchestrator.schedule.lifecycle import fire_due
from orchestrator.schedule.movement import compare, find_moved
from orchestrator.schedule.roles import Clock, Cluster, Findings, Herald, Reader
from orchestrator.schedule.schedule import ON_CLUSTER, Firing, FiringState
from orchestrator.schedule.store import (
    change_firing,
    find_predecessor,
    list_active,
    list_expected_hours,
    list_started_since,
    list_unalerted,
    read_limits,
)
from orchestrator.schedule.tables import transaction

POLL_SECONDS = 2.0
MOST_ATTEMPTS = 5
GIVE_UP = timedelta(minutes=10)
"""How long a cluster that answers may refuse a firing; a head that starts needs some seconds."""

_LOG = logging.getLogger("rankfall.schedule")


@dataclass(frozen=True, slots=True)
class Scheduler:
    """Moves firings on; all its state is in the store."""

    store: sa.Engine
    cluster: Cluster
    clock: Clock
    reader: Reader
    herald: Herald

    def run(self, stop: threading.Event) -> None:
        """Tick until told to stop; outlasts a cluster or a database that is away."""
        outage: str | None = None
        while not stop.is_set():
            try:
                self.tick()
                if outage is not None:
                    _LOG.warning("store and cluster answer again")
                outage = None
            except (ClusterError, StoreError) as error:
                if str(error) != outage:
                    _LOG.warning("%s; nothing is lost, trying again", error)
                outage = str(error)
            stop.wait(POLL_SECONDS)

    def tick(self) -> None:
        """Do all that can be done now.

        Raises:
            ClusterError: If the cluster cannot be reached: firings wait in the store.
            StoreError: If the store cannot.
        """
        with transaction(self.store) as connection:
            fire_due(connection, self.clock.now())
            active = list_active(connection)
        self._announce()
        if not active:
            return
        # Listed after the store was read: what the store says is on the cluster must be in it.
        jobs = {job.id: job for job in self.cluster.jobs()}
        for firing in active:
            if firing.state in ON_CLUSTER:
                self._settle(firing, jobs.get(firing.job_id))
        self._announce()
        self._admit(jobs)

    def hand_back(self) -> None:
        """Queue what runs, before the cluster is ended on purpose; that is no failed attempt.

        Raises:
            ClusterError, StoreError: As :meth:`tick`; the next scheduler finds out by itself.
        """
        with transaction(self.store) as connection:
            active = [f for f in list_active(connection) if f.state in ON_CLUSTER]
        jobs = {job.id: job for job in self.cluster.jobs()}
        for firing in active:
            job = jobs.get(firing.job_id)
            if job is not None and job.state in (JobState.SUCCEEDED, JobState.FAILED):
                self._end(firing, job)
            elif firing.stop_asked_at is None:
                again = {"state": FiringState.QUEUED, "attempts": firing.attempts - 1}
                self._change(firing, reason="the service was stopped: goes on later", **again)

    def _settle(self, firing: Firing, job: Job | None) -> None:
        """Bring one firing up to what the cluster says of its job."""
        if job is not None and job.has_ended:
            self._end(firing, job)
        elif job is not None and firing.state is FiringState.SUBMITTING:
            self._change(firing, state=FiringState.RUNNING, reason=None)
        elif job is None and firing.state is FiringState.SUBMITTING:
            self._deliver(firing)
        elif job is None:
            self._lose(firing)

    def _lose(self, firing: Firing) -> None:
        """Queue once more what the cluster forgot, for its head was started anew."""
        if firing.stop_asked_at is not None:
            now, reason = self.clock.now(), f"{firing.reason}; the cluster forgot it meanwhile"
            self._change(firing, state=FiringState.STOPPED, reason=reason, ended_at=now)
        elif firing.attempts < MOST_ATTEMPTS:
            reason = "the cluster forgot it (its head was started anew): goes on with its ledger"
            self._change(firing, state=FiringState.QUEUED, reason=reason)
        else:
            reason = f"the cluster forgot it {firing.attempts} times"
            self._change(firing, state=FiringState.LOST, reason=reason, ended_at=self.clock.now())

    def _end(self, firing: Firing, job: Job) -> None:
        """Write down how a firing ended, what it took, and whether its boundary moved."""
        found = self.reader.read(firing.request)
        reason = firing.reason if job.state is JobState.STOPPED else job.reason
        values = {
            "state": FiringState(job.state.value.lower()),
            "ended_at": job.ended_at or self.clock.now(),
            "trial_hours": found.trial_hours,
        }
        with transaction(self.store) as connection:
            if job.state is JobState.SUCCEEDED:
                values |= {"boundaries": found.boundaries}
                if firing.alert_decades is not None:
                    reason = found.obstacle
                    before = find_predecessor(connection, firing)
                    values |= _compare(before, found, firing.alert_decades)
            changed = change_firing(connection, firing, reason=reason, **values)
        if changed:
            _LOG.info("%s ended: %s", firing.job_id, values["state"])

    def _announce(self) -> None:
        """Tell of what moved, then write down that it was told."""
        with transaction(self.store) as connection:
            untold = list_unalerted(connection)
        for firing in untold:
            self.herald.announce(firing)
            self._change(firing, is_alerted=True)

    def _admit(self, jobs: Mapping[str, Job]) -> None:
        """Let out of the queue what may go, and do what overlaps ask for."""
        now = self.clock.now()
        with transaction(self.store) as connection:
            active = list_active(connection)
            expected = list_expected_hours(connection)
            spent = sum_hours(list_started_since(connection, now - DAY), expected, now)
            limits = read_limits(connection)
            at_work = _count_at_work(active, jobs)
            steps = decide(active, limits, at_work, spent, expected)
            for step in steps:
                _write_step(connection, step, now)
        for step in steps:
            if isinstance(step, Start):
                self._deliver(_claim(step.firing, now))
            elif isinstance(step, Stop):
                self.cluster.stop(step.firing.job_id)
                self._change(step.firing, stop_asked_at=now, reason=step.reason)

    def _deliver(self, firing: Firing) -> None:
        """Hand over a firing that is marked SUBMITTING, then mark it RUNNING."""
        try:
            self.cluster.deliver(firing.job_id, firing.request)
        except (ClusterError, JobError) as error:
            self._put_off(firing, error)
        else:
            if self._change(firing, state=FiringState.RUNNING, reason=None):
                _LOG.info("%s was submitted", firing.job_id)

    def _put_off(self, firing: Firing, error: ClusterError | JobError) -> None:
        """Leave what was refused for the next tick, so that others get their turn; not for ever."""
        now = self.clock.now()
        since = now if firing.submitted_at is None else firing.submitted_at
        if isinstance(error, JobError) or now - since > GIVE_UP:
            end = {"state": FiringState.FAILED, "reason": str(error), "ended_at": now}
            self._change(firing, **end)
            _LOG.warning("%s cannot be submitted: %s", firing.job_id, error)
        elif firing.reason != str(error):
            self._change(firing, reason=str(error))
            _LOG.warning("%s is not submitted yet, trying again: %s", firing.job_id, error)

    def _change(self, firing: Firing, **values: Any) -> bool:
        with transaction(self.store) as connection:
            return change_firing(connection, firing, **values)


def _write_step(connection: sa.Connection, step: Decision, now: datetime) -> None:
    """Write a decision down, before anything is done about it."""
    firing = step.firing
    match step:
        case Start():
            claim = _claim(firing, now)
            change_firing(
                connection,
                firing,
                state=claim.state,
                attempts=claim.attempts,
                submitted_at=claim.submitted_at,
                reason=None,
            )
        case Wait():
            if firing.reason != step.reason:
                change_firing(connection, firing, reason=step.reason)
        case Skip():
            end = {"state": FiringState.SKIPPED, "reason": step.reason, "ended_at": now}
            change_firing(connection, firing, **end)
        case Stop():
            pass  # once Ray was asked
        case _:
            assert_never(step)


def _compare(before: Firing | None, found: Findings, allowed: float) -> dict[str, Any]:
    """Return how far the boundaries moved since the firing before; nothing without one."""
    if before is None or not found.boundaries:
        return {}
    moves = compare(before.boundaries, found.boundaries)
    return {"moves": moves, "has_moved": bool(find_moved(moves, allowed))}


def _claim(firing: Firing, now: datetime) -> Firing:
    """Return a firing as it is while we hand it over."""
    return replace(
        firing,
        state=FiringState.SUBMITTING,
        attempts=firing.attempts + 1,
        submitted_at=now,
    )


def _count_at_work(active: Sequence[Firing], jobs: Mapping[str, Job]) -> int:
    """Return how many studies are at work: on the cluster, or on their way there."""
    ours = {firing.job_id for firing in active if firing.state in ON_CLUSTER}
    return len(ours | {job.id for job in jobs.values() if not job.has_ended})
