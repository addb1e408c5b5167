"""CL and NSCL: loops, the identities of the papers, masks, refusals."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from tests.trainer.losses.references import unit_rows
from tests.trainer.losses.supervised_references import loop_decoupled
from trainer.errors import NoNegativeError
from trainer.losses.decoupled import (
    cl,
    decoupled,
    is_partner,
    nscl,
    nscl_plain,
    partner_similarity,
    view_logits,
    weighted_nscl,
)
from trainer.losses.infonce import nt_xent
from trainer.losses.pairs import PairShapeError

several_labels = st.lists(st.integers(0, 3), min_size=2, max_size=9).filter(
    lambda labels: len(set(labels)) > 1
)


@pytest.mark.parametrize("positive_in_denominator", [False, True])
@settings(max_examples=25, deadline=None)
@given(labels=several_labels, tau=st.floats(0.005, 2.0), seed=st.integers(0, 2**16))
def test_agree_with_a_loop_over_anchors(
    labels: list[int], tau: float, seed: int, positive_in_denominator: bool
) -> None:
    count = len(labels)
    x, y = unit_rows(count, 5, seed=seed), unit_rows(count, 5, seed=seed + 1)
    ours_cl = cl(x, y, tau, positive_in_denominator=positive_in_denominator)
    ours_nscl = nscl(
        x, y, torch.tensor(labels), tau, positive_in_denominator=positive_in_denominator
    )
    loop_cl = loop_decoupled(x, y, list(range(count)), tau, positive_in_denominator)
    loop_nscl = loop_decoupled(x, y, labels, tau, positive_in_denominator)
    assert ours_cl.item() == pytest.approx(loop_cl, rel=1e-10, abs=1e-10)
    assert ours_nscl.item() == pytest.approx(loop_nscl, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("pairs", [2, 9, 130, 300], ids=lambda pairs: f"{pairs} pairs")
@pytest.mark.parametrize("has_weights", [False, True])
def test_the_fused_form_has_the_value_and_the_gradients_of_the_formula(
    pairs: int, has_weights: bool
) -> None:
    # 300 pairs are 600 views: two blocks of rows, the lower one without its half.
    x, y = (torch.stack([unit_rows(pairs, 6, seed=s + m) for m in range(3)]) for s in (1, 4))
    leaves = [t.requires_grad_() for t in (x, y, torch.tensor([0.05, 0.2, 1.0]).double())]
    labels = torch.stack([torch.arange(pairs) % (m + 2) for m in range(3)])
    weights = torch.linspace(0.5, 1.5, pairs).expand(3, -1) if has_weights else None
    found, expected = (
        torch.autograd.grad(losses.sum(), leaves)
        for losses in (
            weighted_nscl(x, y, labels, leaves[2], weights),
            nscl_plain(x, y, labels, leaves[2], weights),
        )
    )
    losses = weighted_nscl(x, y, labels, leaves[2], weights)
    assert_close(losses, nscl_plain(x, y, labels, leaves[2], weights), rtol=1e-12, atol=1e-12)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("tau", [0.005, 0.1, 1.0])
def test_pull_to_the_positive_never_saturates(tau: float) -> None:
    # The gradient with respect to the positive similarity is exactly -1 per anchor, even where
    # the positive already outweighs everything: y = x, and a temperature of 0.005.
    x = unit_rows(8, 4, seed=0)
    logits = view_logits(x, x, tau).requires_grad_()
    is_negative = ~torch.eye(8, dtype=torch.bool)
    (slope,) = torch.autograd.grad(decoupled(logits, is_negative) * 16, logits)
    assert torch.equal(partner_similarity(slope), torch.full((16,), -1.0, dtype=torch.float64))


def test_with_the_positive_in_the_denominator_the_pull_saturates() -> None:
    x = torch.eye(8, dtype=torch.float64)
    logits = view_logits(x, x, 0.01).requires_grad_()
    is_negative = ~torch.eye(8, dtype=torch.bool)
    loss = decoupled(logits, is_negative, positive_in_denominator=True)
    (slope,) = torch.autograd.grad(loss, logits)
    assert partner_similarity(slope).abs().max() < 1e-12


@pytest.mark.parametrize("positive_in_denominator", [False, True])
def test_nscl_is_cl_when_all_labels_differ(positive_in_denominator: bool) -> None:
    x, y, labels = unit_rows(9, 5, seed=1), unit_rows(9, 5, seed=2), torch.arange(9)
    ours = nscl(x, y, labels, 0.1, positive_in_denominator=positive_in_denominator)
    assert torch.equal(ours, cl(x, y, 0.1, positive_in_denominator=positive_in_denominator))


@settings(max_examples=60, deadline=None)
@given(
    labels=several_labels,
    tau=st.floats(0.05, 2.0),
    closeness=st.floats(0.0, 1.0),
    seed=st.integers(0, 2**16),
)
def test_cl_lies_between_nscl_and_its_bound(
    labels: list[int], tau: float, closeness: float, seed: int
) -> None:
    count, classes = len(labels), torch.tensor(labels)
    centres = unit_rows(4, 5, seed=seed)[classes]
    x = closeness * centres + (1 - closeness) * unit_rows(count, 5, seed=seed + 1)
    assume(bool((x.norm(dim=-1) > 1e-6).all()))
    x = x / x.norm(dim=-1, keepdim=True)
    y = unit_rows(count, 5, seed=seed + 2)
    largest = int(classes.bincount().max())
    gap = math.log1p(largest * math.exp(2 / tau) / (count - largest))
    plain, negatives_only = cl(x, y, tau).item(), nscl(x, y, classes, tau).item()
    assert negatives_only - 1e-12 <= plain <= negatives_only + gap + 1e-12


def test_cl_with_the_positive_in_the_denominator_is_nt_xent() -> None:
    x, y = unit_rows(9, 5, seed=1), unit_rows(9, 5, seed=2)
    assert_close(
        cl(x, y, 0.1, positive_in_denominator=True), nt_xent(x, y, 0.1), rtol=1e-13, atol=0
    )


def test_same_class_samples_are_dropped_not_turned_into_positives() -> None:
    x, y, labels = unit_rows(3, 4, seed=1), unit_rows(3, 4, seed=2), torch.tensor([0, 0, 1])
    logits = view_logits(x, y, 0.1).requires_grad_()
    (slope,) = torch.autograd.grad(decoupled(logits, labels[:, None] != labels), logits)
    # Anchor 0 neither pulls nor pushes pair 1 (views 1 and 4); it pushes pair 2, pulls view 3.
    assert slope[0, 1] == slope[0, 4] == 0.0
    assert slope[0, 2] > 0.0
    assert slope[0, 5] > 0.0
    assert slope[0, 3] < 0.0


def test_anchors_without_a_negative_are_left_out_of_the_mean() -> None:
    x, y = unit_rows(3, 4, seed=1), unit_rows(3, 4, seed=2)
    is_negative = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 1, 0]], dtype=torch.bool)
    masked = decoupled(view_logits(x, y, 0.1), is_negative)
    assert_close(masked, cl(x[1:], y[1:], 0.1), rtol=1e-13, atol=0)


def test_indistinguishable_rows_score_the_log_of_the_negatives() -> None:
    same = unit_rows(1, 5, seed=1).expand(6, 5)
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    assert cl(same, same, 0.1).item() == pytest.approx(math.log(10))
    assert nscl(same, same, labels, 0.1).item() == pytest.approx(math.log(6))


def test_partner_is_the_other_view_of_the_pair() -> None:
    expected = torch.zeros(6, 6, dtype=torch.bool)
    for i in range(3):
        expected[i, i + 3] = expected[i + 3, i] = True
    assert torch.equal(is_partner(torch.zeros(6, 6)), expected)


def test_gradients_are_those_of_the_values() -> None:
    x, y = unit_rows(5, 3, seed=1).requires_grad_(), unit_rows(5, 3, seed=2).requires_grad_()
    labels = torch.tensor([0, 1, 0, 2, 1])
    assert torch.autograd.gradcheck(lambda p, q: cl(p, q, 0.2), (x, y))
    assert torch.autograd.gradcheck(lambda p, q: nscl(p, q, labels, 0.2), (x, y))


def test_a_batch_without_negatives_is_refused() -> None:
    x = unit_rows(2, 4, 3, seed=1)
    with pytest.raises(NoNegativeError, match=r"no anchor has a negative in 1 of 1 batches"):
        cl(x[0, :1], x[1, :1], 0.1)
    one_of_two = torch.tensor([[0, 1, 0, 1], [2, 2, 2, 2]])
    with pytest.raises(NoNegativeError, match=r"no anchor has a negative in 1 of 2 batches"):
        nscl(x, x, one_of_two, 0.1)


def test_views_that_do_not_match_are_refused() -> None:
    x = unit_rows(4, 3, seed=1)
    with pytest.raises(PairShapeError, match=r"equally shaped"):
        cl(x, x[:3], 0.1)
    with pytest.raises(PairShapeError, match=r"equally shaped"):
        nscl(x, x[:3], torch.zeros(4, dtype=torch.int64), 0.1)
