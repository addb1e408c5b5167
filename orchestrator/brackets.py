"""Which checks decide about a trial: those of its bracket of successive halving.

ASHA has one bracket: rungs are the checks 1, 4, 16, ... Hyperband has several, whose first rungs
are the checks 1, 3, 9, ...: measures of early checks may mislead, and a bracket that starts later
does not look at them. Every trial is in one bracket and compared with trials of that bracket
alone. Numbers and rules are Optuna's: its ``HyperbandPruner`` is successive halving in brackets.

References:
    Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020,
    arXiv:1810.05934 (ASHA); Li et al., "Hyperband", JMLR 18 (2018), arXiv:1603.06560.
"""

import itertools
from binascii import crc32
from dataclasses import dataclass
from functools import cache
from typing import assert_never

from orchestrator.record import TrialRecord
from search_spaces.study import PrunerKind, Study

HYPERBAND_FACTOR = 3
"""Optuna's default for Hyperband: one of so many is trained on from rung to rung."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """Successive halving whose rungs are the checks factor^first, factor^(first + 1), ...

    Attributes:
        factor: One of so many is trained on from rung to rung.
        first: Optuna's ``min_early_stopping_rate``.
    """

    factor: int
    first: int = 0

    def check_at(self, rung: int) -> int:
        """Return which check a rung is, from 1; rungs count from 0."""
        return int(self.factor ** (self.first + rung))


ASHA = Bracket(factor=4)
"""The only one of ASHA, with Optuna's default factor."""


def bracket_of(study: Study, record: TrialRecord) -> Bracket:
    """Return a trial's bracket.

    Hyperband's follows from the study's name, the trial's number and the checks it may come to, as
    with Optuna, so whoever asks again gets the same.
    """
    assert study.pruner is not None, "asked for studies with a pruner"
    match study.pruner:
        case PrunerKind.ASHA:
            return ASHA
        case PrunerKind.HYPERBAND:
            checks = max(record.settings.train.steps // study.collapse.every_steps, 1)
            return Bracket(HYPERBAND_FACTOR, draw_bracket(study.name, record.number, checks))
        case unreachable:
            assert_never(unreachable)


def draw_bracket(study_name: str, number: int, checks: int) -> int:
    """Return which bracket of Hyperband a trial is in, from 0, by its number in the study."""
    shares = share_trials(checks)
    left = crc32(f"{study_name}_{number}".encode()) % sum(shares)
    return next(i for i, end in enumerate(itertools.accumulate(shares)) if left < end)


@cache
def share_trials(checks: int) -> tuple[int, ...]:
    """Return in which proportion trials go to Hyperband's brackets, that with most rungs first.

    Args:
        checks: How many a trial comes to that nobody ends, at least 1.
    """
    count = next(n for n in itertools.count(1) if HYPERBAND_FACTOR**n > checks)
    # ceil(count * factor^rungs / (rungs + 1)), so that each bracket takes about the same time.
    return tuple(
        -(-count * HYPERBAND_FACTOR**rungs // (rungs + 1)) for rungs in reversed(range(count))
    )
