"""The hand-written backwards: same value and gradient as the plain forms, however work is cut."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.losses.references import unit_rows
from trainer.gemm import times, times_transposed, transposed_times
from trainer.losses.exponent import choose_per_member, exp_is_safe
from trainer.losses.infonce import infonce, infonce_plain, nt_xent, nt_xent_plain
from trainer.losses.once import SecondDerivativeError
from trainer.losses.siglip import siglip, siglip_plain
from trainer.losses.supcon import supcon, supcon_plain
from trainer.losses.svr import infonce_svr, infonce_svr_plain

Objective = Callable[[Tensor, Tensor, Tensor], Tensor]


def labels_like(x: Tensor) -> Tensor:
    labels = torch.tensor([3, 7, 3, -1, 3, 7, 7, 7, 5, 5, 3])[: x.shape[-2]]
    return labels.expand(x.shape[:-1])


def supcon_with_classes(x: Tensor, y: Tensor, tau: Tensor) -> Tensor:
    return supcon(x, y, labels_like(x), tau)


def supcon_plain_with_classes(x: Tensor, y: Tensor, tau: Tensor) -> Tensor:
    return supcon_plain(x, y, labels_like(x), tau)


def tiled(x: Tensor, y: Tensor, tau: Tensor) -> Tensor:
    # The public entry, told that no buffer is small enough to be kept.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.losses.infonce.LARGEST_BUFFER_BYTES", 0)
        return infonce(x, y, tau)


def siglip_at_scale(x: Tensor, y: Tensor, tau: Tensor) -> Tensor:
    return siglip(x, y, 1 / tau, -1 / tau + 1)


def siglip_plain_at_scale(x: Tensor, y: Tensor, tau: Tensor) -> Tensor:
    return siglip_plain(x, y, 1 / tau, -1 / tau + 1)


def svr(form: Callable[..., Tensor], radius_y: float | None) -> Objective:
    def objective(x: Tensor, y: Tensor, tau: Tensor) -> Tensor:
        radius_x = torch.linspace(0.1, 1.9, x.shape[-2], dtype=x.dtype)
        return form(x, y, tau, 0.5, radius_x, radius_y)

    return objective


PAIRED_FORMS = [
    pytest.param(infonce, infonce_plain, id="infonce"),
    pytest.param(nt_xent, nt_xent_plain, id="nt-xent"),
    pytest.param(tiled, infonce_plain, id="tiled"),
    pytest.param(siglip_at_scale, siglip_plain_at_scale, id="siglip"),
    pytest.param(svr(infonce_svr, None), svr(infonce_svr_plain, None), id="svr-uni"),
    pytest.param(svr(infonce_svr, 0.7), svr(infonce_svr_plain, 0.7), id="svr-bi"),
    pytest.param(supcon_with_classes, supcon_plain_with_classes, id="supcon"),
]


@pytest.fixture(params=["whole-stack", "one-by-one", "ragged-chunks", "chunks-of-a-stack"])
def work(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    way: str = request.param
    smallest, rows = {
        "whole-stack": (10**9, 10**9),
        "one-by-one": (1, 10**9),
        "ragged-chunks": (1, 3),
        "chunks-of-a-stack": (10**9, 4),
    }[way]
    monkeypatch.setattr("trainer.losses.parts.SMALLEST_BATCH_TAKEN_ALONE", smallest)
    monkeypatch.setattr("trainer.losses.parts.CHUNK_ROWS", rows)
    monkeypatch.setattr("trainer.losses.fused_gram.BLOCK_ROWS", rows)
    monkeypatch.setattr("trainer.losses.parts.STACK_ALIGNMENT_BYTES", 1)
    return way


def value_and_gradients(
    objective: Objective, x: Tensor, y: Tensor, tau: Tensor
) -> tuple[Tensor, ...]:
    leaves = [t.clone().requires_grad_() for t in (x, y, tau)]
    loss = objective(*leaves)
    # Unequal weights, so that a member's upstream gradient cannot be taken for another's.
    weights = torch.arange(1.0, 1.0 + loss.numel(), dtype=loss.dtype).view_as(loss)
    grad_x, grad_y, grad_tau = torch.autograd.grad((loss * weights).sum(), leaves)
    # Round-off is even over temperatures in the derivative by 1 / tau, not in that by tau.
    return loss.detach(), grad_x, grad_y, grad_tau * tau**2


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize(("fused", "plain"), PAIRED_FORMS)
@pytest.mark.parametrize("batch", [1, 2, 7, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fused_forms_equal_plain_forms(
    fused: Objective, plain: Objective, batch: int, dtype: torch.dtype
) -> None:
    x, y = unit_rows(2, 2, batch, 5, seed=1), unit_rows(2, 2, batch, 5, seed=2)
    tau = torch.tensor([[0.02, 0.1], [0.005, 1.0]], dtype=torch.float64)
    expected = value_and_gradients(plain, x, y, tau)
    found = value_and_gradients(fused, x.to(dtype), y.to(dtype), tau.to(dtype))
    for got, want in zip(found, expected, strict=True):
        if dtype == torch.float64:
            assert_close(got, want, rtol=1e-10, atol=1e-10)
        else:
            # A logit of 1 / 0.005 is rounded to 1e-5; a gradient carries another 1 / tau.
            assert_close(
                got.double(), want, rtol=2e-4, atol=2e-5 * max(5.0, want.abs().max().item())
            )


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize(("fused", "plain"), PAIRED_FORMS)
def test_fused_gradients_pass_gradcheck_however_work_is_cut(
    fused: Objective, plain: Objective
) -> None:
    del plain
    x, y = unit_rows(2, 5, 3, seed=3), unit_rows(2, 5, 3, seed=4)
    tau = torch.tensor([0.1, 0.3], dtype=torch.float64)
    inputs = [t.requires_grad_() for t in (x, y, tau)]
    assert torch.autograd.gradcheck(fused, inputs)


@pytest.mark.parametrize(("fused", "plain"), PAIRED_FORMS)
def test_gradient_may_be_asked_for_twice_and_does_not_change(
    fused: Objective, plain: Objective
) -> None:
    del plain
    x, y = unit_rows(6, 3, seed=5).requires_grad_(), unit_rows(6, 3, seed=6)
    loss = fused(x, y, torch.tensor(0.1, dtype=torch.float64))
    first = torch.autograd.grad(loss, x, retain_graph=True)
    assert torch.equal(first[0], torch.autograd.grad(loss, x)[0])


@pytest.mark.parametrize(("fused", "plain"), PAIRED_FORMS)
def test_second_derivatives_are_refused(fused: Objective, plain: Objective) -> None:
    del plain
    x, y = unit_rows(4, 3, seed=5).requires_grad_(), unit_rows(4, 3, seed=6)
    loss = fused(x, y, torch.tensor(0.1, dtype=torch.float64))
    with pytest.raises(SecondDerivativeError, match="call the plain form"):
        torch.autograd.grad(loss, x, create_graph=True)


@pytest.mark.parametrize("shape", [(4, 3, 5), (17, 9, 33)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("members", [(), (2,)])
def test_matrix_products_agree_with_einsum(
    shape: tuple[int, int, int], dtype: torch.dtype, members: tuple[int, ...]
) -> None:
    rows, inner, columns = shape
    a = unit_rows(*members, rows, inner, seed=7)
    b = unit_rows(*members, inner, columns, seed=8)
    want = torch.einsum("...rk,...kc->...rc", a, b).to(dtype)
    a, b = a.to(dtype), b.to(dtype)
    assert_close(times(a, b), want)
    assert_close(times_transposed(a, b.mT.contiguous()), want)
    assert_close(transposed_times(a.mT.contiguous(), b), want)


def test_exponentials_are_trusted_only_while_sums_and_weights_are_normal_numbers() -> None:
    logits = torch.tensor([1 / 0.07, 1 / 0.02, 75.0, 76.0, 1 / 0.005, torch.nan])
    assert exp_is_safe(logits, terms=256).tolist() == [True, True, True, False, False, False]
    assert exp_is_safe(logits.double(), terms=256)[:5].all()
    tiny = torch.finfo(torch.float32).tiny
    assert (torch.tensor(-75.0).exp() / 256**2) > tiny
    assert (torch.tensor(75.0).exp() * 256**2).isfinite()


def test_each_member_gets_the_form_that_is_safe_for_it() -> None:
    numbers = torch.tensor([1.0, 2.0, 3.0, 4.0])
    safe = torch.tensor([True, False, False, True])
    chosen = choose_per_member(safe, lambda n: 10 * n, lambda n: -n, numbers)
    assert chosen.tolist() == [10.0, -2.0, -3.0, 40.0]
