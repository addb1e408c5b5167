"""The boundary as one surface over all other axes: every trial informs every slice.

Each round asks where the band over the study's slices falls most (``boundary_search``).
"""

import math
from collections.abc import Sequence

from orchestrator.planners.boundary_search import BoundarySearch
from orchestrator.planners.evidence import Evidence
from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.study_space import (
    is_within,
    open_search,
    to_proposal,
    to_setting,
)
from orchestrator.planners.threshold import Threshold, Verdict
from search_spaces.study import Study

ROUNDS = 10  # that a budget is divided into, within the sizes below
SMALLEST_ROUND, LARGEST_ROUND = 16, 48
MOST_TRIES = 20  # at rounding to a trial that was not asked before


class SurfacePlanner:
    """Finds the critical learning rate as a function of all other axes.

    Ends when every slice is answered - its band is as narrow as ``study.budget.band_decades``,
    or no crossing lies in the range, or a transition interval was found - or when the budget is
    spent. With a prior (``study.start``) its first trials lie where that expects the boundary.

    Raises:
        ValueError: If the study has no learning-rate range to search.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._evidence = Evidence()
        open_search(study, ())  # refuses a study without a range
        wanted = math.ceil(study.budget.trials / ROUNDS)
        self._round = min(max(wanted, SMALLEST_ROUND), LARGEST_ROUND)
        self._asked: tuple[int, list[Proposal]] | None = None

    def ask(self) -> Sequence[Proposal]:
        """Return the next round, as far as the budget goes."""
        if self._asked is None or self._asked[0] != self._evidence.spent:
            self._asked = (self._evidence.spent, self._choose())
        return list(self._asked[1])

    def tell(self, proposal: Proposal, finding: Finding) -> None:
        """Record a finished trial."""
        self._evidence.tell(proposal, finding)
        self._asked = None

    def tell_missing(self, proposal: Proposal) -> None:
        """Record that a trial will never be told."""
        self._evidence.tell_missing(proposal)
        self._asked = None

    def _choose(self) -> list[Proposal]:
        remaining = self._evidence.remaining(self._study)
        if remaining <= 0:
            return []
        search = open_search(self._study, self._evidence.findings())
        for proposal in self._evidence.missing():
            if is_within(self._study, proposal):
                search.tell_missing(to_setting(proposal))
        if self._is_answered(search):
            return []
        return self._draw(search, min(self._round, remaining))

    def _is_answered(self, search: BoundarySearch) -> bool:
        if self._study.start is not None and self._evidence.spent < SMALLEST_ROUND:
            return False  # a prior alone answers nothing
        found = search.posterior(self._study.slices())
        return all(is_answered(t, self._study.budget.band_decades) for t in found)

    def _draw(self, search: BoundarySearch, count: int) -> list[Proposal]:
        """Return new trials; rounding may make two alike, so ask again for those."""
        drawn: dict[str, Proposal] = {}
        for _ in range(MOST_TRIES):
            pending = [to_setting(proposal) for proposal in drawn.values()]
            for setting in search.ask(count - len(drawn), pending):
                proposal = to_proposal(self._study, setting)
                if not self._evidence.knows(proposal):
                    drawn.setdefault(proposal.key, proposal)
            if len(drawn) == count:
                break
        return list(drawn.values())


def is_answered(threshold: Threshold, band_decades: float) -> bool:
    """Whether a slice needs no more trials."""
    match threshold.verdict:
        case Verdict.INSIDE:
            return threshold.width <= band_decades
        case Verdict.ABOVE | Verdict.BELOW | Verdict.TRANSITION:
            return True
        case Verdict.UNDECIDED:
            return False
