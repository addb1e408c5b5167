"""rankfall track rebuild: MLflow made again from the ledger, on real stores."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from orchestrator.cli import app
from orchestrator.folder import StudyFolder
from orchestrator.ledger import Ledger
from orchestrator.mlflow_overview import StudyStatus
from orchestrator.tracking import Tracker
from tests.orchestrator.claims.laboratory import PROVENANCE
from tests.orchestrator.fabricated import fabricate, make_tiny, propose, told
from tests.orchestrator.mlflow_database import read_runs
from tests.orchestrator.test_cli import refusal

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")

Rankfall = Callable[..., Result]


@pytest.fixture
def rankfall(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rankfall:
    """The command line in a results folder whose MLflow store has no run yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("RANKFALL_RESULTS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    assert database == tmp_path / "mlflow.db"

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    return invoke


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A study of four trials, three of them finished."""
    (tmp_path / "tiny").mkdir()
    ledger = Ledger.open(tmp_path / "tiny" / "ledger.journal", make_tiny())
    ledger.set_provenance(PROVENANCE)
    ledger.add_round(propose(0.1, 1.0, 3.0, 30.0))
    *done, last = list(told(ledger))
    for key in done:
        ledger.tell(fabricate(key))
    ledger.tell_missing(last, "a lost node")
    return ledger


def rebuild(rankfall: Rankfall) -> dict[str, object]:
    result = rankfall("track", "rebuild", "tiny", "--json")
    assert result.exit_code == 0, result.output
    done = json.loads(result.stdout)
    report = done["report"]
    return {**done, "written": report["written"], "unchanged": report["unchanged"]}


def test_a_store_that_knows_nothing_gets_all_of_it_and_a_second_time_nothing(
    rankfall: Rankfall, ledger: Ledger, database: Path
) -> None:
    first = rebuild(rankfall)
    runs = read_runs(database)
    assert (first["written"], first["unchanged"], first["removed"]) == (4, 0, 0)
    assert set(runs) == {"parent 0", *told(ledger)}
    assert runs["parent 0"].status == "KILLED", "the planner would ask for more"
    assert "At which learning rate" in runs["parent 0"].tags["mlflow.note.content"]
    second = rebuild(rankfall)
    assert (second["written"], second["unchanged"], second["removed"]) == (0, 4, 0)
    assert read_runs(database) == runs
    said = rankfall("track", "rebuild", "tiny").stdout
    assert "0 trials written, 4 as they were, 0 runs removed" in said


@pytest.mark.usefixtures("ledger")
def test_what_was_lost_spoilt_or_doubled_in_mlflow_is_put_right(
    rankfall: Rankfall, database: Path
) -> None:
    rebuild(rankfall)
    whole = read_runs(database)
    client = MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("rankfall/tiny")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.`rankfall.role` = 'trial'")
    lost, spoilt, *_ = runs
    client.delete_run(lost.info.run_id)
    client.set_tag(spoilt.info.run_id, "rankfall.content", "something else")
    parent = spoilt.data.tags["mlflow.parentRunId"]
    stranger = {"mlflow.parentRunId": parent, "rankfall.trial_key": "of another ledger"}
    client.create_run(experiment.experiment_id, tags=stranger)
    double = {
        name: value
        for name, value in client.get_run(parent).data.tags.items()
        if name.startswith("rankfall.")
    }
    other = client.create_run(experiment.experiment_id, tags=double).info.run_id
    client.create_run(experiment.experiment_id, tags={"mlflow.parentRunId": other})
    done = rebuild(rankfall)
    assert (done["written"], done["unchanged"], done["removed"]) == (2, 2, 3)
    assert read_runs(database) == whole


def test_a_study_whose_planner_is_done_is_finished(
    rankfall: Rankfall, tmp_path: Path, database: Path
) -> None:
    (tmp_path / "tiny").mkdir()
    study = make_tiny("budget.trials=2")
    ledger = Ledger.open(tmp_path / "tiny" / "ledger.journal", study)
    ledger.set_provenance(PROVENANCE)
    ledger.add_round(propose(0.1, 1.0))
    for key in told(ledger):
        ledger.tell(fabricate(key))
    assert rebuild(rankfall)["status"] == "FINISHED"
    assert read_runs(database)["parent 0"].status == "FINISHED"


def test_a_tracker_goes_on_with_what_was_rebuilt(
    rankfall: Rankfall, ledger: Ledger, database: Path
) -> None:
    rebuild(rankfall)
    tracker = Tracker(f"sqlite:///{database}", database.parent / "mlartifacts", ledger.identity)
    report = tracker.sync(ledger.study, ledger.records(), PROVENANCE, status=StudyStatus.RUNNING)
    assert (report.written, report.unchanged) == (0, 4)


def test_a_study_that_runs_or_is_not_there_is_refused(
    rankfall: Rankfall, ledger: Ledger, tmp_path: Path, database: Path
) -> None:
    with StudyFolder(tmp_path / ledger.study.name).locked():
        assert "another process is running this study" in refusal(
            rankfall("track", "rebuild", "tiny")
        )
    assert read_runs(database) == {}
    assert "there is no ledger here" in refusal(rankfall("track", "rebuild", "absent"))
    assert not (tmp_path / "absent").exists()
