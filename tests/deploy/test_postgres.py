"""The lab's MLflow on a real PostgreSQL server, in the database that also keeps the schedules."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.schedule.tables import open_engine
from tests.deploy.files import DEPLOY
from tests.orchestrator.schedule.postgres import find_postgres, running_postgres

PROGRAMS = find_postgres()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAMS is None, reason="needs PostgreSQL: apt install postgresql"),
]
START_SECONDS = 500


def test_mlflow_as_compose_starts_it_keeps_runs_beside_the_schedules(tmp_path: Path) -> None:
    assert PROGRAMS is not None
    with running_postgres(PROGRAMS) as url:
        open_engine(url).dispose()
        with running_mlflow(url, tmp_path) as address:
            experiment = ask(address, "experiments/create", {"name": "maps"})["experiment_id"]
            run = ask(address, "runs/create", {"experiment_id": experiment})["run"]["info"][
                "run_id"
            ]
            metric = {"run_id": run, "key": "rank", "value": 2.5, "timestamp": 1, "step": 3}
            ask(address, "runs/log-metric", metric)
            found = ask(address, "runs/search", {"experiment_ids": [experiment]})["runs"]
            assert [r["data"]["metrics"][0]["value"] for r in found] == [2.5]
            # Its clients in other containers call it mlflow:5000; a page that rebinds DNS does not.
            assert ask(address, "runs/search", {"experiment_ids": [experiment]}, "mlflow:5000")
            with pytest.raises(urllib.error.HTTPError, match="403"):
                ask(address, "runs/search", {"experiment_ids": [experiment]}, "evil.example")
        open_engine(url).dispose()  # MLflow's tables are not taken for another version's of ours


@contextmanager
def running_mlflow(url: str, folder: Path) -> Iterator[str]:
    """Run the server with the options of ``deploy/compose.yaml``, but where and on which port."""
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["mlflow"]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    here = {"--host": "127.0.0.1", "--port": str(port), "--artifacts-destination": folder.as_uri()}
    options = dict(word.split("=", 1) for word in service["command"][2:]) | here
    command = [sys.executable, "-m", "mlflow", "server"]
    process = subprocess.Popen(
        [*command, *(f"{name}={value}" for name, value in options.items())],
        env={**os.environ, **service["environment"], "MLFLOW_BACKEND_STORE_URI": url},
        start_new_session=True,
    )
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def wait_until_healthy(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server did not answer"
            time.sleep(0.5)


def ask(address: str, method: str, content: dict[str, Any], host: str | None = None) -> Any:
    """Call MLflow's REST interface."""
    request = urllib.request.Request(
        f"{address}/api/2.0/mlflow/{method}",
        data=json.dumps(content).encode(),
        headers={"Content-Type": "application/json", **({"Host": host} if host else {})},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
