"""Schedules on a real cluster, by the command line: the scheduler killed, the service whole."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest
from mlflow import MlflowClient

from orchestrator.command_schedule import list_history
from orchestrator.schedule.loud_herald import MOVED_TAG
from orchestrator.schedule.tables import open_engine
from tests.integration.clusters import HeadPlace, free_ports, prepare_head, running_head
from tests.runs import RANKFALL, Family, run, started, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"),
]

STUDY = """\
study: tiny
question: boundary
data: {source: digits}
model: {encoder: mlp, hidden: [16], embed_dim: 8, norm: layer}
train: {batch_size: 64, steps: 40}
objective: {kind: infonce, temperature: 0.1}
lr: {low: 1.0e-2, high: 100, log: true}
seeds: 1
collapse: {below: 2.0, every_steps: 20, settle_checks: 0}
budget: {trials: 8, band_decades: 0.2}
"""
# Stands where the interpreter would: a study that is over at once and leaves a line.
TALLY = """\
#!/bin/sh
echo "$6" >> {tally}
"""
TIMES = 5
SECONDS = int(os.environ.get("RANKFALL_TEST_FIRING_SECONDS", "10"))
"""A divisor of 60; at 60 the test takes seven minutes and fires as crontabs do."""
EVERY = "* * * * *" if SECONDS == 60 else f"*/{SECONDS} * * * * *"


class Office:
    """A researcher's folder with a store, and the command line typed there."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {
            "RANKFALL_STORE": f"sqlite:///{folder / 'state' / 'scheduler.db'}",
            "RANKFALL_RESULTS": str(folder / "maps"),
            "XDG_DATA_HOME": str(folder / "data"),
            **environment,
        }
        (folder / "tiny.yaml").write_text(STUDY)

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run(self.folder, [str(RANKFALL), *words], self.environment)

    def ask(self, *words: str) -> Any:
        result = self.type(*words, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def history(self) -> list[dict[str, Any]]:
        """Return what the store holds; a process for each look would cost seconds."""
        engine = open_engine(self.environment["RANKFALL_STORE"])
        try:
            return list_history(engine, None, None)
        finally:
            engine.dispose()

    def said(self) -> str:
        return (self.folder / "output.txt").read_text()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeadPlace]:
    place = prepare_head(tmp_path_factory.mktemp("head"), cpus=2, lowest_worker_port=26000)
    with running_head(place):
        yield place


