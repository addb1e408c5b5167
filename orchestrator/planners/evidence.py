"""What a planner was told, as a set: the order of tells leaves no trace.

Every planner decides from its study and this alone. That is why telling twice changes nothing,
why a resumed study asks what it would have asked, and why asking again after a crash, before
the first answer was written down, repeats the same round.
"""

from collections.abc import Iterator

from orchestrator.planners.protocol import Finding, Proposal
from search_spaces.point import Point
from search_spaces.study import Study
from trainer.settings import TrainSettings

STEPS = "train.steps"


class Evidence:
    """Findings by trial, and the trials that will never yield one."""

    def __init__(self) -> None:
        self._findings: dict[str, tuple[Proposal, Finding]] = {}
        self._missing: dict[str, Proposal] = {}

    def tell(self, proposal: Proposal, finding: Finding) -> None:
        """Take a finding in; the first one told of a trial stands."""
        self._findings.setdefault(proposal.key, (proposal, finding))
        self._missing.pop(proposal.key, None)

    def tell_missing(self, proposal: Proposal) -> None:
        """Note that a trial's attempts failed; a finding told before or after wins."""
        if proposal.key not in self._findings:
            self._missing.setdefault(proposal.key, proposal)

    def knows(self, proposal: Proposal) -> bool:
        """Whether the trial was told or is missing, so that it must not be asked again."""
        return proposal.key in self._findings or proposal.key in self._missing

    @property
    def spent(self) -> int:
        """How much of the trial budget is gone; missing trials count, or failures never end."""
        return len(self._findings) + len(self._missing)

    def remaining(self, study: Study) -> int:
        """Return how many more trials the study's budget allows: all planners ask this.

        Trials: what was told or is missing is spent. Steps: every further trial is taken to
        run to its end, so the budget is never exceeded. Seconds: every further trial is taken
        to last as long as the mean of those told, so it may be, by a part of a round.
        """
        budget = study.budget
        limits: list[float] = [budget.trials - self.spent]
        told = [finding for _, finding in self._findings.values()]
        if budget.trial_steps is not None:
            left = budget.trial_steps - sum(finding.steps for finding in told)
            limits.append(left // most_steps(study))
        if budget.seconds is not None:
            spent = sum(finding.seconds for finding in told)
            each = spent / max(len(told), 1)
            if spent >= budget.seconds:
                limits.append(0)
            elif each > 0:
                limits.append(max((budget.seconds - spent) / each, 1))
        return max(int(min(limits)), 0)

    def missing(self) -> list[Proposal]:
        """Return the trials that will never be told, in the order of the keys."""
        return [proposal for _, proposal in sorted(self._missing.items())]

    def findings(self) -> Iterator[tuple[Proposal, Finding]]:
        """Yield what was told, in the order of the keys."""
        return iter(entry for _, entry in sorted(self._findings.items()))

    def points(self) -> list[Point]:
        """Return every point with a told or missing trial, in the order of the keys."""
        proposals = [p for p, _ in self._findings.values()] + list(self._missing.values())
        points = {proposal.point.key: proposal.point for proposal in proposals}
        return [point for _, point in sorted(points.items())]


def most_steps(study: Study) -> int:
    """Return the most optimiser steps a trial of the study may take."""
    for axis in study.axes:
        if axis.path == STEPS:
            return max(int(value) for value in axis.grid())
    given = dict(study.fixed).get(STEPS)
    return given if isinstance(given, int) else TrainSettings().steps
