"""Workers and lanes that are killed or hang: their packs go on, and nobody else notices.

One sweep of two lanes with one worker each, which is disturbed in three ways; its outcomes are
compared with those of a sweep in this process that nothing disturbed.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest

from orchestrator.lane_plan import LanePlan
from orchestrator.ledger import Ledger
from search_spaces.load import parse_study
from tests.chaos import sweep_process
from tests.chaos.plain_sweep import map_of, outcomes_of, run_plainly
from tests.runs import Family, is_alive, started, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

STUDY = """\
study: long
question: boundary
planner: grid
data: {source: digits}
model: {encoder: mlp, hidden: [32], embed_dim: 16, norm: layer}
train: {batch_size: 32, steps: 4000}
objective: {kind: supcon, temperature: 0.1}
lr: {low: 1.0e-2, high: 10, log: true}
seeds: 2
collapse: {below: 2.0, every_steps: 100, settle_checks: 0}
budget: {trials: 4, band_decades: 0.2}
"""
SILENCE_SECONDS = 15
GOES_ON = r"pack (\S+) goes on at step [1-9]\d*"


class DisturbedSweep:
    """The sweep's process, what it said, and the processes below it."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.output = folder / "output.txt"
        self.family = Family(process.pid)

    def wait_for(self, pattern: str, count: int = 1) -> list[str]:
        """Wait until the sweep said something so many times; return what matched."""
        wait_until(lambda: len(self.find(pattern)) >= count, pattern, self.process)
        return self.find(pattern)

    def find(self, pattern: str) -> list[str]:
        """Return what matched so far."""
        return re.findall(pattern, self.output.read_text())

    def titles(self) -> list[str]:
        """Return what the living processes call themselves."""
        return [" ".join(p.cmdline()) for p in self.family.look() if is_alive(p)]

    def processes(self, title: str) -> dict[int, psutil.Process]:
        """Return the living processes whose title holds a word."""
        alive = [p for p in self.family.look() if is_alive(p)]
        return {p.pid: p for p in alive if title in " ".join(p.cmdline())}


def checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "results" / "long" / "scratch" / "checkpoints").glob("*.safetensors"))


def test_killed_and_hung_workers_and_a_killed_lane_cost_time_and_change_no_byte(
    tmp_path: Path,
) -> None:
    (tmp_path / "long.yaml").write_text(STUDY)
    script = str(Path(sweep_process.__file__))
    command = [sys.executable, script, "long.yaml", "results", "2", "1", str(SILENCE_SECONDS)]
    with started(tmp_path, command, {"PYTHONPATH": os.getcwd()}) as process:
        sweep = DisturbedSweep(tmp_path, process)
        wait_until(lambda: len(checkpoints(tmp_path)) == 2, "both packs' checkpoints", process)

        # A worker is killed. Its pack goes on in a new group; the other lane's worker stays.
        first, second = sweep.processes("RayTrainWorker").values()
        first.kill()
        sweep.wait_for(r"the worker group ended.*; a new lane is started")
        assert is_alive(second)
        sweep.wait_for(GOES_ON)
        workers = sweep.processes("RayTrainWorker")
        assert first.pid not in workers

        # The new worker hangs. The vigil takes its group down.
        (hung,) = (p for pid, p in workers.items() if pid != second.pid)
        hung.send_signal(signal.SIGSTOP)
        sweep.wait_for(rf"no sign of life for \d+ s from pack .* is {SILENCE_SECONDS} s\)")
        assert len(set(sweep.wait_for(GOES_ON, count=2))) == 1, "the other pack was disturbed"
        # Its group may go on before a busy machine has buried it.
        wait_until(lambda: not is_alive(hung), "the end of the hung worker", process)

        # The lanes' own processes are killed, and all that they owned goes with them.
        lanes = sweep.processes("Trainable")
        assert lanes, sweep.titles()
        for lane in lanes.values():
            lane.kill()
        sweep.wait_for("a lane died and is started anew")
        assert process.wait(timeout=900) == 0, sweep.output.read_text()
    assert checkpoints(tmp_path) == []
    ledger = Ledger.load(tmp_path / "results" / "long" / "ledger.journal")
    study = parse_study(STUDY, "long.yaml", ())
    plain = run_plainly(study, tmp_path, LanePlan(lanes=1, workers=2, pack_members=16))
    assert outcomes_of(ledger) == outcomes_of(plain)
    written = tmp_path / "results" / "long" / "report" / "collapse_map.json"
    assert written.read_bytes() == map_of(plain)
