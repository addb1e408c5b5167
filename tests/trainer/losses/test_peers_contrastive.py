"""Agreement with open_clip and lightly, in value and gradient, to 1e-5."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.testing import assert_close

from tests.benchmarks.peer_losses import PeerMissingError, load_lightly_ntxent, load_peer_file
from tests.trainer.losses.references import unit_rows
from trainer.losses.infonce import infonce, nt_xent
from trainer.losses.siglip import siglip

Loss = Callable[[Tensor, Tensor], Tensor]


def peer_or_skip(load: Callable[[], object]) -> Callable[..., Tensor]:
    try:
        return load()  # type: ignore[return-value]
    except PeerMissingError as missing:
        pytest.skip(str(missing))


def assert_agree(ours: Loss, theirs: Loss) -> None:
    for batch, dim in ((2, 3), (33, 8), (200, 32)):
        x = unit_rows(batch, dim, seed=1, dtype=torch.float32).requires_grad_()
        y = unit_rows(batch, dim, seed=2, dtype=torch.float32).requires_grad_()
        our_loss, their_loss = ours(x, y), theirs(x, y)
        assert_close(our_loss, their_loss, rtol=1e-5, atol=1e-5)
        gradients = zip(
            torch.autograd.grad(our_loss, (x, y)),
            torch.autograd.grad(their_loss, (x, y)),
            strict=True,
        )
        for our_gradient, their_gradient in gradients:
            largest = their_gradient.abs().max().item()
            assert_close(our_gradient, their_gradient, rtol=1e-4, atol=1e-5 * largest)


@pytest.mark.parametrize("tau", [0.02, 0.07, 1.0])
def test_infonce_is_twice_open_clips_loss(tau: float) -> None:
    # CLIP averages the two directions, the definition used here adds them.
    peer = peer_or_skip(lambda: load_peer_file("open_clip", "loss.py").ClipLoss())
    assert_agree(
        lambda x, y: infonce(x, y, tau), lambda x, y: 2 * peer(x, y, torch.tensor(1 / tau))
    )


@pytest.mark.parametrize(("scale", "bias"), [(10.0, -10.0), (3.0, 0.5)])
def test_siglip_agrees_with_open_clip(scale: float, bias: float) -> None:
    peer = peer_or_skip(lambda: load_peer_file("open_clip", "loss.py").SigLipLoss())
    assert_agree(
        lambda x, y: siglip(x, y, scale, bias),
        lambda x, y: peer(x, y, torch.tensor(scale), torch.tensor(bias)),
    )


@pytest.mark.parametrize("tau", [0.05, 0.5])
def test_nt_xent_agrees_with_lightly(tau: float) -> None:
    peer = peer_or_skip(lambda: load_lightly_ntxent()(temperature=tau))
    # lightly normalises the rows itself, which shows in the gradient.
    assert_agree(lambda x, y: nt_xent(normalize(x, dim=-1), normalize(y, dim=-1), tau), peer)
