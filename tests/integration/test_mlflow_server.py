"""MLflow's real server: what is synced is served, through it too, and nothing is left behind."""

import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest

from orchestrator.errors import TrackingError, TrackingServerError
from orchestrator.mlflow_overview import StudyStatus
from orchestrator.mlflow_server import serve_ui
from orchestrator.mlflow_store import Store, locate_store
from orchestrator.tracking import Tracker
from tests.orchestrator.report.builder import PROVENANCE, make_records, make_study

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")

ROOT = Path(__file__).parents[2]
SERVE = """
import sys
from pathlib import Path
from orchestrator.mlflow_server import serve_ui
from orchestrator.mlflow_store import locate_store
store = locate_store(Path(sys.argv[1]), {})
serve_ui(store, lambda text: print(text, flush=True), port=int(sys.argv[2]))
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody who listens on a loopback port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


def fetch(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return str(answer.read().decode())


@pytest.mark.slow
def test_the_server_shows_local_studies_takes_syncs_and_leaves_no_process(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    local, remote = make_study(name="local"), make_study(name="remote")
    records = make_records(local)[:4]
    store = locate_store(tmp_path, {})
    shown = Tracker(store.uri, store.artifact_root).sync(local, records, PROVENANCE)
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path), str(port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        try:
            assert command.stdout is not None
            address = command.stdout.readline().strip()
            assert address == f"http://127.0.0.1:{port}"
            family = psutil.Process(command.pid).children(recursive=True)
            assert family

            page = f"{address}/get-artifact?path=study.yaml&run_uuid={shown.run_id}"
            assert fetch(page) == local.source_text
            check_sync_over_http(address, tmp_path, Tracker(address, None), remote.name)
            assert capfd.readouterr() == ("", "")  # MLflow likes to print addresses of runs
        finally:
            command.send_signal(signal.SIGTERM)
        assert command.wait(60) == 0
    gone, alive = psutil.wait_procs(family, timeout=30)
    assert not alive, alive
    assert len(gone) == len(family)
    with pytest.raises(TrackingError, match=f"MLflow at {address} could not be written"):
        Tracker(address, None).sync(remote, make_records(remote)[:1], PROVENANCE)


def check_sync_over_http(address: str, folder: Path, tracker: Tracker, name: str) -> None:
    """Sync through the server, twice, and read back what a user would."""
    from mlflow import MlflowClient  # noqa: PLC0415

    study = make_study(name=name)
    records = make_records(study)[:5]
    figure = folder / "map.png"
    figure.write_bytes(b"\x89PNG")
    tracker.sync(study, records[:2], PROVENANCE)
    report = tracker.sync(study, records, PROVENANCE, [figure], StudyStatus.FINISHED)
    again = Tracker(address, None).sync(study, records, PROVENANCE, status=StudyStatus.FINISHED)
    client = MlflowClient(address)
    query = f"tags.`mlflow.parentRunId` = '{report.run_id}' and metrics.lr < 5"
    children = client.search_runs([report.experiment_id], query)
    parent = client.get_run(report.run_id)

    assert (report.written, again.written, again.unchanged) == (3, 0, 5)
    assert report.url == f"{address}/#/experiments/{report.experiment_id}/runs/{report.run_id}"
    assert {run.data.tags["rankfall.trial_key"] for run in children} == {r.key for r in records}
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["trials/told"] == 5
    assert {file.path for file in client.list_artifacts(report.run_id)} == {"map.png", "study.yaml"}
    history = client.get_metric_history(children[0].info.run_id, "train/loss")
    assert [point.step for point in history] == [0, *range(25, 301, 25)]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "example.org"])
def test_a_host_that_others_can_reach_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(TrackingServerError, match=r"is not loopback.*use 127\.0\.0\.1"):
        serve_ui(locate_store(tmp_path, {}), print, host=host)
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_refused_before_anything_starts(
    tmp_path: Path, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(TrackingServerError, match=rf"port {port} .*in use.*--port"):
        serve_ui(locate_store(tmp_path, {}), print, port=port)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_a_server_is_only_announced() -> None:
    said: list[str] = []
    serve_ui(Store("https://someone:secret@mlflow.example:8443/lab", None), said.append)
    assert said == ["https://***@mlflow.example:8443/lab"]
