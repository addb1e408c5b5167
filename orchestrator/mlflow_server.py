"""Runs MLflow's own server for ``rankfall ui``: loopback only, gone when the command ends."""

import ipaddress
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO

from orchestrator.errors import TrackingServerError
from orchestrator.mlflow_runs import ENVIRONMENT, prepare_database
from orchestrator.mlflow_store import Store, hold_store

START_SECONDS = 180.0
STOP_SECONDS = 10.0
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def serve_ui(
    store: Store,
    announce: Callable[[str], None],
    host: str = "127.0.0.1",
    port: int = 5000,
) -> None:
    """Serve a store until Ctrl-C, SIGTERM or SIGHUP; call from the main thread.

    Args:
        announce: Called once with the address when it answers. A store that is a server
            already is announced, and that is all.

    Raises:
        TrackingServerError: If the host is not loopback, the port is taken, or MLflow's server
            does not start.
    """
    if store.is_server:
        announce(store.redacted)
        return
    with (
        _interrupted_by(ENDING_SIGNALS),
        suppress(KeyboardInterrupt),
        run_server(store, host, port) as server,
    ):
        announce(server.address)
        server.wait()


class Server:
    """A running MLflow server and the file that takes its output."""

    def __init__(self, address: str, process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
        self.address = address
        self._process = process
        self._output = output

    @property
    def pid(self) -> int:
        """The server's process, which leads a process group of its own."""
        return self._process.pid

    def wait(self) -> None:
        """Wait until the server ends.

        Raises:
            TrackingServerError: If it does so by itself.
        """
        self._process.wait()
        raise self._describe_end()

    def wait_until_healthy(self, timeout_seconds: float = START_SECONDS) -> None:
        """Wait until the server answers.

        Raises:
            TrackingServerError: If it ends or does not answer in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while not _is_healthy(self.address):
            if self._process.poll() is not None:
                raise self._describe_end()
            if time.monotonic() > deadline:
                raise TrackingServerError(
                    f"MLflow's server did not answer at {self.address} within "
                    f"{timeout_seconds:g} s; it said: {self._last_words()}"
                )
            time.sleep(0.2)

    def stop(self) -> None:
        """End the server's whole process group: asked first, then killed."""
        try:
            self._signal_group(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        finally:  # also when a second Ctrl-C ends the wait
            self._signal_group(signal.SIGKILL)
            self._process.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _describe_end(self) -> TrackingServerError:
        return TrackingServerError(
            f"MLflow's server at {self.address} ended with code {self._process.returncode}; "
            f"it said: {self._last_words()}"
        )

    def _last_words(self) -> str:
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "nothing"


@contextmanager
def run_server(store: Store, host: str = "127.0.0.1", port: int = 5000) -> Iterator[Server]:
    """Run MLflow's server on a database store; it answers inside the block, and ends with it.

    Raises:
        TrackingServerError: As :func:`serve_ui`.
    """
    check_address(host, port)
    with hold_store(store):
        prepare_database(store)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            _command(store, host, port),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(store),
            start_new_session=True,
        )
        shown = f"[{host}]" if ":" in host else host
        server = Server(f"http://{shown}:{port}", process, output)
        try:
            server.wait_until_healthy()
            yield server
        finally:
            server.stop()


def check_address(host: str, port: int) -> None:
    """Refuse an address that others can reach, or that somebody listens on.

    Raises:
        TrackingServerError: With what to do instead.
    """
    if not is_loopback(host):
        raise TrackingServerError(
            f"host {host!r} is not loopback, and MLflow's UI has no password: use 127.0.0.1, and "
            "from another machine a tunnel such as `ssh -L 5000:127.0.0.1:5000 THIS_MACHINE`"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise TrackingServerError(
                f"port {port} on {host} cannot be used ({error.strerror}): choose another one "
                "with --port"
            ) from error


def _command(store: Store, host: str, port: int) -> list[str]:
    root = store.artifact_root or Path("mlartifacts")
    # One worker: every worker takes seconds and 300 MB to start, and there is one reader.
    options = {
        "--artifacts-destination": root.absolute().as_uri(),
        "--host": host,
        "--port": str(port),
        "--workers": "1",
    }
    flags = [part for option in options.items() for part in option]
    return [sys.executable, "-m", "mlflow", "server", *flags]


def _environment(store: Store) -> dict[str, str]:
    # The job runner serves generative-AI jobs: several processes that a study has no use for.
    quiet = {**ENVIRONMENT, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    # The store goes by the environment because its URL may hold a password, and a command line
    # is everybody's to read.
    store_uri = {"MLFLOW_BACKEND_STORE_URI": store.uri, "MLFLOW_TRACKING_URI": store.uri}
    return {**quiet, **os.environ, **store_uri}


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_healthy(address: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{address}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def _interrupted_by(signals: tuple[signal.Signals, ...]) -> Iterator[None]:
    """Let the signals do what Ctrl-C does, so that the server is ended with us."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
