"""rankfall schedule, typed: schedules kept, listed, paused, fired by hand; bad input refused."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import app
from orchestrator.schedule.movement import Interval, Move
from orchestrator.schedule.schedule import FiringState
from orchestrator.schedule.store import change_firing, list_firings
from orchestrator.schedule.tables import open_engine, transaction
from tests.orchestrator.fabricated import TEXT
from tests.orchestrator.schedule.cases import store_url
from tests.orchestrator.test_cli import refusal

Schedule = Callable[..., Result]
COMMANDS = ["add", "list", "show", "history", "check", "pause", "resume", "rm", "run-now", "limits"]
NIGHTLY = ("add", "tiny.yaml", "--cron", "0 2 * * *")


@pytest.fixture
def schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Schedule:
    """``rankfall schedule`` in a folder with one study file, with a store there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("RANKFALL_STORE", store_url(tmp_path))
    monkeypatch.setenv("RANKFALL_RESULTS", str(tmp_path / "maps"))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "tiny.yaml").write_text(TEXT)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, ["schedule", *words])

    return invoke


def ask(schedule: Schedule, *words: str) -> Any:
    result = schedule(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_schedule_is_kept_with_all_that_was_asked(schedule: Schedule, tmp_path: Path) -> None:
    given = ("--tz", "Europe/Berlin", "--overlap", "replace", "--misfire", "skip")
    limits = ("--until", "2099-01-01", "--alert-if-moved", "0.2", "--priority", "3")
    words = ("--set", "seeds=1", "--name", "nightly", "--workers", "2")
    added = ask(schedule, *NIGHTLY, *given, *limits, *words)
    (listed,) = ask(schedule, "list")
    assert {name: listed[name] for name in added} == added
    shown = ask(schedule, "show", "nightly")
    assert (shown["study"], shown["overrides"]) == ("tiny", ["seeds=1"])
    assert (shown["overlap"], shown["misfire"], shown["priority"]) == ("replace", "skip", 3)
    assert shown["until"] == "2098-12-31T23:00:00+00:00"
    assert shown["alert_if_moved_decades"] == 0.2
    assert shown["results"] == f"{tmp_path}/maps/schedules/nightly"
    assert len(shown["next_times"]) == 5
    assert all("T02:00:00+0" in moment for moment in shown["next_times"])
    assert shown["text"] == TEXT
    table = schedule("list").stdout
    assert "0 2 * * * Europe/Berlin" in table


def test_what_is_submitted_is_what_rankfall_submit_would(schedule: Schedule) -> None:
    schedule(*NIGHTLY, "--workers", "1", "--no-mlflow", "--set", "seeds=1")
    job = ask(schedule, "run-now", "tiny")
    assert job["state"] == "queued"
    with transaction(open_engine(store())) as connection:
        (firing,) = list_firings(connection)
    folder = firing.request.results
    assert firing.request.entrypoint == (
        f"exec {sys.executable} -m orchestrator run tiny.yaml --results {folder} "
        "--set seeds=1 --workers 1 --no-mlflow"
    )
    assert folder.endswith(f"/schedules/tiny/{firing.job_id.rpartition('-')[2]}")


def test_a_firing_is_submitted_with_the_environment_and_resources_of_its_schedule(
    schedule: Schedule, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "tiny.yaml").write_text(TEXT)
    result = schedule(
        *("add", "code/tiny.yaml", "--cron", "0 2 * * *", "--working-dir", "code"),
        *("--runtime-env-json", '{"env_vars": {"A": "b"}}', "--gpu-fraction", "0.5"),
        *("--entrypoint-num-cpus", "0.5", "--entrypoint-num-gpus", "1"),
        *("--entrypoint-memory", "1000000"),
    )
    assert result.exit_code == 0, result.output
    ask(schedule, "run-now", "tiny")
    with transaction(open_engine(store())) as connection:
        (firing,) = list_firings(connection)
    request = firing.request
    assert request.working_dir == str(tmp_path / "code")
    assert request.environment["env_vars"]["A"] == "b"
    amounts = (request.entrypoint_num_cpus, request.entrypoint_num_gpus, request.entrypoint_memory)
    assert amounts == (0.5, 1.0, 1_000_000)
    assert request.entrypoint.endswith("--gpu-fraction 0.5")


def store() -> str:
    return os.environ["RANKFALL_STORE"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        pytest.param(("add", "tiny.yaml"), "say when: --cron", id="no-time"),
        pytest.param((*NIGHTLY, "--runtime-env-json", "{"), "runtime", id="runtime-env"),
        pytest.param((*NIGHTLY, "--at", "now"), "say when", id="two-times"),
        pytest.param(("add", "tiny.yaml", "--cron", "0 25 * * *"), "bad hour", id="cron"),
        pytest.param((*NIGHTLY, "--tz", "Mars/Olympus"), "no such time zone", id="zone"),
        pytest.param(("add", "tiny.yaml", "--at", "yesterday"), "no moment", id="moment"),
        pytest.param(("add", "tiny.yaml", "--at", "2020-01-01"), "that is past", id="past"),
        pytest.param((*NIGHTLY, "--until", "2020-01-01"), "never fire", id="until"),
        pytest.param((*NIGHTLY, "--name", "a b"), "schedule name 'a b'", id="name"),
        pytest.param((*NIGHTLY, "--results", "maps"), "absolute", id="results"),
        pytest.param((*NIGHTLY, "--python", "python"), "absolute", id="python"),
        pytest.param((*NIGHTLY, "--set", "seeds=0"), "seeds", id="bad-study"),
        pytest.param(("add", "absent.yaml", "--at", "now"), "absent.yaml", id="no-study"),
        pytest.param((*NIGHTLY, "--store", "nonsense"), "no database URL", id="store"),
        pytest.param((*NIGHTLY, "--store", "sqlite:///a.db"), "absolute path", id="relative"),
        pytest.param(("list", "--store", "mysql://u:pw@h/x"), "expected sqlite", id="mysql"),
        pytest.param(("show", "tny"), "no schedule 'tny'", id="show"),
        pytest.param(("pause", "tny"), "no schedule 'tny'", id="pause"),
        pytest.param(("resume", "tny"), "no schedule 'tny'", id="resume"),
        pytest.param(("rm", "tny"), "no schedule 'tny'", id="rm"),
        pytest.param(("run-now", "tny"), "no schedule 'tny'", id="run-now"),
        pytest.param(("history", "tny"), "no schedule 'tny'", id="history"),
        pytest.param(("check", "tny"), "no schedule 'tny'", id="check"),
    ],
)
def test_bad_input_is_refused_in_one_line_and_keeps_nothing(
    words: tuple[str, ...], complaint: str, schedule: Schedule
) -> None:
    assert complaint in refusal(schedule(*words))
    assert ask(schedule, "list") == []


