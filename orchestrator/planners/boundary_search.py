"""The boundary search itself: ask, tell, and what is known of the boundary so far.

Knows places (points without their learning rate) and log10 learning rates, nothing of studies,
files, Ray or Optuna: the surface planner and the Optuna sampler both drive it. What it asks is a
function of what it was told and of the pending trials alone.

    search = BoundarySearch(BoundarySpace(-3, 1.5, axes), level=2.0)
    for setting in search.ask(16):
        search.tell(setting, run(setting))
    search.posterior([place])[0].median
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from orchestrator.planners.surface.acquire import (
    Rehearsal,
    Worth,
    pick_places,
    place_rates,
    relevance,
)
from orchestrator.planners.surface.fit import Fit, Trials, fit_surface
from orchestrator.planners.surface.kernel import Places
from orchestrator.planners.surface.readings import Away, near_variances
from orchestrator.planners.surface.space import BoundarySpace
from search_spaces.point import Point

Floats = NDArray[np.float64]

BAND_SDS = 1.959963985
NEARBY = 0.1  # decades from the threshold at which a reading is valued
REFERENCES_LOG2 = 7
CANDIDATES_LOG2 = 8
NEARBY = 0.1  # decades from the threshold at which a reading is valued


@dataclass(frozen=True, slots=True)
class Setting:
    """A trial: a place, log10 of its learning rate, and a replicate."""

    place: Point
    x: float
    replicate: int

    @property
    def key(self) -> tuple[str, float, int]:
        """What identifies it."""
        return (self.place.key, self.x, self.replicate)


@dataclass(frozen=True, slots=True)
class Observation:
    """What a trial reported; the score is ignored where it diverged."""

    score: float
    is_collapsed: bool
    is_diverged: bool = False
    steps: int = 1


@dataclass(frozen=True, slots=True)
class Estimate:
    """The boundary at one place; positions are log10 learning rates, ``width`` decades."""

    median: float
    lo: float
    hi: float
    p_above: float
    p_below: float

    @property
    def width(self) -> float:
        """Width of the 95 % band."""
        return self.hi - self.lo


class BoundarySearch:
    """Looks for the critical learning rate over a space.

    Args:
        space: Where to look.
        level: A score below it counts as collapsed; above 0.
        seed: Seed of the candidate places.
        references: Places whose boundary is wanted; None means everywhere alike.
    """

    def __init__(
        self,
        space: BoundarySpace,
        level: float,
        seed: int = 0,
        references: Sequence[Point] | None = None,
    ) -> None:
        self._space = space
        self._level = level
        self._told: dict[tuple[str, float, int], tuple[Setting, Observation]] = {}
        self._missing: dict[tuple[str, float, int], Setting] = {}
        self._references = list(references or self._spread(REFERENCES_LOG2, seed))
        extra = self._spread(CANDIDATES_LOG2, seed + 1)
        known = {place.key for place in self._references}
        self._candidates = self._references + [p for p in extra if p.key not in known]
        self._encoded = Places(*space.encode(self._candidates))
        self._fit: Fit | None = None

    def tell(self, setting: Setting, observation: Observation) -> None:
        """Take in a finished trial; the first telling stands."""
        if setting.key not in self._told:
            self._told[setting.key] = (setting, observation)
            self._missing.pop(setting.key, None)
            self._fit = None

    def tell_missing(self, setting: Setting) -> None:
        """Take in that a trial will never be told; it is not asked again."""
        if setting.key not in self._told:
            self._missing[setting.key] = setting

    def ask(self, count: int, pending: Iterable[Setting] = ()) -> list[Setting]:
        """Return the next trials, none of them told, missing or pending."""
        waiting = sorted(pending, key=lambda setting: setting.key)
        fit = self.fit()
        mean_C, variance_C = fit.belief.at(self._encoded)
        references = len(self._references)
        rehearsal = Rehearsal(fit.belief.covariance(self._encoded), references, self._worth(fit))
        for setting in waiting:
            rehearsal.imagine(self._nearest(setting.place))
        wanted = relevance(
            mean_C[:references], variance_C[:references], self._space.low, self._space.high
        )
        picked = pick_places(rehearsal, count, wanted, np.ones(len(self._candidates)))
        taken = self._told.keys() | self._missing.keys() | {setting.key for setting in waiting}
        start = len(taken)
        rates = place_rates(
            [float(mean_C[i]) for i, _ in picked],
            [float(np.hypot(np.sqrt(variance_C[i]), fit.seed_noise)) for i, _ in picked],
            start,
            self._space.low,
            self._space.high,
        )
        uses: dict[str, int] = {}
        for setting in [s for s, _ in self._told.values()] + waiting + [*self._missing.values()]:
            uses[setting.place.key] = uses.get(setting.place.key, 0) + 1
        asked: list[Setting] = []
        for number, ((candidate, _), x) in enumerate(zip(picked, rates, strict=True)):
            place = self._candidates[candidate]
            used = uses.get(place.key, 0)
            uses[place.key] = used + 1
            replicate = (start + number if used == 0 else used) % self._space.replicates
            asked.append(self._fresh(Setting(place, x, replicate), taken))
            taken = taken | {asked[-1].key}
        return asked

    def posterior(self, places: Sequence[Point]) -> list[Estimate]:
        """Return the boundary at places."""
        mean, variance = self.fit().belief.at(Places(*self._space.encode(places)))
        return [self._estimate(float(m), float(v)) for m, v in zip(mean, variance, strict=True)]

    def expected_width(self, more: int) -> float:
        """Return the mean width of the band over the references after ``more`` trials."""
        fit = self.fit()
        rehearsal = Rehearsal(
            fit.belief.covariance(self._encoded), len(self._references), self._worth(fit)
        )
        mean, variance = fit.belief.at(self._encoded)
        n = len(self._references)
        wanted = relevance(mean[:n], variance[:n], self._space.low, self._space.high)
        pick_places(rehearsal, more, wanted, np.ones(len(self._candidates)))
        return float(2 * BAND_SDS * np.sqrt(rehearsal.variances()[:n]).mean())

    def fit(self) -> Fit:
        """Return the surface fitted to what was told."""
        if self._fit is None:
            self._fit = fit_surface(self._trials(), self._space.low, self._space.high)
        return self._fit

    def _trials(self) -> Trials:
        entries = [entry for _, entry in sorted(self._told.items())]
        settings = [setting for setting, _ in entries]
        y = [_log_ratio(observation, self._level) for _, observation in entries]
        return Trials(
            places=Places(*self._space.encode([setting.place for setting in settings])),
            x_n=np.array([setting.x for setting in settings], dtype=np.float64),
            replicate_n=np.array([setting.replicate for setting in settings], dtype=np.int64),
            y_n=np.array(y, dtype=np.float64),
            is_collapsed_n=np.array([o.is_collapsed for _, o in entries], dtype=bool),
        )

    def _spread(self, log2: int, seed: int) -> list[Point]:
        if not self._space.axes:
            return [Point.of({})]
        engine = qmc.Sobol(len(self._space.axes), scramble=True, rng=np.random.default_rng(seed))
        places = [self._space.place_at(list(row)) for row in engine.random_base2(log2)]
        return list({place.key: place for place in places}.values())

    def _nearest(self, place: Point) -> int:
        here = Places(*self._space.encode([place]))
        away = ((self._encoded.units_nA - here.units_nA) ** 2).sum(axis=1)
        away = away + (self._encoded.words_nB != here.words_nB).sum(axis=1) * 10.0
        return int(np.argmin(away))

    def _worth(self, fit: Fit) -> Worth:
        link = fit.layout.link(fit.vector)
        reach = fit.scores.margins(link.log_slopes_K)
        away = Away.of(np.array([-NEARBY, NEARBY]), fit.scores, link.log_slopes_K)
        reading = float(np.sqrt(near_variances(link, away).mean()))
        return Worth(fit.seed_noise, (max(reach[0], 1e-3), max(reach[1], 1e-3)), reading)

    def _fresh(self, setting: Setting, taken: set[tuple[str, float, int]]) -> Setting:
        """Return the setting, moved a little if it was tried already."""
        step, moved = 0, setting
        while moved.key in taken:
            step += 1
            offset = 0.002 * ((step + 1) // 2) * (1 if step % 2 else -1)
            x = min(max(setting.x + offset, self._space.low), self._space.high)
            moved = Setting(setting.place, x, (setting.replicate + step) % self._space.replicates)
        return moved

    def _estimate(self, mean: float, variance: float) -> Estimate:
        spread = math.sqrt(max(variance, 1e-12))
        return Estimate(
            median=mean,
            lo=mean - BAND_SDS * spread,
            hi=mean + BAND_SDS * spread,
            p_above=_phi((mean - self._space.high) / spread),
            p_below=_phi((self._space.low - mean) / spread),
        )


def _log_ratio(observation: Observation, level: float) -> float:
    if observation.is_diverged or observation.score <= 0:
        return -math.inf
    return math.log(observation.score / level)


def _phi(value: float) -> float:
    return 0.5 * math.erfc(-value / math.sqrt(2))
