"""Analytic collapse surfaces, and a planner run against one to its end: no Ray, no training.

A 500-trial study takes seconds, the truth is known, and everything is keyed by trial, so that
a trial's finding is the same whenever and in whatever order it is made.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from orchestrator.planners.protocol import Finding, Planner, Proposal
from orchestrator.planners.relief import Relief
from search_spaces.point import Point, Value
from search_spaces.study import LR

HEALTHY_RANK = 24.0
UTILITY_GAP_DECADES = 0.7  # the best learning rate lies this far below the threshold
DIVERGENCE_DECADES = 1.5  # beyond the threshold the loss is no longer finite
DECIDED_SHARE = 0.4  # of a trial's steps, where it stays clearly below the level
DIVERGED_SHARE = 0.1


@dataclass(frozen=True)
class Surface:
    """A world: log10 of the critical learning rate over the other axes, and its noise.

    The score falls smoothly with log10 lr and equals ``level`` exactly at the threshold of
    the replicate.

    Attributes:
        base: log10 threshold where all axes are at 1 (numbers) or unlisted (words).
        slopes: Decades of threshold per decade of a numeric axis, by path.
        kinks: (value, extra slope above it) by path.
        offsets: Decades added where an axis has a value, by (path, value).
        seed_noise: Standard deviation over replicates of the threshold, decades.
        unevenness: Hills of log10 of a factor on the seed noise; None for the same everywhere.
        jitter: Standard deviation over trials of one replicate, decades.
        score_noise: Standard deviation of the natural logarithm of score - 1 over trials.
        lapse: Share of trials whose label is a coin's.
        healthy_again: (from, to) decades above the threshold where trials are healthy: a
            re-entrant world; None for one crossing.
        relief: Hills over the axes, added to slopes, kinks and offsets.
        softness: Decades of the logistic that the score follows: it falls from 22 to 2 within
            5.5 of them. 0.27 is a fall over 1.5 decades, 0.02 a cliff.
        level: The score below which a trial counts as collapsed.
        steps: Optimiser steps of a trial that runs to its end. One that is clearly below the
            level is decided early, after two fifths of them; divergence ends at a tenth.
        seconds_per_step: What an optimiser step takes, for budgets in seconds.
        seed: Seed of all noise.
    """

    base: float = 0.0
    slopes: Mapping[str, float] = field(default_factory=dict)
    kinks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    offsets: Mapping[tuple[str, Value], float] = field(default_factory=dict)
    seed_noise: float = 0.04
    unevenness: Relief | None = None
    jitter: float = 0.0
    score_noise: float = 0.0
    lapse: float = 0.0
    healthy_again: tuple[float, float] | None = None
    relief: Relief | None = None
    softness: float = 0.15
    level: float = 2.0
    steps: int = 300
    seconds_per_step: float = 0.0
    seed: int = 0

    def threshold_at(self, point: Point) -> float:
        """Return the true log10 critical learning rate of a point's slice."""
        hills = 0.0 if self.relief is None else self.relief.height_at(point)
        shares = (self._share(path, v) for path, v in point.without(LR).coordinates)
        return self.base + hills + sum(shares)

    def seed_noise_at(self, point: Point) -> float:
        """Return the standard deviation of thresholds over seeds in a point's slice, decades."""
        if self.unevenness is None:
            return self.seed_noise
        factor: float = 10.0 ** self.unevenness.height_at(point.without(LR))
        return self.seed_noise * factor

    def find(self, proposal: Proposal) -> Finding:
        """Return the finding of a trial; equal trials give equal findings."""
        distance = self._distance_above(proposal)
        coin = self._draw("lapse", proposal.key)
        if coin.random() < self.lapse:
            distance = 0.5 if coin.random() < 0.5 else -0.5
        is_diverged = distance > DIVERGENCE_DECADES
        score = 0.0 if is_diverged else self._measure(proposal, distance)
        is_collapsed = score < self.level
        steps = self._count_steps(score, is_diverged)
        return Finding(
            score=score,
            is_collapsed=is_collapsed,
            is_diverged=is_diverged,
            utility=None if is_diverged else 1.0 / (1.0 + (distance + UTILITY_GAP_DECADES) ** 2),
            steps=steps,
            seconds=steps * self.seconds_per_step,
        )

    def _count_steps(self, score: float, is_diverged: bool) -> int:
        if is_diverged:
            return round(DIVERGED_SHARE * self.steps)
        is_decided = score < (1.0 + self.level) / 2
        return round(DECIDED_SHARE * self.steps) if is_decided else self.steps

    def _measure(self, proposal: Proposal, distance: float) -> float:
        wobble = self._draw("score", proposal.key).normal(0.0, self.score_noise)
        return 1.0 + (self._score(distance) - 1.0) * math.exp(wobble)

    def _share(self, path: str, value: Value) -> float:
        share = self.offsets.get((path, value), 0.0)
        if isinstance(value, str | bool) or value <= 0:
            return share
        decades = math.log10(value)
        share += self.slopes.get(path, 0.0) * decades
        at, extra = self.kinks.get(path, (1.0, 0.0))
        return share + extra * max(decades - math.log10(at), 0.0)

    def _distance_above(self, proposal: Proposal) -> float:
        """Decades above the replicate's own threshold; negative is healthy."""
        lr = dict(proposal.point.coordinates).get(LR, 1.0)  # not an axis: fixed, anywhere
        assert isinstance(lr, int | float)
        where = proposal.point.without(LR).key
        noise = self.seed_noise_at(proposal.point)
        shift = self._draw("seed", where, proposal.replicate).normal(0.0, noise)
        wobble = self._draw("jitter", proposal.key).normal(0.0, self.jitter)
        distance = math.log10(lr) - self.threshold_at(proposal.point) - shift - wobble
        if self.healthy_again and self.healthy_again[0] <= distance <= self.healthy_again[1]:
            return -0.5
        return distance

    def _score(self, distance: float) -> float:
        share_at_threshold = (self.level - 1.0) / (HEALTHY_RANK - 1.0)
        logit = math.log(share_at_threshold / (1.0 - share_at_threshold))
        share = 1.0 / (1.0 + math.exp(min(distance / self.softness - logit, 500.0)))
        return 1.0 + (HEALTHY_RANK - 1.0) * share

    def _draw(self, purpose: str, *names: object) -> np.random.Generator:
        text = "|".join([str(self.seed), purpose, *map(str, names)])
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return np.random.default_rng(int.from_bytes(digest))


@dataclass(frozen=True)
class Simulation:
    """A finished simulated study: its rounds in order, and every finding by trial key."""

    rounds: tuple[tuple[Proposal, ...], ...]
    findings: Mapping[str, Finding]

    @property
    def trials(self) -> int:
        """How many trials were run."""
        return len(self.findings)

    @property
    def trial_steps(self) -> int:
        """Optimiser steps spent, over all trials."""
        return sum(finding.steps for finding in self.findings.values())


def simulate(planner: Planner, surface: Surface, max_rounds: int = 10_000) -> Simulation:
    """Run a planner until it asks no more.

    Raises:
        RuntimeError: If it has not ended after ``max_rounds`` rounds.
    """
    rounds: list[tuple[Proposal, ...]] = []
    findings: dict[str, Finding] = {}
    while asked := tuple(planner.ask()):
        if len(rounds) == max_rounds:
            raise RuntimeError(f"the planner has not ended after {max_rounds} rounds")
        rounds.append(asked)
        for proposal in asked:
            findings[proposal.key] = surface.find(proposal)
            planner.tell(proposal, findings[proposal.key])
    return Simulation(tuple(rounds), findings)
