"""Probes: sklearn as the peer, naive votes, degenerate features, member dimensions, refusals."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from torch import Tensor

from trainer.collapse.errors import EmbeddingShapeError, NonFiniteEmbeddingError
from trainer.probes import (
    fit_logistic_regression,
    knn_accuracy,
    linear_probe_accuracy,
    nccc_accuracy,
)


def blobs(
    n: int, d: int, classes: int, *, noise: float, seed: int, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Noisy samples of class centres that depend on (d, classes) alone."""
    centres = torch.randn(classes, d, generator=torch.Generator().manual_seed(99)).double()
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=generator)
    spread = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return (centres[labels] + noise * spread).to(dtype), labels


@pytest.mark.parametrize("neighbours", [1, 5, 20])
@pytest.mark.parametrize("noise", [0.3, 1.0, 2.0])
def test_knn_agrees_with_sklearn(neighbours: int, noise: float) -> None:
    train, train_labels = blobs(120, 6, 4, noise=noise, seed=0)
    test, test_labels = blobs(80, 6, 4, noise=noise, seed=1)
    peer = KNeighborsClassifier(neighbours, metric="cosine", algorithm="brute")
    peer.fit(train.numpy(), train_labels.numpy())
    ours = knn_accuracy(train, train_labels, test, test_labels, neighbours=neighbours)
    assert ours.item() == pytest.approx(peer.score(test.numpy(), test_labels.numpy()))
    assert 0.3 < ours.item() <= 1


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 15),
    p=st.integers(1, 10),
    neighbours=st.integers(1, 20),
    seed=st.integers(0, 2**16),
)
def test_knn_agrees_with_a_naive_vote(n: int, p: int, neighbours: int, seed: int) -> None:
    train, train_labels = blobs(n, 3, 4, noise=1.0, seed=seed)
    test, test_labels = blobs(p, 3, 4, noise=1.0, seed=seed + 1)
    correct = 0
    for row, label in zip(test, test_labels.tolist(), strict=True):
        cosines = [float(row @ other / (row.norm() * other.norm())) for other in train]
        nearest = np.argsort([-cosine for cosine in cosines])[:neighbours].tolist()
        votes = Counter(train_labels[nearest].tolist())
        winner = min((-count, voted) for voted, count in votes.items())[1]
        correct += winner == label
    ours = knn_accuracy(train, train_labels, test, test_labels, neighbours=neighbours)
    assert ours.item() == pytest.approx(correct / p)


@pytest.mark.parametrize("noise", [0.3, 1.0, 2.0])
def test_nccc_agrees_with_sklearn(noise: float) -> None:
    train, train_labels = blobs(120, 6, 4, noise=noise, seed=0)
    test, test_labels = blobs(80, 6, 4, noise=noise, seed=1)
    peer = NearestCentroid().fit(train.numpy(), train_labels.numpy())
    ours = nccc_accuracy(train, train_labels, test, test_labels)
    assert ours.item() == pytest.approx(peer.score(test.numpy(), test_labels.numpy()))


def test_nccc_tells_centres_apart_far_from_the_origin() -> None:
    # The product form of the distance has no digits left here.
    features = torch.tensor([[1e8, 0.0], [1e8, 1.0]])
    labels = torch.tensor([0, 1])
    assert nccc_accuracy(features, labels, features, labels).item() == 1


def test_nccc_skips_classes_without_training_rows() -> None:
    train, labels = torch.tensor([[1.0], [9.0]]), torch.tensor([1, 3])
    assert nccc_accuracy(train, labels, train, labels).item() == 1
    assert nccc_accuracy(train, labels, train, torch.tensor([0, 2])).item() == 0


@pytest.mark.parametrize(("noise", "weight_decay"), [(0.3, 1e-3), (1.0, 1e-2), (2.0, 1e-1)])
def test_the_linear_probe_finds_sklearns_solution(noise: float, weight_decay: float) -> None:
    features, labels = blobs(150, 5, 4, noise=noise, seed=0)
    peer = LogisticRegression(C=1 / (weight_decay * 150), tol=1e-10, max_iter=5000)
    peer.fit(features.numpy(), labels.numpy())
    weight, bias = fit_logistic_regression(
        features, labels, weight_decay=weight_decay, max_steps=500
    )
    np.testing.assert_allclose(weight.mT.numpy(), peer.coef_, atol=2e-4)
    # Softmax does not see a common shift of the biases.
    np.testing.assert_allclose(
        (bias - bias.mean()).numpy(), peer.intercept_ - peer.intercept_.mean(), atol=2e-4
    )


