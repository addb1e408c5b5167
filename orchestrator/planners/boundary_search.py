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
from collections import Counter
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
from orchestrator.planners.surface.anchor import Anchor
from orchestrator.planners.surface.fit import Fit, fit_surface
from orchestrator.planners.surface.kernel import Places
from orchestrator.planners.surface.readings import Away, near_variances
from orchestrator.planners.surface.scouts import (
    find_probes,
    is_scout,
    scout_offset,
    scout_place,
)
from orchestrator.planners.surface.space import BoundarySpace
from orchestrator.planners.surface.trials import Trials
from orchestrator.planners.surface.verdicts import BAND_SDS, judge_places
from orchestrator.planners.threshold import Threshold
from search_spaces.point import Point

Floats = NDArray[np.float64]

FIRST_SCOUT = 16  # trials before anything unexpected is looked for
TELLING = 0.5  # seed variances per variance of a reading that counts as a visit
NEARBY = 0.1  # decades from the threshold at which a reading is valued
HEDGE_STEP = 0.7548776662466927  # another stride than that of the quantiles
REFERENCES_LOG2 = 7
CANDIDATES_LOG2 = 8


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


class BoundarySearch:
    """Looks for the critical learning rate over a space.

    Args:
        space: Where to look.
        level: A score below it counts as collapsed; above 0.
        seed: Seed of the candidate places.
        references: Places whose boundary is wanted; None means everywhere alike.
        anchor: What another study found, believed unless the trials speak against it.
    """

    def __init__(
        self,
        space: BoundarySpace,
        level: float,
        seed: int = 0,
        references: Sequence[Point] | None = None,
        anchor: Anchor | None = None,
    ) -> None:
        self._space = space
        self._level = level
        self._anchor = anchor
        self._told: dict[tuple[str, float, int], tuple[Setting, Observation]] = {}
        self._missing: dict[tuple[str, float, int], Setting] = {}
        self._references = list(references or spread_places(space, REFERENCES_LOG2, seed))
        extra = spread_places(space, CANDIDATES_LOG2, seed + 1)
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
        taken = self._told.keys() | self._missing.keys() | {setting.key for setting in waiting}
        uses = Counter(setting.place.key for setting in [*self._known(), *waiting])
        asked: list[Setting] = []
        for place, x in self._want(count, waiting, len(taken)):
            used = uses[place.key]
            turn = len(taken) if used == 0 else used  # new places take turns, old ones go on
            setting = self._fresh(Setting(place, x, turn % self._space.replicates), taken)
            uses[place.key] += 1
            taken = taken | {setting.key}
            asked.append(setting)
        return asked

    def _known(self) -> Iterable[Setting]:
        yield from (setting for setting, _ in self._told.values())
        yield from self._missing.values()

    def _want(
        self, count: int, waiting: Sequence[Setting], start: int
    ) -> list[tuple[Point, float]]:
        """Return places and log10 learning rates: probes, then scouts and the boundary."""
        fit = self.fit()
        low, high = self._space.low, self._space.high
        mean_C, _ = fit.belief.at(self._encoded)
        probes: list[tuple[Point, float]] = []
        if len(self._told) >= FIRST_SCOUT:
            settings = [setting for _, (setting, _) in sorted(self._told.items())]
            found = find_probes(self.trials(), fit, low, high)
            probes = [(settings[probe.trial].place, probe.x) for probe in found]
        waits = Counter(setting.place.key for setting in waiting)
        probes = [probe for probe in probes if not waits[probe[0].key]][:count]
        numbers = range(start + len(probes), start + count)
        scouts = [n for n in numbers if n >= FIRST_SCOUT and is_scout(n)]
        wanted = probes
        for number in scouts:
            i = scout_place(number, len(self._references))
            x = float(mean_C[i]) + scout_offset(number)
            wanted.append((self._candidates[i], min(max(x, low), high)))
        picked = self._pick(fit, count - len(wanted), waiting)
        means, spreads = self._expect(fit, picked, start)
        rates = place_rates(means, spreads, start, low, high)
        return wanted + [(self._candidates[i], x) for i, x in zip(picked, rates, strict=True)]

    def _expect(self, fit: Fit, picked: Sequence[int], start: int) -> tuple[Floats, Floats]:
        """Return mean and spread of thresholds at candidates, as the trials look for them there.

        As many trials as another study's posterior may be wrong are placed as if without it:
        a wrong one is then found out within the first round.
        """
        places = self._encoded.take(np.array(picked, dtype=np.int64))
        mean, variance = fit.belief.at(places)
        noise = fit.seed_noise_at(places)
        if fit.alone is None:
            return mean, np.hypot(np.sqrt(variance), noise)
        numbers = np.arange(start, start + len(picked))
        is_hedge = np.mod(HEDGE_STEP * numbers, 1.0) >= fit.prior_share
        mean_alone, variance_alone = fit.alone.at(places)
        spread = np.hypot(np.sqrt(np.where(is_hedge, variance_alone, variance)), noise)
        return np.where(is_hedge, mean_alone, mean), spread

    def _pick(self, fit: Fit, count: int, waiting: Sequence[Setting]) -> list[int]:
        """Return the candidates where the boundary's variance falls most."""
        rehearsal, relevance_R = self._rehearse(fit)
        for setting in waiting:
            rehearsal.imagine(self._nearest(setting.place))
        return pick_places(rehearsal, count, relevance_R)

    def _rehearse(self, fit: Fit) -> tuple[Rehearsal, Floats]:
        count = len(self._references)
        mean_C, variance_C = fit.belief.at(self._encoded)
        relevance_R = relevance(
            mean_C[:count], variance_C[:count], self._space.low, self._space.high
        )
        covariance_CC = fit.belief.covariance(self._encoded)
        rehearsal = Rehearsal(
            covariance_CC, count, self._worth(fit), self._visits(fit), self._space.replicates
        )
        return rehearsal, relevance_R

    def _visits(self, fit: Fit) -> Floats:
        """Return how many trials at each candidate showed where their threshold lies."""
        seed_variance_n = fit.seed_noise_at(self.trials().places) ** 2
        precise = fit.sites.precision_n * seed_variance_n > TELLING
        told = [setting.place.key for _, (setting, _) in sorted(self._told.items())]
        visits = Counter(key for key, is_precise in zip(told, precise, strict=True) if is_precise)
        return np.array([visits[place.key] for place in self._candidates], dtype=np.float64)

    def posterior(self, places: Sequence[Point]) -> list[Threshold]:
        """Return the boundary at places: posterior, 95 % band, and what may be said of it."""
        encoded = Places(*self._space.encode(places))
        return judge_places(encoded, self.trials(), self.fit(), self._space.low, self._space.high)

    def expected_width(self, more: int) -> float:
        """Return the mean width of the band over the references after ``more`` trials."""
        fit = self.fit()
        rehearsal, relevance_R = self._rehearse(fit)
        pick_places(rehearsal, more, relevance_R)
        variances = rehearsal.variances()[: len(self._references)]
        return float(2 * BAND_SDS * fit.spread(variances).mean())

    def fit(self) -> Fit:
        """Return the surface fitted to what was told."""
        if self._fit is None:
            space = self._space
            self._fit = fit_surface(self.trials(), space.low, space.high, self._anchor)
        return self._fit

    def trials(self) -> Trials:
        """Return what was told, sorted."""
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
        noise_C = fit.seed_noise_at(self._encoded)
        return Worth(noise_C, (max(reach[0], 1e-3), max(reach[1], 1e-3)), reading)

    def _fresh(self, setting: Setting, taken: set[tuple[str, float, int]]) -> Setting:
        """Return the setting, moved a little if it was tried already."""
        step, moved = 0, setting
        while moved.key in taken:
            step += 1
            offset = 0.002 * ((step + 1) // 2) * (1 if step % 2 else -1)
            x = min(max(setting.x + offset, self._space.low), self._space.high)
            moved = Setting(setting.place, x, (setting.replicate + step) % self._space.replicates)
        return moved


def spread_places(space: BoundarySpace, log2: int, seed: int) -> list[Point]:
    """Return at most 2**log2 places, spread evenly over a space (Sobol, scrambled by seed)."""
    if not space.axes:
        return [Point.of({})]
    engine = qmc.Sobol(len(space.axes), scramble=True, rng=np.random.default_rng(seed))
    places = [space.place_at(list(row)) for row in engine.random_base2(log2)]
    return list({place.key: place for place in places}.values())


def _log_ratio(observation: Observation, level: float) -> float:
    if observation.is_diverged or observation.score <= 0:
        return -math.inf
    return math.log(observation.score / level)
