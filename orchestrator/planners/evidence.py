"""What a planner was told, as a set: the order of tells leaves no trace.

Every planner decides from its study and this alone. That is why telling twice changes nothing,
why a resumed study asks what it would have asked, and why asking again after a crash, before
the first answer was written down, repeats the same round.
"""

from collections.abc import Iterator

from orchestrator.planners.protocol import Finding, Proposal
from search_spaces.point import Point


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

    def findings(self) -> Iterator[tuple[Proposal, Finding]]:
        """Yield what was told, in the order of the keys."""
        return iter(entry for _, entry in sorted(self._findings.items()))

    def points(self) -> list[Point]:
        """Return every point with a told or missing trial, in the order of the keys."""
        proposals = [p for p, _ in self._findings.values()] + list(self._missing.values())
        points = {proposal.point.key: proposal.point for proposal in proposals}
        return [point for _, point in sorted(points.items())]
