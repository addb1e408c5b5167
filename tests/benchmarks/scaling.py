"""Cost against size: members, batch, trials; nothing in the orchestration may grow faster.

Member and batch rows time optimiser steps of one stack (CPU time, one thread). Trial rows are
told twice: ledger, conductor and packs alone (CPU time, outcomes without training), and the
whole of ``rankfall run --no-mlflow`` with Ray, Tune, a lane, the report and trials of two steps
(wall time).
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from orchestrator.conductor import Conductor
from orchestrator.lane_plan import LanePlan
from orchestrator.ledger import Ledger
from search_spaces.load import parse_study
from tests.benchmarks.overhead import WORKERS, run_rankfall, write_study
from tests.benchmarks.stacking import SMALL, prepare_stack
from tests.orchestrator.fabricated import fabricate
from trainer.outbox import Outbox

MEMBERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BATCHES = (64, 128, 256, 512, 1024, 2048, 4096)
TRIALS = (100, 1000, 10_000)
BATCH_MEMBERS, PACK_MEMBERS = 4, 16
STEP_REPEATS = 5
LEDGER_TURNS = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """What one size takes: ``series`` names what was varied, ``seconds`` is the whole of it."""

    series: str
    size: int
    seconds: float

    @property
    def milliseconds_each(self) -> float:
        """Milliseconds for one member, one sample or one trial."""
        return 1000 * self.seconds / self.size


def cost_members() -> list[Cost]:
    """Return the cost of one step of a stack against its members."""
    return [
        Cost("members (step, MLP 64-64-32, B 256)", members, _time_step(members, SMALL.batch))
        for members in MEMBERS
    ]


def cost_batches() -> list[Cost]:
    """Return the cost of one step of four members against the batch."""
    return [
        Cost("batch (step, MLP 64-64-32, 4 members)", batch, _time_step(BATCH_MEMBERS, batch))
        for batch in BATCHES
    ]


def cost_ledger(trials: Sequence[int] = TRIALS) -> list[Cost]:
    """Return what ledger and conductor take to deal out and take in as many trials."""
    turns = [[_time_ledger(count) for count in trials] for _ in range(LEDGER_TURNS)]
    medians = [statistics.median(of_count) for of_count in zip(*turns, strict=True)]
    return [
        Cost("trials (ledger and conductor)", count, seconds)
        for count, seconds in zip(trials, medians, strict=True)
    ]


def cost_sweeps(trials: Sequence[int] = TRIALS) -> list[Cost]:
    """Return what whole sweeps of as many trials take."""
    costs = []
    for count in trials:
        with tempfile.TemporaryDirectory(prefix="sweep") as folder:
            options = ("--no-mlflow", "--workers", str(WORKERS))
            seconds = run_rankfall(Path(folder), write_study(count, 2), *options)
        costs.append(Cost(f"trials (whole sweep, {WORKERS} workers)", count, seconds))
    return costs


def _time_step(members: int, batch: int) -> float:
    size = replace(SMALL, members=members, batch=batch)
    step = prepare_stack(size, torch.randn(2, batch, size.widths[0]))
    step()
    started = time.process_time()
    for _ in range(STEP_REPEATS):
        step()
    return (time.process_time() - started) / STEP_REPEATS


def _time_ledger(trials: int) -> float:
    study = parse_study(write_study(trials, 2), "overhead.yaml")
    with tempfile.TemporaryDirectory(prefix="ledger") as folder:
        started = time.process_time()
        ledger = Ledger.open(Path(folder) / "ledger.journal", study)
        looks: list[int] = []  # as the display and MLflow look at all records after each tell
        conductor = Conductor(
            ledger, Outbox(Path(folder) / "outbox"), lambda: looks.append(len(ledger.records()))
        )
        conductor.deal_for(LanePlan(lanes=1, workers=WORKERS, pack_members=PACK_MEMBERS))
        while not conductor.is_finished:
            hand = conductor.next_hand()
            assert hand is not None
            for pack in hand:
                conductor.take([fabricate(member.trial) for member in pack.members])
        return time.process_time() - started
