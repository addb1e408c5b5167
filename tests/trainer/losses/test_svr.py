"""Support vector regularisation: the identities that pin it, radii, predictor, controls."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.losses.references import loop_one_way_infonce, unit_rows
from trainer.losses.infonce import infonce, one_way_infonce, similarity_logits
from trainer.losses.pairs import PairShapeError
from trainer.losses.siglip import siglip, siglip_plain
from trainer.losses.svr import (
    Support,
    add_support,
    infonce_svr,
    infonce_svr_plain,
    one_way_svr,
    one_way_svr_plain,
    siglip_svr,
    support_vectors,
)

TAU = 0.1
ONE_WAY = [one_way_svr, one_way_svr_plain]


def one_way(x: Tensor, y: Tensor) -> Tensor:
    return one_way_infonce(similarity_logits(x, y, TAU))


def gradient(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    leaf = at.detach().clone().requires_grad_()
    return torch.autograd.grad(function(leaf).sum(), leaf)[0]


def pull(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    distance = (y - x).norm(dim=-1, keepdim=True)
    return (y - x) / distance, distance


def split_along(vector: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    along = (vector * direction).sum(dim=-1, keepdim=True) * direction
    return along, vector - along


@pytest.mark.parametrize("radius_y", [None, 0.8])
def test_agrees_with_a_loop_over_pairs(radius_y: float | None) -> None:
    x, y = unit_rows(6, 4, seed=1), unit_rows(6, 4, seed=2)
    supports = torch.stack([x[i] + 0.4 * (y[i] - x[i]) / (y[i] - x[i]).norm() for i in range(6)])
    expected = infonce(x, y, TAU).item() + 0.7 * loop_one_way_infonce(supports, y, TAU)
    if radius_y is not None:
        supports = torch.stack(
            [y[i] + radius_y * (x[i] - y[i]) / (x[i] - y[i]).norm() for i in range(6)]
        )
        expected += 0.7 * loop_one_way_infonce(supports, x, TAU)
    for form in (infonce_svr, infonce_svr_plain):
        assert form(x, y, TAU, 0.7, 0.4, radius_y).item() == pytest.approx(expected, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(radius=st.floats(-0.5, 3.0), seed=st.integers(0, 2**16))
@pytest.mark.parametrize("term", ONE_WAY)
def test_gradient_is_kept_along_the_pull_and_scaled_by_one_minus_r_over_d_across_it(
    term: Callable[..., Tensor], radius: float, seed: int
) -> None:
    # Identity 1: grad_t L_svr = J g, J = uu' + (1 - R/d)(I - uu'), the partners held fixed.
    x, y = unit_rows(5, 4, seed=seed), unit_rows(5, 4, seed=seed + 1)
    direction, distance = pull(x, y)
    at_support = gradient(lambda s: one_way(s, y), support_vectors(x, y, radius))
    along, across = split_along(at_support, direction)
    expected = along + (1 - radius / distance) * across
    found = gradient(lambda t: term(support_vectors(t, y, radius), y, TAU), x)
    assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("radius", [0.0, 0.3, 0.9])
def test_push_across_the_pull_scales_only_the_share_of_the_support_vector(
    alpha: float, radius: float
) -> None:
    # Identity 2, per negative: [P_j + alpha P_sup,j (1 - R/d)] / tau, one direction, held apart
    # by differentiating with respect to the anchors only.
    x, y = unit_rows(6, 5, seed=3), unit_rows(6, 5, seed=4)
    direction, distance = pull(x, y)
    original = similarity_logits(x, y, TAU).softmax(dim=-1)
    supported = similarity_logits(support_vectors(x, y, radius), y, TAU).softmax(dim=-1)
    weights = (original + alpha * supported * (1 - radius / distance)) / TAU
    expected = torch.zeros_like(x)
    for i in range(6):
        for j in range(6):
            if j != i:  # the push away from negative j relative to the positive
                expected[i] += weights[i, j] * split_along(y[j] - y[i], direction[i])[1] / 6
    found = gradient(
        lambda t: one_way(t, y) + alpha * one_way_svr(support_vectors(t, y, radius), y, TAU), x
    )
    assert_close(split_along(found, direction)[1], expected, rtol=1e-11, atol=1e-12)


def test_radius_zero_repeats_the_original_direction() -> None:
    # Identity 3a: the control "just more InfoNCE".
    x, y = unit_rows(6, 4, seed=5), unit_rows(6, 4, seed=6)
    assert_close(one_way_svr(support_vectors(x, y, 0.0), y, TAU), one_way(x, y))
    assert_close(infonce_svr(x, y, TAU, 0.5, 0.0, 0.0), 1.5 * infonce(x, y, TAU))
    assert_close(siglip_svr(x, y, 10.0, -10.0, 0.5, 0.0, 0.0), 2 * siglip(x, y, 10.0, -10.0))


def test_radius_of_the_distance_removes_the_push_across_and_more_flips_it() -> None:
    # Identity 3b, 3c.
    x, y = unit_rows(6, 4, seed=7), unit_rows(6, 4, seed=8)
    direction, distance = pull(x, y)

    def across(radius: Tensor) -> Tensor:
        found = gradient(lambda t: one_way_svr(support_vectors(t, y, radius), y, TAU), x)
        return split_along(found, direction)[1]

    distance = distance[:, 0]
    assert_close(across(distance), torch.zeros_like(x))
    beyond, at_beyond = (
        across(1.5 * distance),
        gradient(lambda s: one_way(s, y), support_vectors(x, y, 1.5 * distance)),
    )
    assert_close(beyond, -0.5 * split_along(at_beyond, direction)[1])


def test_detaching_the_direction_leaves_the_plain_gradient_at_the_support_vector() -> None:
    # The negative control: without the gradient through u nothing is scaled.
    x, y = unit_rows(6, 4, seed=9), unit_rows(6, 4, seed=10)
    control = Support(is_direction_detached=True)
    found = gradient(lambda t: one_way_svr(support_vectors(t, y, 0.5, control), y, TAU), x)
    assert_close(found, gradient(lambda s: one_way(s, y), support_vectors(x, y, 0.5)))
    kept = gradient(lambda t: one_way_svr(support_vectors(t, y, 0.5), y, TAU), x)
    assert not torch.allclose(found, kept, rtol=1e-2)


def test_normalized_support_vectors_lie_on_the_sphere_and_others_do_not() -> None:
    x, y = unit_rows(6, 4, seed=11), unit_rows(6, 4, seed=12)
    on_sphere = support_vectors(x, y, 0.5, Support(is_normalized=True)).norm(dim=-1)
    assert_close(on_sphere, torch.ones(6, dtype=torch.float64))
    assert (support_vectors(x, y, 0.5).norm(dim=-1) - 1).abs().min() > 1e-3


def near_pairs(exponents: list[float], seed: int) -> tuple[Tensor, Tensor]:
    """Return unit rows and partners on the sphere, about 10^exponent away from them."""
    x, other = unit_rows(len(exponents), 5, seed=seed), unit_rows(len(exponents), 5, seed=seed + 1)
    tangent = torch.nn.functional.normalize(split_along(other, x)[1], dim=-1)
    angle = 10 ** torch.tensor(exponents, dtype=torch.float64)[:, None]
    return x, angle.cos() * x + angle.sin() * tangent


EXPONENTS = st.lists(st.floats(-12, 0.4), min_size=2, max_size=8)


@settings(max_examples=40, deadline=None)
@given(exponents=EXPONENTS, radius=st.floats(-1.0, 3.0), seed=st.integers(0, 2**16))
def test_however_near_a_pair_is_its_support_vector_has_a_bounded_gradient(
    exponents: list[float], radius: float, seed: int
) -> None:
    x, y = near_pairs(exponents, seed)
    radii = torch.full((len(x),), radius, dtype=torch.float64)
    leaves = x.requires_grad_(), y.requires_grad_(), radii.requires_grad_()
    pushes = unit_rows(*x.shape, seed=seed + 2)
    supports = support_vectors(*leaves)
    on_anchor, on_partner, on_radius = torch.autograd.grad(supports, leaves, pushes)
    with torch.no_grad():
        for i, distance in enumerate((y - x).norm(dim=-1)):
            if distance < 1e-6:  # one point: no direction, nothing of the radius is left
                assert torch.equal(supports[i], x[i])
                assert torch.equal(on_anchor[i], pushes[i])
                assert not on_partner[i].any()
                assert on_radius[i] == 0
                continue
            direction = (y[i] - x[i]) / distance
            along, across = split_along(pushes[i], direction)
            expected = radius / distance * across
            assert_close(on_partner[i], expected, rtol=1e-6, atol=1e-12)
            assert_close(on_anchor[i], pushes[i] - expected, rtol=1e-6, atol=1e-12)
            assert on_anchor[i].norm() <= 1.001 * (1 + abs(radius) / 1e-6)
            assert on_radius[i] == pytest.approx(float(along @ direction), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(exponents=st.lists(st.floats(-14, -6.1), min_size=2, max_size=8), seed=st.integers(0, 2**16))
@pytest.mark.parametrize("form", [infonce_svr, infonce_svr_plain])
def test_pairs_that_coincide_are_pushed_as_if_the_radius_were_zero(
    form: Callable[..., Tensor], exponents: list[float], seed: int
) -> None:
    # Identity 4b. A direction from round-off would be pushed by up to R / 1e-6.
    x, y = near_pairs(exponents, seed)
    leaves = [x.requires_grad_(), y.requires_grad_()]
    with_radius, without = (
        torch.autograd.grad(form(*leaves, TAU, 1.0, radius, radius), leaves) for radius in (0.7, 0)
    )
    for found, expected in zip(with_radius, without, strict=True):
        assert torch.equal(found, expected)
        assert found.norm(dim=-1).max() <= 16 / TAU
    assert torch.equal(support_vectors(x, y, 0.7), x)


def test_radius_alpha_and_temperature_learn() -> None:
    x, y = unit_rows(3, 5, 4, seed=15), unit_rows(3, 5, 4, seed=16)
    tau = torch.tensor([0.1, 0.3, 1.0], dtype=torch.float64)
    alpha = torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)
    per_member = torch.tensor([[0.2], [0.5], [1.0]], dtype=torch.float64)
    per_anchor = torch.linspace(0.1, 1.5, 15, dtype=torch.float64).reshape(3, 5)
    inputs = [t.requires_grad_() for t in (x, y, tau, alpha, per_member, per_anchor)]
    assert torch.autograd.gradcheck(infonce_svr, inputs)
    scale, bias = (10 * alpha).detach().requires_grad_(), (-tau).detach().requires_grad_()
    assert torch.autograd.gradcheck(
        siglip_svr, [x, y, scale, bias, alpha, per_member, per_anchor], rtol=1e-2, eps=1e-7
    )


def test_siglip_form_scores_support_vectors_with_siglip_and_may_use_infonce_instead() -> None:
    x, y = unit_rows(6, 4, seed=17), unit_rows(6, 4, seed=18)
    supports = support_vectors(x, y, 0.4)
    base = siglip_plain(x, y, 10.0, -5.0)
    expected = base + 0.5 * siglip_plain(supports, y, 10.0, -5.0)
    assert_close(siglip_svr(x, y, 10.0, -5.0, 0.5, 0.4), expected)
    mixed = add_support(
        partial(siglip, scale=10.0, bias=-5.0),
        partial(one_way_svr, temperature=0.1),
        *(x, y, 0.5, 0.4),
    )
    assert_close(mixed, base + 0.5 * one_way(supports, y))


@pytest.mark.parametrize("radius_y", [None, 0.8])
def test_a_member_has_the_same_bits_whatever_shares_its_stack(radius_y: float | None) -> None:
    x = unit_rows(5, 256, 32, seed=19, dtype=torch.float32)
    y = unit_rows(5, 256, 32, seed=20, dtype=torch.float32)
    tau = torch.tensor([0.005, 0.07, 0.5, 0.012, 1.0])
    radius = torch.tensor([[0.1], [0.5], [0.0], [1.0], [2.0]])

    def run(members: slice) -> list[Tensor]:
        leaves = [t[members].clone().requires_grad_() for t in (x, y, tau, radius)]
        loss = infonce_svr(leaves[0], leaves[1], leaves[2], 0.5, leaves[3], radius_y)
        return [loss.detach(), *torch.autograd.grad(loss.sum(), leaves)]

    stacked = run(slice(None))
    for members in (slice(0, 1), slice(2, 3), slice(1, 4)):
        for alone, together in zip(run(members), stacked, strict=True):
            assert torch.equal(alone, together[members])


def test_bad_pairs_and_temperatures_are_refused() -> None:
    x = unit_rows(4, 3, seed=1)
    with pytest.raises(PairShapeError, match="equally shaped, non-empty"):
        infonce_svr(x, x[:2], TAU, 1.0, 0.5)
    with pytest.raises(ValueError, match="temperature must be positive"):
        infonce_svr(x, x, 0.0, 1.0, 0.5)
