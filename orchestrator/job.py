"""A submitted study as Ray Jobs sees it: where it stands, and how it ended. No Ray import."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum

from orchestrator.errors import JobError
from orchestrator.job_request import JobRequest, split_id

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130
_SHELL_FOUND_NOTHING = (126, 127)


class JobState(StrEnum):
    """Ray's word for where a job stands; the last three are ends."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Job:
    """One submission.

    Attributes:
        id: ``<study>-<n>``, and the id in Ray's dashboard.
        request: What was submitted; None if another version of Rankfall did it.
        started_at: When it was submitted (UTC).
        ended_at: When it ended (UTC); None before.
        message: What Ray says of it.
        exit_code: How its process ended; None before, and if it was killed with its machine.
    """

    id: str
    study: str
    state: JobState
    request: JobRequest | None
    started_at: datetime | None
    ended_at: datetime | None
    message: str | None
    exit_code: int | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state not in (JobState.PENDING, JobState.RUNNING)

    @property
    def code(self) -> int:
        """The exit code of ``rankfall run`` that this end stands for; only of ended jobs."""
        assert self.has_ended, f"{self.id} is {self.state}"
        if self.state is JobState.SUCCEEDED:
            return 0
        if self.state is JobState.STOPPED:
            return EXIT_INTERRUPTED
        return self.exit_code if self.exit_code in (1, 2, 130) else EXIT_FAILED

    @property
    def reason(self) -> str | None:
        """Why it failed, in one line; None unless it did."""
        if self.state is not JobState.FAILED:
            return None
        if self.exit_code in _SHELL_FOUND_NOTHING and self.request is not None:
            return (
                f"the cluster cannot start {self.request.python}: name an interpreter there that "
                "has Rankfall, with --python"
            )
        if self.exit_code is not None:
            return f"exit code {self.exit_code}, see: rankfall logs {self.id}"
        lines = (self.message or "").strip().splitlines()
        return lines[0] if lines else "its process was lost"


def find_job(target: str, jobs: Sequence[Job]) -> Job:
    """Return the job of that id, or the latest one of the study of that name.

    Raises:
        JobError: If there is none; the text names the nearest.
    """
    for job in jobs:
        if job.id == target:
            return job
    of_study = [job for job in jobs if job.study == target]
    if of_study:
        return max(of_study, key=lambda job: split_id(job.id)[1])
    near = get_close_matches(target, [job.id for job in jobs] + [job.study for job in jobs], n=1)
    hint = f"did you mean {near[0]}?" if near else "see: rankfall jobs"
    raise JobError(f"the cluster knows no job or study {target!r}; {hint}")
