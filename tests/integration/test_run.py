"""``rankfall run`` for real, outside the checkout: Ray, training, report, MLflow, listings."""

import json
import subprocess

import mlflow
import pytest

from orchestrator.record import TrialState
from tests.conftest import ReferenceRun
from tests.runs import PARENT, RANKFALL, Place, run


@pytest.fixture(scope="module")
def place(reference_run: ReferenceRun) -> Place:
    return reference_run.place


def ask(place: Place, *words: str) -> subprocess.CompletedProcess[str]:
    return run(place.path, [str(RANKFALL), *words, "--results", "my results"])


def test_the_run_ends_well_and_says_what_it_found(reference_run: ReferenceRun) -> None:
    result = reference_run.result
    assert result.returncode == 0, result.stderr
    assert "Infonce collapses above learning rate" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    assert "trials told" in result.stderr


def test_every_trial_is_finished_and_nothing_of_the_sweep_is_left_lying(place: Place) -> None:
    records = place.records()
    assert {r.state for r in records} == {TrialState.FINISHED}
    assert 15 <= len(records) <= 40
    assert len({r.key for r in records}) == len(records)
    left = sorted(path.name for path in place.study_folder.iterdir())
    assert left == ["ledger.journal", "outbox", "report", "study.lock"]
    assert list((place.study_folder / "outbox").iterdir()) == []


def test_both_sides_of_the_boundary_were_seen(place: Place) -> None:
    for kind in ("infonce", "supcon"):
        verdicts = {
            outcome.is_collapsed for outcome in place.outcomes() if f'"{kind}"' in outcome.trial
        }
        assert verdicts == {True, False}


@pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")
def test_mlflow_holds_the_study_and_every_trial(place: Place) -> None:
    parent, *children = place.mlflow_runs()
    assert parent.info.status == "FINISHED"
    assert len(children) == len(place.records())
    assert {child.data.tags[PARENT] for child in children} == {parent.info.run_id}
    client = mlflow.MlflowClient(f"sqlite:///{place.path / 'my results' / 'mlflow.db'}")
    attached = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"report.html", "collapse_map.json", "trials.csv", "trials.parquet"} <= attached


def test_the_listing_counts_the_trials(place: Place) -> None:
    (row,) = json.loads(ask(place, "list", "--json").stdout)
    assert (row["study"], row["finished"]) == ("small", len(place.records()))
    assert (row["pending"], row["missing"], row["problem"]) == (0, 0, None)


def test_the_report_is_rebuilt_from_the_ledger_alone(place: Place) -> None:
    before = place.collapse_map()
    (place.study_folder / "report" / "collapse_map.json").unlink()
    result = ask(place, "report", "small", "--json")
    assert result.returncode == 0, result.stderr
    assert place.collapse_map() == before
    assert json.loads(result.stdout) == json.loads(before)


def test_the_same_command_again_trains_nothing_and_changes_nothing(place: Place) -> None:
    files = [
        place.study_folder / "ledger.journal",
        *sorted((place.study_folder / "report").glob("*.[hj]*")),
    ]
    before = [file.read_bytes() for file in files]
    assert len(files) == 3, "ledger, map, page"
    result = place.run()
    assert result.returncode == 0, result.stderr
    assert "starting Ray" not in result.stderr
    assert [file.read_bytes() for file in files] == before
