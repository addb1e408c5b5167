"""InfoNCE and NT-Xent: loops, closed forms, gradients, members, refusals."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.losses.references import loop_infonce, loop_nt_xent, unit_rows
from trainer.losses.infonce import infonce, infonce_plain, nt_xent, nt_xent_plain
from trainer.losses.pairs import PairShapeError

Objective = Callable[[Tensor, Tensor, float | Tensor], Tensor]
Reference = Callable[[Tensor, Tensor, float], float]

AGAINST_LOOPS = [
    pytest.param(infonce, loop_infonce, id="infonce"),
    pytest.param(infonce_plain, loop_infonce, id="infonce-plain"),
    pytest.param(nt_xent, loop_nt_xent, id="nt-xent"),
    pytest.param(nt_xent_plain, loop_nt_xent, id="nt-xent-plain"),
]
OBJECTIVES = [infonce, infonce_plain, nt_xent, nt_xent_plain]


def value_and_gradients(
    objective: Objective, x: Tensor, y: Tensor, tau: float | Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    loss = objective(x, y, tau)
    grad_x, grad_y = torch.autograd.grad(loss.sum(), (x, y))
    return loss.detach(), grad_x, grad_y


@pytest.mark.parametrize(("objective", "loop"), AGAINST_LOOPS)
@pytest.mark.parametrize("tau", [0.005, 0.012, 0.07, 1.0])
@pytest.mark.parametrize(("batch", "dim"), [(1, 3), (2, 1), (7, 4), (12, 5)])
def test_agrees_with_a_loop_over_pairs(
    objective: Objective, loop: Reference, tau: float, batch: int, dim: int
) -> None:
    x, y = unit_rows(batch, dim, seed=1), unit_rows(batch, dim, seed=2)
    expected = loop(x, y, tau)
    assert objective(x, y, tau).item() == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert objective(x.float(), y.float(), tau).item() == pytest.approx(
        expected, rel=1e-5, abs=1e-4
    )


@pytest.mark.parametrize("batch", [1, 5])
def test_indistinguishable_rows_score_the_log_of_the_candidates(batch: int) -> None:
    same = torch.zeros(batch, 3)
    same[:, 0] = 1.0
    assert infonce(same, same, 0.1).item() == pytest.approx(2 * math.log(batch), abs=1e-6)
    assert nt_xent(same, same, 0.1).item() == pytest.approx(math.log(2 * batch - 1), abs=1e-6)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_antipodal_partners_cost_two_over_tau_per_direction(objective: Objective) -> None:
    x = torch.eye(4, dtype=torch.float64)[:2]
    loss = objective(x, -x, 0.01)
    # The best negative is orthogonal (0) or, for NT-Xent too, never the antipode (-100).
    assert loss.isfinite()
    assert loss.item() == pytest.approx(
        200.0 if "infonce" in objective.__name__ else 100 + math.log(2)
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_zero_vectors_give_finite_values_and_gradients(objective: Objective) -> None:
    x = unit_rows(4, 3, seed=0)
    x[1] = 0.0
    for part in value_and_gradients(objective, x, torch.zeros_like(x), 0.005):
        assert part.isfinite().all()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("tau", [0.005, 0.07, 0.5])
def test_gradients_pass_gradcheck(objective: Objective, tau: float) -> None:
    x, y = unit_rows(2, 5, 3, seed=3), unit_rows(2, 5, 3, seed=4)
    taus = torch.tensor([tau, 2 * tau], dtype=torch.float64)
    inputs = (x.requires_grad_(), y.requires_grad_(), taus.requires_grad_())
    assert torch.autograd.gradcheck(objective, inputs, eps=1e-6 * tau)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_dtype_gives_a_loss_of_at_least_float32(
    objective: Objective, dtype: torch.dtype
) -> None:
    x, y = unit_rows(6, 4, seed=5, dtype=dtype), unit_rows(6, 4, seed=6, dtype=dtype)
    loss, grad_x, grad_y = value_and_gradients(objective, x, y, 0.01)
    assert loss.dtype == torch.promote_types(dtype, torch.float32)
    assert grad_x.dtype == grad_y.dtype == dtype
    assert_close(loss.double(), objective(x.double(), y.double(), 0.01), rtol=1e-4, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(batch=st.integers(1, 9), dim=st.integers(1, 9), seed=st.integers(0, 2**16))
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_row_order_rotation_and_view_order_change_nothing(
    objective: Objective, batch: int, dim: int, seed: int
) -> None:
    x, y = unit_rows(batch, dim, seed=seed), unit_rows(batch, dim, seed=seed + 1)
    order = torch.randperm(batch, generator=torch.Generator().manual_seed(seed))
    rotation = torch.linalg.qr(unit_rows(dim, dim, seed=seed + 2)).Q
    loss = objective(x, y, 0.1)
    assert_close(objective(x[order], y[order], 0.1), loss)
    assert_close(objective(x @ rotation, y @ rotation, 0.1), loss)
    assert_close(objective(y, x, 0.1), loss)


# Members start at addresses that are multiples of 64 bytes here, as in training: below that the
# matrix library may pick another kernel for a member than it would for the same member alone.
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(("batch", "dim"), [(64, 16), (256, 32)])
def test_a_member_has_the_same_bits_whatever_shares_its_stack(
    objective: Objective, batch: int, dim: int
) -> None:
    x = unit_rows(8, batch, dim, seed=7, dtype=torch.float32)
    y = unit_rows(8, batch, dim, seed=8, dtype=torch.float32)
    tau = torch.tensor([0.005, 0.5, 0.011, 0.07, 0.013, 1.0, 0.1, 0.02])
    stacked = value_and_gradients(objective, x, y, tau)
    for members in (slice(0, 1), slice(1, 2), slice(3, 8), slice(2, 5)):
        alone = value_and_gradients(objective, x[members], y[members], tau[members])
        for part_alone, part_stacked in zip(alone, stacked, strict=True):
            assert torch.equal(part_alone, part_stacked[members])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_one_batch_broadcasts_over_many_temperatures(objective: Objective) -> None:
    x, y = unit_rows(6, 4, seed=9), unit_rows(6, 4, seed=10)
    tau = torch.tensor([[0.05, 0.1, 0.2], [0.3, 0.01, 2.0]], dtype=torch.float64)
    one_by_one = [objective(x, y, float(t)) for t in tau.flatten()]
    assert_close(objective(x, y, tau), torch.stack(one_by_one).reshape(2, 3))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    ("x_shape", "y_shape"), [((4, 3), (5, 3)), ((3,), (3,)), ((0, 3), (0, 3)), ((2, 4, 3), (4, 3))]
)
def test_mismatched_or_empty_batches_are_refused(
    objective: Objective, x_shape: tuple[int, ...], y_shape: tuple[int, ...]
) -> None:
    with pytest.raises(PairShapeError, match="equally shaped, non-empty"):
        objective(torch.zeros(x_shape), torch.zeros(y_shape), 0.1)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_integer_embeddings_and_bad_temperatures_are_refused(objective: Objective) -> None:
    ones = torch.ones(2, 3)
    with pytest.raises(PairShapeError, match="must be floating-point"):
        objective(ones.long(), ones.long(), 0.1)
    for tau in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="temperature must be positive"):
            objective(ones, ones, tau)
