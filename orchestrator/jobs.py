"""Ray Jobs: studies submitted, listed, followed and stopped over the dashboard's HTTP address.

Everything that can go wrong there comes out as one line; a token is sent and never shown.
"""

import asyncio
import logging
import platform
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ray
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobSubmissionClient

from orchestrator.cluster_address import knock
from orchestrator.errors import ClusterError, JobError, TokenError
from orchestrator.job import Job, JobState
from orchestrator.job_request import STUDY_KEY, JobRequest, next_number, read_request
from orchestrator.lane_plan import Node

_TIMEOUT_SECONDS = (10.0, 60.0)  # to connect, to answer
_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0
_SUBMIT_ATTEMPTS = 5
_TALKATIVE = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
    "ray._private.authentication.http_token_authentication",
)


class _Client(JobSubmissionClient):
    """Ray's client, which by itself waits for an answer for ever."""

    def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
        return super()._do_request(method, endpoint, timeout=_TIMEOUT_SECONDS, **options)


class JobCluster:
    """The jobs of one cluster. Use from one thread."""

    def __init__(self, client: JobSubmissionClient) -> None:
        self._client = client
        self.url: str = client.get_address()

    @classmethod
    def connect(cls, address: str | None) -> "JobCluster":
        """Reach the cluster at an address as Ray understands it; None finds one on this machine.

        Raises:
            ClusterError: If nobody is there, or somebody else, or Ray's version is another one.
            TokenError: If Ray asks for a token that was not given.
        """
        for name in _TALKATIVE:
            # What they say would double what is said here.
            logging.getLogger(name).setLevel(logging.CRITICAL)
        knock(address)
        with _translated(address or "this machine"):
            cluster = cls(_Client(address))
            cluster._require_same_ray()
        return cluster

    def require_same_python(self) -> None:
        """Check that this interpreter can work there.

        Raises:
            ClusterError: If the cluster runs on another Python.
        """
        with _translated(self.url):
            answer = self._client._do_request("GET", "/api/v0/cluster_metadata").json()
            theirs = str(answer["data"]["pythonVersion"])
        ours = platform.python_version()
        if theirs.split(".")[:2] != ours.split(".")[:2]:
            raise ClusterError(
                f"the cluster at {self.url} runs Python {theirs}, this is {ours}: name an "
                "interpreter of its version there with --python, or use that version here"
            )

    def resources(self) -> dict[str, float]:
        """Return what the cluster's living nodes offer in all, by Ray's names (CPU, GPU, ...)."""
        offered: Counter[str] = Counter()
        for offers in self._offers():
            offered.update(offers)
        return {name: float(amount) for name, amount in offered.items()}

    def nodes(self) -> list[Node]:
        """Return what each living node offers."""
        return [Node(o.get("CPU", 0.0), o.get("GPU", 0.0)) for o in self._offers()]

    def _offers(self) -> list[dict[str, float]]:
        with _translated(self.url):
            answer = self._client._do_request("GET", "/api/v0/nodes?detail=true&limit=10000")
            answer.raise_for_status()
            nodes = answer.json()["data"]["result"]["result"]
            return [dict(n["resources_total"]) for n in nodes if n["state"] == "ALIVE"]

    def jobs(self) -> list[Job]:
        """Return the jobs that Rankfall submitted, the oldest first."""
        with _translated(self.url):
            found = self._client.list_jobs()
        ours = [_to_job(details) for details in found if STUDY_KEY in (details.metadata or {})]
        return sorted(ours, key=lambda job: job.started_at or datetime.max.replace(tzinfo=UTC))

    def job(self, job_id: str) -> Job:
        """Return one of our jobs as it stands now."""
        with _translated(self.url):
            return _to_job(self._client.get_job_info(job_id))

    def submit(self, request: JobRequest, folder: Path, above: int = 0) -> str:
        """Submit a study under its next free id and return that.

        Args:
            request: The study.
            folder: What is shipped as working directory where the request names none.
            above: The number has to be higher than this one too.
        """
        for attempt in range(_SUBMIT_ATTEMPTS):
            number = max(above + 1, next_number(request.study, self._all_ids()))
            try:
                return self._submit(f"{request.study}-{number}", request, folder)
            except JobError as error:
                # Somebody else took the number meanwhile.
                if "already exists" not in str(error) or attempt == _SUBMIT_ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt raises")

    def submit_as(self, job_id: str, request: JobRequest, folder: Path) -> None:
        """Submit a study under this id; if the cluster has a job of it, that is the job."""
        try:
            self._submit(job_id, request, folder)
        except JobError as error:
            if "already exists" not in str(error):
                raise

    def stop(self, job_id: str) -> bool:
        """Ask a job to end well and return at once; False if it was at its end already."""
        with _translated(self.url):
            return bool(self._client.stop_job(job_id))

    def log(self, job_id: str) -> str:
        """Return what a job has said so far."""
        with _translated(self.url):
            return str(self._client.get_job_logs(job_id))

    def follow(self, job_id: str) -> Iterator[str]:
        """Yield what a job says until it ends, from its first word; outlasts short outages.

        Raises:
            ClusterError: If the cluster cannot be reached for a minute.
        """
        shown, lost_at = 0, None
        while True:
            try:
                has_ended, position = self.job(job_id).has_ended, 0
                for chunk in self._tail(job_id):
                    lost_at = None
                    position += len(chunk)
                    if position > shown:
                        yield chunk[max(0, len(chunk) - (position - shown)) :]
                        shown = position
                if has_ended:
                    return
            except TokenError:
                raise
            except ClusterError:
                lost_at = time.monotonic() if lost_at is None else lost_at
                if time.monotonic() - lost_at > _PATIENCE_SECONDS:
                    raise
            time.sleep(_POLL_SECONDS)

    def wait(self, job_id: str) -> Job:
        """Wait for a job's end and return it."""
        while not (job := self.job(job_id)).has_ended:
            time.sleep(_POLL_SECONDS)
        return job

    def _submit(self, job_id: str, request: JobRequest, folder: Path) -> str:
        environment = {**request.environment, "working_dir": request.working_dir or str(folder)}
        with _translated(self.url):
            return str(
                self._client.submit_job(
                    submission_id=job_id,
                    entrypoint=request.entrypoint,
                    runtime_env=environment,
                    metadata=request.metadata,
                    entrypoint_num_cpus=request.entrypoint_num_cpus,
                    entrypoint_num_gpus=request.entrypoint_num_gpus,
                    entrypoint_memory=request.entrypoint_memory,
                )
            )

    def _all_ids(self) -> list[str]:
        with _translated(self.url):
            return [job.submission_id for job in self._client.list_jobs() if job.submission_id]

    def _tail(self, job_id: str) -> Iterator[str]:
        with _translated(self.url), asyncio.Runner() as runner:
            chunks = self._client.tail_job_logs(job_id)
            while (chunk := runner.run(_next(chunks))) is not None:
                yield chunk

    def _require_same_ray(self) -> None:
        theirs = self._client._do_request("GET", "/api/version").json()["ray_version"]
        if theirs != ray.__version__:
            raise ClusterError(
                f"the cluster at {self.url} runs Ray {theirs}, this is {ray.__version__}: use the "
                "Rankfall that is installed there, or a cluster of this version"
            )


