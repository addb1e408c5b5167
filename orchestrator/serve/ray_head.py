"""A Ray head of the service's own: token on, its ports chosen, ended with the service."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.errors import ServeError
from orchestrator.serve.leash import STOP_SECONDS

START_SECONDS = 180.0
_STARTED = b"Ray runtime started"
# Ray's own choices for these clash with a second Ray on the machine.
_CHOSEN_PORTS = (
    "--ray-client-server-port",
    "--dashboard-agent-listen-port",
    "--dashboard-agent-grpc-port",
    "--metrics-export-port",
    "--node-manager-port",
    "--object-manager-port",
)


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """Where a head shall listen, and what it offers; ``cpus`` None: all of the machine."""

    host: str
    port: int
    dashboard_port: int
    cpus: int | None

    @property
    def dashboard(self) -> str:
        """Its address for Ray Jobs."""
        return f"http://{self.host}:{self.dashboard_port}"


@contextmanager
def running_head(
    plan: HeadPlan, authentication: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a head inside the block.

    Raises:
        ServeError: If a port is taken, or Ray does not start.
    """
    for port in (plan.port, plan.dashboard_port):
        require_free(plan.host, port)
    # Ray's sockets lie below its folder: the path must be short.
    folder = Path(tempfile.mkdtemp(prefix="rf"))
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            _command(plan, folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", **authentication},
            start_new_session=True,
        )
        try:
            _wait_until_started(process, output)
            yield process
        finally:
            _end(process)
            shutil.rmtree(folder, ignore_errors=True)


def require_free(host: str, port: int) -> None:
    """Check that a port can be listened on.

    Raises:
        ServeError: If somebody listens there, or the host is none of this machine's.
    """
    try:
        socket.create_server((host, port)).close()
    except (OSError, OverflowError) as error:
        raise ServeError(
            f"port {port} on {host} cannot be used ({error}): is the service "
            "or another Ray running already? Choose other ports, see --help"
        ) from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a head: on SIGTERM it ends all that it started, if it is given the time."""
    try:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    finally:  # also when a second Ctrl-C ends the wait
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _command(plan: HeadPlan, folder: Path) -> list[str]:
    ports = zip(_CHOSEN_PORTS, _free_ports(plan.host, len(_CHOSEN_PORTS)), strict=True)
    return [
        *(str(Path(sys.executable).parent / "ray"), "start", "--head", "--block"),
        *(f"--node-ip-address={plan.host}", f"--port={plan.port}", f"--temp-dir={folder}"),
        *(f"--dashboard-host={plan.host}", f"--dashboard-port={plan.dashboard_port}"),
        *([] if plan.cpus is None else [f"--num-cpus={plan.cpus}"]),
        *(f"{option}={port}" for option, port in ports),
        "--disable-usage-stats",
    ]


def _free_ports(host: str, count: int) -> tuple[int, ...]:
    with ExitStack() as stack:
        probes = [
            stack.enter_context(closing(socket.create_server((host, 0)))) for _ in range(count)
        ]
        return tuple(int(probe.getsockname()[1]) for probe in probes)


def _wait_until_started(process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        output.seek(0)
        said = output.read()
        if _STARTED in said:
            return
        if process.poll() is not None or time.monotonic() > deadline:
            lines = said.decode(errors="replace").strip().splitlines()
            words = " | ".join(line.strip() for line in lines[-3:]) or "nothing"
            raise ServeError(f"Ray's head did not start; it said: {words}")
        time.sleep(0.2)
