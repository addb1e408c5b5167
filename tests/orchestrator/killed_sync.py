"""Starts syncs that are ended by SIGKILL, each at another place; run as a program.

``python -m tests.orchestrator.killed_sync EMPTY_DATABASE FOLDER`` leaves a half-written
``FOLDER/<place>/mlflow.db`` for every place. MLflow is imported and warmed up once; every
victim is a fork.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from orchestrator.tracking import Tracker
from tests.orchestrator.report.builder import PROVENANCE, make_records, make_study

VICTIM_CALL = 4
"""The call of the place at which the process dies; the parent run takes the first or two."""

PLACES = {
    "before-create": ("orchestrator.mlflow_runs.MlflowRuns.create", "before"),
    "after-create": ("orchestrator.mlflow_runs.MlflowRuns.create", "after"),
    "between-params-and-metrics": (
        "mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore._log_metrics",
        "before",
    ),
    "after-log": ("orchestrator.mlflow_runs.MlflowRuns.log", "after"),
    "after-end": ("orchestrator.mlflow_runs.MlflowRuns.end", "after"),
}


def die_at(target: str, when: str) -> Any:
    """Patch ``target`` so that its VICTIM_CALL-th call kills this process."""
    module_name, class_name, method = target.rsplit(".", 2)
    original: Callable[..., Any] = getattr(getattr(sys.modules[module_name], class_name), method)
    calls = 0

    def dying(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == VICTIM_CALL and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if calls == VICTIM_CALL:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return mock.patch(target, dying)


def main(empty: Path, folder: Path) -> None:
    """Kill one sync at every place; fail unless each really died by SIGKILL."""
    assert "mlflow" not in sys.modules, "importing the tracker must not import MLflow"
    sync(empty, folder / "warm-up")
    for place, (target, when) in PLACES.items():
        victim = os.fork()
        if victim == 0:
            with die_at(target, when):
                sync(empty, folder / place)
            os._exit(0)
        _, status = os.waitpid(victim, 0)
        assert os.WIFSIGNALED(status), f"{place}: the sync was not killed"
        assert os.WTERMSIG(status) == signal.SIGKILL, place


def sync(empty: Path, folder: Path) -> None:
    """Sync eight trials into a fresh copy of the empty store."""
    folder.mkdir(parents=True)
    database = Path(shutil.copy(empty, folder / "mlflow.db"))
    study = make_study()
    records = make_records(study)[:8]
    Tracker(f"sqlite:///{database}", folder).sync(study, records, PROVENANCE)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