@contextmanager
def _translated(place: str) -> Iterator[None]:
    """Turn what Ray's client lets out into one line each.

    Tests name what comes here: it is anything from gRPC's errors to a KeyError on strange JSON.
    """
    try:
        yield
    except (ClusterError, JobError):
        raise
    except AuthenticationError as error:
        raise TokenError(_describe_token(place, str(error))) from None
    except (ConnectionError, requests.ConnectionError) as error:
        raise ClusterError(f"no Ray cluster answers at {place}; is its head running?") from error
    except requests.Timeout as error:
        raise ClusterError(
            f"{place} took longer than {_TIMEOUT_SECONDS[1]:g} s to answer"
        ) from error
    except requests.HTTPError as error:
        raise ClusterError(f"{place} is out of order ({error}): see its logs") from error
    except RuntimeError as error:
        raise _describe_refusal(place, str(error)) from error
    except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        raise ClusterError(
            f"{place} does not answer as a Ray dashboard does ({type(error).__name__}): expected "
            "an address such as http://HEAD:8265"
        ) from error


async def _next(chunks: AsyncIterator[str]) -> str | None:
    return await anext(chunks, None)


def _describe_token(place: str, text: str) -> str:
    """Say what is wrong with the token; Ray's own text is a paragraph."""
    advice = "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH (or RAY_AUTH_TOKEN) to its token"
    if "cannot be opened or is empty" in text:
        return f"RAY_AUTH_TOKEN_PATH names no file with a token in it: {advice}"
    if "Authentication required" in text or "couldn't find" in text:
        return f"the Ray cluster at {place} asks for a token: {advice}"
    return f"the Ray cluster at {place} refuses the token, it is another cluster's: {advice}"


def _describe_refusal(place: str, text: str) -> ClusterError | JobError:
    first = text.strip().splitlines()[0][:300] if text.strip() else "no reason given"
    if "already exists" in text:
        return JobError(f"a job of that id already exists: {first}")
    if "Version check returned 404" in text:
        return ClusterError(f"{place} is a web server, but no Ray dashboard: {first}")
    if "does not exist" in text and "404" in text:
        return JobError(f"the cluster at {place} knows no such job: see rankfall jobs")
    return ClusterError(f"the Ray cluster at {place} refuses: {first}")


def _to_job(details: JobDetails) -> Job:
    metadata = details.metadata or {}
    return Job(
        id=str(details.submission_id),
        study=metadata.get(STUDY_KEY, ""),
        state=JobState(str(details.status.value)),
        request=read_request(metadata),
        started_at=_utc(details.start_time),
        ended_at=_utc(details.end_time),
        message=details.message,
        exit_code=details.driver_exit_code,
    )


def _utc(milliseconds: int | None) -> datetime | None:
    return None if not milliseconds else datetime.fromtimestamp(milliseconds / 1000, UTC)
