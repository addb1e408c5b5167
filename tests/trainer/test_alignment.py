"""CKA, RSA, weight gap: N x N references in numpy, invariances, degenerate members, refusals."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from torch import Tensor
from torch.testing import assert_close

from trainer.alignment import linear_cka, rsa, weight_gap
from trainer.collapse.errors import EmbeddingShapeError, NonFiniteEmbeddingError

Matrix = npt.NDArray[np.float64]


def random_features(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gram(features: Tensor, *, normalize: bool) -> Matrix:
    rows: Matrix = features.double().numpy()
    if normalize:
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    kernel: Matrix = rows @ rows.T
    return kernel


def reference_cka(x: Tensor, y: Tensor, *, normalize: bool) -> float:
    n = len(x)
    centring = np.eye(n) - np.ones((n, n)) / n
    k = centring @ gram(x, normalize=normalize) @ centring
    m = centring @ gram(y, normalize=normalize) @ centring
    return float(np.sum(k * m) / (np.linalg.norm(k) * np.linalg.norm(m)))


def unbiased_hsic(k: Matrix, m: Matrix) -> float:
    """Song et al. 2012, eq. 5, as printed."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    ones = np.ones(n)
    value = (
        np.trace(k @ m)
        + (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * (ones @ k @ m @ ones)
    )
    return float(value / (n * (n - 3)))


def reference_debiased_cka(x: Tensor, y: Tensor, *, normalize: bool) -> float:
    k, m = gram(x, normalize=normalize), gram(y, normalize=normalize)
    return unbiased_hsic(k, m) / math.sqrt(unbiased_hsic(k, k) * unbiased_hsic(m, m))


def reference_rsa(x: Tensor, y: Tensor) -> float:
    below = np.tril_indices(len(x), k=-1)
    return float(
        pearsonr(1 - gram(x, normalize=True)[below], 1 - gram(y, normalize=True)[below])[0]
    )


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(4, 20),
    d=st.integers(2, 24),
    e=st.integers(2, 24),
    normalize=st.booleans(),
    offset=st.floats(0, 3),
    seed=st.integers(0, 2**16),
)
def test_agrees_with_references_that_build_the_n_by_n_matrices(
    n: int, d: int, e: int, normalize: bool, offset: float, seed: int
) -> None:
    x = random_features(n, d, seed=seed) + offset
    y = random_features(n, e, seed=seed + 1)
    y[:, 0] += x[:, 0]
    assert linear_cka(x, y, normalize_rows_first=normalize).item() == pytest.approx(
        reference_cka(x, y, normalize=normalize), rel=1e-9, abs=1e-12
    )
    assert linear_cka(x, y, normalize_rows_first=normalize, debiased=True).item() == pytest.approx(
        reference_debiased_cka(x, y, normalize=normalize), rel=1e-7, abs=1e-9
    )
    assert rsa(x, y).item() == pytest.approx(reference_rsa(x, y), rel=1e-7, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(5, 20),
    d=st.integers(2, 10),
    log10_scale=st.floats(-8, 8),
    seed=st.integers(0, 99),
)
def test_is_blind_to_rotation_scale_order_and_side(
    n: int, d: int, log10_scale: float, seed: int
) -> None:
    x, y = random_features(n, d, seed=seed), random_features(n, d + 1, seed=seed + 1)
    moved = 10**log10_scale * (x @ torch.linalg.qr(random_features(d, d, seed=seed + 2)).Q)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    for measure in (
        linear_cka,
        rsa,
        lambda a, b: linear_cka(a, b, debiased=True),
        lambda a, b: linear_cka(a, b, normalize_rows_first=True),
    ):
        value = measure(x, y)
        assert -1 - 1e-9 <= value.item() <= 1 + 1e-9
        assert_close(measure(x, moved), torch.ones_like(value))
        assert_close(measure(moved, y), value, rtol=1e-6, atol=1e-8)
        assert_close(measure(x[order], y[order]), value, rtol=1e-6, atol=1e-8)
        assert_close(measure(y, x), value, rtol=1e-6, atol=1e-8)
    assert linear_cka(x, y).item() >= 0


def test_raw_cka_ignores_an_offset_and_row_normalisation_sees_it() -> None:
    x, y = random_features(30, 5, seed=0), random_features(30, 5, seed=1)
    assert_close(linear_cka(x + 7, y), linear_cka(x, y))
    raw = linear_cka(x, y, normalize_rows_first=True)
    assert not torch.isclose(linear_cka(x + 7, y, normalize_rows_first=True), raw, rtol=1e-2)


