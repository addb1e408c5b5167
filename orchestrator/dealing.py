"""Deals the trials of a round out to lanes, in packs that are always cut alike.

A round is grouped and cut as a whole, however much of it is told already. So a pack that comes
back after a failure, or in a later sweep on as many lanes, has the members it had before, and
its checkpoint is found again.
"""

import math
from collections.abc import Sequence, Set

from orchestrator.cohorts import cut_packs, group_cohorts
from orchestrator.lane_plan import LanePlan
from orchestrator.planners.protocol import Proposal
from search_spaces.study import Study
from trainer.cohort import Cohort
from trainer.couples import group_couples

Hand = tuple[Cohort, ...]
"""Packs that one lane gets at once: one Tune trial."""

_TURNS = 16
"""Packs a worker trains per hand, at most: bounds what a lane keeps from the others."""


def deal(
    study: Study, rounds: Sequence[Sequence[Proposal]], open_keys: Set[str], plan: LanePlan
) -> list[Hand]:
    """Return the packs in which some trial is open, in hands of about equal size.

    Args:
        study: Gives the settings and the seeds.
        rounds: All trials asked so far, by round.
        open_keys: The trials to train. Others are left out of their packs, unless one of their
            couple is open. A pack's trials are told together, so that this cuts a pack only
            after a change of the plan.
        plan: How many lanes of how many workers there are.
    """
    return [hand for round_ in rounds for hand in _deal_round(study, round_, open_keys, plan)]


def _deal_round(
    study: Study, round_: Sequence[Proposal], open_keys: Set[str], plan: LanePlan
) -> list[Hand]:
    if not any(proposal.key in open_keys for proposal in round_):
        return []
    cohorts = group_cohorts(study, round_)
    # Workers that share the data train one pack together.
    is_shared = any(cohort.train.split == "data" for cohort in cohorts)
    packs_at_once = 1 if is_shared else plan.workers
    whole = [
        pack
        for cohort in cohorts
        for pack in cut_packs(cohort, plan.lanes * packs_at_once, plan.pack_members)
    ]
    packs = [pack for pack in (_keep_open(pack, open_keys) for pack in whole) if pack is not None]
    turns = min(_TURNS, math.ceil(len(packs) / (plan.lanes * packs_at_once)))
    size = packs_at_once * turns
    return [tuple(packs[start : start + size]) for start in range(0, len(packs), size)]


def _keep_open(pack: Cohort, open_keys: Set[str]) -> Cohort | None:
    # A couple is trained as a whole or not at all: its members are compared.
    couples = [
        couple
        for couple in group_couples(pack.members)
        if any(member.trial in open_keys for member in couple)
    ]
    members = tuple(member for couple in couples for member in couple)
    return pack.model_copy(update={"members": members}) if members else None
