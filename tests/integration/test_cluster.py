"""A sweep on a cluster that is there already: ``RAY_ADDRESS`` with token authentication."""

import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ReferenceRun
from tests.runs import Place, is_listening, started, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Cluster:
    """A running head: where it is, how to get in."""

    address: str
    authentication: dict[str, str]


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, all different."""
    with ExitStack() as stack:
        probes = [
            stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
            for _ in range(count)
        ]
        return [int(probe.getsockname()[1]) for probe in probes]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A head of our own with two CPUs; ended by its process, never by ``ray stop``."""
    folder = tmp_path_factory.mktemp("cluster")
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    authentication = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    port, client, dashboard, agent, metrics = free_ports(5)
    # Ray's sockets lie below its folder: the path must be short.
    with tempfile.TemporaryDirectory(prefix="rf", ignore_cleanup_errors=True) as sockets:
        command = [
            str(Path(sys.executable).parent / "ray"),
            *("start", "--head", "--block", "--num-cpus=2", "--disable-usage-stats"),
            *(f"--port={port}", f"--ray-client-server-port={client}"),
            *(f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}"),
            *(f"--metrics-export-port={metrics}", "--min-worker-port=23000"),
            *("--max-worker-port=24000", "--node-ip-address=127.0.0.1", f"--temp-dir={sockets}"),
        ]
        with started(folder, command, authentication) as process:
            said = folder / "output.txt"
            wait_until(lambda: "Ray runtime started" in said.read_text(), "Ray's head", process)
            assert is_listening(port), said.read_text()
            yield Cluster(f"127.0.0.1:{port}", authentication)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.write_study()
    return place


def test_a_cluster_gives_the_outcomes_of_this_machine_and_is_left_running(
    cluster: Cluster, place: Place, reference_run: ReferenceRun
) -> None:
    result = place.run(RAY_ADDRESS=cluster.address, **cluster.authentication)
    assert result.returncode == 0, result.stderr
    assert place.outcomes() == reference_run.place.outcomes()
    assert place.collapse_map() == reference_run.place.collapse_map()
    assert is_listening(int(cluster.address.rpartition(":")[2]))


def test_a_wrong_token_is_refused_in_one_line_without_a_trace(
    cluster: Cluster, place: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    token = tmp_path_factory.mktemp("stranger") / "token"
    token.write_text(secrets.token_hex(32))
    result = place.run(
        RAY_ADDRESS=cluster.address, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(token)
    )
    assert result.returncode == 2, result.stderr
    assert "check the address and the token" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert [path.name for path in place.path.iterdir()] == ["small.yaml"]
