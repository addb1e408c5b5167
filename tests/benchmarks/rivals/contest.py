"""One contest: a method in one simulated world, its error at every budget."""

import math
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.rivals.aepsych_client import run_aepsych
from tests.benchmarks.rivals.bisections import run_cold, run_warm
from tests.benchmarks.rivals.designs import run_full_grid, run_grid, run_random
from tests.benchmarks.rivals.lab import (
    Cell,
    Lab,
    SpentError,
    Trial,
    judged_slices,
    true_boundary,
    within,
)
from tests.benchmarks.rivals.method import Method
from tests.benchmarks.rivals.optunas import run_gp_sampler, run_tpe
from tests.benchmarks.rivals.ours import read_posterior, run_search
from tests.benchmarks.rivals.readout import read_boundary
from tests.benchmarks.rivals.straddle import run_straddle

GRID_BUDGET = 2057
"""The full grid of two axes: 17 learning rates, 11 values an axis."""


RUNNERS: Mapping[Method, Callable[[Lab], None]] = {
    Method.OURS: run_search,
    Method.FULL_GRID: run_full_grid,
    Method.GRID: run_grid,
    Method.RANDOM: run_random,
    Method.BISECTION: run_cold,
    Method.WARM: run_warm,
    Method.STRADDLE: run_straddle,
    Method.TPE: run_tpe,
    Method.GP_SAMPLER: run_gp_sampler,
    Method.AEPSYCH: run_aepsych,
}


@dataclass(frozen=True, slots=True)
class Task:
    """A method in the world of a cell and a seed, at ascending budgets."""

    cell: Cell
    method: Method
    seed: int
    budgets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """What a method reached in one world for one budget; ``error`` in decades."""

    task: Task
    budget: int
    error: float
    trials: int
    trial_steps: int
    seconds: float


def compete(task: Task) -> list[Score]:
    """Return the method's score at every budget.

    Methods that need not know their budget run once; a smaller budget sees their beginning.
    """
    if _plans_by_budget(task.method):
        return [_judge(task, budget, *_run(task, budget)) for budget in task.budgets]
    trials, seconds = _run(task, max(task.budgets))
    return [_judge(task, budget, within(trials, budget), seconds) for budget in task.budgets]


def summarise(scores: Sequence[Score]) -> dict[str, object]:
    """Return one JSON object for the scores of one cell, method and budget, over its seeds."""
    errors = [score.error for score in scores]
    spread = statistics.stdev(errors) if len(errors) > 1 else math.nan
    task = scores[0].task
    return {
        "world": task.cell.name,
        "axes": task.cell.axes,
        "method": task.method.value,
        "budget": scores[0].budget,
        "trials": round(statistics.mean(s.trials for s in scores), 1),
        "trial_steps": round(statistics.mean(s.trial_steps for s in scores)),
        "error": round(statistics.mean(errors), 5),
        "error_se": round(spread / math.sqrt(len(errors)), 5) if len(errors) > 1 else None,
        "seeds": len(errors),
        "seconds": round(statistics.mean(s.seconds for s in scores), 2),
    }


def _plans_by_budget(method: Method) -> bool:
    return method in (Method.FULL_GRID, Method.GRID, Method.BISECTION, Method.WARM)


def _run(task: Task, budget: int) -> tuple[list[Trial], float]:
    lab = Lab(task.cell, task.seed, budget)
    start = _cpu_seconds()
    with suppress(SpentError):
        RUNNERS[task.method](lab)
    return lab.trials, _cpu_seconds() - start


def _cpu_seconds() -> float:
    """Return this process's CPU time and that of processes it waited for (AEPsych's server)."""
    return sum(os.times()[:4])


def _judge(task: Task, budget: int, trials: Sequence[Trial], seconds: float) -> Score:
    slices = judged_slices(task.cell)
    if task.method is Method.OURS:
        found = read_posterior(task.cell, trials, slices)
    else:
        found = read_boundary(trials, slices)
    error = float(np.abs(found - true_boundary(task.cell, task.seed)).mean())
    steps = sum(trial.finding.steps for trial in trials)
    return Score(task, budget, error, len(trials), steps, seconds)