def test_five_times_come_and_the_scheduler_is_killed_twice_five_studies_run(
    place: HeadPlace, tmp_path: Path
) -> None:
    office = Office(tmp_path, **place.authentication, RAY_ADDRESS=place.dashboard)
    tally, python = tmp_path / "tally.txt", tmp_path / "python"
    python.write_text(TALLY.format(tally=tally))
    python.chmod(0o755)
    # A whole multiple of the step, a while from now: adding a schedule takes seconds itself.
    begin = -(-(int(time.time()) + 20) // SECONDS) * SECONDS
    until = datetime.fromtimestamp(begin + (TIMES - 1) * SECONDS, UTC)
    office.ask(
        *("schedule", "add", "tiny.yaml", "--cron", EVERY),
        *("--until", until.isoformat(), "--python", str(python), "--overlap", "queue"),
    )
    office.ask("schedule", "limits", "--studies", "3")
    first = datetime.fromisoformat(office.ask("schedule", "show", "tiny")["next_fire"])
    # Times between the command and ``begin`` may be due as well.
    count = round((until - first).total_seconds()) // SECONDS + 1
    assert TIMES <= count <= TIMES + 3
    due = [first + timedelta(seconds=number * SECONDS) for number in range(count)]
    expected = [f"tiny-tiny-{at:%Y%m%dT%H%M%SZ}" for at in due]
    serve = [str(RANKFALL), "serve", "--no-mlflow"]
    for fired in (1, 3):
        with started(tmp_path, serve, office.environment) as scheduler:
            wait_until(
                lambda fired=fired: count_lines(tally) >= fired,  # type: ignore[misc]
                f"study {fired}",
                scheduler,
            )
            os.kill(scheduler.pid, signal.SIGKILL)
            scheduler.wait()
    with started(tmp_path, serve, office.environment) as scheduler:
        wait_until(lambda: count_lines(tally) >= count, "the last study", scheduler)
        wait_until(
            lambda: {row["state"] for row in office.history()} == {"succeeded"},
            "the end of all",
            scheduler,
        )
        scheduler.send_signal(signal.SIGTERM)
        assert scheduler.wait(timeout=60) == 0, office.said()
    jobs = [row["job"] for row in office.history()]
    assert jobs == expected
    ran = [Path(line).name for line in tally.read_text().splitlines()]
    assert sorted(ran) == [job.rpartition("-")[2] for job in jobs], "one ran twice, or never"
    listed = {row["id"]: row["state"] for row in office.ask("jobs")}
    assert {job_id: listed[job_id] for job_id in jobs} == dict.fromkeys(jobs, "SUCCEEDED")


def count_lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_the_whole_service_runs_a_study_twice_compares_it_and_ends_without_a_trace(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path)
    ray, dashboard, mlflow = free_ports(3)
    words = ("--ray-port", str(ray), "--dashboard-port", str(dashboard), "--cpus", "2")
    serve = [str(RANKFALL), "serve", "--mlflow-port", str(mlflow), *words]
    office.ask(
        *("schedule", "add", "tiny.yaml", "--cron", "0 0 1 1 *", "--workers", "1"),
        *("--alert-if-moved", "0.2"),
    )
    assert office.type("schedule", "check", "tiny").returncode == 3
    with started(tmp_path, serve, office.environment) as service:
        family = Family(service.pid)
        wait_until(lambda: "schedules" in office.said(), "the service", service)
        refused = office.type("serve", "--dashboard-port", str(dashboard), "--no-mlflow")
        assert refused.returncode == 2
        assert "cannot be used" in refused.stderr
        for count in (1, 2):
            office.ask("schedule", "run-now", "tiny")
            wait_until(
                lambda count=count: has_ended(office, count),  # type: ignore[misc]
                f"firing {count}",
                service,
            )
        family.look()
        with urllib.request.urlopen(f"http://127.0.0.1:{mlflow}/health") as answer:
            assert answer.status == 200
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=120) == 0, office.said()
        wait_until_gone(family)
    first, second = office.history()
    assert [first["state"], second["state"]] == ["succeeded", "succeeded"], office.said()
    assert first["trial_hours"] > 0
    # Equal settings and seeds: the boundary is where it was, to the bit.
    assert second["boundaries"] == first["boundaries"]
    assert second["moves"] == [{"slice": "", "decades": 0.0}]
    assert office.type("schedule", "check", "tiny").returncode == 0
    client = MlflowClient(f"sqlite:///{tmp_path / 'maps' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("rankfall/tiny")
    assert experiment is not None
    parents = client.search_runs([experiment.experiment_id], "tags.`rankfall.role` = 'study'")
    assert [parent.info.status for parent in parents] == ["FINISHED", "FINISHED"]
    assert all(MOVED_TAG not in parent.data.tags for parent in parents)


def wait_until_gone(family: Family) -> None:
    wait_until(lambda: not family.look(), "the end of all its processes")


def has_ended(office: Office, count: int) -> bool:
    rows = office.history()
    return len(rows) == count and rows[-1]["ended_at"] is not None


def test_a_killed_service_leaves_nothing_behind_and_comes_up_again(tmp_path: Path) -> None:
    office = Office(tmp_path)
    ray, dashboard = free_ports(2)
    words = ("--ray-port", str(ray), "--dashboard-port", str(dashboard), "--cpus", "1")
    serve = [str(RANKFALL), "serve", "--no-mlflow", *words]
    for _ in range(2):
        with started(tmp_path, serve, office.environment) as service:
            wait_until(lambda: "schedules" in office.said(), "the service", service)
            family = Family(service.pid)
            family.look()
            os.kill(service.pid, signal.SIGKILL)
            service.wait()
            wait_until_gone(family)
    token = tmp_path / "data" / "rankfall" / "ray-token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert not any(token.read_text() in said for said in (office.said(),))
    assert not [p for p in psutil.process_iter(["cmdline"]) if f"--port={ray}" in str(p.info)]
