"""submit, resume, retry, jobs, status, logs, cancel, typed against a dashboard on this machine."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import app
from orchestrator.job_request import REQUEST_KEY
from orchestrator.ledger import Ledger
from tests.orchestrator.dashboard import Dashboard
from tests.orchestrator.fabricated import TEXT, fabricate, open_ledger, propose, told
from tests.orchestrator.http_servers import Server, serving
from tests.orchestrator.test_cli import refusal

Rankfall = Callable[..., Result]


@pytest.fixture
def dashboard() -> Dashboard:
    dashboard = Dashboard()
    dashboard.nodes = [{"CPU": 2.0}]
    return dashboard


@pytest.fixture
def server(dashboard: Dashboard) -> Iterator[Server]:
    # 200 for the rest: what is to be uploaded is said to be there already.
    with serving(dashboard.answers(), otherwise=(200, '{"logs": "it says\\n"}')) as server:
        yield server


@pytest.fixture
def rankfall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> Rankfall:
    """The command line in a folder with one study file, before that dashboard."""
    monkeypatch.chdir(tmp_path)
    for name in ("RAY_API_SERVER_ADDRESS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_ADDRESS", server.url)
    monkeypatch.setenv("RANKFALL_RESULTS", str(tmp_path / "maps"))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "tiny.yaml").write_text(TEXT)

    def invoke(*words: str, typed: str = "") -> Result:
        return CliRunner().invoke(app, list(words), input=typed)

    return invoke


def fill_ledger(folder: Path, *, missing: bool) -> Ledger:
    """Put a tiny study below a results folder: two trials finished, the others missing or not."""
    (folder / "tiny").mkdir(parents=True)
    ledger = open_ledger(folder / "tiny", "seeds=1")
    ledger.add_round(propose(0.1, 1.0, 3.0))
    *done, last = list(told(ledger))
    for key in done:
        ledger.tell(fabricate(key))
    if missing:
        ledger.tell_missing(last, "a lost node")
    return ledger


def test_the_plan_is_shown_and_a_yes_submits(
    rankfall: Rankfall, dashboard: Dashboard, server: Server, tmp_path: Path
) -> None:
    result = rankfall("submit", "tiny.yaml", "--set", "seeds=1", typed="y\n")
    assert result.exit_code == 0, result.output
    assert "trials in" in result.stderr
    assert server.url in result.stderr
    (job,) = dashboard.taken
    assert job["submission_id"] == "tiny-1"
    assert job["entrypoint"] == (
        f"exec {sys.executable} -m orchestrator run tiny.yaml --results {tmp_path}/maps "
        "--set seeds=1"
    )
    for words in (
        "tiny-1",
        f"{server.url}/#/jobs/tiny-1",
        "rankfall logs tiny-1 -f",
        "rankfall ui",
    ):
        assert words in result.stdout


def test_a_no_submits_nothing_and_is_no_failure(rankfall: Rankfall, dashboard: Dashboard) -> None:
    result = rankfall("submit", "tiny.yaml", typed="n\n")
    assert result.exit_code == 0
    assert "nothing was submitted" in result.stderr
    assert not dashboard.taken


def test_where_nobody_can_answer_the_way_around_is_named(
    rankfall: Rankfall, dashboard: Dashboard
) -> None:
    result = rankfall("submit", "tiny.yaml")
    assert result.exit_code == 2
    assert "-y submits without asking" in result.stderr
    assert not dashboard.taken


def test_options_reach_ray_under_the_names_of_ray_job_submit(
    rankfall: Rankfall, dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    result = rankfall(
        *("submit", "tiny.yaml", "-y", "--json", "--name", "mine", "--python", "/opt/bin/python"),
        *("--entrypoint-num-cpus", "0.5", "--entrypoint-num-gpus", "1"),
        *("--entrypoint-memory", "1000000", "--runtime-env-json", '{"env_vars": {"A": "b"}}'),
        *("--workers", "2", "--lanes", "1", "--gpu-fraction", "0.5", "--no-mlflow"),
    )
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert (said["id"], said["study"]) == ("mine-1", "mine")
    assert said["mlflow"] == "http://mlflow:5000 (experiment rankfall/mine)"
    (job,) = dashboard.taken
    assert job["entrypoint"].startswith("exec /opt/bin/python -m orchestrator run mine.yaml ")
    assert job["entrypoint"].endswith(
        "--set study=mine --workers 2 --lanes 1 --gpu-fraction 0.5 --no-mlflow"
    )
    amounts = [job[f"entrypoint_{name}"] for name in ("num_cpus", "num_gpus", "memory")]
    assert amounts == [0.5, 1, 1_000_000]
    assert job["runtime_env"]["env_vars"]["A"] == "b"
    assert job["runtime_env"]["env_vars"]["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        pytest.param(("submit", "absent.yaml"), "absent.yaml", id="no-such-study"),
        pytest.param(("submit", "tiny.yaml", "--set", "seeds=0"), "seeds", id="bad-study"),
        pytest.param(("submit", "tiny.yaml", "--results", "maps"), "absolute", id="results"),
        pytest.param(("submit", "tiny.yaml", "--python", "python"), "absolute", id="python"),
        pytest.param(("submit", "tiny.yaml", "--runtime-env-json", "{"), "runtime", id="json"),
        pytest.param(("submit", "tiny.yaml", "--working-dir", "no"), "folder", id="working-dir"),
        pytest.param(("submit", "tiny.yaml", "--address", "http://a:1"), "two clu", id="address"),
        pytest.param(("resume", "absent"), "no job or study", id="resume-nothing"),
        pytest.param(("retry", "tiny"), "say --failed", id="retry-what"),
        pytest.param(("retry", "absent", "--failed"), "no job or study", id="retry-nothing"),
        pytest.param(("status", "absent"), "no job or study", id="status-of-nothing"),
        pytest.param(("logs", "absent"), "no job or study", id="logs-of-nothing"),
        pytest.param(("cancel", "absent"), "no job or study", id="cancel-nothing"),
    ],
)
def test_bad_input_is_refused_in_one_line_and_submits_nothing(
    words: tuple[str, ...], complaint: str, rankfall: Rankfall, dashboard: Dashboard
) -> None:
    assert complaint in refusal(rankfall(*words, *(["-y"] if words[0] == "submit" else [])))
    assert not dashboard.taken


def test_a_study_at_work_is_not_submitted_beside_itself(
    rankfall: Rankfall, dashboard: Dashboard
) -> None:
    assert rankfall("submit", "tiny.yaml", "-y").exit_code == 0
    for words in (("submit", "tiny.yaml", "-y"), ("resume", "tiny")):
        assert "tiny-1 is running" in refusal(rankfall(*words))
    other = rankfall("submit", "tiny.yaml", "-y", "--name", "other")
    assert other.exit_code == 0, other.output
    assert [job["submission_id"] for job in dashboard.taken] == ["tiny-1", "other-1"]


def test_a_study_whose_data_are_over_there_is_submitted_untimed(
    rankfall: Rankfall, dashboard: Dashboard
) -> None:
    there = ("--set", "data={source: image_folder, folder: /over/there}")
    assert "/over/there" in refusal(rankfall("submit", "tiny.yaml", *there))
    with_python = ("--python", "/opt/bin/python")
    result = rankfall("submit", "tiny.yaml", *there, *with_python, typed="y\n")
    assert result.exit_code == 0, result.output
    assert "not timed" in result.stderr
    assert len(dashboard.taken) == 1


def test_resume_submits_the_same_under_the_next_id_but_for_what_is_given_anew(
    rankfall: Rankfall, dashboard: Dashboard
) -> None:
    rankfall("submit", "tiny.yaml", "-y", "--set", "seeds=1", "--workers", "1")
    dashboard.changes = {"status": "STOPPED"}
    assert rankfall("resume", "tiny-1").exit_code == 0
    assert rankfall("resume", "tiny", "--workers", "3", "--python", "/opt/py").exit_code == 0
    first, second, third = dashboard.taken
    assert [job["submission_id"] for job in dashboard.taken] == ["tiny-1", "tiny-2", "tiny-3"]
    assert second["entrypoint"] == first["entrypoint"]
    assert third["entrypoint"].startswith("exec /opt/py ")
    assert third["entrypoint"].endswith("--set seeds=1 --workers 3")


def test_what_was_withheld_has_to_be_given_again(rankfall: Rankfall, dashboard: Dashboard) -> None:
    secret = ("--runtime-env-json", '{"env_vars": {"KEY": "hunter2"}}')
    rankfall("submit", "tiny.yaml", "-y", *secret)
    dashboard.changes = {"status": "FAILED"}
    assert "give them again" in refusal(rankfall("resume", "tiny"))
    assert rankfall("resume", "tiny", *secret).exit_code == 0
    assert dashboard.taken[1]["runtime_env"]["env_vars"]["KEY"] == "hunter2"
    assert "hunter2" not in json.dumps(dashboard.taken[1]["metadata"])


def test_a_job_of_another_version_is_not_guessed_at(
    rankfall: Rankfall, dashboard: Dashboard
) -> None:
    rankfall("submit", "tiny.yaml", "-y")
    dashboard.taken[0]["metadata"][REQUEST_KEY] = '{"study": "tiny", "of": "tomorrow"}'
    dashboard.changes = {"status": "FAILED"}
    assert "another version" in refusal(rankfall("resume", "tiny"))


@pytest.mark.parametrize(("target", "next_id"), [("tiny", "tiny-1"), ("tiny-4", "tiny-5")])
def test_where_the_cluster_forgot_a_study_its_ledger_knows_it(
    target: str, next_id: str, rankfall: Rankfall, dashboard: Dashboard, tmp_path: Path
) -> None:
    fill_ledger(tmp_path / "maps", missing=False)
    result = rankfall("resume", target, "--workers", "1")
    assert result.exit_code == 0, result.output
    (job,) = dashboard.taken
    assert job["submission_id"] == next_id
    assert job["entrypoint"].endswith("--set seeds=1 --workers 1")


@pytest.mark.parametrize("missing", [True, False])
def test_only_a_study_with_missing_trials_is_retried(
    missing: bool, rankfall: Rankfall, dashboard: Dashboard, tmp_path: Path
) -> None:
    fill_ledger(tmp_path / "maps", missing=missing)
    result = rankfall("retry", "tiny", "--failed")
    assert result.exit_code == 0, result.output
    assert len(dashboard.taken) == missing
    assert ("nothing was submitted" in result.stderr) is not missing


def test_jobs_and_status_count_the_trials_of_ledgers_that_can_be_seen(
    rankfall: Rankfall, dashboard: Dashboard, tmp_path: Path
) -> None:
    assert json.loads(rankfall("jobs", "--json").stdout) == []
    assert "rankfall submit demo" in rankfall("jobs").stdout
    rankfall("submit", "tiny.yaml", "-y", "--set", "seeds=1")
    rankfall("submit", "tiny.yaml", "-y", "--name", "other")
    fill_ledger(tmp_path / "maps", missing=True)
    rows: list[dict[str, Any]] = json.loads(rankfall("jobs", "--json").stdout)
    assert [row["id"] for row in rows] == ["tiny-1", "other-1"]
    assert [row["finished"] for row in rows] == [2, None]
    assert [row["missing"] for row in rows] == [1, None]
    assert "2 of 30" in rankfall("jobs").stdout
    assert json.loads(rankfall("status", "tiny", "--json").stdout) == rows[0]
    assert json.loads(rankfall("status", "--json").stdout) == rows
    dashboard.changes = {"status": "SUCCEEDED", "end_time": 1_700_000_060_000}
    assert [row["id"] for row in json.loads(rankfall("status", "--json").stdout)] == ["other-1"]
    row = json.loads(rankfall("status", "tiny-1", "--json").stdout)
    assert (row["state"], row["exit_code"], row["minutes"]) == ("SUCCEEDED", 0, 1.0)


def test_logs_prints_what_a_job_says_and_cancel_leaves_an_ended_one_alone(
    rankfall: Rankfall, dashboard: Dashboard, server: Server
) -> None:
    rankfall("submit", "tiny.yaml", "-y")
    assert rankfall("logs", "tiny").stdout == "it says\n"
    dashboard.changes = {"status": "SUCCEEDED"}
    server.requests.clear()
    result = rankfall("cancel", "tiny")
    assert result.exit_code == 0, result.output
    assert "tiny-1 had ended already (SUCCEEDED)" in result.stderr
    assert all(method == "GET" for method, _, _ in server.requests)
