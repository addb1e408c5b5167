"""CLOP: loops, the base it is added to, label masks, distances, gradients."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.losses.references import dot, unit_rows
from trainer.losses.clop import PairLoss, Similarity, clop, look_up_prototypes, pull_to_targets
from trainer.losses.infonce import infonce, nt_xent
from trainer.losses.prototypes import draw_orthonormal

SIMILARITIES: list[Similarity] = ["cosine", "euclidean", "manhattan"]


def nearness(p: Tensor, q: Tensor, similarity: Similarity) -> float:
    gaps = [abs(float(a) - float(b)) for a, b in zip(p, q, strict=True)]
    return {
        "cosine": dot(p, q),
        "euclidean": -math.sqrt(sum(gap * gap for gap in gaps)),
        "manhattan": -sum(gaps),
    }[similarity]


def loop_pull(
    views: list[Tensor],
    prototypes: Tensor,
    labels: list[int],
    labelled: list[bool],
    similarity: Similarity,
) -> float:
    apart = [
        1 - nearness(view[i], prototypes[labels[i]], similarity)
        for view in views
        for i in range(len(labels))
        if labelled[i]
    ]
    return sum(apart) / len(apart) if apart else 0.0


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("base", [infonce, nt_xent])
@settings(max_examples=20, deadline=None)
@given(
    samples=st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=8),
    lambda_=st.floats(0, 3),
    seed=st.integers(0, 2**16),
)
def test_is_the_base_plus_lambda_times_a_loop_over_labelled_views(
    samples: list[tuple[int, bool]],
    lambda_: float,
    seed: int,
    base: PairLoss,
    similarity: Similarity,
) -> None:
    labels, labelled = [label for label, _ in samples], [use for _, use in samples]
    x, y = unit_rows(len(samples), 5, seed=seed), unit_rows(len(samples), 5, seed=seed + 1)
    prototypes = draw_orthonormal(4, 5, seed)
    use = torch.tensor(labelled)
    targets = look_up_prototypes(prototypes, torch.tensor(labels), use)
    ours = clop(x, y, targets, use, 0.1, lambda_, similarity=similarity, base=base)
    pull = loop_pull([x, y], prototypes, labels, labelled, similarity)
    assert ours.item() == pytest.approx(base(x, y, 0.1).item() + lambda_ * pull, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("base", [infonce, nt_xent])
def test_without_pull_or_without_labels_it_is_the_base_to_the_last_bit(
    base: PairLoss, dtype: torch.dtype
) -> None:
    x, y = unit_rows(6, 5, seed=1, dtype=dtype), unit_rows(6, 5, seed=2, dtype=dtype)
    all_of_them, none = torch.ones(6, dtype=torch.bool), torch.zeros(6, dtype=torch.bool)
    targets = draw_orthonormal(3, 5, seed=0)[torch.arange(6) % 3]
    assert torch.equal(clop(x, y, targets, all_of_them, 0.1, 0.0, base=base), base(x, y, 0.1))
    assert torch.equal(clop(x, y, targets, none, 0.1, 1.5, base=base), base(x, y, 0.1))


def test_labels_of_unlabelled_samples_are_never_read() -> None:
    prototypes, use = draw_orthonormal(3, 5, seed=0), torch.tensor([True, False, True, False])
    known = look_up_prototypes(prototypes, torch.tensor([0, -1, 2, 99]), use)
    assert torch.equal(known[[0, 2]], prototypes[[0, 2]])


def test_embeddings_on_their_prototypes_are_not_pulled() -> None:
    targets, use = draw_orthonormal(4, 6, seed=0), torch.ones(4, dtype=torch.bool)
    rows = targets.clone().requires_grad_()
    assert pull_to_targets(rows, targets, use, "cosine").item() == pytest.approx(0.0, abs=1e-12)
    assert pull_to_targets(-rows, targets, use, "cosine").item() == pytest.approx(2.0)
    # A distance of zero has no slope in torch: finite, where a plain square root gives NaN.
    for similarity in ("euclidean", "manhattan"):
        value = pull_to_targets(rows, targets, use, similarity)
        assert value.item() == 1.0
        assert torch.autograd.grad(value, rows)[0].isfinite().all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_gradient_is_that_of_the_value(similarity: Similarity) -> None:
    x, y = unit_rows(4, 3, seed=1).requires_grad_(), unit_rows(4, 3, seed=2).requires_grad_()
    targets, use = draw_orthonormal(2, 3, 0)[[0, 1, 1, 0]], torch.tensor([True, True, False, True])

    def loss(p: Tensor, q: Tensor) -> Tensor:
        return clop(p, q, targets, use, 0.2, 0.7, similarity=similarity)

    assert torch.autograd.gradcheck(loss, (x, y))


def test_members_with_own_prototypes_labels_and_weights_are_one_call() -> None:
    x, y = unit_rows(3, 7, 4, seed=1), unit_rows(3, 7, 4, seed=2)
    prototypes = torch.stack([draw_orthonormal(3, 4, seed) for seed in range(3)])
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (3, 7), generator=generator)
    use = torch.rand(3, 7, generator=generator) < 0.6
    tau, lambda_ = torch.tensor([0.05, 0.1, 1.0]), torch.tensor([0.0, 1.0, 1.5])
    stacked = clop(x, y, look_up_prototypes(prototypes, labels, use), use, tau, lambda_)
    for i in range(3):
        targets = look_up_prototypes(prototypes[i], labels[i], use[i])
        alone = clop(x[i], y[i], targets, use[i], tau[i], lambda_[i])
        assert_close(stacked[i], alone, rtol=1e-14, atol=0)
