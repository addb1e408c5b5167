"""The service's refusals and its token, without Ray."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import app
from orchestrator.errors import ServeError
from orchestrator.serve.ray_head import HeadPlan, require_free
from orchestrator.serve.service import require_host
from orchestrator.serve.token import prepare_token
from tests.orchestrator.dashboard import Dashboard
from tests.orchestrator.http_servers import Reply, serving
from tests.orchestrator.schedule.cases import store_url
from tests.orchestrator.test_cli import refusal
from tests.runs import wait_until

Serve = Callable[..., Result]
VARIABLES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RANKFALL_STORE", store_url(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in (*VARIABLES, "RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, ["serve", *words])

    return invoke


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.com"])
def test_other_hosts_than_loopback_need_a_token_of_the_users(host: str, serve: Serve) -> None:
    said = refusal(serve("--host", host))
    assert f"--host {host} is not loopback" in said
    assert "RAY_AUTH_TOKEN" in said


@pytest.mark.parametrize("name", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"])
def test_with_a_token_any_host_may_be_served(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    require_host("192.0.2.7")
    with pytest.raises(ServeError, match="own address in the network"):
        require_host("0.0.0.0")


def test_authentication_cannot_be_switched_off(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert "unset RAY_AUTH_MODE" in refusal(serve("--no-mlflow"))


def test_a_port_that_is_taken_is_named(serve: Serve) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        said = refusal(serve("--no-mlflow", "--dashboard-port", str(port)))
    assert f"port {port} on 127.0.0.1 cannot be used" in said


def test_a_store_that_cannot_be_used_is_refused_before_anything_starts(serve: Serve) -> None:
    assert "no database URL" in refusal(serve("--store", "nonsense"))


def test_a_host_that_is_not_ours_cannot_be_listened_on() -> None:
    with pytest.raises(ServeError, match=r"port 1 on 192\.0\.2\.1 cannot be used"):
        require_free("192.0.2.1", 1)
    assert HeadPlan("127.0.0.1", 1, 2, None).dashboard == "http://127.0.0.1:2"


def test_a_token_is_made_once_for_the_users_eyes_only(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first = prepare_token(folder, {})
    token = Path(first["RAY_AUTH_TOKEN_PATH"])
    text = token.read_text()
    assert first == prepare_token(folder, {})
    assert token.read_text() == text
    assert len(text) >= 64
    assert token.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"])
def test_the_users_token_is_taken(name: str, tmp_path: Path) -> None:
    chosen = prepare_token(tmp_path, {name: "mine"})
    assert chosen == {"RAY_AUTH_MODE": "token", name: "mine"}
    assert not list(tmp_path.iterdir())


def test_a_token_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServeError, match="cannot be written"):
        prepare_token(tmp_path / "file", {})


def test_a_scheduler_beside_a_cluster_submits_and_ends_with_sigterm(tmp_path: Path) -> None:
    dashboard = Dashboard()
    ok: Reply = (200, '{"ok": true}')
    with serving(dashboard.answers(), otherwise=ok) as server:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "RAY_ADDRESS": server.url,
            "RANKFALL_STORE": store_url(tmp_path),
            "PYTHONPATH": ":".join(sys.path),
        }
        rankfall = [sys.executable, "-m", "orchestrator"]
        add = ("schedule", "add", "demo", "--at", "now", "--results", str(tmp_path / "maps"))
        subprocess.run([*rankfall, *add], env=environment, check=True, capture_output=True)
        with (tmp_path / "said.txt").open("w+") as said:
            service = subprocess.Popen(
                [*rankfall, "serve", "--no-mlflow"],
                env=environment,
                stdout=said,
                stderr=said,
                text=True,
            )
            try:
                wait_until(lambda: bool(dashboard.taken), "the study", service)
            finally:
                service.send_signal(signal.SIGTERM)
                code = service.wait(60)
        assert code == 0, (tmp_path / "said.txt").read_text()
    (job,) = dashboard.taken
    assert job["submission_id"].startswith("demo-demo-20")
