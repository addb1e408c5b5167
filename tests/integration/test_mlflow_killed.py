"""MLflow's real server killed while a real sweep writes to it: nothing is lost, nothing doubled.

``RANKFALL_TEST_OUTAGE_SECONDS=60`` leaves it dead for a minute.
"""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from orchestrator.ledger import Ledger
from orchestrator.mlflow_server import run_server
from orchestrator.mlflow_store import locate_store
from orchestrator.record import TrialState
from tests.integration.clusters import free_ports
from tests.runs import PARENT, RANKFALL, run, started, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"),
]

TRIALS = 14
STUDY = f"""\
study: steady
question: boundary
data: {{source: digits}}
model: {{encoder: mlp, hidden: [16], embed_dim: 8, norm: layer}}
train: {{batch_size: 64, steps: 20000}}
objective: {{kind: infonce, temperature: 0.1}}
lr: {{low: 1.0e-2, high: 100, log: true}}
seeds: 1
collapse: {{below: 2.0, every_steps: 200, settle_checks: 0}}
budget: {{trials: {TRIALS}, band_decades: 0.001}}
"""
OUTAGE_SECONDS = float(os.environ.get("RANKFALL_TEST_OUTAGE_SECONDS", "0"))


def test_a_server_killed_during_a_sweep_and_started_again_has_every_trial_once(
    tmp_path: Path,
) -> None:
    (tmp_path / "steady.yaml").write_text(STUDY)
    store = locate_store(tmp_path / "server", {})
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    command = [str(RANKFALL), "run", "steady.yaml", "--results", "maps", "--workers", "1"]
    with started(tmp_path, command, {"MLFLOW_TRACKING_URI": address}) as sweep:
        with run_server(store, port=port) as server:
            wait_until(lambda: count_trials(address) > 0, "a trial in MLflow", sweep, 1.0)
            os.killpg(server.pid, signal.SIGKILL)
        known = finished(tmp_path)
        wait_until(lambda: finished(tmp_path) > known, "a trial without MLflow", sweep)
        time.sleep(OUTAGE_SECONDS)
        with run_server(store, port=port):
            assert sweep.poll() is None, "ended too early to show anything"
            assert finished(tmp_path) < TRIALS
            assert sweep.wait(timeout=900) == 0, said(tmp_path)
            assert_every_trial_once(address, tmp_path)
            assert "the last sync succeeded, so nothing is missing" in said(tmp_path)
            again = rebuild(tmp_path, address)
    assert again["report"]["written"] == again["removed"] == 0
    assert again["report"]["unchanged"] == TRIALS
    assert again["status"] == "FINISHED"


def count_trials(address: str) -> int:
    client = MlflowClient(address)
    try:
        experiment = client.get_experiment_by_name("rankfall/steady")
    except MlflowException:
        return 0
    if experiment is None:
        return 0
    return len(client.search_runs([experiment.experiment_id], "tags.`rankfall.role` = 'trial'"))


def finished(folder: Path) -> int:
    ledger = Ledger.load(folder / "maps" / "steady" / "ledger.journal")
    return sum(record.state is TrialState.FINISHED for record in ledger.records())


def said(folder: Path) -> str:
    return " ".join((folder / "output.txt").read_text().split())


def rebuild(folder: Path, address: str) -> dict[str, Any]:
    result: subprocess.CompletedProcess[str] = run(
        folder,
        [str(RANKFALL), "track", "rebuild", "steady", "--results", "maps", "--json"],
        {"MLFLOW_TRACKING_URI": address},
    )
    assert result.returncode == 0, result.stderr
    return dict(json.loads(result.stdout))


def assert_every_trial_once(address: str, folder: Path) -> None:
    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("rankfall/steady")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    statuses = Counter((run.info.status, PARENT in run.data.tags) for run in runs)
    assert statuses == {("FINISHED", False): 1, ("FINISHED", True): TRIALS}
    keys = {run.data.tags.get("rankfall.trial_key") for run in runs} - {None}
    ledger = Ledger.load(folder / "maps" / "steady" / "ledger.journal")
    assert keys == {record.key for record in ledger.records()}
    parent = next(run for run in runs if PARENT not in run.data.tags)
    assert parent.data.metrics["trials/told"] == TRIALS
    assert "system/cpu_utilization_percentage" in parent.data.metrics
    assert parent.inputs is not None
    assert parent.inputs.dataset_inputs[0].dataset.name == "digits"
