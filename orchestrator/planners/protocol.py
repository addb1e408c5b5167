"""The ask/tell protocol every planner obeys. Deciding is separate from running.

A planner is a pure function of its study and of what it was told: no clock, no Ray, no files,
so that a 500-trial study is tested in seconds and a resumed study asks what it would have asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from search_spaces.point import Point


@dataclass(frozen=True)
class Proposal:
    """One trial to run: a point of the study and a replicate (0, 1, ...)."""

    point: Point
    replicate: int

    @cached_property
    def key(self) -> str:
        """Canonical name of the trial: equal settings give equal keys on any machine."""
        return f"{self.point.key}#{self.replicate}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a planner may learn from a finished trial.

    Attributes:
        score: The study's collapse metric (finite; 0.0 when diverged).
        is_collapsed: Whether the regime counts as collapsed, divergence included.
        is_diverged: Whether the score is censored by divergence.
        utility: The metric that ``question: optimise`` looks at; None in other questions or
            when the trial diverged.
        steps: Optimiser steps spent.
        seconds: The trial's share of its cohort's training time.
        is_pruned: Whether the study's pruner ended it: its utility is that after ``steps``.
    """

    score: float
    is_collapsed: bool
    is_diverged: bool
    utility: float | None
    steps: int
    seconds: float = 0.0
    is_pruned: bool = False


class Planner(Protocol):
    """Proposes trials round by round.

    Invariants (tests/contracts/planner.py): telling twice changes nothing; the order of tells
    is irrelevant; proposals lie in the study's space and never repeat one that was told or is
    pending; replaying the same tells gives the same next ask.
    """

    def ask(self) -> Sequence[Proposal]:
        """Return the next round, all of which may run in parallel; empty when finished.

        Called only when everything asked before was told or told missing; until then the
        answer stays the same, but for what is known by now. Trials told and missing never
        exceed the study's budget together.
        """
        ...

    def tell(self, proposal: Proposal, finding: Finding) -> None:
        """Record a finished trial; one that this planner never asked for is welcome too."""
        ...

    def tell_missing(self, proposal: Proposal) -> None:
        """Record that a trial's attempts failed and that it will never be told.

        It is not asked again and spends its share of the budget, so a study whose every trial
        fails ends too. Telling its finding after all, later, is welcome.
        """
        ...
