"""Bounds: they always hold, Theorem 1 by hand and at the paper's settings, limits, refusals."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainer.alignment import linear_cka, rsa
from trainer.alignment_bounds import measured_cka_bound, measured_rsa_bound, theorem_1_bound
from trainer.collapse.errors import EmbeddingShapeError, MeasurementError


def random_features(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(3, 16),
    d=st.integers(1, 8),
    log10_noise=st.floats(-6, 2),
    offset=st.floats(0, 20),
    seed=st.integers(0, 2**16),
)
def test_cka_and_rsa_are_never_below_the_bound_from_the_measured_distance(
    n: int, d: int, log10_noise: float, offset: float, seed: int
) -> None:
    x = random_features(n, d, seed=seed) + offset
    y = x + 10**log10_noise * random_features(n, d, seed=seed + 1)
    cka, rsa_bound = measured_cka_bound(x, y), measured_rsa_bound(x, y)
    assert linear_cka(x, y, normalize_rows_first=True) >= cka.lower - 1e-7
    assert rsa(x, y) >= rsa_bound.lower - 1e-7
    for bound in (cka, rsa_bound):
        assert bound.vacuous.item() == (bound.distance.item() >= 1)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(3, 12), d=st.integers(2, 8), seed=st.integers(0, 99))
def test_the_measured_distances_agree_with_explicit_matrices(n: int, d: int, seed: int) -> None:
    x, y = random_features(n, d, seed=seed), random_features(n, d + 1, seed=seed + 1)
    centring = np.eye(n) - np.ones((n, n)) / n
    below = np.tril_indices(n, k=-1)
    kernels = [(z / z.norm(dim=1, keepdim=True)) for z in (x, y)]
    k, m = ((z @ z.T).numpy() for z in kernels)
    rho = np.linalg.norm(centring @ (k - m) @ centring) / np.linalg.norm(centring @ k @ centring)
    u, v = (matrix[below] - matrix[below].mean() for matrix in (k, m))
    r = np.linalg.norm(u - v) / np.linalg.norm(u)
    assert measured_cka_bound(x, y).distance.item() == pytest.approx(rho, rel=1e-7)
    assert measured_rsa_bound(x, y).distance.item() == pytest.approx(r, rel=1e-7)
    assert measured_cka_bound(x, y).lower.item() == pytest.approx((1 - rho) / (1 + rho))


def test_beyond_distance_one_the_formula_fails_for_rsa_and_ours_falls_back_to_minus_one() -> None:
    x = torch.tensor([[0.66, 0.27], [0.06, 0.62], [-0.45, -0.17]])
    y = torch.tensor([[1.05, 0.04], [-0.26, -0.58], [0.59, -0.80]])
    bound = measured_rsa_bound(x, y)
    r = bound.distance.item()
    assert r > 1
    assert rsa(x, y).item() < (1 - r) / (1 + r)
    assert bound.lower.item() == -1


def test_an_uncentred_distance_would_not_bound_cka() -> None:
    # Why rho is measured on centred kernels: a shared mean hides that the rest disagrees.
    direction = 30 * torch.ones(1, 6, dtype=torch.float64)
    x, y = (direction + random_features(20, 6, seed=seed) for seed in (0, 1))
    kernels = [(z / z.norm(dim=1, keepdim=True)) for z in (x, y)]
    k, m = (z @ z.T for z in kernels)
    uncentred_rho = float((k - m).norm() / k.norm())
    cka = linear_cka(x, y, normalize_rows_first=True).item()
    assert cka < (1 - uncentred_rho) / (1 + uncentred_rho)
    assert measured_cka_bound(x, y).lower.item() <= cka


def test_identical_members_are_at_distance_zero_and_collapsed_ones_promise_nothing() -> None:
    x = random_features(3, 9, 4, seed=0)
    collapsed = torch.ones(9, 4)
    for measure in (measured_cka_bound, measured_rsa_bound):
        same = measure(x, x)
        assert same.distance.tolist() == [0.0, 0.0, 0.0]
        assert same.lower.tolist() == [1.0, 1.0, 1.0]
        assert not same.vacuous.any()
        nothing = measure(collapsed, x[0])
        assert (nothing.distance.item(), nothing.lower.item()) == (math.inf, -1.0)
        assert nothing.vacuous.item()
        assert measure(x, collapsed).distance.shape == (3,)


def paper_settings() -> dict[str, Any]:
    """CIFAR-100, 300 epochs of 48 batches of 1024, lr .3 B/256, 10 warm-up epochs, cosine."""
    warmup, steps, peak = 10 * 48, 300 * 48, 0.3 * 1024 / 256
    rates = [peak * (t + 1) / warmup for t in range(warmup)]
    rates += [
        peak * (1 + math.cos(math.pi * t / (steps - warmup))) / 2 for t in range(steps - warmup)
    ]
    return {
        "step_sizes": rates,
        "batch_size": 1024,
        "largest_class_share": 0.01,
        "kernel_norm": 1e4,
    }


@pytest.mark.parametrize(("temperature", "log10"), [(0.1, 195.0), (0.5, 11.2), (1.0, 4.5)])
def test_theorem_1_is_vacuous_at_the_papers_own_settings(temperature: float, log10: float) -> None:
    bound = theorem_1_bound(**paper_settings(), temperature=temperature)
    assert bound.log10_bound == pytest.approx(log10, abs=0.5)
    assert bound.vacuous
    assert -1 <= bound.cka_lower <= 0


def test_theorem_1_by_hand() -> None:
    epsilon = math.sqrt(math.log(2 * 5000 / 0.1) / (2 * 5000))
    gap = 2 * math.exp(2.0) * (0.1 + epsilon) / (0.9 - epsilon)
    expected = math.exp(0.03 / 10000) * 0.03 / math.sqrt(5000) * gap
    bound = theorem_1_bound(
        [0.01, 0.02],
        temperature=1.0,
        batch_size=5000,
        largest_class_share=0.1,
        kernel_norm=2.0,
        failure_probability=0.1,
    )
    rho = expected / 2.0
    assert 10**bound.log10_bound == pytest.approx(expected)
    assert bound.sampling_error == pytest.approx(epsilon)
    assert bound.cka_lower == pytest.approx((1 - rho) / (1 + rho))
    assert not bound.vacuous


def test_theorem_1_tightens_with_temperature_and_balance_and_loosens_with_steps() -> None:
    def log10_bound(**changed: Any) -> float:
        return theorem_1_bound(**(paper_settings() | {"temperature": 0.5} | changed)).log10_bound

    assert log10_bound(temperature=1.0) < log10_bound() < log10_bound(temperature=0.2)
    assert log10_bound(largest_class_share=0.001) < log10_bound(largest_class_share=0.1)
    assert log10_bound() < log10_bound(step_sizes=paper_settings()["step_sizes"] * 2)


def test_a_batch_too_small_for_the_theorem_gives_an_infinite_vacuous_bound() -> None:
    bound = theorem_1_bound(
        [0.1], temperature=1.0, batch_size=2, largest_class_share=0.5, kernel_norm=1.0
    )
    assert (bound.log10_bound, bound.cka_lower, bound.vacuous) == (math.inf, -1.0, True)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"temperature": 0.0}, "temperature must lie above"),
        ({"batch_size": 0}, "batch_size must lie above"),
        ({"largest_class_share": 1.5}, "largest_class_share must lie above"),
        ({"kernel_norm": math.nan}, "kernel_norm must lie above"),
        ({"failure_probability": 1.0}, "failure_probability must lie above"),
        ({"step_sizes": []}, "sum of step_sizes must lie above"),
    ],
)
def test_theorem_1_refuses_what_is_out_of_range(changed: dict[str, Any], message: str) -> None:
    arguments = paper_settings() | {"temperature": 0.5} | changed
    with pytest.raises(MeasurementError, match=message):
        theorem_1_bound(**arguments)


def test_measured_bounds_refuse_different_samples() -> None:
    with pytest.raises(EmbeddingShapeError, match="same samples, got 4 and 5 rows"):
        measured_cka_bound(torch.ones(4, 2), torch.ones(5, 2))
    with pytest.raises(EmbeddingShapeError, match="at least 3 rows"):
        measured_rsa_bound(torch.ones(2, 2), torch.ones(2, 2))
