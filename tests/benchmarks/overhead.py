"""What orchestration costs a trial: Rankfall's lane against the recipe in Ray's documentation.

Both train the same trial (digits, one small MLP, 60 steps) over and over, with an Optuna-backed
search and MLflow runs, each in a fresh process and a fresh local Ray. Overhead is the sweep's
time without its training: for the recipe without ``ray.init``, for Rankfall everything from
typing ``rankfall run`` to its end, start of Ray, lane, MLflow and the report included.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cohorts import group_cohorts
from orchestrator.ledger import Ledger
from orchestrator.planners.grid import GridPlanner
from search_spaces.load import parse_study

ROOT = Path(__file__).resolve().parents[2]
RECIPE_TRIALS, WORKERS = 4, 2
STUDY = """\
study: overhead
question: grid
data: {{source: digits}}
model: {{encoder: mlp, hidden: [32], embed_dim: 16, norm: layer}}
train: {{batch_size: 64, steps: {steps}}}
objective: {{kind: infonce, temperature: 0.1}}
lr: {{low: 1.0e-2, high: 1.0, log: true, points: {points}}}
seeds: 10
collapse: {{every_steps: 20, settle_checks: 0}}
budget: {{trials: {trials}}}
"""


@dataclass(frozen=True, slots=True)
class Overhead:
    """Seconds a trial: all that is not training, and training itself."""

    trials: int
    overhead_seconds: float
    training_seconds: float


def measure_recipe() -> Overhead:
    """Run the recipe and return what each of its trials cost."""
    study = parse_study(write_study(20, 60), "overhead.yaml")
    (cohort, *_) = group_cohorts(study, GridPlanner(study).ask()[:1])
    with tempfile.TemporaryDirectory(prefix="recipe") as folder:
        printed = subprocess.run(
            [sys.executable, str(ROOT / "tests/benchmarks/recipe.py"), folder, str(RECIPE_TRIALS)],
            input=cohort.model_dump_json(by_alias=True),
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        ).stdout
    took = json.loads(printed.splitlines()[-1])
    rest = took["seconds"] - took["training_seconds"]
    return Overhead(RECIPE_TRIALS, rest / RECIPE_TRIALS, took["training_seconds"] / RECIPE_TRIALS)


def measure_rankfall(trials: int, steps: int = 60) -> Overhead:
    """Run as many trials with ``rankfall run`` and return what each cost.

    Training is what the workers' clocks say, shared out over the two of them.
    """
    with tempfile.TemporaryDirectory(prefix="rankfall") as folder:
        seconds = run_rankfall(Path(folder), write_study(trials, steps), "--workers", str(WORKERS))
        (ledger,) = Path(folder).glob("*/overhead/ledger.journal")
        outcomes = [r.outcome for r in Ledger.load(ledger).records() if r.outcome is not None]
    assert len(outcomes) == trials
    training = sum(outcome.seconds for outcome in outcomes) / WORKERS
    return Overhead(trials, (seconds - training) / trials, training / trials)


def run_rankfall(folder: Path, study: str, *options: str) -> float:
    """Run a study in a folder with the command line and return the seconds it took."""
    (folder / "overhead.yaml").write_text(study)
    command = [str(Path(sys.executable).with_name("rankfall")), "run", "overhead.yaml"]
    started = time.perf_counter()
    subprocess.run(
        [*command, *options],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - started


def write_study(trials: int, steps: int) -> str:
    """Return a grid study of ``trials`` (a multiple of 20) equal trials."""
    return STUDY.format(trials=trials, steps=steps, points=trials // 10)
