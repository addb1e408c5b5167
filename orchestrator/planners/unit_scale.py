"""Optuna's numeric distributions as the unit interval, and back."""

import math

from optuna.distributions import FloatDistribution, IntDistribution

Numeric = FloatDistribution | IntDistribution


def to_unit(distribution: Numeric, value: float) -> float:
    """Return where a value lies on its range, 0 to 1, by the range's own scale."""
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def from_unit(distribution: Numeric, share: float) -> float | int:
    """Return the value of the distribution nearest to a place on its range."""
    low, high = float(distribution.low), float(distribution.high)
    share = min(max(share, 0.0), 1.0)
    value = low * (high / low) ** share if distribution.log else low + share * (high - low)
    if distribution.step is not None and not distribution.log:
        value = low + round((value - low) / distribution.step) * distribution.step
    value = min(max(value, low), high)
    return round(value) if isinstance(distribution, IntDistribution) else value
