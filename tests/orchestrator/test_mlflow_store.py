"""Where MLflow's store is: defaults, the variable, refusals, and one writer at a time."""

from pathlib import Path

import pytest

from orchestrator.errors import TrackingError
from orchestrator.mlflow_runs import prepare_database
from orchestrator.mlflow_store import Store, hold_store, locate_store


def test_the_default_store_lies_in_the_results_folder(tmp_path: Path) -> None:
    store = locate_store(tmp_path, {})
    assert store.sqlite_path == tmp_path / "mlflow.db"
    assert store.artifact_location("demo") == (tmp_path / "mlartifacts" / "demo").as_uri()
    assert store.page("1", "2") is None


def test_a_server_named_by_the_variable_decides_about_artifacts(tmp_path: Path) -> None:
    store = locate_store(tmp_path, {"MLFLOW_TRACKING_URI": "http://127.0.0.1:5000/"})
    assert store.is_server
    assert store.sqlite_path is None
    assert store.artifact_location("demo") is None
    assert store.page("1", "2") == "http://127.0.0.1:5000/#/experiments/1/runs/2"


def test_another_database_named_by_the_variable_keeps_artifacts_here(tmp_path: Path) -> None:
    uri = "postgresql+psycopg2://me:secret@db/mlflow"
    store = locate_store(tmp_path, {"MLFLOW_TRACKING_URI": uri})
    assert store.artifact_location("demo") == (tmp_path / "mlartifacts" / "demo").as_uri()
    assert store.redacted == "postgresql+psycopg2://***@db/mlflow"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("./mlruns", "no file store"),
        ("file:///tmp/mlruns", "no file store"),
        ("databricks", "no file store"),
        ("databricks://profile", "unsupported"),
        ("s3://me:secret@bucket/runs", "unsupported"),
    ],
)
def test_stores_that_cannot_work_are_refused_without_their_password(uri: str, reason: str) -> None:
    with pytest.raises(TrackingError, match=rf"{reason}.*sqlite://, postgresql://") as caught:
        Store(uri, None)
    assert "secret" not in str(caught.value)


def test_a_second_writer_is_told_to_wait_and_the_first_makes_room(tmp_path: Path) -> None:
    store = locate_store(tmp_path, {})
    with (
        hold_store(store),
        pytest.raises(TrackingError, match="another Rankfall process"),
        hold_store(store, timeout_seconds=0.0),
    ):
        raise AssertionError("two writers at once")
    with hold_store(store, timeout_seconds=0.0):
        pass


def test_a_database_that_is_there_is_left_alone(tmp_path: Path) -> None:
    store = locate_store(tmp_path, {})
    (tmp_path / "mlflow.db").write_bytes(b"somebody's")
    prepare_database(store)
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
    assert (tmp_path / "mlflow.db").read_bytes() == b"somebody's"
