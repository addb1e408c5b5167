"""How many paired seeds a comparison needs: the power of the two-sided paired t-test, exactly.

The exact sign-flip test that decides comparisons has nearly the t-test's power for values that
are about normal (simulated in ``tests/orchestrator/test_power.py``), but no p-value of it lies
below 2 / 2^n: five seeds never pass 5 %, however large the difference.

References:
    Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, section 2.3 (d_z and
    the noncentral t). Pitman, Biometrika 29, 1938 (the sign-flip test is as efficient).
"""

from math import ceil, log2, sqrt

from scipy.stats import nct, t

ALPHA = 0.05
MOST_SEEDS = 1_000_000


def find_power(effect: float, seeds: int, alpha: float = ALPHA) -> float:
    """Return the chance that a two-sided paired t-test of so many seeds finds an effect.

    Args:
        effect: Cohen's d_z: the true mean difference over the differences' standard deviation.
        seeds: Paired seeds, at least 2.
        alpha: Level of the test.

    Raises:
        ValueError: If there are fewer than two seeds.
    """
    if seeds < 2:
        raise ValueError(f"expected at least 2 paired seeds, got {seeds}")
    freedom = seeds - 1
    critical = float(t.ppf(1 - alpha / 2, freedom))
    shift = abs(effect) * sqrt(seeds)
    return float(nct.sf(critical, freedom, shift) + nct.cdf(-critical, freedom, shift))


def count_seeds(effect: float, power: float, alpha: float = ALPHA) -> int | None:
    """Return the fewest paired seeds that find an effect with a power; None beyond a million.

    Never fewer than the sign-flip test needs to reach ``alpha`` at all.

    Args:
        effect: Cohen's d_z.
        power: Wanted chance, in (alpha, 1).
        alpha: Level of the test.

    Raises:
        ValueError: If ``power`` does not lie between ``alpha`` and 1.
    """
    if not alpha < power < 1:
        raise ValueError(f"expected a power between {alpha:g} and 1, got {power:g}")
    low = ceil(log2(2 / alpha))
    if find_power(effect, low, alpha) >= power:
        return low
    high = 2 * low
    while find_power(effect, high, alpha) < power:
        low, high = high, 2 * high
        if high > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if find_power(effect, middle, alpha) < power else (low, middle)
    return high
