"""A real MLflow store for the tests of tracking."""

import shutil
from pathlib import Path

import pytest

from orchestrator.mlflow_runs import prepare_database
from orchestrator.mlflow_store import Store


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store without runs: its schema takes 3 s to build, a copy none."""
    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    prepare_database(Store(f"sqlite:///{path}", path.parent / "artifacts"))
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(empty_database, tmp_path / "mlflow.db"))
