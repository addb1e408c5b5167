"""The doctor: each check well and ill, and how the command ends."""

import json
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import ray
from typer.testing import CliRunner, Result

from orchestrator.cli import app
from orchestrator.doctor.finding import Finding, Health, worst
from orchestrator.doctor.machine import (
    check_disk,
    check_port,
    check_processors,
    check_shared_memory,
)
from orchestrator.doctor.services import check_cluster, check_data, check_mlflow, check_store
from orchestrator.doctor.versions import check_packages, check_python
from tests.orchestrator.dashboard import Dashboard
from tests.orchestrator.http_servers import Answer, serving
from tests.orchestrator.schedule.cases import World, make_schedule, store_url

NODES = "GET /api/v0/nodes?detail=true&limit=10000"
Doctor = Callable[..., Result]


def nodes(*nodes: dict[str, object]) -> Answer:
    content = {"result": True, "data": {"result": {"result": list(nodes)}}}
    return 200, json.dumps(content)


def node(state: str = "ALIVE", **resources: float) -> dict[str, object]:
    return {"state": state, "resources_total": {"memory": 1e9, **resources}}


def test_an_old_python_fails_and_this_one_does_not() -> None:
    assert check_python().health is Health.OK
    assert check_python((3, 10)).health is Health.FAIL


def test_the_installed_packages_are_those_declared() -> None:
    findings = check_packages()
    told = {finding.check: finding for finding in findings}
    assert {"ray", "torch", "optuna", "mlflow"} <= told.keys()
    assert told["ray"].found == ray.__version__
    assert {f.check for f in findings if f.health is not Health.OK} == set()


def test_another_version_and_a_missing_package_fail_with_what_to_install() -> None:
    def installed(name: str) -> str:
        if name == "absent":
            raise PackageNotFoundError(name)
        return {"ray": "2.59.0", "torch": "2.13.0+cpu"}[name]

    declared = ["ray[default]==2.60.0", "torch>=2.13", "absent>=1", "dev-tool; extra == 'dev'"]
    findings = check_packages(declared, installed)
    assert [(f.check, f.health) for f in findings] == [
        ("ray", Health.FAIL),
        ("torch", Health.OK),
        ("absent", Health.FAIL),
    ]
    assert findings[0].found == "2.59.0, expected ==2.60.0"
    assert findings[2].mend == "pip install 'absent>=1', or make setup"


def test_results_that_can_be_written_leave_no_trace(tmp_path: Path) -> None:
    assert check_disk(tmp_path / "new" / "maps").health is not Health.FAIL
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    assert check_disk(tmp_path / "file").health is Health.FAIL


