"""Where a job stands: its exit code, its reason in one line, and how it is found by name."""

import pytest

from orchestrator.errors import JobError
from orchestrator.job import Job, JobState, find_job
from tests.orchestrator.test_job_request import REQUEST


def make_job(
    job_id: str = "demo-1",
    state: JobState = JobState.FAILED,
    exit_code: int | None = None,
    message: str | None = None,
) -> Job:
    study = job_id.rpartition("-")[0]
    return Job(job_id, study, state, REQUEST, None, None, message, exit_code)


@pytest.mark.parametrize(
    ("state", "exit_code", "code"),
    [
        pytest.param(JobState.SUCCEEDED, 0, 0, id="done"),
        pytest.param(JobState.FAILED, 1, 1, id="trials-missing"),
        pytest.param(JobState.FAILED, 2, 2, id="bad-input"),
        pytest.param(JobState.FAILED, 130, 130, id="interrupted-over-there"),
        pytest.param(JobState.FAILED, -9, 1, id="killed"),
        pytest.param(JobState.FAILED, 127, 1, id="no-interpreter"),
        pytest.param(JobState.FAILED, None, 1, id="lost-with-its-machine"),
        pytest.param(JobState.STOPPED, None, 130, id="cancelled"),
    ],
)
def test_an_ended_job_has_the_exit_code_that_run_would_have(
    state: JobState, exit_code: int | None, code: int
) -> None:
    job = make_job(state=state, exit_code=exit_code)
    assert job.has_ended
    assert job.code == code


@pytest.mark.parametrize("state", [JobState.PENDING, JobState.RUNNING])
def test_a_job_at_work_has_not_ended(state: JobState) -> None:
    assert not make_job(state=state).has_ended
    assert make_job(state=state).reason is None


def test_a_failed_job_says_why_in_one_line() -> None:
    assert make_job(exit_code=1).reason == "exit code 1, see: rankfall logs demo-1"
    assert make_job(message="no such node\ntraceback ...").reason == "no such node"
    assert make_job().reason == "its process was lost"
    missing = make_job(exit_code=127).reason
    assert missing is not None
    assert "/opt/a b/bin/python" in missing
    assert "--python" in missing


def test_a_job_is_found_by_its_id_or_as_the_latest_of_its_study() -> None:
    jobs = [make_job(f"{name}") for name in ("demo-9", "demo-10", "demo-2", "other-11")]
    assert find_job("demo-2", jobs).id == "demo-2"
    assert find_job("demo", jobs).id == "demo-10"


@pytest.mark.parametrize(
    ("target", "words"),
    [("dmo-9", "did you mean demo-9"), ("dem", "did you mean demo"), ("xyzzy", "rankfall jobs")],
)
def test_an_unknown_job_is_refused_with_the_nearest(target: str, words: str) -> None:
    with pytest.raises(JobError, match=words):
        find_job(target, [make_job("demo-9")])
