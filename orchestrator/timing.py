"""How long training takes on this machine, by a small probe."""

import os
import time

import torch

from orchestrator.cohorts import group_cohorts
from orchestrator.planners.protocol import Proposal
from orchestrator.step_time import StepTime, StepTimes, TimeSource
from search_spaces.study import Study
from trainer.cohort import Cohort
from trainer.loop import train_cohort

START_SECONDS = 45.0
"""Ray and one lane, measured on an idle machine with two cores: 40-55 s."""

_PROBE_MEMBERS = 16
_PROBE_STEPS = 30
_REPEATS = 2


def count_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def time_by_probe(study: Study) -> StepTimes:
    """Return the seconds of one optimiser step of one member, its share of the checks included.

    A pack of every kind is trained here twice as far as before, on one thread: the difference
    has no set-up and no last evaluation in it. Best of two, for other work only ever adds; the
    worse one is the spread's upper end.
    """
    torch.set_num_threads(1)
    cohort = _probe(study)
    # One period of the checks, so that the difference holds its share of them.
    steps = max(1, min(cohort.collapse.every_steps, _PROBE_STEPS))
    _train_for(cohort, steps)  # the first call pays for loading and warming up
    short, long = (
        sorted(_train_for(cohort, length) for _ in range(_REPEATS)) for length in (steps, 2 * steps)
    )
    # Below the clock's noise the whole is an upper bound.
    best = long[0] - short[0] if long[0] > short[0] else long[0] / 2
    worst = max(best, long[-1] - short[0])
    share = steps * len(cohort.members)
    time_ = StepTime(best / share, best / share, worst / share)
    return StepTimes(TimeSource.PROBE, "a probe on one core of this machine", 0, {"": time_})


def _probe(study: Study) -> Cohort:
    replicates = max(1, _PROBE_MEMBERS // len(study.kinds))
    proposals = [Proposal(study.corner(k), r) for k in study.kinds for r in range(replicates)]
    cohort = group_cohorts(study, proposals)[0]
    to_the_end = cohort.collapse.model_copy(update={"settle_checks": 0})
    return cohort.model_copy(update={"collapse": to_the_end})


def _train_for(cohort: Cohort, steps: int) -> float:
    train = cohort.train.model_copy(update={"steps": steps})
    started = time.perf_counter()
    train_cohort(cohort.model_copy(update={"train": train}), device=torch.device("cpu"))
    return time.perf_counter() - started
