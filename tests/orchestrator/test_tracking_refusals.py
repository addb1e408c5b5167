"""What tracking refuses: no trials, missing files, broken or unreachable stores."""

from pathlib import Path

import pytest

from orchestrator.errors import TrackingError
from orchestrator.tracking import Tracker
from tests.orchestrator.mlflow_database import open_tracker
from tests.orchestrator.report.builder import (
    PROVENANCE,
    make_records,
    make_study,
)

# MLflow 3.17's mappers under SQLAlchemy 2.1; raised while MLflow is first used.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")

STUDY = make_study()
RECORDS = make_records(STUDY)[:8]


def test_a_study_without_trials_has_nothing_to_show(database: Path) -> None:
    with pytest.raises(TrackingError, match="study demo has no trials yet"):
        open_tracker(database).sync(STUDY, [], PROVENANCE)


def test_a_missing_artifact_is_a_tracking_error_and_the_next_sync_works(
    database: Path, tmp_path: Path
) -> None:
    tracker = open_tracker(database)
    with pytest.raises(TrackingError, match=r"could not be written.*the ledger has every outcome"):
        tracker.sync(STUDY, RECORDS[:1], PROVENANCE, [tmp_path / "absent.html"])
    assert tracker.sync(STUDY, RECORDS[:1], PROVENANCE).unchanged == 1


def test_a_file_that_is_no_database_is_a_tracking_error(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_text("not a database, and longer than the header of one would be " * 20)
    with pytest.raises(TrackingError, match=r"could not be written .*not a database"):
        open_tracker(path).sync(STUDY, RECORDS[:1], PROVENANCE)


def test_an_unreachable_server_is_a_tracking_error_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracker = Tracker("http://someone:secret@127.0.0.1:9", None)  # port 9: discard, closed
    with pytest.raises(TrackingError, match=r"MLflow at http://\*\*\*@127.0.0.1:9") as caught:
        tracker.sync(STUDY, RECORDS[:1], PROVENANCE)
    assert "secret" not in str(caught.value)


def test_a_deleted_experiment_is_named_with_the_way_to_restore_it(database: Path) -> None:
    tracker = open_tracker(database)
    report = tracker.sync(STUDY, RECORDS[:1], PROVENANCE)
    from mlflow import MlflowClient  # noqa: PLC0415

    MlflowClient(f"sqlite:///{database}").delete_experiment(report.experiment_id)
    with pytest.raises(TrackingError, match=r"rankfall/demo was deleted .*experiments restore"):
        open_tracker(database).sync(STUDY, RECORDS[:1], PROVENANCE)
