"""Ray heads of the tests' own: token on, ports of their own, ended by their process."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.runs import Family, started, wait_until

_PORTS = (
    "--port",
    "--ray-client-server-port",
    "--dashboard-port",
    "--dashboard-agent-listen-port",
    "--metrics-export-port",
)


@dataclass(frozen=True)
class HeadPlace:
    """Where a head runs whenever it runs: its ports, its token, its folder."""

    folder: Path
    ports: tuple[int, ...]
    cpus: int
    lowest_worker_port: int

    @property
    def address(self) -> str:
        """The head's own address, as ``ray.init`` takes it."""
        return f"127.0.0.1:{self.ports[0]}"

    @property
    def dashboard(self) -> str:
        """The dashboard's address, as Ray Jobs takes it."""
        return f"http://127.0.0.1:{self.ports[2]}"

    @property
    def authentication(self) -> dict[str, str]:
        """What lets a client in."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.folder / "token")}


def prepare_head(folder: Path, *, cpus: int, lowest_worker_port: int) -> HeadPlace:
    """Choose ports that nobody listens on, and a token."""
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    return HeadPlace(folder, free_ports(len(_PORTS)), cpus, lowest_worker_port)


@contextmanager
def running_head(place: HeadPlace) -> Iterator[subprocess.Popen[str]]:
    """Run a head until the end of the context; never ``ray stop``, which ends everybody's."""
    # Ray's sockets lie below its folder: the path must be short.
    with (
        tempfile.TemporaryDirectory(prefix="rf", ignore_cleanup_errors=True) as sockets,
        started(place.folder, _command(place, sockets), place.authentication) as process,
    ):
        said = place.folder / "output.txt"
        wait_until(lambda: "Ray runtime started" in said.read_text(), "Ray's head", process)
        yield process


def kill_head(process: subprocess.Popen[str]) -> None:
    """Kill a head as a power cut would, and wait for the end of all that it had started."""
    family = Family(process.pid)
    family.look()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not family.look(), "the end of the head's processes")


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports that nobody listens on, all different."""
    with ExitStack() as stack:
        probes = [
            stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
            for _ in range(count)
        ]
        return tuple(int(probe.getsockname()[1]) for probe in probes)


def _command(place: HeadPlace, sockets: str) -> list[str]:
    ports = [f"{option}={port}" for option, port in zip(_PORTS, place.ports, strict=True)]
    return [
        str(Path(sys.executable).parent / "ray"),
        *("start", "--head", "--block", f"--num-cpus={place.cpus}", "--disable-usage-stats"),
        *ports,
        f"--min-worker-port={place.lowest_worker_port}",
        f"--max-worker-port={place.lowest_worker_port + 900}",
        *("--node-ip-address=127.0.0.1", f"--temp-dir={sockets}"),
    ]
