"""How far seeds differ from place to place: against a naive loop, and in worlds that are known."""

import math

import numpy as np
import pytest

from orchestrator.planners.surface.kernel import Places
from orchestrator.planners.surface.unevenness import (
    BELIEVED,
    LENGTH,
    LOG_FACTORS_Q,
    OTHER_WORD,
    TAUS,
    Unevenness,
)
from orchestrator.planners.world_kind import WorldKind
from orchestrator.planners.worlds import build_world
from tests.orchestrator.planners.lab import search_world, study_over

SIGMA = 0.1
ELSEWHERE = Places(np.array([[0.1], [0.5], [0.9]]), np.array([[0], [1], [1]]))


def thresholds(count: int, seed: int = 0) -> tuple[Places, np.ndarray, np.ndarray]:
    """Return thresholds whose seeds are quiet on the left and wild on the right."""
    draw = np.random.default_rng(seed)
    units = draw.random((count, 1))
    words = draw.integers(0, 2, (count, 1))
    noise = SIGMA * np.where(units[:, 0] < 0.5, 0.3, 2.0)
    return Places(units, words), draw.normal(0, noise), np.full(count, 0.01**2)


def believe_slowly(said: list[float], tau: float) -> list[float]:
    """Return the posterior of q on its grid, one by one."""
    if tau == 0.0:
        return [float(q == 0.0) for q in LOG_FACTORS_Q]
    logs = [s - 0.5 * (q / tau) ** 2 for s, q in zip(said, LOG_FACTORS_Q, strict=True)]
    masses = [math.exp(value - max(logs)) for value in logs]
    return [mass / sum(masses) for mass in masses]


def say_slowly(
    places: Places, off: np.ndarray, other: np.ndarray, units: float, word: int, skipped: int
) -> list[float]:
    """Return what all thresholds but one say of q at a place."""
    said = [0.0] * len(LOG_FACTORS_Q)
    for i in range(len(places)):
        if i == skipped:
            continue
        counts = math.exp(-0.5 * (units - places.units_nA[i, 0]) ** 2 / LENGTH**2)
        counts *= OTHER_WORD if places.words_nB[i, 0] != word else 1.0
        for k, q in enumerate(LOG_FACTORS_Q):
            said[k] += counts * math.log(density(off[i], other[i], q))
    return said


def density(off: float, other: float, q: float) -> float:
    variance = SIGMA**2 * math.exp(2 * q) + other
    return math.exp(-0.5 * off**2 / variance) / math.sqrt(variance)


def test_factors_agree_with_a_naive_loop() -> None:
    places, off, other = thresholds(14)
    scores = []
    for probability, tau in zip(BELIEVED, TAUS, strict=True):
        score = math.log(probability)
        for i in range(len(places)):
            here = float(places.units_nA[i, 0]), int(places.words_nB[i, 0])
            q_here = believe_slowly(say_slowly(places, off, other, *here, skipped=i), tau)
            chances = [density(off[i], other[i], q) for q in LOG_FACTORS_Q]
            score += math.log(sum(p * c for p, c in zip(q_here, chances, strict=True)))
        scores.append(score)
    weights = np.exp(scores) / np.exp(scores).sum()
    expected = [
        sum(
            weight * math.exp(2 * q) * p
            for weight, tau in zip(weights, TAUS, strict=True)
            for q, p in zip(
                LOG_FACTORS_Q,
                believe_slowly(say_slowly(places, off, other, unit, word, -1), tau),
                strict=True,
            )
        )
        for unit, word in ((0.1, 0), (0.5, 1), (0.9, 1))
    ]
    found = Unevenness.learn(places, off, other, SIGMA**2)
    assert found.weight_S == pytest.approx(weights)
    assert found.factors(ELSEWHERE) == pytest.approx(expected)


def test_without_thresholds_seeds_differ_alike_everywhere() -> None:
    assert Unevenness.none(ELSEWHERE).factors(ELSEWHERE) == pytest.approx(np.ones(3))


def test_quiet_and_wild_places_are_told_apart() -> None:
    found = Unevenness.learn(*thresholds(80), SIGMA**2)
    quiet, _, wild = np.sqrt(found.factors(ELSEWHERE))
    assert found.weight_S[0] < 0.01
    assert quiet < 0.85
    assert wild > 1.5


def test_seeds_that_differ_alike_are_mostly_taken_for_it() -> None:
    draw = np.random.default_rng(0)
    weights = []
    for _ in range(20):
        places, _, other = thresholds(48)
        weights.append(
            Unevenness.learn(places, draw.normal(0, SIGMA, 48), other, SIGMA**2).weight_S
        )
    assert np.mean(weights, axis=0)[0] > BELIEVED[0]


def test_a_search_finds_where_seeds_are_wild() -> None:
    agreement = []
    for seed in range(4):
        study = study_over(1)
        searched = search_world(WorldKind.UNEVEN, study, seed, 96)
        found = [t.seed_noise for t in searched.search.posterior(searched.places)]
        world = build_world(WorldKind.UNEVEN, study, seed)
        true = [world.seed_noise_at(place) for place in searched.places]
        agreement.append(np.corrcoef(np.log(found), np.log(true))[0, 1])
    assert np.mean(agreement) > 0.7
