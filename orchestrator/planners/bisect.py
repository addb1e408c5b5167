"""Bracket, then bisect: the boundary slice by slice, all slices in parallel.

One round is the next step of every unfinished slice (``slice_search``).
"""

import itertools
from collections.abc import Sequence

from orchestrator.planners.evidence import Evidence
from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.slice_search import SliceSearch, Step, Trial, choose_walk
from search_spaces.axis import RangeAxis
from search_spaces.point import Point
from search_spaces.study import LR, Study


class BisectPlanner:
    """Finds each slice's critical learning rate by bisection with replicates.

    Ends when every slice's band is as narrow as ``study.budget.band_decades``, when its
    brackets can narrow it no further, or when the budget is spent. Where the budget cuts a
    round, every slice gets its most wanted trial before any gets a second one.

    Raises:
        ValueError: If the study has no learning-rate range to search.
    """

    def __init__(self, study: Study) -> None:
        if study.lr_axis is None:
            raise ValueError(f"study {study.name}: bisection needs lr: {{low, high, log: true}}")
        self._study = study
        self._axis: RangeAxis = study.lr_axis
        self._slices = study.slices()
        trials_a_slice = study.budget.trials / len(self._slices)
        self._walk_decades = choose_walk(self._axis, study.replicates, trials_a_slice)
        self._evidence = Evidence()
        self._finished: set[tuple[Point, int]] = set()

    def ask(self) -> Sequence[Proposal]:
        """Return the next step of every unfinished slice, as far as the budget goes."""
        remaining = self._evidence.remaining(self._study)
        if remaining <= 0:
            return []
        trials = self._trials_by_slice()
        wanted = [
            [Proposal(point.replace(LR, lr), r) for r, lr in self._next_steps(point, trials[point])]
            for point in self._slices
        ]
        ranks = itertools.zip_longest(*wanted)
        return [p for rank in ranks for p in rank if p is not None][:remaining]

    def tell(self, proposal: Proposal, finding: Finding) -> None:
        """Record a finished trial."""
        self._evidence.tell(proposal, finding)

    def tell_missing(self, proposal: Proposal) -> None:
        """Record that a trial will never be told."""
        self._evidence.tell_missing(proposal)

    def _trials_by_slice(self) -> dict[Point, list[Trial]]:
        trials: dict[Point, list[Trial]] = {point: [] for point in self._slices}
        for proposal, finding in self._evidence.findings():
            lr = dict(proposal.point.coordinates).get(LR)
            mine = trials.get(proposal.point.without(LR))
            if mine is not None and isinstance(lr, float | int) and self._is_ours(lr, proposal):
                mine.append(Trial(proposal.replicate, float(lr), finding.is_collapsed))
        return trials

    def _is_ours(self, lr: float, proposal: Proposal) -> bool:
        is_replicate = 0 <= proposal.replicate < self._study.replicates
        return is_replicate and self._axis.low <= lr <= self._axis.high

    def _next_steps(self, point: Point, trials: list[Trial]) -> list[Step]:
        if (point, len(trials)) in self._finished:
            return []  # nothing new was told of it: spare the integral

        def is_known(replicate: int, lr: float) -> bool:
            return self._evidence.knows(Proposal(point.replace(LR, lr), replicate))

        steps = SliceSearch(
            self._axis,
            self._study.replicates,
            self._study.budget.band_decades,
            self._walk_decades,
            trials,
            is_known,
        ).next_steps()
        if not steps:
            self._finished.add((point, len(trials)))
        return steps
