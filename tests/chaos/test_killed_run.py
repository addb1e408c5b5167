"""Real sweeps that are really killed: the same command goes on, nothing is lost or doubled."""

import os
import signal
from collections import Counter
from pathlib import Path

import optuna
import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest

from orchestrator.journal import open_journal
from orchestrator.record import TrialState
from tests.conftest import ReferenceRun
from tests.runs import PARENT, Family, Place, interrupt, is_alive, started, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"),
]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty folder with the study file of the reference run."""
    place = Place(tmp_path)
    place.write_study()
    return place


def assert_same_as(reference: ReferenceRun, place: Place) -> None:
    """Compare every outcome, the map, and what Optuna's own tools see."""
    assert place.outcomes() == reference.place.outcomes()
    assert place.collapse_map() == reference.place.collapse_map()
    storage = open_journal(place.study_folder / "ledger.journal")
    trials = optuna.load_study(study_name="small", storage=storage).trials
    told = Counter(trial.user_attrs["key"] for trial in trials)
    assert told == Counter(outcome.trial for outcome in reference.place.outcomes())


def mlflow_statuses(place: Place) -> list[str]:
    """Return the states of the study's parent runs."""
    runs = place.mlflow_runs()
    return [run.info.status for run in runs if PARENT not in run.data.tags]


def test_a_run_killed_after_its_first_outcomes_goes_on_to_the_same_outcomes(
    place: Place, reference_run: ReferenceRun
) -> None:
    with started(place.path, place.command()) as process:
        family = Family(process.pid)
        wait_until(place.has_outcomes, "an outcome on disk", process)
        family.look()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        # Ray's processes must not need us to end them.
        wait_until(lambda: not family.look(), "the end of the killed driver's processes")
    pending = [r for r in place.records() if r.state is TrialState.PENDING]
    assert pending, "killed too late to show anything"
    result = place.run()
    assert result.returncode == 0, result.stderr
    assert_same_as(reference_run, place)
    assert mlflow_statuses(place) == ["FINISHED"]


def test_ctrl_c_ends_cleanly_and_the_same_command_goes_on(
    place: Place, reference_run: ReferenceRun
) -> None:
    with started(place.path, place.command()) as process:
        family = Family(process.pid)
        wait_until(place.has_outcomes, "an outcome on disk", process)
        family.look()
        interrupt(process)
        assert process.wait(timeout=300) == 130
        wait_until(lambda: not family.look(), "the end of Ray's processes")
    said = (place.path / "output.txt").read_text()
    assert "stopped; finished trials are kept. Go on with: rankfall run small.yaml" in said
    assert "Traceback" not in said
    assert mlflow_statuses(place) == ["KILLED"]
    result = place.run()
    assert result.returncode == 0, result.stderr
    assert_same_as(reference_run, place)
    assert mlflow_statuses(place) == ["FINISHED"]


def test_a_killed_worker_costs_a_retry_and_no_outcome(
    place: Place, reference_run: ReferenceRun
) -> None:
    with started(place.path, place.command()) as process:
        family = Family(process.pid)
        wait_until(place.has_outcomes, "an outcome on disk", process)
        victim = find_worker(family.look())
        victim.kill()
        assert process.wait(timeout=900) == 0, (place.path / "output.txt").read_text()
    assert not is_alive(victim)
    assert_same_as(reference_run, place)


def find_worker(processes: list[psutil.Process]) -> psutil.Process:
    """Return one of Ray Train's worker processes."""
    titles = {process: " ".join(process.cmdline()) for process in processes if is_alive(process)}
    workers = [process for process, title in titles.items() if "RayTrainWorker" in title]
    assert workers, sorted(titles.values())
    return workers[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_no_number_of_workers_changes_the_map_by_a_byte(
    workers: int, place: Place, reference_run: ReferenceRun
) -> None:
    result = place.run("--workers", str(workers))
    assert result.returncode == 0, result.stderr
    assert_same_as(reference_run, place)


def test_more_workers_than_the_machine_holds_are_refused_without_a_trace(place: Place) -> None:
    result = place.run("--workers", "999")
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error 1 lane of 999 workers needs 899.11 CPUs")
    assert "ask for at most" in last
    assert "Traceback" not in result.stderr
    assert [path.name for path in place.path.iterdir()] == ["small.yaml"]
