"""The full grid: every axis on its grid values, every replicate, in one round."""

from collections.abc import Sequence

from orchestrator.planners.evidence import Evidence
from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.space import grid_points
from search_spaces.study import Study


class GridPlanner:
    """Asks all points of replicate 0, then of replicate 1, ... as far as the budget goes.

    A smaller budget leaves out whole replicates first, then the learning rates that lie
    between others, the same for every slice.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._evidence = Evidence()

    def ask(self) -> Sequence[Proposal]:
        """Return every trial of the grid that is not known yet and fits the budget."""
        points = grid_points(self._study)
        everything = [Proposal(p, r) for r in range(self._study.replicates) for p in points]
        unknown = [proposal for proposal in everything if not self._evidence.knows(proposal)]
        return unknown[: self._evidence.remaining(self._study)]

    def tell(self, proposal: Proposal, finding: Finding) -> None:
        """Record a finished trial."""
        self._evidence.tell(proposal, finding)

    def tell_missing(self, proposal: Proposal) -> None:
        """Record that a trial will never be told."""
        self._evidence.tell_missing(proposal)
