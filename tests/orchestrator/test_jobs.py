"""Ray Jobs' client against real HTTP servers: right and wrong answers, each told in one line."""

import json
import platform
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from orchestrator import jobs
from orchestrator.errors import ClusterError, JobError, OrchestratorError, TokenError
from orchestrator.job import JobState
from orchestrator.jobs import JobCluster
from tests.orchestrator.dashboard import GOOD, JOBS, VERSION, Dashboard, details
from tests.orchestrator.http_servers import Reply, python_version, serving, version
from tests.orchestrator.test_job_request import REQUEST


def refusal(error: OrchestratorError) -> str:
    """Return the text of a refusal, which must be one line."""
    text = str(error)
    assert text
    assert "\n" not in text
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param((401, "Unauthorized"), TokenError, "asks for a token", id="no-token"),
        pytest.param((403, "Forbidden"), TokenError, "refuses the token", id="wrong-token"),
        pytest.param((404, "not here"), ClusterError, "no Ray dashboard", id="another-server"),
        pytest.param((500, "boom"), ClusterError, "out of order .500", id="broken"),
        pytest.param((502, "bad gateway"), ClusterError, "out of order .502", id="behind-a-proxy"),
        pytest.param((200, "<html>hi"), ClusterError, "not answer as a Ray", id="a-web-page"),
        pytest.param((200, "{}"), ClusterError, "not answer as a Ray", id="strange-json"),
        pytest.param((200, "[1]"), ClusterError, "not answer as a Ray", id="a-list"),
        pytest.param((200, "null"), ClusterError, "not answer as a Ray", id="null"),
        pytest.param(version("garbage"), ClusterError, "not answer as a Ray", id="no-version"),
        pytest.param(version("1.2.0"), ClusterError, "1.2.0", id="ancient-ray"),
        pytest.param(version("2.59.0"), ClusterError, "runs Ray 2.59.0, this is", id="older-ray"),
        pytest.param(version("3.0.0"), ClusterError, "runs Ray 3.0.0, this is", id="newer-ray"),
    ],
)
def test_what_is_no_cluster_for_us_is_refused_in_one_line(
    answer: Reply, kind: type[ClusterError], words: str
) -> None:
    with serving({VERSION: answer}) as server, pytest.raises(kind, match=words) as caught:
        JobCluster.connect(server.url)
    assert server.url in refusal(caught.value)


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_TIMEOUT_SECONDS", (1.0, 0.2))

    def hang(_body: str) -> Reply:
        finish.wait(30)
        return GOOD

    finish = threading.Event()
    with serving({VERSION: hang}) as server:
        with pytest.raises(ClusterError, match=r"longer than 0\.2 s") as caught:
            JobCluster.connect(server.url)
        finish.set()
    refusal(caught.value)


@pytest.mark.parametrize(
    ("python", "is_refused"),
    [
        (platform.python_version(), False),
        (platform.python_version().rpartition(".")[0] + ".99", False),
        ("3.9.1", True),
        ("4.0.0", True),
    ],
)
def test_another_python_is_refused_but_not_another_patch_of_it(
    python: str, is_refused: bool
) -> None:
    answers = {VERSION: GOOD, "GET /api/v0/cluster_metadata": python_version(python)}
    with serving(answers) as server:
        cluster = JobCluster.connect(server.url)
        if not is_refused:
            cluster.require_same_python()
            return
        with pytest.raises(ClusterError, match=rf"runs Python {python}, this is") as caught:
            cluster.require_same_python()
    assert "--python" in refusal(caught.value)


def test_our_jobs_are_listed_and_those_of_others_are_not() -> None:
    listed = [
        details("demo-2", start_time=1_700_000_100_000, status="FAILED", driver_exit_code=1),
        details("demo-1", end_time=1_700_000_060_000, status="SUCCEEDED", driver_exit_code=0),
        details("raysubmit_x", metadata={"owner": "somebody"}),
        details(None, type="DRIVER", metadata=None),
    ]
    with serving({VERSION: GOOD, JOBS: (200, json.dumps(listed))}) as server:
        found = JobCluster.connect(server.url).jobs()
    assert [(job.id, job.state) for job in found] == [
        ("demo-1", JobState.SUCCEEDED),
        ("demo-2", JobState.FAILED),
    ]
    assert found[0].request == REQUEST
    assert found[0].ended_at is not None
    assert found[0].started_at is not None
    assert (found[0].ended_at - found[0].started_at).total_seconds() == 60


def submit(dashboard: Dashboard, folder: Path, above: int = 0) -> str:
    """Submit the request with an archive that lies elsewhere already: nothing is uploaded."""
    request = REQUEST.model_copy(update={"working_dir": "https://store/x.zip"})
    with serving(dashboard.answers()) as server:
        return JobCluster.connect(server.url).submit(request, folder, above)


def test_a_study_goes_out_with_all_that_was_asked(tmp_path: Path) -> None:
    dashboard = Dashboard("demo-1", "other-7", "raysubmit_x")
    assert submit(dashboard, tmp_path) == "demo-2"
    (job,) = dashboard.taken
    assert job["entrypoint"] == REQUEST.entrypoint
    environment = job["runtime_env"]
    assert isinstance(environment, dict)
    assert environment["working_dir"] == "https://store/x.zip"
    assert environment["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"] == "300"


def test_a_number_that_somebody_took_meanwhile_is_passed_over(tmp_path: Path) -> None:
    dashboard = Dashboard("demo-1", stolen=("demo-2", "demo-3"))
    assert submit(dashboard, tmp_path) == "demo-4"


def test_numbers_that_others_take_for_ever_are_given_up(tmp_path: Path) -> None:
    dashboard = Dashboard(stolen=tuple(f"demo-{n}" for n in range(1, 99)))
    with pytest.raises(JobError, match="already exists") as caught:
        submit(dashboard, tmp_path)
    refusal(caught.value)


def test_a_resumed_study_stays_above_its_number_although_the_cluster_forgot_it(
    tmp_path: Path,
) -> None:
    assert submit(Dashboard(), tmp_path, above=7) == "demo-8"
    assert submit(Dashboard("demo-9"), tmp_path, above=7) == "demo-10"


def test_a_job_that_is_not_there_is_said_to_be_unknown() -> None:
    missing = (404, "Job demo-1 does not exist")
    with serving({VERSION: GOOD, "GET /api/jobs/demo-1": missing}) as server:
        cluster = JobCluster.connect(server.url)
        with pytest.raises(JobError, match="no such job") as caught:
            cluster.job("demo-1")
    refusal(caught.value)


def test_a_cluster_that_dies_between_two_questions_is_told_in_one_line() -> None:
    with serving({VERSION: GOOD}) as server:
        cluster = JobCluster.connect(server.url)
    with pytest.raises(ClusterError, match="no Ray cluster answers") as caught:
        cluster.jobs()
    refusal(caught.value)


def test_the_token_is_sent_and_never_shown(tmp_path: Path) -> None:
    secret = "5ec2e7" * 8
    (tmp_path / "token").write_text(secret)
    with serving({VERSION: (403, "Forbidden")}) as server:
        # Ray reads the variables once, while it is imported.
        said = subprocess.run(
            [sys.executable, "-m", "orchestrator", "jobs", "--address", server.url],
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": ":".join(sys.path),
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert said.returncode == 2, said.stderr
    assert any(secret in value for headers in server.headers for value in headers.values())
    assert secret not in said.stdout + said.stderr
    assert said.stderr.startswith("error ")
    assert len(said.stderr.splitlines()) == 1, said.stderr