def test_debiasing_removes_the_similarity_of_unrelated_wide_features() -> None:
    x, y = random_features(40, 400, seed=0), random_features(40, 400, seed=1)
    assert linear_cka(x, y).item() > 0.8
    assert abs(linear_cka(x, y, debiased=True).item()) < 0.1


def test_rsa_keeps_its_digits_close_to_complete_collapse() -> None:
    # All cosines lie within 1e-8 of 1; the textbook formula on 1 - cosine has no digits there.
    direction = torch.zeros(6, dtype=torch.float64)
    direction[0] = 1e4
    spread_x = random_features(12, 6, seed=0)
    spread_y = spread_x + 0.5 * random_features(12, 6, seed=1)
    spread_x[:, 0] = spread_y[:, 0] = 0
    near = rsa(direction + spread_x, direction + spread_y)
    below = np.tril_indices(12, k=-1)
    distances = [
        np.array([[float((a - b).square().sum()) for b in s] for a in s])[below]
        for s in (spread_x, spread_y)
    ]
    assert near.item() == pytest.approx(pearsonr(*distances)[0], rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_a_collapsed_member_is_aligned_with_nothing_not_even_itself(dtype: torch.dtype) -> None:
    direction = random_features(1, 7, seed=0)
    collapsed = direction.expand(20, 7).to(dtype)
    scaled = (direction * (1 + torch.rand(20, 1, generator=torch.Generator().manual_seed(0)))).to(
        dtype
    )
    other = random_features(20, 5, seed=1)
    for degenerate in (collapsed, torch.zeros(20, 7, dtype=dtype)):
        for value in (
            linear_cka(degenerate, other),
            linear_cka(degenerate, degenerate),
            linear_cka(degenerate, other, debiased=True),
            rsa(degenerate, other),
        ):
            assert value.item() == 0
    assert rsa(scaled, other).abs().item() < (1e-9 if dtype != torch.bfloat16 else 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_dissimilarities_have_no_correlation(dtype: torch.dtype) -> None:
    frame = torch.linalg.qr(random_features(9, 9, seed=0)).Q.to(dtype)
    assert rsa(frame, random_features(9, 4, seed=1)).item() == 0
    assert linear_cka(frame, frame, debiased=True).item() == 0


def test_members_broadcast_against_one_reference_and_are_measured_alone() -> None:
    members = random_features(3, 2, 21, 7, seed=0, dtype=torch.float32)
    anchor = random_features(21, 5, seed=1, dtype=torch.float32)
    for measure in (linear_cka, rsa):
        values = measure(members, anchor)
        assert values.shape == (3, 2)
        assert torch.equal(values[2, 1], measure(members[2, 1], anchor))
    assert linear_cka(members, members).tolist() == [pytest.approx([1.0, 1.0])] * 3


def test_weight_gap_is_the_mean_relative_distance_of_layers() -> None:
    a = [torch.tensor([[3.0, 4.0]]), torch.tensor([1.0, 0.0])]
    b = [torch.tensor([[0.0, 0.0]]), torch.tensor([0.0, 1.0])]
    assert weight_gap(a, b).item() == pytest.approx((2.0 + math.sqrt(2.0)) / 2)
    assert weight_gap(a, a).item() == 0
    assert weight_gap(a, [-layer for layer in a]).item() == pytest.approx(2.0)
    assert weight_gap([torch.zeros(3)], [torch.zeros(3)]).item() == 0


def test_weight_gap_of_stacked_members_equals_that_of_each() -> None:
    a = [
        random_features(4, 3, 5, seed=0),
        random_features(4, 5, seed=1),
        random_features(4, seed=2),
    ]
    b = [layer + 0.1 * random_features(*layer.shape, seed=3) for layer in a]
    stacked = weight_gap(a, b, member_dims=1)
    alone = [weight_gap([x[i] for x in a], [y[i] for y in b]) for i in range(4)]
    assert_close(stacked, torch.stack(alone))


def test_refuses_what_it_cannot_compare() -> None:
    x = random_features(5, 3, seed=0)
    with pytest.raises(EmbeddingShapeError, match="same samples, got 5 and 4 rows"):
        linear_cka(x, x[:4])
    with pytest.raises(EmbeddingShapeError, match="at least 4 rows"):
        linear_cka(x[:3], x[:3], debiased=True)
    with pytest.raises(EmbeddingShapeError, match="at least 3 rows"):
        rsa(x[:2], x[:2])
    with pytest.raises(NonFiniteEmbeddingError, match="15 of 15"):
        rsa(x, x * math.nan)
    with pytest.raises(EmbeddingShapeError, match="at least one"):
        weight_gap([], [])
    with pytest.raises(EmbeddingShapeError, match="same layers"):
        weight_gap([x], [x[:4]])
