"""Radii on a probe batch: loops, closed forms, the gradient across the pull, controls."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.testing import assert_close

from tests.contracts.objective import context_for, random_batch, read_settings, take_members
from tests.trainer.losses.references import dot
from trainer.losses.radius import Predictor, PredictorWidthError, predict_radius
from trainer.losses.svr import Support, one_way_svr_plain, support_vectors
from trainer.objective import Objective, ObjectiveBatch, build_objective
from trainer.pair_radius import radius_measures

TAU = 0.2
BATCH = random_batch(6, 4)
RADIUS_NAMES = {"pair_distance", "radius", "radius_over_distance", "perpendicular_share"}


def bind(batch: ObjectiveBatch = BATCH, **fields: object) -> Objective:
    members = len(batch.views_MND)
    return build_objective([read_settings(**fields)] * members, context_for(batch))


def measure(objective: Objective, batch: ObjectiveBatch = BATCH) -> list[dict[str, float]]:
    return radius_measures(objective, objective.init_parameters(), batch)


def static(radius: float, batch: ObjectiveBatch = BATCH, **fields: object) -> Objective:
    common = {"kind": "static_svr", "radius_mode": "fixed", "temperature": TAU}
    return bind(batch, radius=radius, **(common | fields))


def unit_pair(member: int, batch: ObjectiveBatch = BATCH) -> tuple[Tensor, Tensor]:
    x, y = (normalize(view[member].double(), dim=-1) for view in batch.pair)
    return x, y


def loop_share(
    x: Tensor, y: Tensor, radius: float, alpha: float, *, is_bi: bool, is_normalized: bool = False
) -> float:
    left = total = 0.0
    for anchors, partners in [(x, y), (y, x)] if is_bi else [(x, y)]:
        for i in range(len(x)):
            d = float((partners[i] - anchors[i]).norm())
            support = anchors[i] + radius * (partners[i] - anchors[i]) / d
            length = float(support.norm()) if is_normalized else 1.0
            base = push_of(anchors[i], partners, i)
            support_push = alpha / length * push_of(support / length, partners, i)
            left += base + (1 - radius / d) * support_push
            total += base + support_push
    return left / total


def push_of(anchor: Tensor, partners: Tensor, own: int) -> float:
    powers = [math.exp(dot(anchor, partner) / TAU) for partner in partners]
    return (sum(powers) - powers[own]) / sum(powers) / TAU


@pytest.mark.parametrize("kind", ["infonce", "siglip", "nt_xent", "vicreg", "ce"])
def test_without_a_radius_only_the_distance_is_measured(kind: str) -> None:
    for member, found in enumerate(measure(bind(kind=kind))):
        x, y = unit_pair(member)
        distances = [float((a - b).norm()) for a, b in zip(x, y, strict=True)]
        assert found == {"pair_distance": pytest.approx(sum(distances) / 6)}


@pytest.mark.parametrize("sides", ["uni", "bi"])
@pytest.mark.parametrize("normalize_sup", [False, True])
@pytest.mark.parametrize("radius", [0.0, 0.3, 1.7])
def test_a_static_radius_agrees_with_a_loop(radius: float, sides: str, normalize_sup: bool) -> None:
    objective = static(radius, sides=sides, alpha=0.7, normalize_sup=normalize_sup)
    for member, found in enumerate(measure(objective)):
        x, y = unit_pair(member)
        inverse = [1 / float((a - b).norm()) for a, b in zip(x, y, strict=True)]
        assert found["radius"] == pytest.approx(radius)
        assert found["radius_over_distance"] == pytest.approx(radius * sum(inverse) / 6)
        assert found["perpendicular_share"] == pytest.approx(
            loop_share(x, y, radius, 0.7, is_bi=sides == "bi", is_normalized=normalize_sup)
        )


def push_across_the_pull(
    anchors: Tensor, partners: Tensor, radius: float, *, is_detached: bool
) -> float:
    """Read the push of the one negative that each of two anchors has off the gradient."""
    leaf = anchors.clone().requires_grad_()
    supports = support_vectors(leaf, partners, radius, Support(is_direction_detached=is_detached))
    loss = one_way_svr_plain(leaf, partners, TAU) + 0.7 * one_way_svr_plain(supports, partners, TAU)
    (gradient,) = torch.autograd.grad(loss, leaf)
    total = 0.0
    for i in range(2):
        pull = normalize(partners[i] - anchors[i], dim=0)
        away = partners[1 - i] - partners[i]
        across = away - (away @ pull) * pull
        total += 2 * float(gradient[i] @ across) / float(across @ across)
    return total


@pytest.mark.parametrize("radius", [0.3, 1.0, 2.5])
def test_the_share_is_what_the_gradient_across_the_pull_keeps(radius: float) -> None:
    batch = random_batch(2, 6)
    found = measure(static(radius, batch, alpha=0.7), batch)
    for member in range(3):
        x, y = unit_pair(member, batch)
        kept, whole = (
            sum(push_across_the_pull(*pair, radius, is_detached=d) for pair in ((x, y), (y, x)))
            for d in (False, True)
        )
        assert found[member]["perpendicular_share"] == pytest.approx(kept / whole, rel=1e-9)


def test_what_the_radius_spares_an_anchor_its_partner_takes() -> None:
    # t + R u moves with t by I - (R/d)(I - uu') and with a by the rest, so both together feel
    # the whole gradient of the support vector: SVR shifts the push within a pair.
    x, y = (rows.requires_grad_() for rows in unit_pair(0))
    generator = torch.Generator().manual_seed(3)
    pushes = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    on_anchor, on_partner = torch.autograd.grad(support_vectors(x, y, 0.4), (x, y), pushes)
    pull = normalize(y - x, dim=1).detach()
    across = pushes - (pushes * pull).sum(dim=1, keepdim=True) * pull
    ratio = 0.4 / (y - x).norm(dim=1, keepdim=True).detach()
    assert_close(on_partner, ratio * across)
    assert_close(on_anchor + on_partner, pushes)


def test_closed_forms_of_the_share() -> None:
    assert [m["perpendicular_share"] for m in measure(static(0.0))] == [1.0] * 3
    assert [m["perpendicular_share"] for m in measure(static(0.9, detach_u=True))] == [1.0] * 3
    assert [m["perpendicular_share"] for m in measure(static(0.9, alpha=0.0))] == [1.0] * 3


def test_a_radius_of_the_distance_leaves_the_base_alone() -> None:
    # All pairs at one distance; support vectors are then the partners.
    x = normalize(random_batch(6, 4).views_MND[0, :6], dim=-1)
    y = torch.cat([x[:, 1:2], -x[:, :1], x[:, 3:4], -x[:, 2:3]], dim=1)  # a quarter turn
    batch = take_members(random_batch(6, 4), [0])
    batch = replace(batch, views_MND=torch.cat([x, y])[None])
    (found,) = measure(static(math.sqrt(2), batch, sides="uni", alpha=0.5), batch)
    base = sum(push_of(x[i], y, i) for i in range(6))
    support = 0.5 * sum(push_of(y[i], y, i) for i in range(6))
    assert found["pair_distance"] == pytest.approx(math.sqrt(2))
    assert found["radius_over_distance"] == pytest.approx(1.0)
    assert found["perpendicular_share"] == pytest.approx(base / (base + support))


def test_a_siglip_base_pushes_by_its_sigmoids() -> None:
    objective = bind(
        kind="static_svr", base="siglip", scale=5.0, bias=-1.0, radius=0.4, radius_mode="fixed"
    )
    found = measure(objective)[0]

    def push(anchor: Tensor, partners: Tensor, own: int) -> float:
        logits = [5 * dot(anchor, partner) - 1 for partner in partners]
        return sum(5 / (1 + math.exp(-z)) for j, z in enumerate(logits) if j != own)

    left = whole = 0.0
    pair = unit_pair(0)
    for anchors, partners in (pair, pair[::-1]):
        for i in range(6):
            d = float((partners[i] - anchors[i]).norm())
            support = anchors[i] + 0.4 * (partners[i] - anchors[i]) / d
            base, own = push(anchors[i], partners, i), push(support, partners, i)
            left, whole = left + base + (1 - 0.4 / d) * own, whole + base + own
    assert found["perpendicular_share"] == pytest.approx(left / whole)


def test_an_infonce_term_on_a_siglip_base_pushes_by_its_softmax() -> None:
    objective = bind(
        kind="static_svr",
        base="siglip",
        form="infonce",
        scale=1 / TAU,
        bias=-100.0,  # the base has no push left
        radius=0.4,
        radius_mode="fixed",
    )
    x, y = unit_pair(0)
    heavy = loop_share(x, y, 0.4, 1e12, is_bi=True)
    assert measure(objective)[0]["perpendicular_share"] == pytest.approx(heavy, rel=1e-6)


def test_a_radius_per_side_is_averaged_and_trained_values_count() -> None:
    objective = static(0.5, radius_mode="per_direction")
    parameters = {"radius": torch.tensor([[0.2, 0.6], [1.0, 0.0], [0.3, 0.3]]).double()}
    found = radius_measures(objective, parameters, BATCH)
    assert [member["radius"] for member in found] == pytest.approx([0.4, 0.5, 0.3])


@pytest.mark.parametrize("sides", ["uni", "bi"])
def test_dynamic_radii_are_those_that_the_predictors_give(sides: str) -> None:
    objective = bind(kind="dynamic_svr", temperature=TAU, sides=sides)
    generator = torch.Generator().manual_seed(0)
    parameters = {
        name: value + 0.1 * torch.randn(value.shape, generator=generator, dtype=torch.float64)
        for name, value in objective.init_parameters().items()
    }
    found = radius_measures(objective, parameters, BATCH)
    for member in range(3):
        x, y = unit_pair(member)
        expected = []
        for side, anchors, partners in [("x", x, y), ("y", y, x)][: 2 if sides == "bi" else 1]:
            fields = (parameters[f"{side}.{name}"][member] for name in Predictor._fields)
            expected.append(predict_radius(anchors, partners, TAU, Predictor(*fields)))
        distance = (x - y).norm(dim=1)
        assert found[member]["radius"] == pytest.approx(float(torch.cat(expected).mean()))
        assert found[member]["radius_over_distance"] == pytest.approx(
            float(torch.stack([r / distance for r in expected]).mean())
        )


@pytest.mark.parametrize("kind", ["infonce", "static_svr", "dynamic_svr"])
@pytest.mark.parametrize(("pairs", "dim"), [(5, 3), (33, 7)])
def test_a_member_is_measured_the_same_whoever_else_is_there(
    kind: str, pairs: int, dim: int
) -> None:
    batch = random_batch(pairs, dim, dtype=torch.float32)
    objective = bind(batch, kind=kind)
    for member, found in enumerate(measure(objective, batch)):
        alone = objective.select([member])
        rows = {name: p[[member]] for name, p in objective.init_parameters().items()}
        own = take_members(batch, [member])
        assert radius_measures(alone, rows, own) == [found]


def test_divergence_leaves_out_what_has_no_value() -> None:
    objective = static(0.5, radius_mode="learnable")
    parameters = objective.init_parameters()
    parameters["radius"][0] = math.nan
    views_MND = BATCH.views_MND.clone()
    views_MND[1, 2, 0] = math.inf
    found = radius_measures(objective, parameters, replace(BATCH, views_MND=views_MND))
    assert found[0].keys() == {"pair_distance"}
    assert found[1] == {}
    assert found[2].keys() == RADIUS_NAMES


def test_coinciding_pairs_have_finite_ratios() -> None:
    x_MBD, _ = BATCH.pair
    same = replace(BATCH, views_MND=torch.cat([x_MBD, x_MBD], dim=1))
    for found in measure(static(0.5), same):
        assert found["pair_distance"] == 0.0
        assert found["perpendicular_share"] == 1.0  # without a pull nothing is spared
        assert found.keys() == RADIUS_NAMES


def test_a_probe_batch_of_another_size_is_refused_by_the_predictors() -> None:
    with pytest.raises(PredictorWidthError, match=r"takes 6 similarities but the batch has 4"):
        measure(bind(kind="dynamic_svr"), random_batch(4, 4))
