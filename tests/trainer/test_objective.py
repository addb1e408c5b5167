"""The factory: structures, refusals, and the identities that only bound objectives have."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from tests.contracts.objective import (
    context_for,
    evaluate,
    random_batch,
    read_settings,
)
from trainer.errors import MixedStructureError, PrototypeCountError, TrainerError
from trainer.losses.radius import PredictorWidthError
from trainer.objective import ObjectiveBatch, build_objective, structure
from trainer.objective_settings import ObjectiveSettings

BATCH = random_batch(9, 5)


def three(**fields: object) -> list[ObjectiveSettings]:
    return [read_settings(**fields)] * 3


def losses(members: list[ObjectiveSettings]) -> torch.Tensor:
    return evaluate(build_objective(members, context_for(BATCH)), BATCH).losses_M


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"kind": "infonce"}, {"kind": "infonce", "temperature": 0.3}),
        ({"kind": "clop"}, {"kind": "clop", "lambda": 0.0, "temperature": 1.0}),
        ({"kind": "clop"}, {"kind": "clop", "prototypes": "random", "label_fraction": 0.1}),
        ({"kind": "siglip"}, {"kind": "siglip", "scale": 5.0, "bias": 0.0}),
        ({"kind": "static_svr"}, {"kind": "static_svr", "alpha": 0.1, "beta": 1.0, "radius": 0.0}),
        ({"kind": "focal"}, {"kind": "focal", "gamma": 0.0, "eta": 60.0}),
        ({"kind": "vicreg"}, {"kind": "vicreg", "variance_weight": 1.0}),
    ],
)
def test_members_that_differ_in_scalars_share_a_structure(
    one: dict[str, object], other: dict[str, object]
) -> None:
    assert structure(read_settings(**one)) == structure(read_settings(**other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"kind": "infonce"}, {"kind": "nt_xent"}),
        ({"kind": "clop"}, {"kind": "clop", "similarity": "manhattan"}),
        ({"kind": "clop"}, {"kind": "clop", "base": "nt_xent"}),
        ({"kind": "supcon"}, {"kind": "supcon", "variant": "cross_view"}),
        ({"kind": "cl"}, {"kind": "cl", "positive_in_denominator": True}),
        ({"kind": "static_svr"}, {"kind": "dynamic_svr"}),
        ({"kind": "static_svr"}, {"kind": "static_svr", "radius_mode": "fixed"}),
    ],
)
def test_members_that_differ_in_formula_are_refused_as_one_stack(
    one: dict[str, object], other: dict[str, object]
) -> None:
    members = [read_settings(**one), read_settings(**one), read_settings(**other)]
    with pytest.raises(MixedStructureError, match=r"one structure, got 2: .*kind"):
        build_objective(members, context_for(BATCH))


def test_an_empty_stack_and_missing_seeds_are_refused() -> None:
    context = context_for(BATCH)
    with pytest.raises(MixedStructureError, match=r"no member at all"):
        build_objective([], context)
    with pytest.raises(MixedStructureError, match=r"2 seeds for 3 members"):
        build_objective(three(kind="infonce"), replace(context, seeds=(0, 1)))


@pytest.mark.parametrize("base", ["infonce", "nt_xent"])
def test_clop_with_lambda_zero_is_its_base_to_the_last_bit(base: str) -> None:
    clop = three(kind="clop", base=base, temperature=0.2, **{"lambda": 0.0})
    assert torch.equal(losses(clop), losses(three(kind=base, temperature=0.2)))


@pytest.mark.parametrize("sides", ["uni", "bi"])
def test_svr_without_weight_is_its_base(sides: str) -> None:
    ours = losses(three(kind="static_svr", alpha=0.0, sides=sides, temperature=0.2))
    assert_close(ours, losses(three(kind="infonce", temperature=0.2)), rtol=1e-13, atol=0)
    on_siglip = losses(three(kind="static_svr", base="siglip", alpha=0.0, sides=sides))
    assert_close(on_siglip, losses(three(kind="siglip")), rtol=1e-13, atol=0)


def test_two_sided_svr_of_radius_zero_and_weight_one_doubles_its_base() -> None:
    control = three(kind="static_svr", radius_mode="fixed", radius=0.0, temperature=0.2)
    assert_close(
        losses(control), 2 * losses(three(kind="infonce", temperature=0.2)), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize(
    ("mode", "sides", "shape"),
    [
        ("learnable", "bi", (3, 1)),
        ("per_direction", "bi", (3, 2)),
        ("per_direction", "uni", (3, 1)),
    ],
)
def test_static_radius_is_one_number_or_one_per_side(
    mode: str, sides: str, shape: tuple[int, int]
) -> None:
    members = three(kind="static_svr", radius_mode=mode, sides=sides, radius=0.3)
    radius = build_objective(members, context_for(BATCH)).init_parameters()["radius"]
    assert_close(radius, torch.full(shape, 0.3, dtype=torch.float64))


def test_a_fixed_radius_and_a_fixed_scale_leave_nothing_to_learn() -> None:
    fixed = three(kind="static_svr", radius_mode="fixed", base="siglip", learnable=False)
    assert build_objective(fixed, context_for(BATCH)).init_parameters() == {}


def test_a_radius_of_the_pairs_distance_leaves_no_push_across_the_pull() -> None:
    rows = torch.nn.functional.normalize(torch.randn(3, 18, 5, dtype=torch.float64), dim=-1)
    labels = torch.zeros(3, 9, dtype=torch.int64)
    gradients = []
    for alpha in (0.0, 1.0):
        members = three(kind="static_svr", radius_mode="distance", sides="uni", alpha=alpha)
        objective = build_objective(members, context_for(BATCH))
        leaf = rows.clone().requires_grad_()
        batch = ObjectiveBatch(leaf, labels, torch.ones_like(labels, dtype=torch.bool), True)
        (gradient,) = torch.autograd.grad(objective({}, batch).sum(), leaf)
        gradients.append(gradient[:, :9])
    x, y = rows.chunk(2, dim=1)
    pull = torch.nn.functional.normalize(y - x, dim=-1)
    of_svr = gradients[1] - gradients[0]
    along = (of_svr * pull).sum(dim=-1, keepdim=True) * pull
    assert_close(of_svr, along, rtol=1e-9, atol=1e-12)
    assert of_svr.abs().max() > 1e-3


def test_dynamic_predictors_start_from_the_radius_of_each_member() -> None:
    members = [read_settings(kind="dynamic_svr", radius=radius) for radius in (0.0, 0.5, 1.5)]
    parameters = build_objective(members, context_for(BATCH)).init_parameters()
    assert parameters["x.bias_3"].tolist() == parameters["y.bias_3"].tolist()
    assert parameters["x.bias_3"].tolist() == [[0.0], [0.5], [1.5]]
    assert parameters["x.weight_1"].shape == (3, 128, 9)


def test_dynamic_svr_refuses_a_batch_of_another_size() -> None:
    objective = build_objective(three(kind="dynamic_svr"), context_for(BATCH))
    with pytest.raises(PredictorWidthError, match=r"takes 9 similarities but the batch has 7"):
        objective(objective.init_parameters(), random_batch(7, 5))


def test_clop_refuses_more_classes_than_dimensions_and_names_both() -> None:
    narrow = replace(context_for(BATCH), class_count=10)
    with pytest.raises(TrainerError, match=r"10 orthonormal .* at least 10, but it is 5") as caught:
        build_objective(three(kind="clop"), narrow)
    assert caught.type is PrototypeCountError
    assert build_objective(three(kind="clop", prototypes="random"), narrow).init_parameters() == {}


def test_replicates_have_prototypes_of_their_own_and_equal_seeds_share_them() -> None:
    same_views = replace(BATCH, views_MND=BATCH.views_MND[:1].expand(3, -1, -1))
    context = replace(context_for(BATCH), seeds=(0, 1, 0))
    loss = evaluate(build_objective(three(kind="clop"), context), same_views).losses_M
    assert loss[0] == loss[2] != loss[1]


def test_a_degraded_prototype_at_angle_zero_is_an_orthonormal_one() -> None:
    degraded = three(kind="clop", prototypes="degraded", degrade_angle_degrees=0.0)
    assert torch.equal(losses(degraded), losses(three(kind="clop")))
