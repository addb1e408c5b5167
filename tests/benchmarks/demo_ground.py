"""The demo study trained for real, in two processes and without Ray: the ground of its benchmark.

Trials are trained by the product's own cohorts and loop, so a trial gets the bits it would get in
``rankfall run demo``.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import get_context
from multiprocessing.pool import Pool

from orchestrator.cohorts import cut_packs, group_cohorts
from orchestrator.planners.protocol import Finding, Planner, Proposal
from search_spaces.study import Study
from trainer.cohort import Cohort, Outcome
from trainer.collapse.regime import Regime

PROCESSES, PACK_MEMBERS = 2, 16

Found = dict[str, tuple[Proposal, Finding]]


def open_pool() -> Pool:
    """Return the two workers, each on one thread."""
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return get_context("spawn").Pool(PROCESSES)


def train(
    study: Study,
    proposals: Sequence[Proposal],
    pool: Pool,
    note: Callable[[int], None] = lambda _: None,
) -> Found:
    """Train trials and return what they found by key; ``note`` hears how many are done."""
    packs = [
        pack
        for cohort in group_cohorts(study, proposals)
        for pack in cut_packs(cohort, PROCESSES, PACK_MEMBERS)
    ]
    by_key = {proposal.key: proposal for proposal in proposals}
    found: Found = {}
    for outcomes in pool.imap_unordered(_train_pack, packs):
        found |= {o.trial: (by_key[o.trial], _judge(o)) for o in outcomes}
        note(len(found))
    return found


def run_planner(planner: Planner, study: Study, pool: Pool, trained: Found) -> Found:
    """Run a planner to its end on trials trained on demand; ``trained`` keeps them for others."""
    told: Found = {}
    while asked := planner.ask():
        unknown = [proposal for proposal in asked if proposal.key not in trained]
        trained |= train(study, unknown, pool)
        for proposal in asked:
            told[proposal.key] = trained[proposal.key]
            planner.tell(*told[proposal.key])
    return told


def _train_pack(pack: Cohort) -> list[Outcome]:
    import torch  # noqa: PLC0415 (the parent needs none)

    from trainer.loop import train_cohort  # noqa: PLC0415

    torch.set_num_threads(1)
    return train_cohort(pack, device=torch.device("cpu"))


def _judge(outcome: Outcome) -> Finding:
    return Finding(
        score=outcome.score,
        is_collapsed=outcome.is_collapsed,
        is_diverged=outcome.regime is Regime.DIVERGED,
        utility=None,
        steps=outcome.steps_done,
    )


def steps_of(found: Iterable[tuple[Proposal, Finding]]) -> int:
    """Return the optimiser steps spent."""
    return sum(finding.steps for _, finding in found)
