"""Geometry: loops over pairs in float64, closed forms, member dimensions, refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from trainer.collapse.errors import EmbeddingShapeError, NonFiniteEmbeddingError
from trainer.collapse.geometry import (
    TILE_ROWS,
    alignment,
    modality_gap,
    total_variance,
    uniformity,
)


def random_embeddings(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def unit(row: Tensor) -> Tensor:
    return row / row.norm() if row.any() else row


def loop_uniformity(embeddings: Tensor) -> float:
    rows = [unit(row) for row in embeddings.double()]
    kernel = [
        math.exp(-2 * float((rows[i] - rows[j]).square().sum()))
        for i in range(len(rows))
        for j in range(len(rows))
        if i != j
    ]
    return math.log(sum(kernel) / len(kernel))


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 20), d=st.integers(1, 12), zeros=st.integers(0, 3), seed=st.integers(0, 99))
def test_uniformity_agrees_with_a_loop_over_pairs(n: int, d: int, zeros: int, seed: int) -> None:
    embeddings = random_embeddings(n, d, seed=seed)
    embeddings[:zeros] = 0
    assert uniformity(embeddings).item() == pytest.approx(loop_uniformity(embeddings), abs=1e-12)
    assert uniformity(embeddings.float()).item() == pytest.approx(
        loop_uniformity(embeddings), abs=1e-5
    )


@pytest.mark.parametrize("n", [TILE_ROWS - 1, TILE_ROWS, TILE_ROWS + 1, 2 * TILE_ROWS + 7])
def test_uniformity_is_the_same_across_the_edges_of_tiles(n: int) -> None:
    embeddings = random_embeddings(n, 6, seed=n) + 0.3
    rows = torch.nn.functional.normalize(embeddings, dim=-1)
    kernel = (-2 * torch.pdist(rows).square()).exp().mean().log()
    assert_close(uniformity(embeddings), kernel, rtol=1e-10, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 12), d=st.integers(1, 8), seed=st.integers(0, 99))
def test_spread_alignment_and_gap_agree_with_loops(n: int, d: int, seed: int) -> None:
    x = random_embeddings(n, d, seed=seed)
    y = random_embeddings(n, d, seed=seed + 1)
    units_x, units_y = [unit(row) for row in x], [unit(row) for row in y]
    mean_x, mean_y = sum(units_x, torch.zeros(d)) / n, sum(units_y, torch.zeros(d)) / n
    pairs = [float((a - b).square().sum()) for a, b in zip(units_x, units_y, strict=True)]
    assert total_variance(x).item() == pytest.approx(1 - float(mean_x.norm()) ** 2, abs=1e-12)
    assert alignment(x, y).item() == pytest.approx(sum(pairs) / n, abs=1e-12)
    assert modality_gap(x, y).item() == pytest.approx(float((mean_x - mean_y).norm()), abs=1e-12)


def test_the_mean_norm_misses_antipodal_collapse() -> None:
    antipodal = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])
    assert total_variance(antipodal).item() == pytest.approx(1.0)
    assert total_variance(antipodal[:1]).item() == pytest.approx(0.0, abs=1e-15)


def test_the_modality_gap_spans_zero_to_two_and_takes_unequal_counts() -> None:
    x = torch.tensor([[1.0, 0.0]]).expand(5, 2)
    assert modality_gap(x, -x[:3]).item() == pytest.approx(2.0)
    assert modality_gap(x, 7 * x[:2]).item() == pytest.approx(0.0)


def test_members_are_measured_alone_and_may_share_one_partner() -> None:
    x = random_embeddings(3, 2, 17, 5, seed=0, dtype=torch.float32)
    y = random_embeddings(17, 5, seed=1, dtype=torch.float32)
    gaps = modality_gap(x, y)
    assert gaps.shape == total_variance(x).shape == uniformity(x).shape == (3, 2)
    for i in range(3):
        for j in range(2):
            assert torch.equal(gaps[i, j], modality_gap(x[i, j], y))
            assert torch.equal(uniformity(x)[i, j], uniformity(x[i, j]))
            assert torch.equal(total_variance(x)[i, j], total_variance(x[i, j]))


def test_refuses_what_it_cannot_measure() -> None:
    good, bad = torch.ones(3, 2), torch.tensor([[math.nan, 1.0]] * 3)
    with pytest.raises(EmbeddingShapeError, match="at least 2 rows"):
        uniformity(good[:1])
    with pytest.raises(EmbeddingShapeError, match="same dimension, got 2 and 1"):
        modality_gap(good, good[:, :1])
    with pytest.raises(EmbeddingShapeError, match="same shape"):
        alignment(good, good[:2])
    with pytest.raises(EmbeddingShapeError, match="do not broadcast"):
        modality_gap(good.expand(2, 3, 2), good.expand(3, 3, 2))
    with pytest.raises(NonFiniteEmbeddingError, match="3 of 6 entries"):
        alignment(good, bad)
    with pytest.raises(NonFiniteEmbeddingError, match="3 of 6 entries"):
        total_variance(bad)
