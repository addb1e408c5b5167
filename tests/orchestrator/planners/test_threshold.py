"""The posterior of a slice's boundary: a naive reference, symmetries, verdicts, refusals."""

import itertools
import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.planners.threshold import (
    JITTERS,
    LAPSE_WEIGHTS,
    LAPSES,
    SEED_NOISES_S,
    Threshold,
    Verdict,
    estimate_threshold,
)

LOW, HIGH = -2.0, 2.0
DECADES = [-2.0, -1.0, 0.0, 1.0, 2.0]


def phi(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


def reference_quantiles(
    trials: list[tuple[float, bool, int]], low: float, high: float
) -> tuple[float, float, float]:
    """The model of the docstring on one even grid, with loops: (2.5 %, 50 %, 97.5 %) of mu."""
    step = 0.02
    grid = [low - 1 + step * (i + 0.5) for i in range(round((high - low + 2) / step))]
    mass = [0.0] * len(grid)
    for (j, jitter), (k, lapse) in itertools.product(enumerate(JITTERS), enumerate(LAPSES)):
        likelihoods: list[list[float]] = []
        for replicate in sorted({r for _, _, r in trials}):
            row = []
            for t in grid:
                p = 1.0
                for x, collapsed, r in trials:
                    if r == replicate:
                        agree = phi((x - t if collapsed else t - x) / jitter)
                        p *= lapse / 2 + (1 - lapse) * agree
                row.append(p)
            likelihoods.append(row)
        log_weights = [-0.5 * math.log(w / 0.02) ** 2 for w in JITTERS]
        weight = math.exp(log_weights[j]) / sum(map(math.exp, log_weights)) * LAPSE_WEIGHTS[k]
        for s in map(float, SEED_NOISES_S):
            prior = math.exp(-0.5 * (math.log(s / 0.1) / math.log(3.5)) ** 2)
            cells = [phi((d + 0.5) * step / s) - phi((d - 0.5) * step / s) for d in range(150)]
            for m in range(len(grid)):
                product = weight * prior
                for row in likelihoods:
                    near = range(max(m - 149, 0), min(m + 150, len(grid)))
                    beyond = row[0] * phi(-(m + 0.5) * step / s)
                    beyond += row[-1] * phi(-(len(grid) - m - 0.5) * step / s)
                    product *= beyond + sum(row[t] * cells[abs(t - m)] for t in near)
                mass[m] += product
    below = list(itertools.accumulate(mass))
    return tuple(  # type: ignore[return-value]
        next(x for x, b in zip(grid, below, strict=True) if b >= q * below[-1])
        for q in (0.025, 0.5, 0.975)
    )


def estimate(trials: list[tuple[float, bool, int]]) -> Threshold:
    return estimate_threshold(
        [x for x, _, _ in trials], [c for _, c, _ in trials], [r for _, _, r in trials], LOW, HIGH
    )


def step_at(
    threshold: float, positions: list[float], replicate: int = 0
) -> list[tuple[float, bool, int]]:
    return [(x, x > threshold, replicate) for x in positions]


def three_seeds_at(threshold: float) -> list[tuple[float, bool, int]]:
    return [trial for replicate in range(3) for trial in step_at(threshold, DECADES, replicate)]


def test_agrees_with_a_naive_reference() -> None:
    trials = [(-0.4, False, 0), (-0.1, False, 0), (0.2, True, 0), (-0.3, True, 1), (-0.5, False, 1)]
    expected = reference_quantiles(trials, -0.5, 0.3)
    found = estimate_threshold(
        [x for x, _, _ in trials], [c for _, c, _ in trials], [r for _, _, r in trials], -0.5, 0.3
    )
    assert (found.lo, found.median, found.hi) == pytest.approx(expected, abs=0.025)


def test_no_trials_give_back_the_prior() -> None:
    nothing = estimate([])
    assert nothing.verdict is Verdict.UNDECIDED
    assert nothing.median == pytest.approx(0.0, abs=0.02)
    assert nothing.width == pytest.approx(0.95 * 6.0, abs=0.02)
    assert (nothing.p_above, nothing.p_below) == pytest.approx((1 / 6, 1 / 6), abs=0.01)
    assert nothing.transition == (LOW, HIGH)


def test_one_crossing_lies_in_its_bracket() -> None:
    found = estimate([t for r in range(3) for t in step_at(0.3, [*DECADES, 0.25, 0.35], r)])
    assert found.verdict is Verdict.INSIDE
    assert (found.last_healthy, found.first_collapsed) == (0.25, 0.35)
    assert found.lo < 0.3 < found.hi
    assert found.median == pytest.approx(0.3, abs=0.01)
    assert found.width < 0.2


def test_trials_of_one_seed_cannot_pin_the_boundary_of_all_seeds() -> None:
    fine = [0.3 + 0.001 * i for i in range(-20, 21)]
    one_seed = estimate(step_at(0.3, [*DECADES, *fine]))
    many_seeds = estimate([(x, x > 0.3, r) for r, x in enumerate([*DECADES, *fine])])
    assert one_seed.width > 0.1 > many_seeds.width


@pytest.mark.parametrize(
    ("trials", "verdict"),
    [
        pytest.param(step_at(9, DECADES), Verdict.ABOVE, id="healthy-to-the-top"),
        pytest.param(step_at(-9, DECADES), Verdict.BELOW, id="collapsed-from-the-bottom"),
        pytest.param(step_at(9, DECADES[:-1]), Verdict.UNDECIDED, id="top-not-tried"),
        pytest.param(step_at(-9, DECADES[1:]), Verdict.UNDECIDED, id="bottom-not-tried"),
        pytest.param(step_at(0.5, DECADES), Verdict.INSIDE, id="one-crossing"),
        pytest.param(
            [*three_seeds_at(9)[:-1], (2.0, True, 2)],
            Verdict.TRANSITION,
            id="one-of-three-collapsed-at-the-top",
        ),
        pytest.param(
            [(x, x in (0.0, 0.5), 0) for x in (-2.0, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0)],
            Verdict.TRANSITION,
            id="healthy-again-to-the-top",
        ),
        pytest.param(
            [(x, x not in (-2.0, -1.0, 1.0, 1.5), 0) for x in (-2.0, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0)]
            + [(2.0, True, 1), (0.0, True, 1), (0.5, True, 1)],
            Verdict.TRANSITION,
            id="collapsed-healthy-collapsed",
        ),
        pytest.param(
            [*three_seeds_at(-0.5)[:-1], (2.0, False, 2)],
            Verdict.INSIDE,
            id="one-lapse-outvoted-at-its-place",
        ),
    ],
)
def test_verdicts(trials: list[tuple[float, bool, int]], verdict: Verdict) -> None:
    assert estimate(trials).verdict is verdict


def test_a_healthy_range_puts_nearly_all_mass_above_it() -> None:
    found = estimate(three_seeds_at(9))
    assert found.p_above > 0.9
    assert found.transition == (HIGH, HIGH)


def test_a_transition_interval_holds_every_disagreement() -> None:
    trials = [(x, x in (0.0, 0.5), 0) for x in (-2.0, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0)]
    assert estimate(trials).transition == (-1.0, HIGH)


def test_five_percent_wrong_labels_move_the_median_little() -> None:
    lottery = random.Random(1)
    positions = [0.4 + 0.1 * i for i in range(-15, 16)]
    right = [t for r in range(3) for t in step_at(0.42, positions, r)]
    wrong = [(x, c != (lottery.random() < 0.05), r) for x, c, r in right]
    assert sum(a != b for a, b in zip(right, wrong, strict=True)) >= 3
    assert estimate(wrong).median == pytest.approx(estimate(right).median, abs=0.06)


positions_and_labels = st.lists(
    st.tuples(st.floats(LOW, HIGH), st.booleans(), st.integers(0, 2)), max_size=25
)


@settings(max_examples=25, deadline=None)
@given(trials=positions_and_labels, seed=st.integers(0, 99))
def test_any_labels_give_an_ordered_band_whatever_their_order(
    trials: list[tuple[float, bool, int]], seed: int
) -> None:
    found = estimate(trials)
    assert LOW - 1 <= found.lo <= found.median <= found.hi <= HIGH + 1
    assert 0 <= found.p_below <= 1
    assert found.transition[0] <= found.transition[1]
    shuffled = trials.copy()
    random.Random(seed).shuffle(shuffled)
    assert estimate(shuffled) == found


@settings(max_examples=15, deadline=None)
@example(trials=[(2.0, False, 0), (2.0, False, 0), (2.0, True, 0), (-2.0, True, 0)])
@given(trials=positions_and_labels)
def test_mirrored_labels_give_the_mirrored_posterior(
    trials: list[tuple[float, bool, int]],
) -> None:
    trials = [(round(x, 1), c, r) for x, c, r in trials]
    found, mirrored = estimate(trials), estimate([(-x, not c, r) for x, c, r in trials])
    assert mirrored.p_above == pytest.approx(found.p_below, abs=0.02)
    # Where two places explain the labels equally well, the nodes are dense round one of them only,
    # and 0.05 decade apart at the other: nothing beside a band of several decades.
    slack = max(0.03, 0.02 * found.width)
    assert mirrored.median == pytest.approx(-found.median, abs=slack)


@pytest.mark.parametrize(
    ("positions", "collapsed", "replicates", "low", "high", "message"),
    [
        ([0.0], [True, False], [0], -2, 2, r"differ in length: \(1, 2, 1\)"),
        ([0.0], [True], [0], 2, 2, r"low must be below high, got \[2, 2\]"),
        ([0.0, 3.0], [True, True], [0, 1], -2, 2, r"\[3\.0\] lie outside \[-2, 2\]"),
    ],
)
def test_refusals(
    positions: list[float],
    collapsed: list[bool],
    replicates: list[int],
    low: float,
    high: float,
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        estimate_threshold(positions, collapsed, replicates, low, high)
