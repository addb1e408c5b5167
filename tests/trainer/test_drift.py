"""Drift: loops over pairs, closed forms, SVR's direction of effect, degenerate pairs, refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize
from torch.testing import assert_close

from trainer.collapse.errors import EmbeddingShapeError, NonFiniteEmbeddingError
from trainer.drift import drift_grad, drift_step


def unit_rows(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1).to(
        dtype
    )


def plain_infonce(x_MBD: Tensor, y_MBD: Tensor, temperature: float = 0.2) -> Tensor:
    logits_MBB = x_MBD @ y_MBD.mT / temperature
    forth = logits_MBB.log_softmax(dim=-1).diagonal(dim1=-2, dim2=-1).mean(dim=-1)
    back = logits_MBB.log_softmax(dim=-2).diagonal(dim1=-2, dim2=-1).mean(dim=-1)
    return -forth - back


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b) / max(math.sqrt(float(a @ a)) * math.sqrt(float(b @ b)), 1e-300)


@settings(max_examples=20, deadline=None)
@given(pairs=st.integers(2, 8), d=st.integers(2, 8), seed=st.integers(0, 99))
def test_agrees_with_a_loop_over_pairs_and_finite_differences(
    pairs: int, d: int, seed: int
) -> None:
    x, y = unit_rows(pairs, d, seed=seed), unit_rows(pairs, d, seed=seed + 1)
    gradient = torch.zeros_like(x)
    for i in range(pairs):
        for k in range(d):
            nudge = torch.zeros_like(x)
            nudge[i, k] = 1e-6
            rise = plain_infonce(x + nudge, y) - plain_infonce(x - nudge, y)
            gradient[i, k] = rise / 2e-6
    ambient = [cosine(-g, b) for g, b in zip(gradient, y, strict=True)]
    tangent = [
        cosine(-g + (g @ a) * a, b - (b @ a) * a) for g, a, b in zip(gradient, x, y, strict=True)
    ]
    drift = drift_grad(plain_infonce, x, y)
    assert drift.x.item() == pytest.approx(sum(ambient) / pairs, abs=1e-6)
    assert drift.tangent_x.item() == pytest.approx(sum(tangent) / pairs, abs=1e-6)


def test_swapping_the_modalities_swaps_the_results() -> None:
    x, y = unit_rows(6, 5, seed=0), unit_rows(6, 5, seed=1)
    drift, swapped = drift_grad(plain_infonce, x, y), drift_grad(plain_infonce, y, x)
    assert_close(drift.x, swapped.y)
    assert_close(drift.tangent_y, swapped.tangent_x)


def test_a_pure_pull_has_no_drift_and_a_pure_push_only_drift() -> None:
    x, y = unit_rows(5, 4, seed=0), unit_rows(5, 4, seed=1)
    pull = drift_grad(lambda a, b: -(a * b).sum(dim=(-2, -1)), x, y)
    push = drift_grad(lambda a, b: (a * b).sum(dim=(-2, -1)), x, y)
    for value in (pull.x, pull.y, pull.tangent_x, pull.tangent_y):
        assert value.item() == pytest.approx(1.0)
    for value in (push.x, push.y, push.tangent_x, push.tangent_y):
        assert value.item() == pytest.approx(-1.0)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_scale_of_the_loss_does_not_matter_however_small(scale: float) -> None:
    # cosine_similarity's epsilon would swallow gradients of a mean over a large batch.
    x, y = unit_rows(5, 4, seed=0, dtype=torch.float32), unit_rows(5, 4, seed=1).float()
    scaled = drift_grad(lambda a, b: -scale * (a * b).sum(dim=(-2, -1)), x, y)
    assert scaled.x.item() == pytest.approx(1.0)


def test_a_vanishing_gradient_and_a_coinciding_positive_count_as_zero() -> None:
    x = unit_rows(5, 4, seed=0)
    nothing = drift_grad(lambda a, b: 0 * (a * b).sum(dim=(-2, -1)), x, x)
    assert (nothing.x.item(), nothing.tangent_x.item()) == (0.0, 0.0)
    coinciding = drift_grad(plain_infonce, x, x.clone())
    assert coinciding.tangent_x.item() == 0.0


def test_neither_inputs_nor_parameters_receive_gradients() -> None:
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    x = unit_rows(5, 4, seed=0).requires_grad_()
    with torch.no_grad():
        drift_grad(lambda a, b: -weight * (a * b).sum(dim=(-2, -1)), x, x)
    assert weight.grad is None
    assert x.grad is None


def test_members_are_measured_as_if_alone() -> None:
    x, y = unit_rows(3, 6, 5, seed=0), unit_rows(3, 6, 5, seed=1)
    together = drift_grad(plain_infonce, x, y)
    after_x, after_y = unit_rows(3, 6, 5, seed=2), unit_rows(3, 6, 5, seed=3)
    steps = drift_step(x, y, after_x, after_y)
    for i in range(3):
        alone = drift_grad(plain_infonce, x[i], y[i])
        assert_close(together.x[i], alone.x, rtol=1e-12, atol=0)
        assert_close(together.tangent_y[i], alone.tangent_y, rtol=1e-12, atol=0)
        step = drift_step(x[i], y[i], after_x[i], after_y[i])
        assert torch.equal(steps.x[i], step.x)
        assert torch.equal(steps.y[i], step.y)


def test_a_step_towards_the_positive_scores_one_and_away_minus_one() -> None:
    x, y = unit_rows(6, 5, seed=0), unit_rows(6, 5, seed=1)
    step = drift_step(x, y, x + 0.1 * (y - x), y - 0.1 * (x - y))
    assert [step.x.item(), step.y.item()] == pytest.approx([1.0, -1.0])
    still = drift_step(x, y, x, y)
    assert (still.x.item(), still.y.item()) == (0.0, 0.0)


def test_a_step_agrees_with_a_loop() -> None:
    before_x, before_y, after_x, after_y = (unit_rows(7, 3, seed=seed) for seed in range(4))
    expected = [cosine(after_x[i] - before_x[i], before_y[i] - before_x[i]) for i in range(7)]
    step = drift_step(before_x, before_y, after_x, after_y)
    assert step.x.item() == pytest.approx(sum(expected) / 7)


def test_refuses_unequal_shapes_and_divergence() -> None:
    x = unit_rows(4, 3, seed=0)
    with pytest.raises(EmbeddingShapeError, match=r"same shape, got \[\(4, 3\), \(3, 3\)\]"):
        drift_grad(plain_infonce, x, x[:3])
    with pytest.raises(EmbeddingShapeError, match="same shape"):
        drift_step(x, x, x, x[:3])
    with pytest.raises(NonFiniteEmbeddingError, match="12 of 12"):
        drift_step(x, x, x * math.nan, x)
    with pytest.raises(NonFiniteEmbeddingError, match="entries are NaN"):
        drift_grad(lambda a, b: (a * b).sum().sqrt() * math.nan, x, x)
