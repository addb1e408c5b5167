"""Reads MLflow's SQLite file with plain SQL, so that doubled rows cannot hide behind a client."""

import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.tracking import Tracker


@dataclass
class RunRows:
    """Every row of one active run, ids left out so that databases can be compared."""

    status: str
    name: str
    start: int
    end: int | None
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: list[tuple[str, int, float, int]] = field(default_factory=list)


def open_tracker(database: Path, ledger_id: str = "any") -> Tracker:
    """Return a tracker of a database in a folder of its own."""
    return Tracker(f"sqlite:///{database}", database.parent / "mlartifacts", ledger_id)


def read_runs(database: Path) -> dict[str, RunRows]:
    """Return active runs by trial key; the parent runs as ``parent 0``, ``parent 1``, ...

    Fails if two active runs have one trial key.
    """
    with closing(sqlite3.connect(database)) as connection:
        by_id = {
            row[0]: RunRows(*row[1:])
            for row in connection.execute(
                "SELECT run_uuid, status, name, start_time, end_time FROM runs"
                " WHERE lifecycle_stage = 'active' ORDER BY start_time, run_uuid"
            )
        }
        for run_id, key, value in connection.execute("SELECT run_uuid, key, value FROM params"):
            if run_id in by_id:
                by_id[run_id].params[key] = value
        for run_id, key, value in connection.execute("SELECT run_uuid, key, value FROM tags"):
            if run_id in by_id:
                by_id[run_id].tags[key] = value
        metrics = defaultdict(list)
        for run_id, *point in connection.execute(
            "SELECT run_uuid, key, step, value, timestamp FROM metrics WHERE is_nan = 0"
        ):
            metrics[run_id].append(tuple(point))
    runs: dict[str, RunRows] = {}
    parents = 0
    for run_id, run in by_id.items():
        run.metrics = sorted(metrics[run_id])
        if "mlflow.parentRunId" in run.tags:
            assert run.tags["mlflow.parentRunId"] in by_id, "a child without its parent"
            run.tags["mlflow.parentRunId"] = "parent"
            key = run.tags["rankfall.trial_key"]
        else:
            key, parents = f"parent {parents}", parents + 1
        assert key not in runs, f"two runs of {key}"
        runs[key] = run
    return runs
