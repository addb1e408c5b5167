"""Agreement with lightly and pytorch-metric-learning, in value and gradient, to 1e-5."""

from collections.abc import Callable

import pytest
import torch
from pytorch_metric_learning.losses import SupConLoss
from torch import Tensor
from torch.nn.functional import normalize
from torch.testing import assert_close

from tests.trainer.losses.peers import load_lightly
from trainer.losses.barlow_twins import barlow_twins
from trainer.losses.dcl import dcl, dclw
from trainer.losses.supcon import supcon
from trainer.losses.vicreg import vicreg

Loss = Callable[[Tensor, Tensor], Tensor]


def random_views(batch: int, dim: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return correlated float32 projections, some of whose columns spread less than 1."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, dim, generator=generator)
    y = x + 0.5 * torch.randn(batch, dim, generator=generator)
    scales = torch.linspace(0.2, 2.0, dim)
    return x * scales, y * scales


def on_unit_rows(loss: Callable[[Tensor, Tensor], Tensor]) -> Loss:
    return lambda x, y: loss(normalize(x, dim=-1), normalize(y, dim=-1))


def assert_agree(ours: Loss, theirs: Loss, batch: int, dim: int) -> None:
    x, y = (view.requires_grad_() for view in random_views(batch, dim))
    our_loss, their_loss = ours(x, y), theirs(x, y)
    assert_close(our_loss, their_loss, rtol=1e-5, atol=1e-6)
    our_slopes = torch.autograd.grad(our_loss, (x, y))
    their_slopes = torch.autograd.grad(their_loss, (x, y))
    for our_slope, their_slope in zip(our_slopes, their_slopes, strict=True):
        assert_close(our_slope, their_slope, rtol=1e-4, atol=1e-5 * their_slope.abs().max().item())


SIZES = pytest.mark.parametrize(("batch", "dim"), [(4, 3), (33, 8), (64, 32)])


@SIZES
@pytest.mark.parametrize("tau", [0.07, 0.5])
def test_supcon_agrees_with_pytorch_metric_learning(batch: int, dim: int, tau: float) -> None:
    labels = torch.arange(batch) % 3
    peer = SupConLoss(temperature=tau)
    assert_agree(
        on_unit_rows(lambda x, y: supcon(x, y, labels, tau)),
        lambda x, y: peer(torch.cat([x, y]), torch.cat([labels, labels])),
        batch,
        dim,
    )


@SIZES
@pytest.mark.parametrize("tau", [0.07, 0.5])
def test_dcl_agrees_with_lightly(batch: int, dim: int, tau: float) -> None:
    peer = load_lightly("dcl_loss", "DCLLoss")(temperature=tau)
    assert_agree(on_unit_rows(lambda x, y: dcl(x, y, tau)), peer, batch, dim)


@SIZES
@pytest.mark.filterwarnings("ignore:To copy construct from a tensor")  # lightly's own code
def test_weighted_dcl_agrees_with_lightly(batch: int, dim: int) -> None:
    peer = load_lightly("dcl_loss", "DCLWLoss")(temperature=0.1, sigma=0.7)
    assert_agree(on_unit_rows(lambda x, y: dclw(x, y, 0.1, 0.7)), peer, batch, dim)


@SIZES
def test_vicreg_agrees_with_lightly(batch: int, dim: int) -> None:
    peer = load_lightly("vicreg_loss", "VICRegLoss")()
    assert_agree(vicreg, peer, batch, dim)


@SIZES
def test_barlow_twins_agrees_with_lightly(batch: int, dim: int) -> None:
    peer = load_lightly("barlow_twins_loss", "BarlowTwinsLoss")()
    assert_agree(barlow_twins, peer, batch, dim)