def test_a_study_without_a_boundary_has_nothing_to_compare(schedule: Schedule) -> None:
    fixed = ("--set", "question=grid", "--set", "lr=0.1")
    result = schedule(*NIGHTLY, *fixed, "--alert-if-moved", "0.2")
    assert "maps no boundary" in refusal(result)


def test_names_are_taken_once_and_so_are_the_ids_of_jobs(
    schedule: Schedule, tmp_path: Path
) -> None:
    assert schedule(*NIGHTLY, "--name", "b-c").exit_code == 0
    assert "already" in refusal(schedule(*NIGHTLY, "--name", "b-c"))
    (tmp_path / "tiny-b.yaml").write_text(TEXT.replace("study: tiny", "study: tiny-b"))
    twin = schedule("add", "tiny-b.yaml", "--cron", "0 2 * * *", "--name", "c")
    assert "are called tiny-b-c-... too" in refusal(twin)


def test_paused_schedules_go_on_and_removed_ones_leave_their_history(schedule: Schedule) -> None:
    schedule(*NIGHTLY)
    assert schedule("pause", "tiny").exit_code == 0
    assert ask(schedule, "show", "tiny")["is_paused"] is True
    assert "paused" in schedule("list").stdout
    job = ask(schedule, "run-now", "tiny")["job"]
    assert "fires next at" in schedule("resume", "tiny").stdout
    assert schedule("rm", "tiny").exit_code == 0
    assert ask(schedule, "list") == []
    (row,) = ask(schedule, "history", "tiny")
    assert (row["job"], row["state"]) == (job, "skipped")
    assert row["reason"] == "its schedule was removed"
    # It may be entered again under its name, and its history goes on.
    assert schedule(*NIGHTLY).exit_code == 0


def test_limits_are_shown_and_changed(schedule: Schedule) -> None:
    assert ask(schedule, "limits") == {"studies": 1, "trial_hours_per_day": None}
    ask(schedule, "limits", "--studies", "3", "--trial-hours", "12")
    assert ask(schedule, "limits") == {"studies": 3, "trial_hours_per_day": 12.0}
    assert ask(schedule, "limits", "--trial-hours", "0")["trial_hours_per_day"] is None


@pytest.mark.parametrize(("decades", "code", "words"), [(0.1, 0, "did not"), (0.5, 1, "up at t=1")])
def test_check_says_by_its_exit_code_whether_the_boundary_moved(
    decades: float, code: int, words: str, schedule: Schedule
) -> None:
    schedule(*NIGHTLY)
    assert "without --alert-if-moved" in refusal(schedule("check", "tiny"))
    schedule("rm", "tiny")
    schedule(*NIGHTLY, "--alert-if-moved", "0.2")
    assert schedule("check", "tiny").exit_code == 3
    ask(schedule, "run-now", "tiny")
    with transaction(open_engine(store())) as connection:
        (firing,) = list_firings(connection)
        change_firing(
            connection,
            firing,
            state=FiringState.SUCCEEDED,
            boundaries=(Interval("t=1", "inside", 0.0, 0.1, 1.1),),
            moves=(Move("t=1", decades),),
            has_moved=decades > 0.2,
        )
    result = schedule("check", "tiny")
    assert result.exit_code == code
    assert words in result.stdout
    history = schedule("history", "tiny").stdout
    assert "1.1" in history
    assert ("0.50 decades up" in history) is (code == 1)


@pytest.mark.parametrize(
    "command",
    ["add", "list", "show", "history", "check", "pause", "resume", "rm", "run-now", "limits"],
)
def test_every_command_has_help_with_an_example(command: str, schedule: Schedule) -> None:
    result = schedule(command, "--help")
    assert result.exit_code == 0
    assert f"rankfall schedule {command}" in result.stdout
