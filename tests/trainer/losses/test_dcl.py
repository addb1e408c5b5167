"""DCL and DCLW: loops, limits, weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from tests.trainer.losses.references import dot, unit_rows
from tests.trainer.losses.supervised_references import loop_decoupled
from trainer.errors import NoNegativeError
from trainer.losses.dcl import dcl, dclw, von_mises_fisher_weight


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(2, 8),
    tau=st.floats(0.05, 2.0),
    sigma=st.floats(0.05, 2.0),
    seed=st.integers(0, 2**16),
)
def test_agree_with_a_loop_over_anchors(batch: int, tau: float, sigma: float, seed: int) -> None:
    x, y = unit_rows(batch, 5, seed=seed), unit_rows(batch, 5, seed=seed + 1)
    pulls = [torch.tensor(dot(x[i], y[i]) / sigma).exp().item() for i in range(batch)]
    weights = [2 - pull / (sum(pulls) / batch) for pull in pulls]
    pairs = list(range(batch))
    assert dcl(x, y, tau).item() == pytest.approx(loop_decoupled(x, y, pairs, tau), rel=1e-9)
    weighted = loop_decoupled(x, y, pairs, tau, weights=weights)
    assert dclw(x, y, tau, sigma).item() == pytest.approx(weighted, rel=1e-5, abs=1e-5)


def test_wide_weights_are_no_weights() -> None:
    x, y = unit_rows(6, 5, seed=1), unit_rows(6, 5, seed=2)
    assert_close(dclw(x, y, 0.1, 1e9), dcl(x, y, 0.1), rtol=1e-8, atol=0)


def test_weights_average_to_one_and_grow_with_distance() -> None:
    x, y = unit_rows(6, 5, seed=1), unit_rows(6, 5, seed=2)
    weights = von_mises_fisher_weight(x, y, 0.5)
    assert weights.mean().item() == pytest.approx(1.0)
    assert torch.equal((x * y).sum(dim=-1).argsort(), weights.argsort(descending=True))


def test_no_gradient_passes_through_the_weights() -> None:
    x = unit_rows(6, 5, seed=1).requires_grad_()
    assert not von_mises_fisher_weight(x, x, 0.5).requires_grad


def test_a_single_pair_is_refused() -> None:
    x = unit_rows(1, 5, seed=1)
    with pytest.raises(NoNegativeError, match=r"at least two pairs"):
        dclw(x, x, 0.1, 0.5)