def test_the_linear_probe_scores_like_sklearn_at_any_scale_and_offset() -> None:
    train, train_labels = blobs(150, 5, 4, noise=1.0, seed=0)
    test, test_labels = blobs(90, 5, 4, noise=1.0, seed=1)
    scale = (train - train.mean(dim=0)).square().mean().sqrt()
    peer = LogisticRegression(C=1 / (1e-3 * 150), tol=1e-10, max_iter=5000)
    peer.fit(((train - train.mean(dim=0)) / scale).numpy(), train_labels.numpy())
    expected = peer.score(((test - train.mean(dim=0)) / scale).numpy(), test_labels.numpy())
    for factor, offset in [(1.0, 0.0), (1e-6, 3.0), (1e4, -50.0)]:
        ours = linear_probe_accuracy(
            factor * train + offset, train_labels, factor * test + offset, test_labels
        )
        assert ours.item() == pytest.approx(expected, abs=0.012)


def test_a_probe_separates_what_the_centres_do_not() -> None:
    # Two long parallel classes: the nearest centre errs along them, a line does not.
    along = torch.linspace(-30, 30, 40).repeat(2)
    labels = torch.arange(2).repeat_interleave(40)
    features = torch.stack([along + 8 * labels, labels - 0.5 + 0.05 * along], dim=1)
    probe = linear_probe_accuracy(features, labels, features, labels, weight_decay=1e-6)
    assert probe.item() == 1
    assert nccc_accuracy(features, labels, features, labels).item() < 0.75


@pytest.mark.parametrize("features", [torch.zeros(30, 4), torch.ones(30, 4)], ids=["zero", "equal"])
def test_collapsed_features_score_a_constant_guess(features: Tensor) -> None:
    labels = torch.arange(30) % 3
    assert nccc_accuracy(features, labels, features, labels).item() == pytest.approx(1 / 3)
    assert linear_probe_accuracy(features, labels, features, labels).item() == pytest.approx(1 / 3)
    assert knn_accuracy(features, labels, features, labels).item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_members_are_probed_alone_in_every_dtype(dtype: torch.dtype) -> None:
    stacks = [blobs(40, 5, 3, noise=1.0, seed=seed, dtype=dtype) for seed in range(3)]
    train = torch.stack([features for features, _ in stacks])
    labels = stacks[0][1]
    for probe in (knn_accuracy, nccc_accuracy, linear_probe_accuracy):
        together = probe(train, labels, train[:, :30], labels[:30])
        assert together.shape == (3,)
        for i in range(3):
            assert torch.equal(together[i], probe(train[i], labels, train[i, :30], labels[:30]))


def test_a_probe_is_fitted_even_where_gradients_are_off() -> None:
    features, labels = blobs(60, 5, 3, noise=0.2, seed=0)
    with torch.no_grad():
        assert linear_probe_accuracy(features, labels, features, labels).item() > 0.9


def test_refuses_labels_and_features_that_do_not_fit() -> None:
    x, y = torch.ones(4, 2), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(EmbeddingShapeError, match="one non-negative int64 for each of 4 rows"):
        knn_accuracy(x, y[:3], x, y)
    with pytest.raises(EmbeddingShapeError, match="one non-negative int64"):
        nccc_accuracy(x, y, x, y - 1)
    with pytest.raises(EmbeddingShapeError, match=r"got torch\.float32"):
        linear_probe_accuracy(x, y.float(), x, y)
    with pytest.raises(EmbeddingShapeError, match="same dimension, got 2 and 1"):
        nccc_accuracy(x, y, x[:, :1], y)
    with pytest.raises(EmbeddingShapeError, match="at least 1 neighbour, got 0"):
        knn_accuracy(x, y, x, y, neighbours=0)
    with pytest.raises(EmbeddingShapeError, match="weight_decay > 0"):
        linear_probe_accuracy(x, y, x, y, weight_decay=0.0)
    with pytest.raises(NonFiniteEmbeddingError, match="8 of 8"):
        knn_accuracy(x * math.nan, y, x, y)
