"""The real command line as a process: how the integration and chaos tests run a tiny study."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]
from mlflow import MlflowClient
from mlflow.entities import Run

from orchestrator.ledger import Ledger
from orchestrator.record import TrialRecord
from tests.orchestrator.fabricated import without_seconds
from trainer.cohort import Outcome

RANKFALL = Path(sys.executable).parent / "rankfall"
STUDY = """\
study: small
question: boundary
data: {source: digits}
model: {encoder: mlp, hidden: [32], embed_dim: 16, norm: layer}
train: {batch_size: 64, steps: 120}
objective: {kind: [infonce, supcon], temperature: 0.1}
lr: {low: 1.0e-2, high: 100, log: true}
seeds: 2
collapse: {below: 2.0, every_steps: 20}
budget: {trials: 40, band_decades: 0.2}
"""
PARENT = "mlflow.parentRunId"
RUN_SECONDS = 500.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Place:
    """An empty folder outside the checkout with a user's own study file in it."""

    path: Path

    @property
    def study_folder(self) -> Path:
        """Where the study's results lie."""
        return self.path / "my results" / "small"

    def write_study(self) -> None:
        """Put the study file there."""
        (self.path / "small.yaml").write_text(STUDY)

    def command(self, *options: str) -> list[str]:
        """Return the command that runs the study there."""
        return [str(RANKFALL), "run", "small.yaml", "--results", "my results", *options]

    def run(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the study to its end."""
        return run(self.path, self.command(*options), environment)

    def records(self) -> list[TrialRecord]:
        """Read the ledger."""
        return Ledger.load(self.study_folder / "ledger.journal").records()

    def outcomes(self) -> list[Outcome]:
        """Return what was found, by trial, without what a clock said."""
        return without_seconds([r.outcome for r in self.records() if r.outcome is not None])

    def collapse_map(self) -> bytes:
        """Return the study's answer as written."""
        return (self.study_folder / "report" / "collapse_map.json").read_bytes()

    def mlflow_runs(self) -> list[Run]:
        """Return the study's runs in MLflow: the parents first."""
        client = MlflowClient(f"sqlite:///{self.path / 'my results' / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("rankfall/small")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id], max_results=1000)
        return sorted(runs, key=lambda run: run.data.tags.get(PARENT, ""))

    def has_outcomes(self) -> bool:
        """Return whether any outcome is on disk, in the outbox or in the ledger."""
        if any((self.study_folder / "outbox").glob("*.json")):
            return True
        ledger = self.study_folder / "ledger.journal"
        return ledger.exists() and b'"outcome"' in ledger.read_bytes()


def run(
    folder: Path, command: list[str], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    return subprocess.run(
        command,
        cwd=folder,
        env=make_environment(environment or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_SECONDS,
    )


@contextmanager
def started(
    folder: Path, command: list[str], environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start a command as the leader of a process group of its own; end what is left of it."""
    with (folder / "output.txt").open("w+") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=make_environment(environment or {}),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        family = Family(process.pid)
        try:
            yield process
        finally:
            family.end()
            process.wait()


class Family:
    """A process of ours and all that it started, wherever those were adopted to meanwhile."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._seen: dict[int, psutil.Process] = {pid: self._root}

    def look(self) -> list[psutil.Process]:
        """Note the living descendants and return every member that is alive."""
        for member in list(self._seen.values()):
            try:
                children = member.children(recursive=True)
            except psutil.NoSuchProcess:
                continue
            self._seen |= {child.pid: child for child in children}
        return [p for p in self._seen.values() if is_alive(p)]

    def end(self) -> None:
        """Kill every member that is alive."""
        for member in self.look():
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def make_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without settings of the test's own Ray or MLflow."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RAY_", "MLFLOW_", "RANKFALL_", "COVERAGE"))
    }
    return {**inherited, "OMP_NUM_THREADS": "1", **changes}


def wait_until(
    is_true: Callable[[], bool],
    what: str,
    process: subprocess.Popen[str] | None = None,
    poll_seconds: float = _POLL_SECONDS,
) -> None:
    """Wait for a fact of the world; fail when the process ends or the patience does.

    Asking takes a server's time: ask one seldom.
    """
    deadline = time.monotonic() + RUN_SECONDS
    while not is_true():
        assert process is None or process.poll() is None, f"ended before {what}"
        assert time.monotonic() < deadline, f"waited {RUN_SECONDS:g} s for {what}"
        time.sleep(poll_seconds)


def interrupt(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C: the terminal signals the whole foreground group."""
    os.killpg(process.pid, signal.SIGINT)


def is_listening(port: int) -> bool:
    """Return whether somebody listens on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5.0).close()
    except OSError:
        return False
    return True
