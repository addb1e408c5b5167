"""Lower bounds on the alignment of CL and NSCL, and when they say nothing.

Two kinds, never mixed up: the a-priori bound of Theorem 1, which is vacuous at the paper's own
settings (use the sign of its trends only), and the bounds from *measured* distances, which
always hold: for vectors u and v with |u - v| = r |u| and r <= 1, cos(u, v) >= (1 - r) / (1 + r).
Beyond r = 1 that needs cos >= 0, which CKA satisfies and RSA does not.

Shape legend: M = members (any number of leading dimensions, broadcast between the two sides),
N = samples, D, E = feature dimensions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.alignment import centre_features, check_same_samples, dissimilarity_moments
from trainer.collapse.errors import MeasurementError
from trainer.collapse.members import map_members


@dataclass(frozen=True, slots=True)
class LowerBound:
    """A bound of each member; every tensor has the member shape [...].

    Attributes:
        distance: Relative distance rho (CKA) or r (RSA) to the first side, >= 0; infinite
            when the first side has nothing to be relative to.
        lower: (1 - distance) / (1 + distance), in [-1, 1]; for RSA -1 beyond distance 1, where
            the formula can fail.
        vacuous: True where ``lower`` <= 0.
    """

    distance: Tensor
    lower: Tensor
    vacuous: Tensor


@dataclass(frozen=True, slots=True)
class TheoremBound:
    """The a-priori bound of Theorem 1 on ||Sigma_CL - Sigma_NSCL||_F.

    Attributes:
        log10_bound: Its decimal logarithm (infinite where the theorem does not apply); the
            bound itself overflows at ordinary settings.
        sampling_error: eps, by how much a batch may exceed the largest class share.
        cka_lower: The bound on CKA that follows, (1 - rho) / (1 + rho), in [-1, 1].
        vacuous: True when ``cka_lower`` <= 0: the theorem then promises nothing.
    """

    log10_bound: float
    sampling_error: float
    cka_lower: float
    vacuous: bool


def theorem_1_bound(
    step_sizes: Sequence[float],
    *,
    temperature: float,
    batch_size: int,
    largest_class_share: float,
    kernel_norm: float,
    failure_probability: float = 0.05,
) -> TheoremBound:
    r"""Return the high-probability coupling bound of CL and NSCL in similarity space.

    .. math:: \exp\Big(\frac{\sum_t \eta_t}{2 \tau^2 B}\Big)
        \frac{\sum_t \eta_t}{\tau \sqrt B} \Delta, \qquad
        \Delta = \frac{2 e^{2/\tau} (\pi + \epsilon)}{1 - \pi - \epsilon}, \qquad
        \epsilon = \sqrt{\frac{\log(T B / \delta)}{2 B}}

    Args:
        step_sizes: Learning rate eta_t of each of the T steps.
        temperature: tau > 0.
        batch_size: B >= 1.
        largest_class_share: pi, in (0, 1].
        kernel_norm: ||Sigma_CL||_F of the unit rows to relate the bound to, > 0; at most the
            number of samples.
        failure_probability: delta, in (0, 1).

    Returns:
        The bound, its consequence for CKA, and whether that is vacuous.

    Raises:
        MeasurementError: If an argument is out of its range.

    References:
        Luthra, Mishra & Galanti, arXiv:2510.08852, Theorem 1 and its CKA corollary.
    """
    _check_range("temperature", temperature, 0.0, math.inf)
    _check_range("batch_size", batch_size, 0.0, math.inf)
    _check_range("largest_class_share", largest_class_share, 0.0, math.nextafter(1.0, 2.0))
    _check_range("kernel_norm", kernel_norm, 0.0, math.inf)
    _check_range("failure_probability", failure_probability, 0.0, 1.0)
    total = math.fsum(step_sizes)
    _check_range("the sum of step_sizes", total, 0.0, math.inf)

    sampling_error = math.sqrt(
        math.log(len(step_sizes) * batch_size / failure_probability) / (2 * batch_size)
    )
    share = largest_class_share + sampling_error
    if share >= 1:
        return TheoremBound(math.inf, sampling_error, -1.0, True)
    log_gradient_gap = math.log(2 * share / (1 - share)) + 2 / temperature
    growth = total / (2 * temperature**2 * batch_size)
    log_bound = growth + math.log(total / (temperature * math.sqrt(batch_size))) + log_gradient_gap
    # tanh(-x/2) = (1 - e^x) / (1 + e^x), which does not overflow.
    cka_lower = math.tanh((math.log(kernel_norm) - log_bound) / 2)
    return TheoremBound(log_bound / math.log(10), sampling_error, cka_lower, cka_lower <= 0)


def measured_cka_bound(x_MND: Tensor, y_MNE: Tensor) -> LowerBound:
    """Bound ``linear_cka(x, y, normalize_rows_first=True)`` by the distance of the kernels.

    The distance is rho = ||K_x - K_y||_F / ||K_x||_F between the *centred* Gram matrices of
    unit rows; with uncentred ones the bound can fail.

    Args:
        x_MND: Features [..., N, D] of the first side (CL), N >= 2.
        y_MNE: Features [..., N, E] of the second (NSCL), same samples.

    Returns:
        The bound of each member, float64.

    Raises:
        EmbeddingShapeError: If N differs or is too small, or members do not broadcast.
        NonFiniteEmbeddingError: If any entry is NaN or infinite.

    References:
        arXiv:2510.08852, CKA corollary with the measured rho.
    """
    check_same_samples(x_MND, y_MNE, min_rows=2)

    def squared_rho(x_ND: Tensor, y_NE: Tensor) -> Tensor:
        x_ND = centre_features(x_ND, normalize_rows_first=True)
        y_NE = centre_features(y_NE, normalize_rows_first=True)
        inner, square_x, square_y = (
            (left.mT @ right).square().sum()
            for left, right in ((x_ND, y_NE), (x_ND, x_ND), (y_NE, y_NE))
        )
        return _relative_square(inner, square_x, square_y)

    return _lower_bound(map_members(squared_rho, x_MND, y_MNE))


def measured_rsa_bound(x_MND: Tensor, y_MNE: Tensor) -> LowerBound:
    """Bound ``rsa(x, y)`` by the distance r = |d_x - d_y| / |d_x| of the centred RDMs.

    A correlation can be negative, so beyond r = 1 nothing better than -1 holds in general.

    Args:
        x_MND: Features [..., N, D] of the first side (CL), N >= 3.
        y_MNE: Features [..., N, E] of the second (NSCL), same samples.

    Returns:
        The bound of each member, float64.

    Raises:
        EmbeddingShapeError: If N differs or is too small, or members do not broadcast.
        NonFiniteEmbeddingError: If any entry is NaN or infinite.

    References:
        arXiv:2510.08852, RSA corollary with the measured r.
    """
    check_same_samples(x_MND, y_MNE, min_rows=3)

    def squared_r(x_ND: Tensor, y_NE: Tensor) -> Tensor:
        return _relative_square(*dissimilarity_moments(x_ND, y_NE))

    bound = _lower_bound(map_members(squared_r, x_MND, y_MNE))
    lower_M = torch.where(bound.distance <= 1, bound.lower, -1.0)
    return LowerBound(distance=bound.distance, lower=lower_M, vacuous=bound.vacuous)


def _relative_square(inner: Tensor, square_x: Tensor, square_y: Tensor) -> Tensor:
    """Return |u - v|^2 / |u|^2 from the inner products of u and v."""
    difference = (square_x + square_y - 2 * inner).clamp(min=0.0)
    return torch.where(square_x > 0, difference / square_x, math.inf)


def _lower_bound(squared_M: Tensor) -> LowerBound:
    distance_M = squared_M.sqrt()
    lower_M = 2 / (1 + distance_M) - 1
    return LowerBound(distance=distance_M, lower=lower_M, vacuous=lower_M <= 0)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        raise MeasurementError(f"{name} must lie above {low} and below {high}, got {value}")
