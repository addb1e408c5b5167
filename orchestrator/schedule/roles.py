"""What the scheduler needs of the world: a clock, a cluster, a look at results, a voice."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orchestrator.job import Job
from orchestrator.job_request import JobRequest
from orchestrator.schedule.movement import Interval
from orchestrator.schedule.schedule import Firing


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """Return the time, in UTC."""


class Cluster(Protocol):
    """Where studies run."""

    def jobs(self) -> list[Job]:
        """Return the studies that the cluster knows.

        Raises:
            ClusterError: If it cannot be reached.
        """

    def deliver(self, job_id: str, request: JobRequest) -> None:
        """Hand a study over under this id; one that the cluster has already is left alone.

        Raises:
            ClusterError: If the cluster cannot be reached: try again.
            JobError: If it will never take the study.
        """

    def stop(self, job_id: str) -> None:
        """Ask a study to end well, and return at once.

        Raises:
            ClusterError: If the cluster cannot be reached.
        """


@dataclass(frozen=True, slots=True)
class Findings:
    """What is to be known of a study that ended; ``obstacle`` is why, if it is not known."""

    trial_hours: float | None
    boundaries: tuple[Interval, ...]
    obstacle: str | None = None


class Reader(Protocol):
    """Looks into the results of a study that ended."""

    def read(self, request: JobRequest) -> Findings:
        """Return what can be found; never raises for what is missing."""


class Herald(Protocol):
    """Tells somebody that a boundary moved."""

    def announce(self, firing: Firing) -> None:
        """Tell it; what cannot be reached is logged, and not tried again."""
