"""Outcomes without training, a function of the trial alone, and ledgers to put them in."""

import dataclasses
import json
import random
from collections.abc import Sequence
from pathlib import Path

from orchestrator.ledger import Ledger
from orchestrator.planners.protocol import Proposal
from search_spaces.load import parse_study
from search_spaces.point import Point
from search_spaces.study import LR, Study
from trainer.cohort import History, Outcome
from trainer.collapse.regime import Regime

TEXT = """\
study: tiny
question: boundary
data: {source: digits}
model: {encoder: mlp, hidden: [8], embed_dim: 4}
train: {batch_size: 32, steps: 4}
objective: {kind: [infonce, supcon], temperature: 0.1}
lr: {low: 1.0e-2, high: 100, log: true}
seeds: 2
collapse: {below: 2.0, every_steps: 2}
budget: {trials: 30, band_decades: 0.3}
"""
CRITICAL_LR = 1.7


def make_tiny(*overrides: str) -> Study:
    """Return a boundary study of two slices that takes about 20 trials."""
    return parse_study(TEXT, "tiny.yaml", overrides)


def fabricate(key: str) -> Outcome:
    """Return a trial's outcome: awkward floats, collapsed above one learning rate."""
    draw = random.Random(key)
    is_collapsed = lr_of(key) * draw.uniform(0.9, 1.1) > CRITICAL_LR
    score = 1.0 + draw.random() if is_collapsed else 2.0 + draw.random()
    values: dict[str, tuple[float, ...]] = {
        "effective_rank": (draw.random(), score),
        "train_loss": (1e300, 5e-324),
    }
    return Outcome(
        trial=key,
        regime=Regime.COMPLETE if is_collapsed else Regime.HEALTHY,
        score=score,
        measures={"effective_rank": score, "train_loss": 0.1 + 0.2, "knn_accuracy": 1 / 3},
        initial={"effective_rank": draw.random()},
        spectrum=tuple(draw.random() for _ in range(3)),
        history=History(steps=(0, 4), values=values),
        steps_done=4,
        decided_early=False,
        seconds=draw.random(),
    )


def lr_of(key: str) -> float:
    """Return the learning rate that a trial's key names."""
    coordinates = json.loads(key.rpartition("#")[0])
    return float(coordinates[LR])


def propose(*rates: float, kind: str = "infonce", replicates: int = 1) -> list[Proposal]:
    """Return trials of the tiny study."""
    points = [Point.of({"lr": lr, "objective.kind": kind}) for lr in rates]
    return [Proposal(point, r) for point in points for r in range(replicates)]


def open_ledger(folder: Path, *overrides: str) -> Ledger:
    """Open the tiny study's ledger in a folder."""
    return Ledger.open(folder / "ledger.journal", make_tiny(*overrides))


def told(ledger: Ledger) -> dict[str, Outcome | str | None]:
    """Return what became of every trial asked: its outcome, its failure, or None."""
    return {r.key: r.outcome or r.failure for r in ledger.records()}


def without_seconds(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return outcomes without what a clock said, by trial."""
    plain = [o.model_copy(update={"seconds": 0.0}) for o in outcomes]
    return sorted(plain, key=lambda outcome: outcome.trial)


def undated(ledger: Ledger) -> list[object]:
    """Return the ledger's records without the times of asking and telling."""
    return [dataclasses.replace(r, asked_at=None, told_at=None) for r in ledger.records()]  # type: ignore[arg-type]