@pytest.mark.parametrize(
    ("gib", "disk", "shared"),
    [(100, Health.OK, Health.OK), (3, Health.WARN, Health.OK), (0.1, Health.FAIL, Health.WARN)],
)
def test_little_room_is_told(
    gib: float, disk: Health, shared: Health, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A full disk is not to be had.
    usage = type("Usage", (), {"free": int(gib * 2**30)})
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
    assert check_disk(tmp_path).health is disk
    assert check_shared_memory(tmp_path).health is shared
    assert check_shared_memory(tmp_path / "absent").health is Health.OK


def test_a_taken_port_is_a_warning_with_the_option_that_helps() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        finding = check_port("MLflow", port, "--mlflow-port")
    assert finding.health is Health.WARN
    assert "--mlflow-port" in str(finding.mend)
    assert check_port("MLflow", port, "--mlflow-port").health is Health.OK


def test_processors_are_counted() -> None:
    assert "CPUs" in check_processors().found


@pytest.mark.parametrize(
    ("answer", "health", "words"),
    [
        pytest.param(nodes(node(CPU=4.0), node(CPU=8.0, GPU=1.0)), Health.OK, "12 CPUs, 1 GPUs"),
        pytest.param(nodes(node(CPU=4.0), node("DEAD", CPU=8.0)), Health.OK, "4 CPUs, 0 GPUs"),
        pytest.param(nodes(node()), Health.FAIL, "0 CPUs"),
        pytest.param((500, "no"), Health.FAIL, "out of order"),
        pytest.param((200, "{}"), Health.FAIL, "does not answer as a Ray dashboard"),
    ],
    ids=["two-nodes", "a-dead-node", "no-cpus", "broken", "strange"],
)
def test_a_cluster_is_asked_what_it_offers(answer: Answer, health: Health, words: str) -> None:
    with serving({**Dashboard().answers(), NODES: answer}) as server:
        (finding,) = check_cluster(server.url)
    assert finding.health is health
    assert words in finding.found


def test_a_cluster_that_is_away_or_wants_a_token_fails() -> None:
    with serving({"GET /api/version": (401, "no")}) as server:
        (locked,) = check_cluster(server.url)
    (away,) = check_cluster(server.url)
    assert (locked.health, away.health) == (Health.FAIL, Health.FAIL)
    assert locked.mend == "give the token of this cluster"
    assert check_cluster(None)[0].health is Health.OK


def test_mlflow_is_asked_or_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert "none yet" in check_mlflow(tmp_path).found
    sqlite3.connect(tmp_path / "mlflow.db").close()
    assert check_mlflow(tmp_path).health is Health.OK
    with serving({"GET /health": (200, "OK")}) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        assert check_mlflow(tmp_path).health is Health.OK
    away = check_mlflow(tmp_path)
    assert (away.health, away.found) == (Health.FAIL, f"nobody answers at {server.url}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:hunter2@127.0.0.1:1/x")
    refused = check_mlflow(tmp_path)
    assert refused.health is Health.FAIL
    assert "hunter2" not in refused.found + str(refused.mend)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "file:///x")
    assert "no file store" in check_mlflow(tmp_path).found


def test_the_store_of_schedules_is_opened_and_none_is_made(tmp_path: Path) -> None:
    url = store_url(tmp_path)
    assert "none yet" in check_store(url).found
    assert not list(tmp_path.iterdir())
    world = World.on(url)
    world.add(make_schedule())
    assert check_store(url).found.startswith("1 in ")
    world.engine.dispose()
    (tmp_path / "scheduler.db").write_text("nonsense" * 100)
    assert check_store(url).health is Health.FAIL
    assert check_store("mysql://u:pw@h/x").health is Health.FAIL


def test_data_that_is_here_is_named_and_what_is_broken_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "cifar10" / "cifar-10-batches-bin").mkdir(parents=True)
    first, *others = check_data(tmp_path)
    assert "digits" in first.found
    assert "rankfall data list" in str(first.mend)
    assert all(finding.health is Health.WARN for finding in others)


def test_the_worst_of_all_counts() -> None:
    well, ill = Finding("a", Health.OK, ""), Finding("b", Health.WARN, "")
    assert worst([]) is Health.OK
    assert worst([ill, well]) is Health.WARN
    assert worst([well, Finding("c", Health.FAIL, ""), ill]) is Health.FAIL


@pytest.mark.parametrize(("results", "code"), [("maps", 0), ("file", 1)])
def test_the_command_ends_with_1_only_if_something_will_not_work(
    results: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "MLFLOW_TRACKING_URI", "RANKFALL_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "file").write_text("")
    words = ["doctor", "--results", results, "--store", store_url(tmp_path)]
    shown, told = (CliRunner().invoke(app, [*words, *more]) for more in ([], ["--json"]))
    assert (shown.exit_code, told.exit_code) == (code, code), shown.output
    rows = {row["check"]: row["health"] for row in json.loads(told.stdout)}
    assert rows["disk"] == ("fail" if code else rows["disk"])
    assert {"python", "ray", "torch", "optuna", "mlflow", "cluster", "schedules"} <= rows.keys()
    assert all(check in shown.stdout for check in rows)
