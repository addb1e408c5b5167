"""Trials a second with two workers against one, members split: real sweeps through a real lane.

The start of Ray and of the lane is left out: what counts is the time from the first outcome in
the ledger to the last.
"""

import tempfile
from pathlib import Path

from orchestrator.ledger import Ledger
from tests.benchmarks.overhead import run_rankfall

STUDY = """\
study: overhead
question: grid
data: {source: digits}
model: {encoder: mlp, hidden: [128, 128], embed_dim: 32, norm: layer}
train: {batch_size: 256, steps: 200}
objective: {kind: infonce, temperature: 0.1}
lr: {low: 1.0e-2, high: 1.0, log: true, points: 32}
seeds: 10
collapse: {every_steps: 50, settle_checks: 0}
budget: {trials: 320}
"""


def compare_workers() -> float:
    """Return how many times the trials a second two workers train."""
    return _rate(workers=2) / _rate(workers=1)


def _rate(workers: int) -> float:
    with tempfile.TemporaryDirectory(prefix="workers") as folder:
        run_rankfall(Path(folder), STUDY, "--no-mlflow", "--workers", str(workers))
        (ledger,) = Path(folder).glob("*/overhead/ledger.journal")
        times = sorted(r.told_at for r in Ledger.load(ledger).records() if r.told_at is not None)
    first, last = times[0], times[-1]
    after_first_pack = sum((told - first).total_seconds() > 0.5 for told in times)
    return after_first_pack / (last - first).total_seconds()
