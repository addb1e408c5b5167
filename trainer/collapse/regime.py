"""Verdicts on a trial: its regime when it has finished, and whether it is settled before.

A trial that is *missing* (out of memory, preempted, lost node, bug) is retried and never
gets a regime.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, assert_never

from torch import Tensor

from trainer.collapse.errors import MeasurementError
from trainer.collapse.spectrum import Collapse

COMPLETE_BELOW = 2.0
"""Effective rank under which no second direction is in use: complete collapse."""

RankMetric = Literal["effective_rank", "rankme", "stable_rank", "participation_ratio"]


class Regime(StrEnum):
    """How a finished trial ended."""

    HEALTHY = "healthy"
    DIMENSIONAL = "dimensional"
    COMPLETE = "complete"
    DIVERGED = "diverged"
    UNDERTRAINED = "undertrained"


@dataclass(frozen=True, slots=True)
class CollapseLevel:
    """The level of a rank metric under which a study calls a trial collapsed.

    Attributes:
        metric: Which rank is compared.
        below: The level in directions; a score equal to it is not collapsed.

    Raises:
        ValueError: If ``below`` is not a positive finite number.
    """

    metric: RankMetric
    below: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.below) and self.below > 0):
            raise ValueError(f"collapse level must be positive and finite, got {self.below}")

    def score(self, collapse: Collapse) -> Tensor:
        """Return the measured value [...] of the metric this level is about."""
        match self.metric:
            case "effective_rank":
                return collapse.effective_rank
            case "rankme":
                return collapse.rankme
            case "stable_rank":
                return collapse.stable_rank
            case "participation_ratio":
                return collapse.participation_ratio
            case _:
                assert_never(self.metric)

    def is_collapsed(self, score: float) -> bool:
        """Say whether a finite score lies below the level."""
        return score < self.below


@dataclass(frozen=True, slots=True)
class Persistence:
    """What an early verdict needs, because early collapse can be transient.

    Attributes:
        checks: How many consecutive checks must agree, at least 1.
        margin: How far below the level each of them must be, in directions, at least 0.

    Raises:
        ValueError: If either is out of range.
    """

    checks: int = 2
    margin: float = 0.0

    def __post_init__(self) -> None:
        if self.checks < 1:
            raise ValueError(f"persistence needs at least 1 check, got {self.checks}")
        if not (math.isfinite(self.margin) and self.margin >= 0):
            raise ValueError(f"persistence margin must be finite and >= 0, got {self.margin}")


def classify(
    score: float,
    level: CollapseLevel,
    *,
    effective_rank: float,
    is_finite: bool,
    utility: float | None = None,
    utility_at_init: float | None = None,
) -> Regime:
    """Give a finished trial its regime; the first that applies wins.

    1. diverged: the loss or the embeddings became non-finite (ranks are then ignored);
    2. complete: ``effective_rank`` < 2, whatever the study's level;
    3. dimensional: ``score`` below the study's level;
    4. undertrained: utility no better than at initialisation. It comes after the collapses
       because a collapsed trial is useless too, and the rank says why;
    5. healthy.

    With ``CollapseLevel("effective_rank", 2.0)`` dimensional therefore cannot occur.

    Args:
        score: Final value of the level's metric, in directions.
        level: The study's collapse level.
        effective_rank: Final effective rank (equal to ``score`` if that is the metric).
        is_finite: False if the loss or the embeddings ever became NaN or infinite.
        utility: Final utility metric of the study, higher is better; None if it has none.
        utility_at_init: The same metric before the first step; None if it has none.

    Raises:
        MeasurementError: If the trial is finite but a rank or a utility is not, or if only
            one of the two utilities is given.
    """
    if not is_finite:
        return Regime.DIVERGED
    _check_finite(score=score, effective_rank=effective_rank)
    if effective_rank < COMPLETE_BELOW:
        return Regime.COMPLETE
    if level.is_collapsed(score):
        return Regime.DIMENSIONAL
    return Regime.HEALTHY if _has_learned(utility, utility_at_init) else Regime.UNDERTRAINED


def is_settled(scores: Sequence[float], level: CollapseLevel, rule: Persistence) -> bool:
    """Say whether a running trial may be called collapsed now.

    Args:
        scores: Values of the level's metric at the checks so far, oldest first. A
            non-finite score never counts as below the level.
        level: The study's collapse level.
        rule: How many of the latest checks must lie below the level, and by how much.

    Returns:
        True when each of the last ``rule.checks`` scores is below
        ``level.below - rule.margin``; False while there are fewer.
    """
    latest = scores[-rule.checks :]
    threshold = level.below - rule.margin
    return len(latest) == rule.checks and all(
        math.isfinite(score) and score < threshold for score in latest
    )


def _has_learned(utility: float | None, utility_at_init: float | None) -> bool:
    if utility is None and utility_at_init is None:
        return True
    if utility is None or utility_at_init is None:
        raise MeasurementError(
            "undertrained compares the utility now and at initialisation: give both or neither"
        )
    _check_finite(utility=utility, utility_at_init=utility_at_init)
    return utility > utility_at_init


def _check_finite(**values: float) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise MeasurementError(f"a finite trial has a non-finite {name} ({value})")
