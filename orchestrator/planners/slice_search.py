"""What to try next in one slice: a pure function of the slice's trials.

Replicate 0 is the scout: it walks the axis in steps of half a decade (a whole one when the
budget is small) and halves its bracket to a quarter of a decade; only then do the other
replicates start, at the two ends of that bracket. Where they find no crossing between them
they reach out, doubling the span. Each bisects its own bracket until it is a third of the asked
band wide, beyond which the seeds, not the brackets, make the band. Over four decades and three
replicates that is 23 trials a slice for brackets of 1/32 decade; three replicates that all
walk have spent 27 before their brackets are narrower than half a decade. A second crossing
narrower than a step of the walk can be missed.

Every search ends by itself: coarse values and probes are finitely many, spans double within
the axis, brackets halve down to a floor.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from orchestrator.planners.bracket import Bracket, find_bracket, reach_out
from orchestrator.planners.monotone import Crossing, find_crossing
from orchestrator.planners.space import round_within, spread_order
from orchestrator.planners.threshold import estimate_threshold
from search_spaces.axis import RangeAxis

SCOUT_DECADES = 0.25  # the other replicates start when the scout's bracket is this narrow
FINE_WALK_DECADES = 0.5
COARSE_WALK_DECADES = 1.0
EDGE_DECADES = 0.25  # how well the ends of a transition interval are resolved
BRACKETS_PER_BAND = 3
MAX_PROBED_PLACES = 2  # contradictions looked into at a time


@dataclass(frozen=True, slots=True)
class Trial:
    """A finished trial of the slice; ``position`` is log10 of ``lr``."""

    replicate: int
    lr: float
    is_collapsed: bool

    @property
    def position(self) -> float:
        """log10 of the learning rate."""
        return math.log10(self.lr)


Step = tuple[int, float]
"""A replicate and a learning rate to try."""


def choose_walk(axis: RangeAxis, replicates: int, trials: float) -> float:
    """Return the scout's step that leaves enough of a slice's ``trials`` for bisection."""
    low, high = math.log10(axis.low), math.log10(axis.high)
    bisection = 4 + 5 * (replicates - 1)
    is_affordable = _count_walk(low, high, FINE_WALK_DECADES) + bisection <= trials
    return FINE_WALK_DECADES if is_affordable else COARSE_WALK_DECADES


def _count_walk(low: float, high: float, step: float) -> int:
    return max(math.ceil((high - low) / step - 1e-9) + 1, 3)


class SliceSearch:
    """The search in one slice, given its trials so far.

    Args:
        axis: The learning-rate axis.
        replicates: Replicates of the study.
        band_decades: The band at which the slice is finished.
        walk_decades: Step of the scout's walk.
        trials: Finished trials of the slice.
        is_known: Whether (replicate, lr) was told or is missing, and must not be asked.
    """

    def __init__(
        self,
        axis: RangeAxis,
        replicates: int,
        band_decades: float,
        walk_decades: float,
        trials: Iterable[Trial],
        is_known: Callable[[int, float], bool],
    ) -> None:
        self._axis = axis
        self._low, self._high = math.log10(axis.low), math.log10(axis.high)
        self._replicates = range(replicates)
        self._band = band_decades
        self._trials = sorted(trials, key=lambda trial: (trial.lr, trial.replicate))
        self._is_known = is_known
        self._coarse = self._place_coarse(walk_decades)

    def next_steps(self) -> list[Step]:
        """Return what to try next, most wanted first; empty when the slice is finished."""
        scout = self._find_scout()
        if scout is None:
            return []
        return self._walk(scout) or self._settle(scout)

    def _settle(self, scout: int) -> list[Step]:
        """Return what is next after the walk."""
        crossing = self._cross()
        if crossing.is_reentrant:
            return self._narrow_edges(scout, crossing)
        return self._probe(crossing) or self._refine(scout)

    def _refine(self, scout: int) -> list[Step]:
        """Return what is next where one crossing, or none, explains the trials."""
        bracket = self._bracket(scout)
        if SCOUT_DECADES + 1e-3 < bracket.width < math.inf:
            return self._bisect(scout, bracket)
        if self._is_answered():
            return []
        return [step for r in self._replicates for step in self._advance(r, scout, bracket)]

    def _place_coarse(self, walk_decades: float) -> list[float]:
        """Return the learning rates of the walk: at least three, both ends exact."""
        count = _count_walk(self._low, self._high, walk_decades)
        inner = [self._lr_at(x) for x in np.linspace(self._low, self._high, count)[1:-1]]
        return [self._axis.low, *inner, self._axis.high]

    def _lr_at(self, position: float) -> float:
        return round_within(10.0**position, self._axis)

    def _find_scout(self) -> int | None:
        """Return the first replicate that is not missing on the whole coarse walk."""
        told = {trial.replicate for trial in self._trials}
        for replicate in self._replicates:
            if replicate in told or self._walk(replicate):
                return replicate
        return None

    def _walk(self, replicate: int) -> list[Step]:
        wanted = [(replicate, self._coarse[i]) for i in spread_order(len(self._coarse))]
        return [step for step in wanted if not self._is_known(*step)]

    def _cross(self) -> Crossing:
        x_n = np.array([trial.position for trial in self._trials], dtype=np.float64)
        return find_crossing(x_n, np.array([t.is_collapsed for t in self._trials], dtype=bool))

    def _bracket(self, replicate: int) -> Bracket:
        mine = [trial for trial in self._trials if trial.replicate == replicate]
        return find_bracket([t.position for t in mine], [t.is_collapsed for t in mine])

    def _first_unknown(self, replicate: int, positions: Iterable[float]) -> list[Step]:
        for position in positions:
            step = (replicate, self._lr_at(position))
            if not self._is_known(*step):
                return [step]
        return []

    def _bisect(self, replicate: int, bracket: Bracket) -> list[Step]:
        return self._first_unknown(replicate, bracket.inner())

    def _probe(self, crossing: Crossing) -> list[Step]:
        """Repeat contradictions with the other replicates; with one replicate, beside them."""
        steps = []
        for position in crossing.contradictions[:MAX_PROBED_PLACES]:
            if len(self._replicates) > 1:
                steps += [(r, self._lr_at(position)) for r in self._replicates]
            else:
                steps += [(0, self._lr_at(position + offset)) for offset in (-0.1, 0.1)]
        return [step for step in dict.fromkeys(steps) if not self._is_known(*step)]

    def _narrow_edges(self, scout: int, crossing: Crossing) -> list[Step]:
        """Halve the gaps at both ends of the transition interval until they are narrow."""
        places = np.unique([trial.position for trial in self._trials])
        gaps: list[tuple[float, float]] = []
        if crossing.last_healthy is not None:
            upper = float(places[places > crossing.last_healthy + 1e-9][0])
            gaps.append((crossing.last_healthy, upper))
        if crossing.first_collapsed is not None:
            lower = float(places[places < crossing.first_collapsed - 1e-9][-1])
            gaps.append((lower, crossing.first_collapsed))
        wide = [gap for gap in dict.fromkeys(gaps) if gap[1] - gap[0] > EDGE_DECADES + 1e-3]
        return [step for gap in wide for step in self._bisect(scout, Bracket(*gap))]

    def _is_answered(self) -> bool:
        """Whether the slice's band is as narrow as asked."""
        told = {trial.replicate for trial in self._trials}
        if any(self._bracket(r).width > self._band for r in told):
            return False  # a band is hardly narrower than that: spare the integral
        trials = self._trials
        threshold = estimate_threshold(
            [t.position for t in trials],
            [t.is_collapsed for t in trials],
            [t.replicate for t in trials],
            self._low,
            self._high,
        )
        return threshold.width <= self._band

    def _advance(self, replicate: int, scout: int, scouted: Bracket) -> list[Step]:
        """Return one replicate's next steps: start, reach out, or bisect."""
        mine = [trial.position for trial in self._trials if trial.replicate == replicate]
        if not mine:
            assert replicate != scout, "a scout has walked"
            steps = [(replicate, lr) for lr in self._start(scouted)]
            return [step for step in steps if not self._is_known(*step)]
        bracket = self._bracket(replicate)
        if bracket.width == math.inf:
            return self._first_unknown(replicate, [reach_out(mine, bracket, self._low, self._high)])
        if bracket.width > self._band / BRACKETS_PER_BAND:
            return self._bisect(replicate, bracket)
        return []

    def _start(self, scouted: Bracket) -> list[float]:
        """Return where a replicate begins: the scout's bracket, or the end it ran into."""
        if scouted.collapsed is None:
            return self._coarse[-2:]
        if scouted.healthy is None:
            return self._coarse[:2]
        return [self._lr_at(scouted.healthy), self._lr_at(scouted.collapsed)]
